//! `asof.serving.v1`: features at inference.

use asof_proto::serving::v1::serving_service_server::ServingService;
use asof_proto::serving::v1::{DescribeRequest, DescribeResponse, GetFeaturesRequest, GetFeaturesResponse};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::error::status;
use crate::convert::object::{from_columns, from_pinned, reference};
use crate::convert::serving::{Details, from_reply, to_get};

/// The service.
pub(crate) struct Serving(pub(crate) SharedDesk);

#[tonic::async_trait]
impl ServingService for Serving {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let DescribeRequest { scope, service } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let service = reference(&service).map_err(status)?;
        let (service, request, features) = self.0.engine.service_signature(&scope, &service).await.map_err(status)?;
        Ok(Response::new(DescribeResponse {
            service: Some(from_pinned(&service)),
            request: from_columns(&request),
            features: from_columns(&features),
        }))
    }

    async fn get_features(
        &self,
        request: Request<GetFeaturesRequest>,
    ) -> Result<Response<GetFeaturesResponse>, Status> {
        let GetFeaturesRequest { scope, service, columns, at, event_times, receipts } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let get = to_get(&service, columns, at).map_err(status)?;
        let reply = self.0.engine.get(&scope, get).await.map_err(status)?;
        from_reply(&reply, Details { event_times, receipts }).map(Response::new).map_err(status)
    }
}
