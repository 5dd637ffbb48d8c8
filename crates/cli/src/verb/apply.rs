//! `asof apply`: makes it so, all or nothing.

use std::path::PathBuf;

use asof_proto::registry::v1::ApplyRequest;
use serde_json::json;

use crate::args::Global;
use crate::changes;
use crate::connection::Connection;
use crate::failure::Result;
use crate::out::Out;
use crate::rows::Style;
use crate::sources;
use crate::verb::Answer;

/// Register the definitions, all or nothing; doing it twice changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders with .sql files below; by default the project's folder.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print what changed.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// Every mistake in the definitions; `concurrent_apply`.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "apply").await?;
        let sources = sources::read(&self.paths, &connection)?;
        let request = ApplyRequest { scope: connection.scope(), sources };
        let applied = connection.registry().apply(request).await?.into_inner();
        let run = (!applied.run.is_empty()).then_some(&applied.run);
        match self.output {
            Style::Json => out.json(&json!({ "run": run, "changes": changes::json(&applied.changes) }))?,
            Style::Table => {
                changes::print(out, &applied.changes)?;
                let words = ["created", "versioned anew", "annotated", "unchanged"];
                let summary = changes::summary(&applied.changes, words);
                match run {
                    Some(run) => out.line(format!("applied: {summary} (run {run})"))?,
                    None => out.line(format!("nothing to apply: {summary}"))?,
                }
            }
        }
        Ok(Answer::Done)
    }
}
