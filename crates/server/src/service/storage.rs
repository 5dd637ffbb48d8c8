//! `asof.storage.v1`: what is stored and needed by nothing any more.

use std::sync::Arc;

use asof_proto::storage::v1::storage_service_server::StorageService;
use asof_proto::storage::v1::{CollectEvent, CollectRequest, collect_event};
use tonic::{Request, Response, Status};

use super::SharedDesk;
use crate::convert::error::status;
use crate::convert::storage::{from_collected, to_collect};
use crate::events::{Events, events};

/// The service.
pub(crate) struct Storage(pub(crate) SharedDesk);

#[tonic::async_trait]
impl StorageService for Storage {
    type CollectStream = Events<CollectEvent>;

    async fn collect(&self, request: Request<CollectRequest>) -> Result<Response<Self::CollectStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let collect = to_collect(request).map_err(status)?;
        let stream = events(
            move |reporter| async move {
                desk.engine.collect(&scope, collect, Arc::new(reporter)).await.map(from_collected)
            },
            |progress| CollectEvent { event: Some(collect_event::Event::Progress(progress)) },
            |result| CollectEvent { event: Some(collect_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }
}
