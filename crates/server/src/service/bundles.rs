//! `asof.bundle.v1`: definitions from one deployment to another.

use asof_proto::bundle::v1::bundle_service_server::BundleService;
use asof_proto::bundle::v1::{ExportRequest, ExportResponse, ImportRequest, ImportResponse};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::bundles::{from_exported, from_imported, to_export, to_import};
use crate::convert::error::status;

/// The service.
pub(crate) struct Bundles(pub(crate) SharedDesk);

#[tonic::async_trait]
impl BundleService for Bundles {
    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<ExportResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_export(&request).map_err(status)?;
        let exported = self.0.engine.export_bundle(&scope, request).await.map_err(status)?;
        Ok(Response::new(from_exported(exported)))
    }

    async fn import(&self, request: Request<ImportRequest>) -> Result<Response<ImportResponse>, Status> {
        let mut request = request.into_inner();
        let scope = self.0.scope(request.scope.take()).map_err(status)?;
        let request = to_import(request).map_err(status)?;
        let report = self.0.engine.import_bundle(&scope, request).await.map_err(status)?;
        Ok(Response::new(from_imported(report)))
    }
}
