//! `POST /api/v1/lineage` and `POST /api/v1/lineage/batch`: OpenLineage events, from clients that need only this server's URL.
//!
//! An event is answered with 201 when it is on disk, a batch with 204, or with 200 and which of its events were refused,
//! where some were. Both take an object or an array, since clients differ; of an array sent as one event, all must be
//! good for a 201. An event is kept in the words in which it was sent.

use asof_engine::Heard;
use asof_model::{Error, ErrorKind, Result};
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Deserializer, Value, json};

use super::body::{self, Packing};
use super::{json, other_method};
use crate::service::Desk;

/// How many a request may bring.
const MOST: usize = 10_000;

/// `batch` tells which of the two was asked for.
pub(super) async fn answer(desk: &Desk, request: Request, max_body: usize, batch: bool) -> Result<Response> {
    if let Some(refused) = other_method(&request, &Method::POST) {
        return Ok(refused);
    }
    body::is_json(request.headers(), "an event of lineage")?;
    let packing = Packing::of(request.headers())?;
    let packed = body::read(request.into_body(), max_body).await?;
    let apart = move || packing.unpack(packed, max_body).and_then(|text| apart(&text));
    let (events, array) = tokio::task::spawn_blocking(apart).await.map_err(Error::internal)??;
    let received = events.len();
    let mut heard = desk.engine.hear(events).await?;
    if heard.refused.is_empty() {
        let mut taken = Response::default();
        *taken.status_mut() = if batch { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
        return Ok(taken);
    }
    if !batch && !array {
        let (_, why) = heard.refused.remove(0);
        return Err(why);
    }
    Ok(json(summary(received, &heard)))
}

/// The events of a body, each as it was written, and whether they came as an array.
fn apart(text: &[u8]) -> Result<(Vec<String>, bool)> {
    let text = std::str::from_utf8(text).map_err(|e| malformed(e.to_string()))?;
    let mut events = Vec::new();
    let ends = |rest: &str| match rest.trim() {
        "" => Ok(()),
        _ => Err(malformed("something follows its end".to_owned())),
    };
    let Some(mut rest) = text.trim_start().strip_prefix('[') else {
        let (event, rest) = one(text)?;
        return ends(rest).map(|()| (vec![event.to_owned()], false));
    };
    if let Some(end) = rest.trim_start().strip_prefix(']') {
        rest = end;
    } else {
        loop {
            let (event, after) = one(rest)?;
            events.push(event.to_owned());
            if events.len() > MOST {
                let message = format!("the request brings more than {MOST} events");
                return Err(Error::new(ErrorKind::Invalid, "too_many_events", message).remedy("send fewer at once"));
            }
            let after = after.trim_start();
            if let Some(next) = after.strip_prefix(',') {
                rest = next;
            } else if let Some(end) = after.strip_prefix(']') {
                rest = end;
                break;
            } else {
                return Err(malformed("expected `,` or `]` after an event".to_owned()));
            }
        }
    }
    ends(rest).map(|()| (events, true))
}

/// The text of the first value, and what follows it.
fn one(text: &str) -> Result<(&str, &str)> {
    let mut values = Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok((text[..values.byte_offset()].trim(), &text[values.byte_offset()..])),
        Some(Err(e)) => Err(malformed(e.to_string())),
        None => Err(malformed("there is no event".to_owned())),
    }
}

fn malformed(why: String) -> Error {
    Error::new(ErrorKind::Invalid, "invalid_json", format!("the body of the request is not JSON: {why}"))
        .remedy("send an event as an object, or several as an array")
}

/// As the standard has it for batches; codes and remedies are ours.
fn summary(received: usize, heard: &Heard) -> Vec<u8> {
    let failed: Vec<Value> = (heard.refused.iter())
        .map(|(index, error)| json!({"index": index, "reason": error.message(), "code": error.code(), "retriable": false}))
        .collect();
    json!({
        "status": if failed.len() == received { "failed" } else { "partial_success" },
        "summary": {
            "received": received, "successful": received - failed.len(), "failed": failed.len(), "retriable": 0,
            "non_retriable": failed.len(),
        },
        "failed_events": failed,
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_apart_as_they_were_written() {
        let check = |text: &str, expected: Result<(&[&str], bool), &str>| {
            let got = apart(text.as_bytes()).map_err(|error| error.code());
            let expected = expected.map(|(events, array)| (events.iter().map(|e| (*e).to_owned()).collect(), array));
            assert_eq!(got, expected, "{text}");
        };
        check(" {\"a\" : 1.50} ", Ok((&["{\"a\" : 1.50}"], false)));
        check("[ {\"a\": [1, 2]} , {} ]", Ok((&["{\"a\": [1, 2]}", "{}"], true)));
        check("[]", Ok((&[], true)));
        // What is wrong with an event is told apart from the others.
        check("[1, \"]\"]", Ok((&["1", "\"]\""], true)));
        for bad in ["", "[", "[{}", "[{},]", "[{} {}]", "{} {}", "[] []", "{\"a\": NaN}", "[{}]]"] {
            check(bad, Err("invalid_json"));
        }
        check(&format!("[{}0]", "0,".repeat(MOST)), Err("too_many_events"));
    }
}
