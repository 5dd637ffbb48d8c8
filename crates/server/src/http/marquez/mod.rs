//! `GET /api/v1/…`: the graph in the API of Marquez, for its client, its page and what else reads it.
//!
//! The shapes are those of Marquez 0.50; the members `totalCount` of namespaces and sources, and `alsoKnownAs` of datasets, are
//! ours. `asOf=MOMENT` asks about then, everywhere. Lists come in parts (`limit`, at most 1,000, and `offset`).
//!
//! What a dataset, a job or a run is comes from events and from what is done here, never from this API: to write, other than
//! tags, is refused and told where to. A page in somebody's browser puts no tag on anything in their name: what comes from
//! another site is refused.

mod asked;
mod parts;

use asof_engine::{Named, TagOn};
use asof_model::{Error, ErrorKind, Result};
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde::Deserialize;

use super::{body, json, other_method};
use crate::service::Desk;
use asked::Query;

/// Where it begins.
pub(super) const ROOT: &str = "/api/v1/";

/// What a word is said to mean.
#[derive(Deserialize)]
struct Described {
    description: Option<String>,
}

pub(super) async fn answer(desk: &Desk, request: Request, max_body: usize) -> Result<Response> {
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().to_owned();
    let parts = parts::of(&path)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let Some(asked) = asked::of(&parts, request.uri().query().unwrap_or_default())? {
        if let Some(refused) = refused(&request, &parts) {
            return Err(refused);
        }
        if let Some(refused) = other_method(&request, &Method::GET) {
            return Ok(refused);
        }
        let Query { asked, page, at } = asked;
        let answer = desk.engine.standard(asked, page, at).await?;
        return Ok(json(answer.to_string()));
    }
    match tag(&parts) {
        Some(Tagging::Means(tag)) => {
            if let Some(refused) = other_method(&request, &Method::PUT) {
                return Ok(refused);
            }
            from_here(request.headers())?;
            body::is_json(request.headers(), "a tag")?;
            let text = body::read(request.into_body(), max_body).await?;
            let described: Described = serde_json::from_slice(&text).map_err(|e| {
                Error::new(ErrorKind::Invalid, "invalid_json", format!("the body of the request is no tag: {e}"))
                    .remedy("send {\"description\": \"what it means\"}")
            })?;
            Ok(json(desk.engine.put_tag(tag, described.description).await?.to_string()))
        }
        Some(Tagging::Put(on, tag)) => {
            let off = request.method() == Method::DELETE;
            if !off && let Some(refused) = other_method(&request, &Method::POST) {
                return Ok(refused);
            }
            from_here(request.headers())?;
            Ok(json(desk.engine.tag(on, tag, off).await?.to_string()))
        }
        None => match refused(&request, &parts) {
            Some(refused) => Err(refused),
            None => {
                let path: String = request.uri().path().chars().take(80).collect();
                Err(Error::new(ErrorKind::NotFound, "unknown_path", format!("there is nothing at {path}"))
                    .remedy("GET /openapi.json describes what there is; escape a slash in a name as %2F"))
            }
        },
    }
}

/// What is done with a tag.
enum Tagging<'a> {
    Means(&'a str),
    Put(TagOn, &'a str),
}

fn tag<'a>(parts: &[&'a str]) -> Option<Tagging<'a>> {
    let named = |namespace: &str, name: &str| Named { namespace: namespace.to_owned(), name: name.to_owned() };
    match *parts {
        ["tags", tag] => Some(Tagging::Means(tag)),
        ["namespaces", space, "jobs", job, "tags", tag] => Some(Tagging::Put(TagOn::Job(named(space, job)), tag)),
        ["namespaces", space, "datasets", dataset, "tags", tag] => {
            Some(Tagging::Put(TagOn::Dataset(named(space, dataset), None), tag))
        }
        ["namespaces", space, "datasets", dataset, "fields", field, "tags", tag] => {
            Some(Tagging::Put(TagOn::Dataset(named(space, dataset), Some(field.to_owned())), tag))
        }
        _ => None,
    }
}

/// The refusal of a request that would write what only events say.
fn refused(request: &Request, parts: &[&str]) -> Option<Error> {
    let written = matches!(parts.first(), Some(&("namespaces" | "sources" | "jobs" | "datasets")));
    if !written || matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let method = request.method();
    let message =
        format!("{method}: namespaces, datasets, jobs and runs are what events say, and are not written here");
    Some(
        Error::new(ErrorKind::Invalid, "read_only_lineage", message)
            .remedy("send OpenLineage events to POST /api/v1/lineage; what no event names any more ends with them"),
    )
}

/// Refuses what a page of another site sends.
fn from_here(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = match (headers.get("sec-fetch-site").and_then(|site| site.to_str().ok()), text(ORIGIN)) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != text(HOST),
        (None, None) => false,
    };
    if foreign {
        let message = "a page of another site may not put tags on what is here";
        return Err(
            Error::new(ErrorKind::Invalid, "other_site", message).remedy("send it from this site, or by a client")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_is_told_apart() {
        let check = |headers: &[(&'static str, &'static str)], taken: bool| {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| _ = map.insert(*name, value.parse().unwrap()));
            assert_eq!(from_here(&map).is_ok(), taken, "{headers:?}");
        };
        check(&[], true);
        check(&[("host", "h:1"), ("origin", "http://h:1")], true);
        check(&[("host", "h:1"), ("origin", "http://evil")], false);
        check(&[("host", "h:1"), ("origin", "null")], false);
        // Behind a proxy the name of the host is another one.
        check(&[("host", "h:1"), ("origin", "http://page"), ("sec-fetch-site", "same-origin")], true);
        check(&[("host", "h:1"), ("origin", "http://h:1"), ("sec-fetch-site", "cross-site")], false);
    }
}
