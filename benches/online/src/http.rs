//! As much of HTTP/1.1 as it takes to post JSON over a connection that stays open.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// A connection and where it posts to.
pub(crate) struct Http {
    stream: TcpStream,
    head: String,
    buffer: BytesMut,
}

impl Http {
    pub(crate) async fn connect(server: &str, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: ");
        Ok(Http { stream, head, buffer: BytesMut::new() })
    }

    /// The body of a reply of status 200.
    pub(crate) async fn post(&mut self, body: &[u8]) -> Result<Bytes> {
        let mut request = Vec::with_capacity(self.head.len() + 16 + body.len());
        request.extend_from_slice(self.head.as_bytes());
        request.extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        let start = loop {
            match self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more().await?,
            }
        };
        let head = self.buffer.split_to(start);
        let head = std::str::from_utf8(&head)?;
        let length = head.lines().filter_map(|line| line.split_once(':'));
        let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.map(|(_, value)| value.trim()).next().ok_or("a reply without a length")?.parse()?;
        while self.buffer.len() < length {
            self.more().await?;
        }
        let body = self.buffer.split_to(length).freeze();
        if !head.starts_with("HTTP/1.1 200") {
            return Err(
                format!("{}: {}", head.lines().next().unwrap_or_default(), String::from_utf8_lossy(&body)).into()
            );
        }
        Ok(body)
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}
