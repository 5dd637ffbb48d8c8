//! The server inside the caller's process, over pipes in memory.

use std::io;

use asof_engine::Engine;
use asof_model::Result;
use hyper_util::rt::TokioIo;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::config::Config;
use crate::server::{Server, transport};

/// Bytes on their way in one direction.
const PIPE: usize = 1 << 20;

/// A channel to a server of its own over this engine: the same services and conversions as over a socket, but no
/// time limit, since nobody else is kept waiting. The server ends when the last clone of the channel is dropped.
///
/// Call it within a tokio runtime.
///
/// # Errors
/// Those of [`Server::new`].
pub fn embedded(engine: Engine, config: &Config) -> Result<Channel> {
    let (routes, settings) = Server::new(engine, config)?.into_parts();
    let (connect, connections) = mpsc::channel::<io::Result<DuplexStream>>(1);
    let serving = transport(&settings, None).add_routes(routes).serve_with_incoming(ReceiverStream::new(connections));
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server in this process ended");
        }
    });
    let connector = service_fn(move |_: Uri| {
        let connect = connect.clone();
        async move {
            let (here, there) = duplex(PIPE);
            connect.send(Ok(there)).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok::<_, io::Error>(TokioIo::new(here))
        }
    });
    Ok(Endpoint::from_static("http://embedded.invalid").connect_with_connector_lazy(connector))
}
