//! How long a call may take until its first answer.
//!
//! The server gives every call a time. A client may give it less: with the `grpc-timeout` of gRPC, or over HTTP with
//! `asof-timeout-ms`. When the time is over the call is given up where it next waits, and answered with `deadline_exceeded`
//! (`DEADLINE_EXCEEDED`, 504) in the client's own protocol. What a client gave is left with the request, so that a stream
//! ends with it, too.
//!
//! Costs one timer and one allocation per call. It does not interrupt a computation: features of one request are computed in
//! one go, and an answer that is there is sent, however late.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use asof_model::{Error, ErrorKind};
use axum::http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::convert::error::status;
use crate::http::{is_grpc, refused};

/// The header of HTTP requests.
const MILLISECONDS: &str = "asof-timeout-ms";

/// What a client allowed a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed(pub(crate) Duration);

impl Allowed {
    /// Why a call ended when its time was over.
    pub(crate) fn over(self) -> Error {
        let message = format!("the call was not answered within {:?}", self.0);
        Error::new(ErrorKind::Late, "deadline_exceeded", message)
            .remedy("allow it more time, ask for fewer entities, or see what else the server is busy with")
    }
}

/// Gives calls their time: the server's, where there is one, or the client's, if that is less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines(pub(crate) Option<Duration>);

impl<S> Layer<S> for Deadlines {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, most: self.0 }
    }
}

/// A service whose calls have their time.
#[derive(Clone, Debug)]
pub(crate) struct Limited<S> {
    inner: S,
    most: Option<Duration>,
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let rpc = is_grpc(&request);
        let headers = request.headers();
        let client = if rpc { grpc_timeout(headers) } else { milliseconds(headers) };
        if let Some(client) = client {
            request.extensions_mut().insert(Allowed(client));
        }
        let call = self.inner.call(request);
        let Some(allowed) = client.into_iter().chain(self.most).min() else { return Box::pin(call) };
        // The time begins now, and not when somebody first waits for the answer.
        let limited = tokio::time::timeout(allowed, call);
        Box::pin(async move {
            match limited.await {
                Ok(answered) => answered,
                Err(_) if rpc => Ok(status(Allowed(allowed).over()).into_http()),
                Err(_) => Ok(refused(&Allowed(allowed).over()).map(Body::new)),
            }
        })
    }
}

/// `grpc-timeout`, as the protocol defines it: up to eight digits and a unit. What is not so does not count.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number(digits, 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

fn milliseconds(headers: &HeaderMap) -> Option<Duration> {
    number(headers.get(MILLISECONDS)?.to_str().ok()?, 11).map(Duration::from_millis)
}

fn number(digits: &str, most: usize) -> Option<u64> {
    let plain = digits.len() <= most && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    use tower::{ServiceExt, service_fn};

    #[test]
    fn timeouts_are_read_as_the_protocol_has_them() {
        let check = |text: &str, expected: Option<Duration>| {
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(grpc_timeout(&headers), expected, "{text}");
        };
        check("1H", Some(Duration::from_secs(3_600)));
        check("2M", Some(Duration::from_secs(120)));
        check("3S", Some(Duration::from_secs(3)));
        check("4m", Some(Duration::from_millis(4)));
        check("5u", Some(Duration::from_micros(5)));
        check("99999999n", Some(Duration::from_nanos(99_999_999)));
        for bad in ["", "S", "1", "+1S", "123456789S", "1ä", "1 S", "1s"] {
            if let Ok(value) = axum::http::HeaderValue::from_bytes(bad.as_bytes()) {
                let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), value)]);
                assert_eq!(grpc_timeout(&headers), None, "{bad}");
            }
        }
    }

    /// The answer to a call that would never end.
    async fn given_up(most: Option<u64>, headers: &[(&'static str, &'static str)]) -> Response<Body> {
        let never = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
        let mut request = Request::new(Body::empty());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let limited = Deadlines(most.map(Duration::from_millis)).layer(never);
        tokio::time::timeout(Duration::from_secs(60), limited.oneshot(request)).await.expect("it ends").unwrap()
    }

    #[tokio::test]
    async fn a_call_whose_time_is_over_is_answered_in_its_own_protocol() {
        let rpc = ("content-type", "application/grpc");
        for (most, headers) in [
            (Some(5), &[rpc][..]),
            (Some(600_000), &[rpc, ("grpc-timeout", "5m")]),
            (None, &[rpc, ("grpc-timeout", "5000u")]),
        ] {
            let response = given_up(most, headers).await;
            assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &"4".parse().unwrap()));
            let status = tonic::Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.message(), "the call was not answered within 5ms");
        }
        for (most, headers) in [(Some(5), &[][..]), (Some(600_000), &[("asof-timeout-ms", "5")])] {
            let response = given_up(most, headers).await;
            assert_eq!((response.status().as_u16(), response.headers().get("grpc-status")), (504, None));
        }
    }
}
