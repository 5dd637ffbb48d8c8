//! The body of a request: of the right type, unpacked, and no larger than a message may be, packed or not.

use std::io::Read;

use asof_model::{Error, ErrorKind, Result};
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;

/// # Errors
/// `wrong_content_type` unless it says that it is JSON. `what` names the request.
pub(super) fn is_json(headers: &HeaderMap, what: &str) -> Result<()> {
    let media = headers.get(CONTENT_TYPE).map(shown);
    let media = media.as_deref().and_then(|text| text.split(';').next()).map(str::trim);
    if media.is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let said =
        media.map_or_else(|| "none".to_owned(), |media| format!("`{}`", media.chars().take(80).collect::<String>()));
    let message = format!("{what} is JSON, and its Content-Type says {said}");
    Err(Error::new(ErrorKind::Invalid, "wrong_content_type", message).remedy("send Content-Type: application/json"))
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
}

impl Packing {
    /// # Errors
    /// `wrong_content_encoding` for a way that is not known.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let Some(said) = headers.get(CONTENT_ENCODING).map(shown) else { return Ok(Packing::None) };
        match said.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Packing::None),
            "gzip" | "x-gzip" => Ok(Packing::Gzip),
            other => {
                let other: String = other.chars().take(80).collect();
                let message = format!("the body of the request is packed as `{other}`");
                Err(Error::new(ErrorKind::Invalid, "wrong_content_encoding", message)
                    .remedy("send it as Content-Encoding: gzip, or not packed"))
            }
        }
    }

    /// Unpacks a body, as far as the size that it may have. Keeps a thread busy.
    ///
    /// # Errors
    /// `body_too_large`; `body_cut_short` for what is no gzip, or not all of it.
    pub(super) fn unpack(self, packed: Bytes, max: usize) -> Result<Bytes> {
        if self == Packing::None {
            return Ok(packed);
        }
        let mut unpacked = Vec::new();
        // One byte more than there may be, and never the rest of it.
        let mut reader = MultiGzDecoder::new(packed.as_ref()).take(max as u64 + 1);
        reader.read_to_end(&mut unpacked).map_err(|e| cut_short(format!("its gzip cannot be read: {e}")))?;
        if unpacked.len() > max { Err(too_large(max)) } else { Ok(unpacked.into()) }
    }
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The whole body, as it was sent.
///
/// # Errors
/// `body_too_large`, `body_cut_short`.
pub(super) async fn read(body: Body, max: usize) -> Result<Bytes> {
    let mut pieces = body.into_data_stream();
    let mut read: Vec<Bytes> = Vec::new();
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| cut_short(e.to_string()))?;
        size += piece.len();
        if size > max {
            return Err(too_large(max));
        }
        read.push(piece);
    }
    // Most bodies come in one piece.
    match read.as_mut_slice() {
        [whole] => Ok(std::mem::take(whole)),
        pieces => Ok(pieces.concat().into()),
    }
}

fn cut_short(why: String) -> Error {
    let message = format!("the body of the request ended early: {why}");
    Error::new(ErrorKind::Invalid, "body_cut_short", message).remedy("send it again")
}

fn too_large(max: usize) -> Error {
    let message = format!("the body of the request is larger than {max} bytes");
    Error::new(ErrorKind::Invalid, "body_too_large", message)
        .remedy("split the request, or raise max_message in [server]")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_unpacks_to_more_than_there_may_be_is_refused() {
        let unpack = |bytes: Vec<u8>, max| Packing::Gzip.unpack(bytes.into(), max).map_err(|error| error.code());
        assert_eq!(unpack(packed(&[b' '; 1000]), 1000), Ok(Bytes::from(vec![b' '; 1000])));
        assert_eq!(unpack(packed(&[b' '; 1001]), 1000), Err("body_too_large"));
        // A few kilobytes that would be a hundred megabytes.
        let bomb = packed(&vec![0; 100 << 20]);
        assert!(bomb.len() < 200_000);
        assert_eq!(unpack(bomb, 1000), Err("body_too_large"));
        // Several members are one body.
        let two = [packed(b"[1,"), packed(b"2]")].concat();
        assert_eq!(unpack(two, 1000), Ok(Bytes::from_static(b"[1,2]")));
        let mut cut = packed(&[b' '; 1000]);
        cut.truncate(cut.len() - 4);
        assert_eq!(unpack(cut, 1000), Err("body_cut_short"));
        assert_eq!(unpack(b"{}".to_vec(), 1000), Err("body_cut_short"));
    }

    #[test]
    fn packings_are_told_by_their_names() {
        let of = |said: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(said))]);
            Packing::of(&headers).map_err(|error| error.code())
        };
        assert_eq!(Packing::of(&HeaderMap::new()), Ok(Packing::None));
        assert_eq!(
            (of("gzip"), of(" GZIP "), of("identity")),
            (Ok(Packing::Gzip), Ok(Packing::Gzip), Ok(Packing::None))
        );
        assert_eq!((of("br"), of("gzip, gzip")), (Err("wrong_content_encoding"), Err("wrong_content_encoding")));
    }
}
