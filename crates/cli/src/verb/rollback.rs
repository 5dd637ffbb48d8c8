//! `asof rollback`: the last move of a name is taken back, with what moved with it.

use asof_model::Name;
use asof_proto::registry::v1::RollbackRequest;

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moves;
use crate::out::Out;
use crate::rows::Style;
use crate::verb::Answer;

/// Take back the last move of a name in an environment that stands, with what moved with it. Nothing is computed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The name.
    name: Name,
    /// The environment.
    #[arg(long = "in", value_name = "ENV")]
    environment: Name,
    #[command(flatten)]
    by: By,
    /// Only show what would move, and what gates would say; exit with 1 if one would refuse.
    #[arg(long)]
    dry_run: bool,
    /// Move also where a gate refuses; it is kept with the reason.
    #[arg(long, requires = "why")]
    skip_gates: bool,
    /// How to print what moved.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "rollback").await?;
        let request = RollbackRequest {
            scope: connection.scope(),
            name: self.name.to_string(),
            environment: self.environment.to_string(),
            author: self.by.author(),
            dry_run: self.dry_run,
            skip_gates: self.skip_gates,
        };
        let moved = connection.registry().rollback(request).await?.into_inner().moved.unwrap_or_default();
        match self.output {
            Style::Json => out.json(&moves::json(&moved))?,
            Style::Table => moves::print(out, &moved, "rolled back in", self.dry_run)?,
        }
        let refused = self.dry_run && !self.skip_gates && !moved.refusals.is_empty();
        Ok(if refused { Answer::Refused } else { Answer::Done })
    }
}
