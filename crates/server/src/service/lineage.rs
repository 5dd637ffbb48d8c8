//! `asof.lineage.v1`: where things come from, who uses them, and what was done.

use asof_proto::lineage::v1::lineage_service_server::LineageService;
use asof_proto::lineage::v1::{
    ExplainRequest, ExplainResponse, LineageRequest, LineageResponse, LogRequest, LogResponse,
};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::error::status;
use crate::convert::lineage::{from_explanation, to_explain, to_lineage, to_log};
use crate::convert::object::from_warnings;
use crate::convert::run::from_run;

/// The service.
pub(crate) struct Lineage(pub(crate) SharedDesk);

#[tonic::async_trait]
impl LineageService for Lineage {
    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let asked = to_log(&request).map_err(status)?;
        if request.openlineage {
            let events = self.0.engine.log_events(&scope, asked).await.map_err(status)?;
            return Ok(Response::new(LogResponse { runs: Vec::new(), events }));
        }
        let runs = self.0.engine.log(&scope, asked).await.map_err(status)?;
        Ok(Response::new(LogResponse { runs: runs.iter().map(from_run).collect(), events: Vec::new() }))
    }

    async fn lineage(&self, request: Request<LineageRequest>) -> Result<Response<LineageResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let asked = to_lineage(&request).map_err(status)?;
        let warnings = self.0.engine.lineage_warnings(&scope, &asked.about).await.map_err(status)?;
        let text = self.0.engine.lineage(&scope, asked).await.map_err(status)?;
        Ok(Response::new(LineageResponse { text, warnings: from_warnings(&warnings) }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        if request.training_set.is_empty() {
            request.service = self.0.answering(&scope, request.service, &request.model).await.map_err(status)?;
        }
        let asked = to_explain(request).map_err(status)?;
        let explanation = self.0.engine.explain(&scope, asked).await.map_err(status)?;
        from_explanation(&explanation).map(Response::new).map_err(status)
    }
}
