//! `asof log`: what was done.

use asof_model::run::Verb;
use asof_proto::lineage::v1::{LogRequest, LogResponse};
use clap::builder::PossibleValuesParser;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::out::Out;
use crate::recorded;
use crate::rows::{self, Format};
use crate::verb::Answer;

/// Tell what was done, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only runs that read or made this.
    #[arg(value_name = "REF")]
    reference: Option<String>,
    /// Only runs of this verb.
    #[arg(long, value_name = "VERB", value_parser = PossibleValuesParser::new(Verb::ALL.map(Verb::as_str)))]
    verb: Option<String>,
    /// At most so many; 0 means all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// Print runs as events of OpenLineage, a line each, oldest first.
    #[arg(long, conflicts_with = "output")]
    openlineage: bool,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "log").await?;
        let request = LogRequest {
            scope: connection.scope(),
            reference: self.reference.unwrap_or_default(),
            verb: self.verb.unwrap_or_default(),
            limit: self.limit,
            openlineage: self.openlineage,
        };
        let LogResponse { runs, events } = connection.lineage().log(request).await?.into_inner();
        if self.openlineage {
            for event in events {
                out.line(event)?;
            }
            return Ok(Answer::Done);
        }
        let documents = || runs.iter().map(recorded::json).collect();
        rows::print(out, self.output, &[recorded::columns(&runs)], || recorded::table(&runs), documents)?;
        Ok(Answer::Done)
    }
}
