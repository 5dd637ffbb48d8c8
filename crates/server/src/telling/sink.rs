//! Where events go.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use asof_model::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url};

use crate::config::{self, Location};

/// Where the standard has events sent to, below a host.
const ENDPOINT: &str = "/api/v1/lineage";

/// How long a connection may take, within the time for a request.
const CONNECTING: Duration = Duration::from_secs(5);

/// How much of an answer is told.
const SHOWN: usize = 200;

/// Who gets them.
pub(super) enum Sink {
    Http {
        client: Client,
        url: Url,
    },
    /// A line each, at the end of a file.
    File(Arc<PathBuf>),
    /// A line each, on stderr: what a verb answers is alone on stdout.
    Console,
}

/// Why an event was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be taken later.
    InPassing(String),
    /// It never will.
    ForGood(String),
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Without what a URL may say of users and keys.
            Sink::Http { url, .. } => {
                write!(f, "{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
            Sink::File(path) => write!(f, "file:{}", path.display()),
            Sink::Console => f.write_str("console:"),
        }
    }
}

impl Sink {
    /// The one that the settings name; none where they name none.
    ///
    /// # Errors
    /// `invalid_config`.
    pub(super) fn of(settings: &config::Openlineage) -> Result<Option<Sink>> {
        let text = settings.url.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        match Location::of(text) {
            Location { scheme: "console", .. } => Ok(Some(Sink::Console)),
            Location { scheme: "file", path } => Ok(Some(Sink::File(Arc::new(path.into())))),
            Location { scheme: "http" | "https", .. } => http(settings).map(Some),
            Location { scheme, .. } => Err(invalid(text, &format!("nothing is known of `{scheme}:`"))),
        }
    }

    pub(super) async fn send(&self, event: &str) -> Result<(), Failure> {
        match self {
            Sink::Http { client, url } => post(client, url, event).await,
            Sink::File(path) => {
                let (path, line) = (path.clone(), format!("{event}\n"));
                let appended = tokio::task::spawn_blocking(move || append(&path, &line)).await;
                appended
                    .map_err(std::io::Error::other)
                    .and_then(|done| done)
                    .map_err(|e| Failure::InPassing(e.to_string()))
            }
            Sink::Console => {
                let line = format!("{event}\n");
                std::io::stderr().lock().write_all(line.as_bytes()).map_err(|e| Failure::ForGood(e.to_string()))
            }
        }
    }
}

fn http(settings: &config::Openlineage) -> Result<Sink> {
    let text = settings.url.as_str();
    let mut url = Url::parse(text).map_err(|e| invalid(text, &e.to_string()))?;
    if url.host_str().is_none() {
        return Err(invalid(text, "it names no host"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(ENDPOINT) {
        url.set_path(&format!("{path}{ENDPOINT}"));
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !settings.api_key.is_empty() {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", settings.api_key));
        let mut bearer = bearer.map_err(|_| invalid(text, "its api_key has signs that no header may have"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let client = Client::builder().timeout(settings.timeout).connect_timeout(CONNECTING.min(settings.timeout));
    let client = client.default_headers(headers).build().map_err(Error::internal)?;
    Ok(Sink::Http { client, url })
}

async fn post(client: &Client, url: &Url, event: &str) -> Result<(), Failure> {
    let answer = client.post(url.clone()).body(event.to_owned()).send().await;
    let answer = answer.map_err(|e| Failure::InPassing(innermost(&e.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said: String =
        answer.text().await.unwrap_or_default().chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    let why = format!("the answer was {status}: {said}");
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Failure::InPassing(why)),
        status if status.is_server_error() => Err(Failure::InPassing(why)),
        _ => Err(Failure::ForGood(why)),
    }
}

/// What lies at the bottom of an error.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// One write for a line, so that lines of several processes do not mix.
fn append(path: &std::path::Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

fn invalid(url: &str, why: &str) -> Error {
    let shown = url.split('@').next_back().unwrap_or(url);
    Error::new(ErrorKind::Invalid, "invalid_config", format!("[openlineage] url = \"{shown}\" cannot be used: {why}"))
        .remedy("write https://HOST[:PORT], file:PATH or console:")
}
