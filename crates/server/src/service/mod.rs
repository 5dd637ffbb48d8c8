//! The gRPC services: each method converts, calls one verb, converts back.

mod front;
mod jobs;
mod lineage;
mod push;
mod registry;
mod serving;
mod upload;

pub(crate) use front::Front;
pub(crate) use jobs::Jobs;
pub(crate) use lineage::Lineage;
pub(crate) use push::Push;
pub(crate) use registry::Registry;
pub(crate) use serving::Serving;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, GetReply, GetRequest, Guard, RowError, Scope, Served};
use asof_model::{Error, ErrorKind, Result};
use asof_proto::object::v1 as object;
use tokio::sync::watch;

use crate::config;
use crate::convert;
use crate::convert::serving::Details;
use crate::spool::Spool;

/// What all services answer from.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) project: config::Project,
    /// What environments ask before their pointers move.
    pub(crate) rules: config::Rules,
    pub(crate) spool: Spool,
    /// How long an upload may be silent.
    pub(crate) silence: Duration,
    /// Whether the server ends: true from then on.
    pub(crate) ends: watch::Receiver<bool>,
}

/// Shared by the services.
pub(crate) type SharedDesk = Arc<Desk>;

impl Desk {
    pub(crate) fn scope(&self, scope: Option<object::Scope>) -> Result<Scope> {
        convert::object::scope(&self.project, scope)
    }

    /// What an apply must be allowed to do.
    pub(crate) fn guard(&self, allow_breaking: bool) -> Guard {
        Guard { protected: self.rules.protected(), allow_breaking }
    }

    /// The features of a request of which these rows are in error already.
    pub(crate) async fn features(
        &self,
        scope: &Scope,
        request: GetRequest,
        bad: Vec<RowError>,
        details: Details,
    ) -> Result<GetReply> {
        if details.row_errors {
            return self.engine.get_apart(scope, request, bad).await;
        }
        match bad.into_iter().next() {
            Some(first) => Err(first.error),
            None => self.engine.get(scope, request).await,
        }
    }

    /// The same, not yet as columns, of a request that is not about rows apart.
    pub(crate) async fn serve(&self, scope: &Scope, request: GetRequest, bad: Vec<RowError>) -> Result<Served> {
        match bad.into_iter().next() {
            Some(first) => Err(first.error),
            None => self.engine.serve(scope, request).await,
        }
    }

    /// Waits until the server ends; what a stream is told then.
    pub(crate) async fn ending(&self) -> Error {
        // Where nobody can end the server, it does not.
        if self.ends.clone().wait_for(|ends| *ends).await.is_err() {
            pending::<()>().await;
        }
        Error::new(
            ErrorKind::Unavailable,
            "server_ends",
            "the server ends, and answers no further request of this stream",
        )
        .remedy("open another stream; what was not answered can be asked again")
    }
}
