//! The gRPC services: each method converts, calls one verb, converts back.

mod jobs;
mod lineage;
mod push;
mod registry;
mod serving;
mod upload;

pub(crate) use jobs::Jobs;
pub(crate) use lineage::Lineage;
pub(crate) use push::Push;
pub(crate) use registry::Registry;
pub(crate) use serving::Serving;

use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, Scope};
use asof_model::Result;
use asof_proto::object::v1 as object;

use crate::config;
use crate::convert;
use crate::spool::Spool;

/// What all services answer from.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) project: config::Project,
    pub(crate) spool: Spool,
    /// How long an upload may be silent.
    pub(crate) silence: Duration,
}

/// Shared by the services.
pub(crate) type SharedDesk = Arc<Desk>;

impl Desk {
    fn scope(&self, scope: Option<object::Scope>) -> Result<Scope> {
        convert::object::scope(&self.project, scope)
    }
}
