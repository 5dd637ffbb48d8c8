//! Connections that must begin to speak.
//!
//! Both versions of HTTP are served on one port, so the first bytes of a connection decide. Nothing below bounds how long they
//! may take: a connection that says nothing, or the first letters of HTTP/2 and no more, would be held for ever. Here it is
//! given up when its time is over. What comes after is bounded elsewhere: the head of a request over HTTP/1.1 by a time of
//! its own, a silent connection over HTTP/2 by pings.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// How a connection over HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which it is to be seen soon what it speaks.
pub(crate) struct Greeted<S> {
    stream: S,
    /// How many of the bytes of the preface were read.
    read: usize,
    /// Until it is seen.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Greeted<S> {
    /// Call it within a tokio runtime.
    pub(crate) fn within(time: Duration, stream: S) -> Self {
        let over = async move {
            let _ = tokio::time::timeout(time, pending::<()>()).await;
        };
        Greeted { stream, read: 0, over: Some(Box::pin(over)) }
    }

    /// Looks at bytes that were read.
    fn look(&mut self, bytes: &[u8]) {
        let rest = &PREFACE[self.read..];
        let same = bytes.iter().zip(rest).take_while(|(read, wanted)| read == wanted).count();
        self.read += same;
        if same < bytes.len() || same == rest.len() {
            self.over = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buf);
        if let Some(over) = &mut self.over {
            match &polled {
                Poll::Pending if over.as_mut().poll(context).is_ready() => {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending => {}
                Poll::Ready(_) => self.look(&buf.filled()[before..]),
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connected> Connected for Greeted<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// Whether a connection that has said this much, in two parts, and then nothing is given up.
    async fn given_up(first: &[u8], second: &[u8]) -> bool {
        let (mut client, server) = duplex(64);
        let mut server = Greeted::within(Duration::from_millis(20), server);
        let mut read = vec![0; 64];
        for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
            client.write_all(part).await.unwrap();
            server.read_exact(&mut read[..part.len()]).await.unwrap();
        }
        match tokio::time::timeout(Duration::from_millis(200), server.read(&mut read)).await {
            Ok(read) => read.is_err_and(|e| e.kind() == io::ErrorKind::TimedOut),
            Err(_) => false,
        }
    }

    #[tokio::test]
    async fn who_does_not_say_what_it_speaks_is_given_up() {
        assert!(given_up(b"", b"").await);
        assert!(given_up(b"P", b"").await);
        assert!(given_up(b"PRI * HT", b"TP/2.0\r\n").await);
        assert!(!given_up(b"G", b"").await);
        assert!(!given_up(b"P", b"O").await);
        assert!(!given_up(&PREFACE[..10], &PREFACE[10..]).await);
    }
}
