//! `asof promote`: an environment points at versions, with all that they depend on.

use asof_model::Name;
use asof_proto::registry::v1::PromoteRequest;

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moves;
use crate::out::Out;
use crate::rows::Style;
use crate::verb::Answer;

/// Make an environment point at versions, with all that they depend on, in one step.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// name@3, name@staging, name@latest; without a selector, what `--env` (else the first environment) has.
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// The environment.
    #[arg(long, value_name = "ENV")]
    to: Name,
    #[command(flatten)]
    by: By,
    /// Only show what would move, and what gates would say; exit with 1 if one would refuse.
    #[arg(long)]
    dry_run: bool,
    /// Move also where a gate refuses; it is kept with the reason.
    #[arg(long, requires = "why")]
    skip_gates: bool,
    /// Also from an environment that comes later in the order.
    #[arg(long)]
    force: bool,
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
        let connection = Connection::open(global, "promote").await?;
        let request = PromoteRequest {
            scope: connection.scope(),
            references: self.references,
            to: self.to.to_string(),
            author: self.by.author(),
            dry_run: self.dry_run,
            skip_gates: self.skip_gates,
            backwards: self.force,
        };
        let moved = connection.registry().promote(request).await?.into_inner().moved.unwrap_or_default();
        match self.output {
            Style::Json => out.json(&moves::json(&moved))?,
            Style::Table => moves::print(out, &moved, "promoted to", self.dry_run)?,
        }
        let refused = self.dry_run && !self.skip_gates && !moved.refusals.is_empty();
        Ok(if refused { Answer::Refused } else { Answer::Done })
    }
}
