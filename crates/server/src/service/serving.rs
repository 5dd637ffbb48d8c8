//! `asof.serving.v1`: features at inference.

use std::future::{Future, pending};
use std::pin::Pin;

use asof_model::Result as OurResult;
use asof_proto::serving::v1::serving_service_server::ServingService;
use asof_proto::serving::v1::{
    DescribeRequest, DescribeResponse, GetFeaturesRequest, GetFeaturesResponse, GetFeaturesStreamResponse,
    get_features_stream_response::Outcome,
};
use futures::Stream;
use futures::stream::unfold;
use tonic::{Request, Response, Status, Streaming};

use super::SharedDesk;
use crate::convert::error::{self, status};
use crate::convert::object::{from_columns, from_pinned, reference};
use crate::convert::reply::{Reply, Written};
use crate::convert::serving::{from_reply, to_get_apart};
use crate::deadline::Allowed;

/// The service.
#[derive(Clone)]
pub(crate) struct Serving(pub(crate) SharedDesk);

impl Serving {
    async fn features(&self, mut request: GetFeaturesRequest) -> OurResult<GetFeaturesResponse> {
        let scope = self.0.scope(request.scope.take())?;
        request.service = self.0.answering(&scope, request.service, &request.model).await?;
        let (get, bad, details) = to_get_apart(request)?;
        let reply = self.0.features(&scope, get, bad, details).await?;
        from_reply(&reply, details)
    }

    /// The answer to a request, ready to be written.
    pub(super) async fn reply(&self, mut request: GetFeaturesRequest) -> OurResult<Reply> {
        if request.row_errors {
            return self.features(request).await.map(Reply::Message);
        }
        let scope = self.0.scope(request.scope.take())?;
        request.service = self.0.answering(&scope, request.service, &request.model).await?;
        let (get, bad, details) = to_get_apart(request)?;
        let served = self.0.serve(&scope, get, bad).await?;
        Written::new(served, details).map(|written| Reply::Written(Box::new(written)))
    }
}

#[tonic::async_trait]
impl ServingService for Serving {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let DescribeRequest { scope, service, model } = request.into_inner();
        let scope = self.0.scope(scope).map_err(status)?;
        let service = self.0.answering(&scope, service, &model).await.map_err(status)?;
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
        // Calls from outside never come here: `Front` answers them, with the same bytes and no message in between.
        self.features(request.into_inner()).await.map(Response::new).map_err(status)
    }

    type GetFeaturesStreamStream = Pin<Box<dyn Stream<Item = Result<GetFeaturesStreamResponse, Status>> + Send>>;

    async fn get_features_stream(
        &self,
        request: Request<Streaming<GetFeaturesRequest>>,
    ) -> Result<Response<Self::GetFeaturesStreamStream>, Status> {
        let allowed = request.extensions().get::<Allowed>().copied();
        let open = Open { serving: self.clone(), requests: request.into_inner(), over: Box::pin(over(allowed)) };
        Ok(Response::new(Box::pin(unfold(Some(open), Open::next))))
    }
}

/// A stream of requests. One of them is worked on at a time, and the next one is asked for when the transport asks for its
/// answer: what a client sends ahead waits in the windows of its connection, which are bounded.
struct Open {
    serving: Serving,
    requests: Streaming<GetFeaturesRequest>,
    over: Pin<Box<dyn Future<Output = Status> + Send>>,
}

impl Open {
    /// The next answer, and the stream if it goes on after it.
    async fn next(open: Option<Self>) -> Option<(Result<GetFeaturesStreamResponse, Status>, Option<Self>)> {
        let mut open = open?;
        let desk = open.serving.0.clone();
        let request = tokio::select! {
            // An end that is due comes before another request.
            biased;
            status = &mut open.over => return Some((Err(status), None)),
            error = desk.ending() => return Some((Err(status(error)), None)),
            request = open.requests.message() => request,
        };
        let request = match request {
            Ok(request) => request?,
            Err(status) => return Some((Err(status), None)),
        };
        let answered = tokio::select! {
            answered = open.serving.features(request) => answered,
            status = &mut open.over => return Some((Err(status), None)),
        };
        let outcome = match answered {
            Ok(answered) => Outcome::Answered(answered),
            Err(refused) => Outcome::Refused(error::one(&refused)),
        };
        Some((Ok(GetFeaturesStreamResponse { outcome: Some(outcome) }), Some(open)))
    }
}

/// Waits until the time that the client allowed is over; for ever where it set none.
async fn over(allowed: Option<Allowed>) -> Status {
    let Some(allowed) = allowed else { return pending().await };
    let _ = tokio::time::timeout(allowed.0, pending::<()>()).await;
    status(allowed.over())
}
