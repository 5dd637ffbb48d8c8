//! `asof.registry.v1`: what would change, changing it, and what is there.

use asof_proto::registry::v1::registry_service_server::RegistryService;
use asof_proto::registry::v1::{
    ApplyRequest, ApplyResponse, ListRequest, ListResponse, PlanRequest, PlanResponse, ShowRequest, ShowResponse,
};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::error::{status, statuses};
use crate::convert::object::{optional_kind, reference};
use crate::convert::registry::{from_changes, from_listing, from_shown, from_upkeep, to_sources};

/// The service.
pub(crate) struct Registry(pub(crate) SharedDesk);

#[tonic::async_trait]
impl RegistryService for Registry {
    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<PlanResponse>, Status> {
        let PlanRequest { scope, sources } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let planned = self.0.engine.plan(&scope, to_sources(sources)).await.map_err(statuses)?;
        let upkeep = planned.upkeep.iter().map(|(view, upkeep)| from_upkeep(view, upkeep)).collect();
        Ok(Response::new(PlanResponse { changes: from_changes(&planned.changes), upkeep }))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Result<Response<ApplyResponse>, Status> {
        let ApplyRequest { scope, sources } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let applied = self.0.engine.apply(&scope, to_sources(sources)).await.map_err(statuses)?;
        let run = applied.run.map(|run| run.to_string()).unwrap_or_default();
        Ok(Response::new(ApplyResponse { run, changes: from_changes(&applied.changes) }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let ListRequest { scope, kind } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let kind = optional_kind(kind).map_err(status)?;
        let listings = self.0.engine.list(&scope, kind).await.map_err(status)?;
        Ok(Response::new(ListResponse { listings: listings.iter().map(from_listing).collect() }))
    }

    async fn show(&self, request: Request<ShowRequest>) -> Result<Response<ShowResponse>, Status> {
        let request = request.into_inner();
        let scope = self.0.scope(request.scope).map_err(status)?;
        let reference = reference(&request.reference).map_err(status)?;
        let shown = self.0.engine.show(&scope, &reference).await.map_err(status)?;
        Ok(Response::new(from_shown(shown)))
    }
}
