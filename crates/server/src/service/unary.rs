//! A unary call of gRPC, read and answered without a codec.
//!
//! tonic's codec takes two buffers of 8 KiB for each call and copies message and answer through them. Under load, making and
//! giving back those pages was a tenth of what the server did for a request of one entity. Here the message is read where the transport left
//! it, and the answer leaves in the buffer it was written into. What goes over the wire is the same, and so are limits and
//! refusals: messages in one piece, not compressed, of a bounded size.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures::future::poll_fn;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;

/// What stands before a message: whether it is compressed, and its length.
pub(super) const HEADER: usize = 5;

const CONTENT_TYPE: http::HeaderValue = http::HeaderValue::from_static("application/grpc");
const STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");
const OK: http::HeaderValue = http::HeaderValue::from_static("0");

/// The message of a call, of at most so many bytes.
///
/// # Errors
/// `unimplemented` for a compressed one, `out_of_range` for a larger one, `internal` where it is cut off, or not the only one; what the
/// transport says.
pub(super) async fn message(request: http::Request<Body>, most: usize) -> Result<Bytes, Status> {
    if let Some(encoding) = request.headers().get("grpc-encoding").filter(|encoding| *encoding != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        let mut refused =
            Status::unimplemented(format!("content is compressed with `{encoding}`, which is not supported"));
        refused.metadata_mut().insert("grpc-accept-encoding", tonic::metadata::MetadataValue::from_static("identity"));
        return Err(refused);
    }
    let mut body = request.into_body();
    let mut read = Bytes::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        // Most messages come in one piece.
        if read.is_empty() {
            read = data;
        } else {
            let mut joined = BytesMut::from(read);
            joined.extend_from_slice(&data);
            read = joined.freeze();
        }
        if let Some(length) = length(&read)? {
            if length > most {
                return Err(Status::out_of_range(format!("the message has {length} bytes; at most {most} are read")));
            }
            if read.len() > HEADER + length {
                return Err(Status::internal("there is more than one message in a call that takes one"));
            }
        }
    }
    match length(&read)? {
        Some(length) if read.len() == HEADER + length => {
            read.advance(HEADER);
            Ok(read)
        }
        None if read.is_empty() => Err(Status::internal("the message is missing")),
        _ => Err(Status::internal("the message is cut off")),
    }
}

/// How long the message is that these bytes begin with, as soon as they say so.
fn length(read: &[u8]) -> Result<Option<usize>, Status> {
    let Some((&[flag, a, b, c, d], _)) = read.split_first_chunk::<HEADER>() else { return Ok(None) };
    match flag {
        0 => Ok(Some(u32::from_be_bytes([a, b, c, d]) as usize)),
        1 => Err(Status::internal("the message is compressed, and the call does not say how")),
        flag => Err(Status::internal(format!("the message has the compression flag {flag}, which means nothing"))),
    }
}

/// The answer with this message, which stands behind room for its [`HEADER`].
///
/// # Errors
/// `out_of_range` for a message that is larger than allowed.
pub(super) fn response(mut framed: Vec<u8>, most: usize) -> Result<http::Response<Body>, Status> {
    let length = framed.len().saturating_sub(HEADER);
    let Some(said) = u32::try_from(length).ok().filter(|_| length <= most) else {
        return Err(Status::out_of_range(format!(
            "the answer has {length} bytes; at most {most} are sent: ask for fewer entities or features"
        )));
    };
    if let Some(header) = framed.first_chunk_mut::<HEADER>() {
        header[1..].copy_from_slice(&said.to_be_bytes());
    }
    let mut response = http::Response::new(Body::new(Answer::Message(framed.into())));
    response.headers_mut().insert(http::header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(response)
}

/// One message, then that all went well.
enum Answer {
    Message(Bytes),
    Status,
    Over,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let answer = self.get_mut();
        let frame = match std::mem::replace(answer, Answer::Over) {
            Answer::Message(message) => {
                *answer = Answer::Status;
                Frame::data(message)
            }
            Answer::Status => {
                let mut trailers = http::HeaderMap::with_capacity(1);
                trailers.insert(STATUS, OK);
                Frame::trailers(trailers)
            }
            Answer::Over => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answer::Over)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tonic::Code;

    use super::*;

    /// A body in these pieces.
    struct Pieces(VecDeque<Bytes>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
    }

    async fn read(bytes: &[u8], piece: usize, most: usize) -> Result<Bytes, Code> {
        let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
        message(http::Request::new(Body::new(Pieces(pieces))), most).await.map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_message_is_read_however_it_is_cut() {
        for text in [&b""[..], b"a", b"a message of some length"] {
            let framed = framed(0, text);
            for piece in 1..=framed.len() {
                assert_eq!(read(&framed, piece, 100).await.as_deref(), Ok(text), "in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        let whole = framed(0, b"a message");
        assert_eq!(read(b"", 9, 100).await, Err(Code::Internal), "missing");
        assert_eq!(read(&whole[..3], 9, 100).await, Err(Code::Internal), "cut off in its length");
        assert_eq!(read(&whole[..8], 9, 100).await, Err(Code::Internal), "cut off");
        assert_eq!(read(&[&whole[..], &whole[..]].concat(), 4, 100).await, Err(Code::Internal), "two of them");
        assert_eq!(read(&whole, 9, 9).await.as_deref(), Ok(&b"a message"[..]));
        assert_eq!(read(&whole, 9, 8).await, Err(Code::OutOfRange), "too large");
        // What is too large is refused before it is there.
        assert_eq!(read(&framed(0, &[0; 1000])[..20], 20, 100).await, Err(Code::OutOfRange));
        assert_eq!(read(&framed(1, b"x"), 9, 100).await, Err(Code::Internal), "compressed, and nobody says how");
        assert_eq!(read(&framed(7, b"x"), 9, 100).await, Err(Code::Internal), "a flag that means nothing");
        let mut request = http::Request::new(Body::new(Pieces(VecDeque::from([Bytes::from(whole)]))));
        request.headers_mut().insert("grpc-encoding", http::HeaderValue::from_static("gzip"));
        assert_eq!(message(request, 100).await.unwrap_err().code(), Code::Unimplemented);
    }

    #[tokio::test]
    async fn an_answer_is_one_message_and_a_status() {
        let mut answered = response([&[0; HEADER][..], b"answer"].concat(), 6).unwrap();
        assert_eq!(answered.headers()["content-type"], "application/grpc");
        let body = answered.body_mut();
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), framed(0, b"answer"));
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.unwrap().unwrap();
        assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
        assert!(poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.is_none());
        assert_eq!(response(framed(0, b"answer"), 5).unwrap_err().code(), Code::OutOfRange);
    }
}
