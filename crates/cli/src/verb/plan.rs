//! `asof plan`: what `apply` would do.

use std::path::PathBuf;

use asof_proto::jobs::v1::{ApplyCheckedRequest, ApplyCheckedResult};
use asof_proto::registry::v1::{PlanRequest, PlanResponse};
use serde_json::json;

use crate::args::Global;
use crate::changes;
use crate::connection::Connection;
use crate::failure::Result;
use crate::leakage;
use crate::out::{Out, Paint};
use crate::progress;
use crate::rows::Style;
use crate::sources;
use crate::upkeep;
use crate::verb::Answer;

/// Show what applying the definitions would create, version anew or leave alone, and how their views are kept online.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders with .sql files below; by default the project's folder.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Exit with 1 if anything would change.
    #[arg(long)]
    exit_code: bool,
    /// Also check that no view that would be new or changed tells the future, over the data that is there; exit with
    /// 1 if one does. See `asof verify`.
    #[arg(long)]
    check_leakage: bool,
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
        let scope = connection.scope();
        let planned = if self.check_leakage {
            let request = ApplyCheckedRequest { scope, sources, plan: true, ..ApplyCheckedRequest::default() };
            progress::follow(connection.jobs().apply_checked(request).await?.into_inner()).await?
        } else {
            let planned = connection.registry().plan(PlanRequest { scope, sources }).await?.into_inner();
            let PlanResponse { changes, upkeep } = planned;
            ApplyCheckedResult { changes, upkeep, ..ApplyCheckedResult::default() }
        };
        let changes = &planned.changes;
        match self.output {
            Style::Json => {
                let online: Vec<_> = planned.upkeep.iter().map(upkeep::json).collect();
                let mut document = json!({ "changes": changes::json(changes), "online": online });
                if self.check_leakage {
                    document["refused"] = json!(planned.refused);
                    document["views"] = leakage::json(&planned.views);
                }
                out.json(&document)?;
            }
            Style::Table => {
                changes::print(out, changes)?;
                leakage::print(out, &planned.views)?;
                upkeep::print(out, &planned.upkeep)?;
                let words = ["to create", "to version anew", "to annotate", "unchanged"];
                out.line(format!("plan: {}", changes::summary(changes, words)))?;
                if planned.refused {
                    out.painted(Paint::Red, "it would be refused: mend what leaks")?;
                }
            }
        }
        let refused = planned.refused || self.exit_code && changes::any(changes);
        Ok(if refused { Answer::Refused } else { Answer::Done })
    }
}
