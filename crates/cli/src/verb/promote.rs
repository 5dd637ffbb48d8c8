//! `asof promote`: an environment points at versions, with all that they depend on.

use asof_model::Name;
use asof_proto::registry::v1::PromoteRequest;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moves::How;
use crate::out::Out;
use crate::progress;
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
    how: How,
    /// Also from an environment that comes later in the order.
    #[arg(long)]
    force: bool,
    /// Also where it breaks what a protected environment points at.
    #[arg(long)]
    allow_breaking: bool,
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
            author: self.how.author(),
            dry_run: self.how.dry_run,
            skip_gates: self.how.skip_gates,
            backwards: self.force,
            allow_breaking: self.allow_breaking,
        };
        let promoted = progress::follow(connection.jobs().promote(request).await?.into_inner()).await?;
        let moved = promoted.moved.unwrap_or_default();
        self.how.tell(out, &moved, "promoted to")
    }
}
