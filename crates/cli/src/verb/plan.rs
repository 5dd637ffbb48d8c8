//! `asof plan`: what `apply` would do.

use std::path::PathBuf;

use asof_model::Micros;
use asof_proto::jobs::v1::{ApplyCheckedRequest, ApplyCheckedResult};
use asof_proto::registry::v1::{PlanRequest, PlanResponse};
use serde_json::json;

use crate::args::Global;
use crate::changes;
use crate::connection::Connection;
use crate::consequences;
use crate::failure::Result;
use crate::leakage;
use crate::out::{Out, Paint};
use crate::progress;
use crate::rows::Style;
use crate::sources;
use crate::upkeep;
use crate::verb::Answer;
use crate::warnings;

/// Show what applying the definitions would create, version anew or leave alone; what it breaks and for whom; and what would
/// have to be computed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders with .sql files below; by default the project's folder.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Exit with 3 if anything would change, with 4 if something would break; with 0 only if there is nothing to do.
    #[arg(long)]
    exit_code: bool,
    /// Compare the values of views and services that change, before and after, for so many keys, over the data that is
    /// there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sample: Option<u32>,
    /// The moment at which they are compared; by default that of the newest row.
    #[arg(long, value_name = "TIME", requires = "sample")]
    sample_at: Option<Micros>,
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
        let planned = if self.check_leakage || self.sample.is_some() {
            let request = ApplyCheckedRequest {
                scope,
                sources,
                plan: true,
                without_leakage: !self.check_leakage,
                sample: self.sample,
                sample_at: self.sample_at.map(|at| at.0),
                ..ApplyCheckedRequest::default()
            };
            progress::follow(connection.jobs().apply_checked(request).await?.into_inner()).await?
        } else {
            let planned = connection.registry().plan(PlanRequest { scope, sources }).await?.into_inner();
            let PlanResponse { changes, upkeep, recompute, warnings } = planned;
            ApplyCheckedResult { changes, upkeep, recompute, warnings, ..ApplyCheckedResult::default() }
        };
        warnings::tell(&planned.warnings);
        let changes = &planned.changes;
        match self.output {
            Style::Json => {
                let online: Vec<_> = planned.upkeep.iter().map(upkeep::json).collect();
                let mut document = json!({
                    "changes": changes::json(changes),
                    "online": online,
                    "recompute": consequences::recompute_json(planned.recompute.as_ref()),
                    "warnings": warnings::json(&planned.warnings),
                });
                if self.sample.is_some() {
                    document["sampled"] = consequences::sampled_json(&planned.sampled);
                }
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
                consequences::print_recompute(out, &planned.recompute.clone().unwrap_or_default())?;
                consequences::print_sampled(out, &planned.sampled)?;
                let words = ["to create", "to version anew", "to annotate", "unchanged"];
                out.line(format!("plan: {}", changes::summary(changes, words)))?;
                if planned.refused {
                    out.painted(Paint::Red, "it would be refused: mend what leaks")?;
                }
            }
        }
        Ok(match self.exit_code {
            _ if planned.refused => Answer::Refused,
            true if changes.iter().any(consequences::breaks) => Answer::Breaking,
            true if changes::any(changes) => Answer::Changes,
            _ => Answer::Done,
        })
    }
}
