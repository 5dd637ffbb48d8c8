//! `asof diff`: how two environments, or two versions of a name, differ.

use asof_proto::registry::v1::DiffRequest;
use serde_json::json;

use crate::args::Global;
use crate::changes;
use crate::connection::Connection;
use crate::failure::Result;
use crate::out::Out;
use crate::rows::Style;
use crate::verb::Answer;

/// Show how two environments differ, or two versions of a name: name by name, clause by clause.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An environment, or name@3, name@prod, name@latest, name@sha256:…
    #[arg(value_name = "ENV|REF")]
    left: String,
    /// Another of the same.
    #[arg(value_name = "ENV|REF")]
    right: String,
    /// Exit with 1 if anything differs.
    #[arg(long)]
    exit_code: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "diff").await?;
        let (left, right) = (self.left, self.right);
        let request = DiffRequest { scope: connection.scope(), left: left.clone(), right: right.clone() };
        let changes = connection.registry().diff(request).await?.into_inner().changes;
        match self.output {
            Style::Json => out.json(&json!({ "left": left, "right": right, "changes": changes::json(&changes) }))?,
            Style::Table if changes.is_empty() => out.line(format!("no difference between {left} and {right}"))?,
            Style::Table => changes::print(out, &changes)?,
        }
        Ok(if self.exit_code && changes::any(&changes) { Answer::Refused } else { Answer::Done })
    }
}
