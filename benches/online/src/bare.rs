//! A tonic service that returns a reply that was ready before.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::Result;
use crate::bytes_codec::BytesCodec;
use crate::measure::report;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The bytes of the reply.
    #[arg(long)]
    reply: PathBuf,
    /// Threads of this server.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let bare = Bare(std::fs::read(&args.reply)?.into());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    report(&json!({ "listening": listener.local_addr()?.to_string() }))?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_service(bare).serve_with_incoming(incoming).await?)
}

/// The reply.
#[derive(Clone)]
struct Bare(Bytes);

impl NamedService for Bare {
    const NAME: &'static str = "asof.serving.v1.ServingService";
}

impl Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let reply = Once(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(BytesCodec).unary(reply, request).await) })
    }
}

/// The method.
struct Once(Bytes);

impl Service<Request<Bytes>> for Once {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Ready<std::result::Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(self.0.clone())))
    }
}
