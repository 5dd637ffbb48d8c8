//! `POST /v1/features`.

use asof_engine::GetRequest;
use asof_model::{Error, ErrorKind, Result};
use asof_proto::object::v1::Scope;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use futures::StreamExt;

use super::{json, other_method};
use crate::convert::json;
use crate::convert::object::reference;
use crate::convert::serving::Details;
use crate::service::Desk;

pub(super) async fn answer(desk: &Desk, request: Request, max_body: usize) -> Result<Response> {
    if let Some(refused) = other_method(&request, &Method::POST) {
        return Ok(refused);
    }
    is_json(request.headers().get(CONTENT_TYPE))?;
    let text = read(request.into_body(), max_body).await?;
    let body = json::parse(&text)?;
    let scope = Scope {
        project: body.project.as_deref().unwrap_or_default().to_owned(),
        environment: body.environment.as_deref().unwrap_or_default().to_owned(),
    };
    let scope = desk.scope(Some(scope))?;
    let service = reference(&body.service)?;
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

fn is_json(content_type: Option<&HeaderValue>) -> Result<()> {
    let text = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let media = text.as_deref().and_then(|text| text.split(';').next()).map(str::trim);
    if media.is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let said =
        media.map_or_else(|| "none".to_owned(), |media| format!("`{}`", media.chars().take(80).collect::<String>()));
    let message = format!("a request for features is JSON, and its Content-Type says {said}");
    Err(Error::new(ErrorKind::Invalid, "wrong_content_type", message).remedy("send Content-Type: application/json"))
}

/// The whole body.
async fn read(body: Body, max: usize) -> Result<Bytes> {
    let mut pieces = body.into_data_stream();
    let mut read: Vec<Bytes> = Vec::new();
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| {
            let message = format!("the body of the request ended early: {e}");
            Error::new(ErrorKind::Invalid, "body_cut_short", message).remedy("send it again")
        })?;
        size += piece.len();
        if size > max {
            let message = format!("the body of the request is larger than {max} bytes");
            return Err(Error::new(ErrorKind::Invalid, "body_too_large", message)
                .remedy("split the request, or raise max_message in [server]"));
        }
        read.push(piece);
    }
    // Most bodies come in one piece.
    match read.as_mut_slice() {
        [whole] => Ok(std::mem::take(whole)),
        pieces => Ok(pieces.concat().into()),
    }
}
