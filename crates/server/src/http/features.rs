//! `POST /v1/features`.

use asof_engine::GetRequest;
use asof_model::Result;
use asof_proto::object::v1::Scope;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::body;
use super::{json, other_method};
use crate::convert::json;
use crate::convert::object::reference;
use crate::convert::serving::Details;
use crate::service::Desk;

pub(super) async fn answer(desk: &Desk, request: Request, max_body: usize) -> Result<Response> {
    if let Some(refused) = other_method(&request, &Method::POST) {
        return Ok(refused);
    }
    body::is_json(request.headers(), "a request for features")?;
    let text = body::read(request.into_body(), max_body).await?;
    let body = json::parse(&text)?;
    let scope = Scope {
        project: body.project.as_deref().unwrap_or_default().to_owned(),
        environment: body.environment.as_deref().unwrap_or_default().to_owned(),
    };
    let scope = desk.scope(Some(scope))?;
    let named = body.service.as_deref().unwrap_or_default().to_owned();
    let service = desk.answering(&scope, named, body.model.as_deref().unwrap_or_default()).await?;
    let service = reference(&service)?;
    let at = body.at.as_deref().map(str::parse).transpose()?;
    let (pinned, declared, _) = desk.engine.service_signature(&scope, &service).await?;
    let (rows, bad) = json::to_batch_apart(&body, &declared, &pinned.reference().to_string())?;
    let details = Details {
        event_times: body.event_times,
        receipts: body.receipts,
        row_errors: body.row_errors,
        omit_schema: false,
    };
    let reply = desk.features(&scope, GetRequest { service, rows, at }, bad, details).await?;
    Ok(json(json::from_reply(&reply, details)?))
}
