//! `asof rollback`: the last move of a name is taken back, with what moved with it.

use asof_model::Name;
use asof_proto::registry::v1::RollbackRequest;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moves::How;
use crate::out::Out;
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
    how: How,
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
            author: self.how.author(),
            dry_run: self.how.dry_run,
            skip_gates: self.how.skip_gates,
        };
        let moved = connection.registry().rollback(request).await?.into_inner().moved.unwrap_or_default();
        self.how.tell(out, &moved, "rolled back in")
    }
}
