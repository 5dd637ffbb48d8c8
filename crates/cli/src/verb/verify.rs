//! `asof verify`: whether what is served is what training gives; and whether views tell the future.

use asof_model::Micros;
use asof_proto::jobs::v1::{VerifyLeakageRequest, VerifyServiceRequest};
use asof_proto::leakage::v1::Probe;
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::progress;
use crate::rows::Style;
use crate::verb::Answer;
use crate::{comparison, leakage};

/// Check that a service gives online what it gives in training; with --log, that it gave what it should when it was asked; or, with
/// --leakage, that no view tells the future.
///
/// Exit code 1 where something differs, or leaks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A feature service; with --leakage a feature view too: the views that they read are checked with it.
    #[arg(value_name = "SERVICE|VIEW")]
    reference: String,
    /// Check that no row of a view depends on what comes after it: compute each view over its sources cut off at some
    /// moments, and compare.
    #[arg(long)]
    leakage: bool,
    /// Check what asof serve has answered and logged ([serving_log] in asof.toml), over exactly the rows that were there then, instead
    /// of asking now.
    #[arg(long, conflicts_with_all = ["leakage", "at"])]
    log: bool,
    /// With --log: what was logged from then on.
    #[arg(long, value_name = "TIME", requires = "log")]
    since: Option<Micros>,
    /// How many keys to ask for; by default 1000, at most 10000. With --log how many entries; by default 100. With --leakage how many moments to choose from the data; by
    /// default 8, or none where --at names some.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    samples: Option<u32>,
    /// Ask for other keys: the same seed asks for the same ones.
    #[arg(long, value_name = "N", default_value_t, conflicts_with = "leakage")]
    seed: u64,
    /// The moment asked about; by default that of the materialization, or now where rows were pushed since. With --leakage
    /// cut off at this moment too; may be repeated.
    #[arg(long, value_name = "TIME")]
    at: Vec<Micros>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks, follows the work and prints what was found; what does not pass is [`Answer::Refused`].
    ///
    /// # Errors
    /// `wrong_usage` for several moments of one comparison; the server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        if self.leakage { self.leakage(global, out).await } else { self.comparison(global, out).await }
    }

    async fn comparison(self, global: &Global, out: &mut Out) -> Result<Answer> {
        if self.at.len() > 1 {
            return Err(Failure::usage("one comparison is about one moment", "give --at once"));
        }
        let connection = Connection::open(global, "verify").await?;
        let request = VerifyServiceRequest {
            scope: connection.scope(),
            service: self.reference,
            samples: self.samples,
            seed: self.seed,
            at: self.at.first().map(|at| at.0),
            log: self.log,
            since: self.since.map(|since| since.0),
        };
        let verified = progress::follow(connection.jobs().verify_service(request).await?.into_inner()).await?;
        let compared = verified.compared.unwrap_or_default();
        match self.output {
            Style::Json => out.json(&comparison::json(&verified.run, &compared))?,
            Style::Table => comparison::print(out, &compared)?,
        }
        Ok(if compared.differing == 0 { Answer::Done } else { Answer::Refused })
    }

    async fn leakage(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "verify").await?;
        let probe = Probe { samples: self.samples, at: self.at.iter().map(|at| at.0).collect() };
        let request = VerifyLeakageRequest { scope: connection.scope(), reference: self.reference, probe: Some(probe) };
        let verified = progress::follow(connection.jobs().verify_leakage(request).await?.into_inner()).await?;
        match self.output {
            Style::Json => out.json(&json!({ "run": verified.run, "views": leakage::json(&verified.views) }))?,
            Style::Table => leakage::print(out, &verified.views)?,
        }
        Ok(if leakage::passes(&verified.views) { Answer::Done } else { Answer::Refused })
    }
}
