//! `asof plan`: what `apply` would do.

use std::path::PathBuf;

use asof_proto::registry::v1::PlanRequest;
use serde_json::json;

use crate::args::Global;
use crate::changes;
use crate::connection::Connection;
use crate::failure::Result;
use crate::out::Out;
use crate::rows::Style;
use crate::sources;
use crate::verb::Answer;

/// Show what applying the definitions would create, version anew or leave alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders with .sql files below; by default the project's folder.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Exit with 1 if anything would change.
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
    /// Every mistake in the definitions.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "plan").await?;
        let sources = sources::read(&self.paths, &connection)?;
        let request = PlanRequest { scope: connection.scope(), sources };
        let changes = connection.registry().plan(request).await?.into_inner().changes;
        match self.output {
            Style::Json => out.json(&json!({ "changes": changes::json(&changes) }))?,
            Style::Table => {
                changes::print(out, &changes)?;
                let words = ["to create", "to version anew", "to annotate", "unchanged"];
                out.line(format!("plan: {}", changes::summary(&changes, words)))?;
            }
        }
        Ok(if self.exit_code && changes::any(&changes) { Answer::Refused } else { Answer::Done })
    }
}
