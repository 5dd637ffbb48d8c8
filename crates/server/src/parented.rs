//! A service whose calls may be part of a run of somebody else's: a caller names it in the header `asof-parent-run`, as
//! `namespace/job/run`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use asof_engine::Parent;
use asof_model::{Error, ErrorKind};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use crate::convert::error::status;

/// The header.
pub const PARENT_RUN: &str = "asof-parent-run";

/// The service, around one that knows nothing of it.
#[derive(Clone)]
pub(crate) struct Parented<S>(pub(crate) S);

impl<S: NamedService> NamedService for Parented<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Parented<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Some(named) = request.headers().get(PARENT_RUN) else { return Box::pin(self.0.call(request)) };
        let text = named.to_str().map_err(|_| {
            let message = format!("the header {PARENT_RUN} is no plain text");
            Error::new(ErrorKind::Invalid, "invalid_parent_run", message).remedy("write namespace/job/run in ASCII")
        });
        match text.and_then(Parent::of) {
            Ok(parent) => Box::pin(Parent::with(Some(parent), self.0.call(request))),
            Err(error) => Box::pin(async move { Ok(status(error).into_http()) }),
        }
    }
}
