//! The gRPC services: each method converts, calls one verb, converts back.

mod bundles;
mod front;
mod jobs;
mod lineage;
mod models;
mod push;
mod registry;
mod serving;
mod storage;
mod unary;
mod upload;

pub(crate) use bundles::Bundles;
pub(crate) use front::{Front, Shortcut};
pub(crate) use jobs::Jobs;
pub(crate) use lineage::Lineage;
pub(crate) use models::Models;
pub(crate) use push::Push;
pub(crate) use registry::Registry;
pub(crate) use serving::Serving;
pub(crate) use storage::Storage;

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

    /// The service that is to answer, as text: the one that is named, or the one that the model was trained on.
    ///
    /// # Errors
    /// `invalid_request` where both are named, or none; `unknown_model`.
    pub(crate) async fn answering(&self, scope: &Scope, service: String, model: &str) -> Result<String> {
        match (service.is_empty(), model.is_empty()) {
            (false, true) => Ok(service),
            (true, false) => Ok(self.engine.service_of_model(scope, &model.parse()?).await?.to_string()),
            (both, _) => {
                let message =
                    if both { "neither a service nor a model is named" } else { "a service and a model are named" };
                Err(Error::new(ErrorKind::Invalid, "invalid_request", message).remedy("name the one or the other"))
            }
        }
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
