//! The calls that must be quick, past their generated services: a message is read where it lies, and its answer is sent from the buffer
//! that it is written into ([`unary`]).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use asof_model::Error;
use asof_proto::push::v1::PushRequest;
use asof_proto::push::v1::push_service_server::PushServiceServer;
use asof_proto::serving::v1::GetFeaturesRequest;
use asof_proto::serving::v1::serving_service_server::ServingServiceServer;
use bytes::Bytes;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tower::Layer;

use super::{Push, Serving, unary};
use crate::convert::error::status;

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A service of which one call must be quick.
pub(crate) trait Quick: Send + Sync + Sized + 'static {
    /// The generated service, which answers all others.
    type Generated: NamedService
        + Clone
        + Send
        + Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future = Answer<http::Response<Body>, Infallible>,
        >;
    /// The path of the call.
    const PATH: &'static str;

    /// Messages in both directions have at most so many bytes.
    fn generated(self: Arc<Self>, size: usize) -> Self::Generated;

    /// The answer to a message of the call, behind room for a header.
    fn answer(&self, message: Bytes) -> impl Future<Output = Result<Vec<u8>, Status>> + Send;
}

impl Quick for Serving {
    type Generated = ServingServiceServer<Serving>;
    const PATH: &'static str = "/asof.serving.v1.ServingService/GetFeatures";

    fn generated(self: Arc<Self>, size: usize) -> Self::Generated {
        ServingServiceServer::from_arc(self).max_decoding_message_size(size).max_encoding_message_size(size)
    }

    async fn answer(&self, message: Bytes) -> Result<Vec<u8>, Status> {
        let reply = self.reply(decoded::<GetFeaturesRequest>(message)?).await.map_err(status)?;
        reply.bytes(unary::HEADER).map_err(|e| status(Error::internal(e)))
    }
}

impl Quick for Push {
    type Generated = PushServiceServer<Push>;
    const PATH: &'static str = "/asof.push.v1.PushService/Push";

    fn generated(self: Arc<Self>, size: usize) -> Self::Generated {
        PushServiceServer::from_arc(self).max_decoding_message_size(size).max_encoding_message_size(size)
    }

    async fn answer(&self, message: Bytes) -> Result<Vec<u8>, Status> {
        let accepted = Push::accept(&self.0, decoded::<PushRequest>(message)?).await.map_err(status)?;
        let mut framed = Vec::with_capacity(unary::HEADER + accepted.encoded_len());
        framed.resize(unary::HEADER, 0);
        accepted.encode(&mut framed).map_err(|e| status(Error::internal(e)))?;
        Ok(framed)
    }
}

/// # Errors
/// What tonic's own codec says of such a message.
fn decoded<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|error| Status::internal(error.to_string()))
}

/// A service: the generated one, but for its quick call.
pub(crate) struct Front<Q: Quick> {
    quick: Arc<Q>,
    generated: Q::Generated,
    size: usize,
}

impl<Q: Quick> Clone for Front<Q> {
    fn clone(&self) -> Self {
        Front { quick: Arc::clone(&self.quick), generated: self.generated.clone(), size: self.size }
    }
}

impl<Q: Quick> Front<Q> {
    /// Messages in both directions have at most so many bytes.
    pub(crate) fn new(quick: Q, size: usize) -> Self {
        let quick = Arc::new(quick);
        Front { generated: Arc::clone(&quick).generated(size), quick, size }
    }
}

impl<Q: Quick> NamedService for Front<Q> {
    const NAME: &'static str = <Q::Generated as NamedService>::NAME;
}

impl<Q: Quick> Service<http::Request<Body>> for Front<Q> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.generated.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path() == Q::PATH {
            true => self.quick(request),
            false => self.generated.call(request),
        }
    }
}

impl<Q: Quick> Front<Q> {
    fn quick(&self, request: http::Request<Body>) -> Answer<http::Response<Body>, Infallible> {
        let (quick, size) = (Arc::clone(&self.quick), self.size);
        Box::pin(async move { Ok(answer(&*quick, request, size).await.unwrap_or_else(Status::into_http)) })
    }
}

/// The way to quick calls past the router, which clones a service and writes down what it matched for each.
#[derive(Clone)]
pub(crate) struct Shortcut {
    pub(crate) serving: Front<Serving>,
    pub(crate) push: Front<Push>,
}

impl<S> Layer<S> for Shortcut {
    type Service = Shortened<S>;

    fn layer(&self, inner: S) -> Shortened<S> {
        Shortened { shortcut: self.clone(), inner }
    }
}

/// A service whose quick calls are answered before it is asked.
#[derive(Clone)]
pub(crate) struct Shortened<S> {
    shortcut: Shortcut,
    inner: S,
}

impl<S> Service<http::Request<Body>> for Shortened<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path() {
            Serving::PATH => self.shortcut.serving.quick(request),
            Push::PATH => self.shortcut.push.quick(request),
            _ => Box::pin(self.inner.call(request)),
        }
    }
}

async fn answer<Q: Quick>(
    quick: &Q,
    request: http::Request<Body>,
    size: usize,
) -> Result<http::Response<Body>, Status> {
    let message = unary::message(request, size).await?;
    unary::response(quick.answer(message).await?, size)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use asof_engine::{Author, DeprecateRequest, Guard, IngestRequest, MaterializeRequest, ReadOptions, Scope, Source};
    use asof_offline::Quiet;
    use asof_proto::column::v1::column::Values;
    use asof_proto::column::v1::{Column, Doubles, Int64s};
    use asof_proto::serving::v1::serving_service_server::ServingService;
    use tempfile::TempDir;
    use tonic::Request;

    use super::*;
    use crate::config::{Config, Overrides};
    use crate::service::Desk;
    use crate::spool::Spool;

    const PROJECT: &str = "
        CREATE DATASET facts (id BIGINT, at TIMESTAMP, d DOUBLE, f REAL, b BIGINT, i INT, s SMALLINT, t TIMESTAMP,
            o BOOLEAN, x VARCHAR, n DECIMAL(9,2), y DATE) TIMESTAMP at;
        CREATE ENTITY thing KEY (id BIGINT);
        CREATE FEATURE VIEW lasting ENTITY thing TIMESTAMP at TTL INTERVAL '40000 days' AS SELECT * FROM facts;
        CREATE FEATURE VIEW fleeting ENTITY thing TIMESTAMP at TTL INTERVAL '1 hour' AS SELECT id, at, d AS e, i AS j FROM facts;
        CREATE FEATURE SERVICE everything REQUEST (amount DOUBLE)
        AS SELECT d, f, b, i, s, t, o, x, n, y, e, j, d + amount AS more, e * j AS product FROM lasting, fleeting;
        CREATE FEATURE SERVICE fixed REQUEST (amount DOUBLE) AS SELECT d, f, d AS again FROM lasting;
    ";
    const FACTS: &str = "id,at,d,f,b,i,s,t,o,x,n,y\n\
        1,2020-01-01T00:00:00Z,1.5,-0.25,-9007199254740993,-7,12,1969-12-31T23:59:59Z,true,é,1.25,2020-02-29\n\
        2,2020-01-01T00:00:00Z,,,,,,,,,,\n\
        3,2020-01-01T02:00:00Z,-0.0,1e30,0,2147483647,-1,2020-01-01T00:00:00Z,false,,-0.01,1970-01-01\n";

    async fn serving(folder: &TempDir) -> (Serving, crate::StoreLock) {
        let file = folder.path().join("facts.csv");
        std::fs::write(&file, FACTS).unwrap();
        let toml = folder.path().join("asof.toml");
        std::fs::write(&toml, "[project]\nname = \"p\"\n[store]\nurl = \"file:store\"\n[online]\nurl = \"memory:\"\n")
            .unwrap();
        let config = Config::load(Some(&toml), Overrides::default()).unwrap();
        let opened = crate::open(&config, "test", Duration::from_secs(5)).await.unwrap();
        let scope = Scope { project: "p".parse().unwrap(), environment: "dev".parse().unwrap() };
        let engine = opened.engine;
        let sources = vec![Source { file: "p.sql".into(), text: PROJECT.into() }];
        engine.apply(&scope, sources, &Author::default(), &Guard::default()).await.unwrap();
        let sources = vec![file.display().to_string()];
        let (dataset, called) = ("facts".parse().unwrap(), Default::default());
        let ingest = IngestRequest { dataset, sources, called, options: ReadOptions::default() };
        engine.ingest(&scope, ingest, Arc::new(Quiet)).await.unwrap();
        engine.materialize(&scope, MaterializeRequest::default(), Arc::new(Quiet)).await.unwrap();
        let spool = Spool::of(&folder.path().join("store"));
        let (_, ends) = tokio::sync::watch::channel(false);
        let (rules, silence) = (config.rules(), Duration::from_secs(5));
        let desk = Desk { engine, project: config.project, rules, spool, silence, ends };
        (Serving(Arc::new(desk)), opened.lock)
    }

    /// What is written straight into the buffer is what the generated message encodes to: values of all forms, nulls,
    /// rows that are missing or expired, and all that can be told besides.
    #[tokio::test(flavor = "multi_thread")]
    async fn replies_are_the_bytes_of_their_message() {
        let folder = tempfile::tempdir().unwrap();
        let (serving, _lock) = serving(&folder).await;
        let column = |name: &str, values| Column { name: name.into(), values: Some(values), ..Column::default() };
        let mut asked =
            vec![vec![1], vec![2], vec![3], vec![9], vec![], vec![1, 2, 3, 9, 1, 3, 3, 1, 1, 2], vec![3; 200]];
        // Replies like those before, with other values.
        asked.extend([vec![3, 1], vec![1, 3], vec![1, 2], vec![3, 3], vec![1]]);
        for deprecated in [false, true] {
            if deprecated {
                let author = Author { who: None, why: Some("it lasts too long".into()) };
                let reference = "lasting".parse().unwrap();
                let request = DeprecateRequest { reference, successor: None, author, undo: false };
                let scope = serving.0.scope(None).unwrap();
                serving.0.engine.deprecate(&scope, request).await.unwrap();
            }
            for (keys, (service, features)) in
                asked.iter().cloned().flat_map(|keys| [("everything", 14), ("fixed", 3)].map(|of| (keys.clone(), of)))
            {
                for told in 0..16 {
                    let [event_times, receipts, omit_schema, row_errors] = [0, 1, 2, 3].map(|bit| told >> bit & 1 == 1);
                    let doubles = Values::Doubles(Doubles { values: vec![0.5; keys.len()] });
                    let ids = Values::Int64s(Int64s { values: keys.clone() });
                    let columns = vec![column("id", ids), column("amount", doubles)];
                    let service = format!("{service}@1");
                    // A moment of its own, so that both answer for the same.
                    let at = Some(4_000_000_000_000_000);
                    let request = GetFeaturesRequest {
                        service,
                        columns,
                        at,
                        event_times,
                        receipts,
                        row_errors,
                        omit_schema,
                        ..GetFeaturesRequest::default()
                    };
                    let message = serving.get_features(Request::new(request.clone())).await.unwrap().into_inner();
                    let written = serving.reply(request).await.unwrap().bytes(0).unwrap();
                    assert_eq!((message.features.len(), message.warnings.len()), (features, usize::from(deprecated)));
                    assert_eq!(written, message.encode_to_vec(), "{keys:?}");
                }
            }
        }
    }
}
