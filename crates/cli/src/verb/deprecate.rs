//! `asof deprecate`: a version is not to be used any more.

use asof_proto::registry::v1::{DeprecateRequest, Deprecation};
use serde_json::{Value, json};

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::failure::{Failure, Result};
use crate::moments::moment;
use crate::out::Out;
use crate::pinned;
use crate::rows::Style;
use crate::verb::Answer;

/// Say why a version is not to be used any more, and what to use instead: whoever uses it is told. It makes no version.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// name@3, name@prod, name@latest; without a selector, what `--env` (else the first environment) has.
    #[arg(value_name = "REF")]
    reference: String,
    /// What to use instead.
    #[arg(long, value_name = "REF", conflicts_with = "undo")]
    successor: Option<String>,
    /// Take back what was said: it may be used.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    by: By,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// Wrong usage without a reason; the server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let author = self.by.author();
        if !self.undo && author.as_ref().is_none_or(|author| author.why.is_empty()) {
            return Err(Failure::usage("a version is deprecated for a reason", "say it with --why TEXT"));
        }
        let connection = Connection::open(global, "deprecate").await?;
        let request = DeprecateRequest {
            scope: connection.scope(),
            reference: self.reference,
            successor: self.successor.unwrap_or_default(),
            author,
            undo: self.undo,
        };
        let said = connection.registry().deprecate(request).await?.into_inner();
        let name = said.pinned.as_ref().map(pinned::titled).unwrap_or_default();
        match self.output {
            Style::Json => out.json(&json!({
                "definition": pinned::json_option(said.pinned.as_ref()),
                "run": (!said.run.is_empty()).then_some(&said.run),
                "deprecated": json(said.deprecated.as_ref()),
            }))?,
            Style::Table => match (&said.deprecated, said.run.is_empty()) {
                (Some(remark), false) => out.line(format!("{name} is deprecated: {}", text(remark)))?,
                (Some(remark), true) => out.line(format!("{name} was deprecated before: {}", text(remark)))?,
                (None, false) => out.line(format!("{name} is not deprecated any more"))?,
                (None, true) => out.line(format!("{name} was not deprecated"))?,
            },
        }
        Ok(Answer::Done)
    }
}

/// `it is in Fahrenheit; use climate@1 instead`
pub(crate) fn text(remark: &Deprecation) -> String {
    match remark.successor.as_str() {
        "" => remark.why.clone(),
        other => format!("{}; use {other} instead", remark.why),
    }
}

/// All of it; null where it is not deprecated.
pub(crate) fn json(remark: Option<&Deprecation>) -> Value {
    let Some(remark) = remark else { return Value::Null };
    json!({
        "why": remark.why,
        "successor": (!remark.successor.is_empty()).then_some(&remark.successor),
        "who": (!remark.who.is_empty()).then_some(&remark.who),
        "at": moment(remark.at),
        "run": remark.run,
    })
}
