//! HTTP and JSON, on the port that serves gRPC, for those without it.
//!
//! - `POST /v1/features` asks for features: the same engine call as `GetFeatures`, other words at the edge.
//! - `POST /api/v1/lineage` and `/api/v1/lineage/batch` take OpenLineage events, packed or not, where its clients send them.
//! - `GET /api/v1/…` answers as Marquez does, so that its client and page read the graph ([`marquez`]).
//! - `GET /openapi.json` describes them, and is true: a test holds it against replies and errors.
//!
//! Promises: whatever fails is answered with `{"error": {code, message, remedy}}` and the status that
//! [`codes::http`](crate::codes::http) has for it, a wrong path, method or content type too. A body is read whole, up to the
//! size of a message; nothing else of a request is kept. What is not `application/json` is refused, so that no page in
//! somebody's browser can ask in their name.
//!
//! Deliberately absent: other verbs than these, and compression of what is answered.

mod body;
mod features;
mod marquez;
mod openapi;
mod openlineage;

use asof_model::{Error, ErrorKind};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use axum::routing::any;
use tonic::Status;

use crate::codes;
use crate::convert::error::status;
use crate::convert::json::from_error;
use crate::service::SharedDesk;

/// What is looked for, and by which method.
const FEATURES: &str = "/v1/features";
const OPENAPI: &str = "/openapi.json";
const LINEAGE: &str = "/api/v1/lineage";
const LINEAGE_BATCH: &str = "/api/v1/lineage/batch";
const MARQUEZ: &str = "/api/v1/{*rest}";

/// Adds the paths, and an answer to all that nobody else answers.
pub(crate) fn routes(router: Router, desk: &SharedDesk, max_body: usize) -> Router {
    let of = desk.clone();
    let features = move |request: Request| {
        let desk = of.clone();
        async move { answer(features::answer(&desk, request, max_body).await) }
    };
    let lineage = |batch: bool| {
        let of = desk.clone();
        move |request: Request| {
            let desk = of.clone();
            async move {
                // The same path answers with the graph that it is told of.
                if !batch && request.method() == Method::GET {
                    return answer(marquez::answer(&desk, request, max_body).await);
                }
                answer(openlineage::answer(&desk, request, max_body, batch).await)
            }
        }
    };
    let of = desk.clone();
    let marquez = move |request: Request| {
        let desk = of.clone();
        async move { answer(marquez::answer(&desk, request, max_body).await) }
    };
    let openapi = |request: Request| async move { answer(openapi::answer(&request)) };
    router
        .route(FEATURES, any(features))
        .route(LINEAGE, any(lineage(false)))
        .route(LINEAGE_BATCH, any(lineage(true)))
        .route(MARQUEZ, any(marquez))
        .route(OPENAPI, any(openapi))
        .fallback(nothing_here)
}

/// Whether a request speaks gRPC.
pub(crate) fn is_grpc<B>(request: &axum::http::Request<B>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// A request that failed.
pub(crate) fn refused(error: &Error) -> Response {
    if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Corrupt) {
        tracing::error!(code = error.code(), "{}", error.message());
    }
    let mut response = json(from_error(error));
    *response.status_mut() = codes::http(error);
    response
}

fn answer(answered: Result<Response, Error>) -> Response {
    answered.unwrap_or_else(|error| refused(&error))
}

fn json(text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Refuses another method, and says which one it is; `None` where it is that one.
fn other_method(request: &Request, wanted: &Method) -> Option<Response> {
    let (method, path) = (request.method(), request.uri().path());
    if method == wanted {
        return None;
    }
    let message = format!("{path} takes {wanted}, not {method}");
    let error = Error::new(ErrorKind::Invalid, "wrong_method", message).remedy(format!("send a {wanted}"));
    let mut response = refused(&error);
    if let Ok(allowed) = HeaderValue::from_str(wanted.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    Some(response)
}

async fn nothing_here(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(80).collect();
    let message = format!("there is nothing at {path}");
    if is_grpc(&request) {
        let error = Error::new(ErrorKind::Unsupported, "unknown_method", format!("{message} that this server knows"));
        let status: Status = status(error.remedy("use a client of the server's version"));
        return status.into_http();
    }
    let error = Error::new(ErrorKind::NotFound, "unknown_path", message);
    refused(&error.remedy(format!("ask for features with POST {FEATURES}; GET {OPENAPI} describes what there is")))
}
