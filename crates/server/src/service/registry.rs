//! `asof.registry.v1`: what would change, changing it, and what is there; and what environments point at.

use std::sync::Arc;

use asof_model::{Micros, Name};
use asof_offline::Quiet;
use asof_proto::registry::v1::registry_service_server::RegistryService;
use asof_proto::registry::v1::{
    ApplyRequest, ApplyResponse, ApproveRequest, ApproveResponse, DeprecateRequest, DeprecateResponse, DiffRequest,
    DiffResponse, HistoryRequest, HistoryResponse, ListRequest, ListResponse, PlanRequest, PlanResponse,
    PromoteRequest, PromoteResponse, RollbackRequest, RollbackResponse, ShowRequest, ShowResponse,
};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::consequences::from_recompute;
use crate::convert::error::{status, statuses};
use crate::convert::object::{from_warnings, optional_kind, reference};
use crate::convert::pointers::{
    Sides, from_difference, from_moved, from_pointer_move, to_author, to_promote, to_rollback, to_sides,
};
use crate::convert::registry::{from_changes, from_listing, from_shown, from_upkeep, to_sources};
use crate::convert::remarks::{from_approved, from_deprecated, to_approve, to_deprecate};

/// The service.
pub(crate) struct Registry(pub(crate) SharedDesk);

#[tonic::async_trait]
impl RegistryService for Registry {
    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<PlanResponse>, Status> {
        let PlanRequest { scope, sources } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let guard = self.0.guard(false);
        let planned = self.0.engine.plan(&scope, to_sources(sources), &guard).await.map_err(statuses)?;
        Ok(Response::new(PlanResponse {
            changes: from_changes(&planned.changes, &planned.consequences),
            upkeep: planned.upkeep.iter().map(|(view, upkeep)| from_upkeep(view, upkeep)).collect(),
            recompute: Some(from_recompute(&planned.recompute)),
            warnings: from_warnings(&planned.warnings),
        }))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Result<Response<ApplyResponse>, Status> {
        let ApplyRequest { scope, sources, author, allow_breaking } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let (author, guard) = (to_author(author).map_err(status)?, self.0.guard(allow_breaking));
        let applied = self.0.engine.apply(&scope, to_sources(sources), &author, &guard).await.map_err(statuses)?;
        Ok(Response::new(ApplyResponse {
            run: applied.run.map(|run| run.to_string()).unwrap_or_default(),
            changes: from_changes(&applied.changes, &applied.consequences),
            warnings: from_warnings(&applied.warnings),
        }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let ListRequest { scope, kind, at } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let kind = optional_kind(kind).map_err(status)?;
        let listings = match at {
            None => self.0.engine.list(&scope, kind).await,
            Some(at) => self.0.engine.list_at(&scope, kind, Micros(at)).await,
        };
        let listings = listings.map_err(status)?;
        Ok(Response::new(ListResponse { listings: listings.iter().map(from_listing).collect() }))
    }

    async fn show(&self, request: Request<ShowRequest>) -> Result<Response<ShowResponse>, Status> {
        let request = request.into_inner();
        let scope = self.0.scope(request.scope).map_err(status)?;
        let reference = reference(&request.reference).map_err(status)?;
        let shown = self.0.engine.show(&scope, &reference).await.map_err(status)?;
        Ok(Response::new(from_shown(shown)))
    }

    async fn promote(&self, request: Request<PromoteRequest>) -> Result<Response<PromoteResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_promote(&self.0.project, &self.0.rules, &scope, request).map_err(status)?;
        let moved = self.0.engine.promote(&scope, request, Arc::new(Quiet)).await.map_err(status)?;
        Ok(Response::new(PromoteResponse { moved: Some(from_moved(moved)) }))
    }

    async fn rollback(&self, request: Request<RollbackRequest>) -> Result<Response<RollbackResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_rollback(&self.0.project, &self.0.rules, &scope, request).map_err(status)?;
        let moved = self.0.engine.rollback(&scope, request).await.map_err(status)?;
        Ok(Response::new(RollbackResponse { moved: Some(from_moved(moved)) }))
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<HistoryResponse>, Status> {
        let HistoryRequest { scope, name, limit } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let name = if name.is_empty() { None } else { Some(name.parse::<Name>().map_err(status)?) };
        let limit = (limit > 0).then_some(limit as usize);
        let moves = self.0.engine.history(&scope, name.as_ref(), limit).await.map_err(status)?;
        let approved = self.0.engine.approved(&scope, &moves).await.map_err(status)?;
        let moves =
            moves.into_iter().zip(&approved).map(|(moved, approvals)| from_pointer_move(moved, approvals)).collect();
        Ok(Response::new(HistoryResponse { environment: scope.environment.to_string(), moves }))
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let differences = match to_sides(&self.0.project, &scope, request).map_err(status)? {
            Sides::Environments(left, right) => self.0.engine.diff_environments(&scope, &left, &right).await,
            Sides::Versions(left, right) => {
                self.0.engine.diff(&scope, &left, &right).await.map(|difference| difference.into_iter().collect())
            }
        };
        let differences = differences.map_err(status)?;
        Ok(Response::new(DiffResponse { changes: differences.iter().map(from_difference).collect() }))
    }

    async fn approve(&self, request: Request<ApproveRequest>) -> Result<Response<ApproveResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_approve(&self.0.project, &scope, request).map_err(status)?;
        let approved = self.0.engine.approve(&scope, request).await.map_err(status)?;
        Ok(Response::new(from_approved(&approved)))
    }

    async fn deprecate(&self, request: Request<DeprecateRequest>) -> Result<Response<DeprecateResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_deprecate(request).map_err(status)?;
        let deprecated = self.0.engine.deprecate(&scope, request).await.map_err(status)?;
        Ok(Response::new(from_deprecated(&deprecated)))
    }
}
