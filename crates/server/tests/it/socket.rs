//! A server on a socket, and requests to it over gRPC and plain HTTP/1.1.

use std::net::SocketAddr;

use asof_server::{Config, Server};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::fixture::Fixture;

/// A server on a socket, and how to end it.
pub(crate) async fn serve(
    fixture: &Fixture,
    config: &Config,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<asof_model::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel();
    let server = Server::new(fixture.opened.engine.clone(), config).unwrap();
    let running = tokio::spawn(server.serve(listener, async {
        let _ = ended.await;
    }));
    (address, end, running)
}

pub(crate) async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// The answer to one request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The status, and the code of the error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
        (self.status, code)
    }
}

/// Asks over a connection of its own. `head` is the first line and the headers, without those of the body.
pub(crate) async fn ask(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{head}\r\nhost: asof\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer, and close, before it has read a body that it refuses.
    let _ = stream.write_all(body).await;
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    let end = read.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: read[end + 4..].to_vec() }
}

/// Asks for features.
pub(crate) async fn post(address: SocketAddr, body: &str) -> Answer {
    ask(address, "POST /v1/features HTTP/1.1\r\ncontent-type: application/json", body.as_bytes()).await
}
