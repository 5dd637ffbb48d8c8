//! `asof.model.v1`: what models were trained on.

use asof_model::Name;
use asof_proto::model::v1::model_service_server::ModelService;
use asof_proto::model::v1::{ListRequest, ListResponse, RegisterRequest, RegisterResponse, ShowRequest, ShowResponse};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::error::status;
use crate::convert::models::{from_model, from_registered, from_shown_model, to_register};

/// The service.
pub(crate) struct Models(pub(crate) SharedDesk);

#[tonic::async_trait]
impl ModelService for Models {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_register(request).map_err(status)?;
        let registered = self.0.engine.register_model(&scope, request).await.map_err(status)?;
        Ok(Response::new(from_registered(registered)))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let ListRequest { scope, name } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let name = if name.is_empty() { None } else { Some(name.parse::<Name>().map_err(status)?) };
        let models = self.0.engine.models(&scope, name.as_ref()).await.map_err(status)?;
        Ok(Response::new(ListResponse { models: models.iter().map(from_model).collect() }))
    }

    async fn show(&self, request: Request<ShowRequest>) -> Result<Response<ShowResponse>, Status> {
        let ShowRequest { scope, reference } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let reference = reference.parse().map_err(status)?;
        let shown = self.0.engine.show_model(&scope, &reference).await.map_err(status)?;
        Ok(Response::new(from_shown_model(&shown)))
    }
}
