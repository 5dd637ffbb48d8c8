//! `asof.push.v1`: rows for datasets, as they happen.

use std::pin::Pin;

use asof_model::{Error, Result as ModelResult};
use asof_proto::push::v1::push_service_server::PushService;
use asof_proto::push::v1::push_stream_response::Outcome;
use asof_proto::push::v1::{DescribeRequest, DescribeResponse, PushRequest, PushResponse, PushStreamResponse};
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::SharedDesk;
use crate::convert::error::{self, status};
use crate::convert::object::{from_columns, from_pinned, reference};
use crate::convert::push::{from_report, to_push};

/// Pushes of one stream that are under way at once. They are taken up in order, and so are their replies.
const AT_ONCE: usize = 64;

/// The service.
pub(crate) struct Push(pub(crate) SharedDesk);

impl Push {
    pub(super) async fn accept(desk: &SharedDesk, request: PushRequest) -> ModelResult<PushResponse> {
        let PushRequest { scope, dataset, columns, key } = request;
        let scope = desk.scope(scope)?;
        let report = desk.engine.push(&scope, to_push(&dataset, columns, key)?).await?;
        Ok(from_report(&report))
    }
}

fn outcome(accepted: Result<PushResponse, Error>) -> PushStreamResponse {
    let outcome = match accepted {
        Ok(accepted) => Outcome::Accepted(accepted),
        Err(refused) => Outcome::Refused(error::one(&refused)),
    };
    PushStreamResponse { outcome: Some(outcome) }
}

#[tonic::async_trait]
impl PushService for Push {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let DescribeRequest { scope, dataset } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let dataset = reference(&dataset).map_err(status)?;
        let (dataset, columns) = self.0.engine.pushed_columns(&scope, &dataset).await.map_err(status)?;
        Ok(Response::new(DescribeResponse { dataset: Some(from_pinned(&dataset)), columns: from_columns(&columns) }))
    }

    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        // Calls from outside never come here: `Front` answers them.
        Push::accept(&self.0, request.into_inner()).await.map(Response::new).map_err(status)
    }

    type PushStreamStream = Pin<Box<dyn Stream<Item = Result<PushStreamResponse, Status>> + Send>>;

    async fn push_stream(
        &self,
        request: Request<Streaming<PushRequest>>,
    ) -> Result<Response<Self::PushStreamStream>, Status> {
        let (desk, ends) = (self.0.clone(), self.0.clone());
        // When the server ends, what was sent by then is still answered, and nothing more is taken.
        let ended = Box::pin(async move { ends.ending().await });
        let replies = request.into_inner().take_until(ended).map(move |request| {
            let desk = desk.clone();
            async move { Ok(outcome(Push::accept(&desk, request?).await)) }
        });
        Ok(Response::new(Box::pin(replies.buffered(AT_ONCE))))
    }
}
