//! `asof apply`: makes it so, all or nothing.

use std::path::PathBuf;

use asof_proto::jobs::v1::{ApplyCheckedRequest, ApplyCheckedResult};
use asof_proto::registry::v1::{ApplyRequest, ApplyResponse};
use serde_json::json;

use crate::args::Global;
use crate::author::By;
use crate::changes;
use crate::connection::Connection;
use crate::failure::Result;
use crate::leakage;
use crate::out::{Out, Paint};
use crate::progress;
use crate::rows::Style;
use crate::sources;
use crate::verb::Answer;
use crate::warnings;

/// Register the definitions, all or nothing; doing it twice changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders with .sql files below; by default the project's folder.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// First check that no view among them that is new or changed tells the future, over the data that is there; apply
    /// nothing if one does. See `asof verify`.
    #[arg(long)]
    check_leakage: bool,
    /// Also where it breaks what a protected environment points at.
    #[arg(long)]
    allow_breaking: bool,
    #[command(flatten)]
    by: By,
    /// How to print what changed.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// Every mistake in the definitions; `breaking_change`, `concurrent_apply`. A leak is [`Answer::Refused`].
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "apply").await?;
        let sources = sources::read(&self.paths, &connection)?;
        let (scope, author, allow_breaking) = (connection.scope(), self.by.author(), self.allow_breaking);
        let applied = if self.check_leakage {
            let request =
                ApplyCheckedRequest { scope, sources, author, allow_breaking, ..ApplyCheckedRequest::default() };
            progress::follow(connection.jobs().apply_checked(request).await?.into_inner()).await?
        } else {
            let request = ApplyRequest { scope, sources, author, allow_breaking };
            let ApplyResponse { run, changes, warnings } = connection.registry().apply(request).await?.into_inner();
            ApplyCheckedResult { run, changes, warnings, ..ApplyCheckedResult::default() }
        };
        warnings::tell(&applied.warnings);
        let run = (!applied.run.is_empty()).then_some(&applied.run);
        match self.output {
            Style::Json => {
                let mut document = json!({
                    "run": run,
                    "changes": changes::json(&applied.changes),
                    "warnings": warnings::json(&applied.warnings),
                });
                if self.check_leakage {
                    document["refused"] = json!(applied.refused);
                    document["views"] = leakage::json(&applied.views);
                }
                out.json(&document)?;
            }
            Style::Table => {
                changes::print(out, &applied.changes)?;
                leakage::print(out, &applied.views)?;
                let words = ["created", "versioned anew", "annotated", "unchanged"];
                let summary = changes::summary(&applied.changes, words);
                match run {
                    _ if applied.refused => {
                        out.painted(Paint::Red, "nothing is applied: mend what leaks, and apply again")?
                    }
                    Some(run) => out.line(format!("applied: {summary} (run {run})"))?,
                    None => out.line(format!("nothing to apply: {summary}"))?,
                }
            }
        }
        Ok(if applied.refused { Answer::Refused } else { Answer::Done })
    }
}
