//! `GET /openapi.json`.

use asof_model::Result;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::{json, other_method};

/// What the paths take and give, as OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) fn answer(request: &Request) -> Result<Response> {
    Ok(other_method(request, &Method::GET).unwrap_or_else(|| json(DOCUMENT)))
}
