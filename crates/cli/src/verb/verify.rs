//! `asof verify`: whether views tell the future.

use asof_model::Micros;
use asof_proto::jobs::v1::VerifyLeakageRequest;
use asof_proto::leakage::v1::Probe;
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::leakage;
use crate::out::Out;
use crate::progress;
use crate::rows::Style;
use crate::verb::Answer;

/// Check that no row of a view depends on what comes after it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A feature view, or a feature service for all its views; the views that they read are checked too.
    #[arg(value_name = "VIEW|SERVICE")]
    reference: String,
    /// Compute each view over its sources cut off at some moments, and compare. The one check so far.
    #[arg(long, required = true)]
    leakage: bool,
    /// How many moments to choose from the data; by default 8, or none where --at names some.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    samples: Option<u32>,
    /// Cut off at this moment too; may be repeated.
    #[arg(long, value_name = "TIME")]
    at: Vec<Micros>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks, follows the work and prints what was found; a view that does not pass is [`Answer::Refused`].
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
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
