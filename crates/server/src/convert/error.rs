//! Errors, in full, in the details of a gRPC status.
//!
//! Details travel in HTTP headers, which clients bound (some at 8 KiB in all): so of many errors the first ones
//! are sent, and the last says how many there were.

use asof_model::{Error, ErrorKind};
use asof_proto::error::v1 as wire;
use prost::Message;
use tonic::Status;

use crate::codes;

/// Bytes of details, before they grow by a third as text in a header.
const MAX_DETAILS: usize = 4 << 10;
/// Bytes of the status' own message, and of each text in the details.
const MAX_TEXT: usize = 1 << 10;

/// Why a call failed: one reason, or several.
pub(crate) trait Refusal {
    /// It as a status.
    fn status(self) -> Status;
}

impl Refusal for Error {
    fn status(self) -> Status {
        status(self)
    }
}

impl Refusal for Vec<Error> {
    fn status(self) -> Status {
        statuses(self)
    }
}

/// The status of a call that failed for one reason.
pub(crate) fn status(error: Error) -> Status {
    statuses(vec![error])
}

/// The status of a call that failed for several reasons; the first decides its code.
pub(crate) fn statuses(errors: Vec<Error>) -> Status {
    let kind = errors.first().map_or(ErrorKind::Internal, Error::kind);
    let mut message = errors.first().map_or_else(String::new, |e| abridged(e.message()));
    if errors.len() > 1 {
        message.push_str(&format!(" (and {} more)", errors.len() - 1));
    }
    for error in errors.iter().filter(|e| matches!(e.kind(), ErrorKind::Internal | ErrorKind::Corrupt)) {
        tracing::error!(code = error.code(), "{}", error.message());
    }
    let details = details(&errors).encode_to_vec();
    Status::with_details(codes::grpc(kind), message, details.into())
}

/// The errors, as many as fit.
fn details(errors: &[Error]) -> wire::Errors {
    let mut details = wire::Errors::default();
    let mut size = 0;
    for (index, error) in errors.iter().enumerate() {
        let error = one(error);
        size += error.encoded_len() + 8;
        if size > MAX_DETAILS && index > 0 {
            details.errors.push(wire::Error {
                code: "more_errors".to_owned(),
                message: format!("and {} more errors, which are not shown", errors.len() - index),
                remedy: "mend these first".to_owned(),
                place: None,
            });
            break;
        }
        details.errors.push(error);
    }
    details
}

/// One error, its texts bounded.
pub(crate) fn one(error: &Error) -> wire::Error {
    let place = error.place().map(|place| {
        // A caret below half a line would mislead: a line too long to send whole is not shown at all.
        let text = if place.text.len() <= MAX_TEXT { place.text.clone() } else { String::new() };
        wire::Place { file: abridged(&place.file), line: place.line, column: place.column, text, width: place.width }
    });
    wire::Error {
        code: error.code().to_owned(),
        message: abridged(error.message()),
        remedy: abridged(error.remedy_text().unwrap_or_default()),
        place,
    }
}

fn abridged(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use asof_model::error::Place;
    use tonic::Code;

    fn decoded(status: &Status) -> wire::Errors {
        wire::Errors::decode(status.details()).unwrap()
    }

    #[test]
    fn a_status_carries_the_errors_in_full() {
        let place = Place { file: "a.sql".into(), line: 12, column: 6, text: "FROM carrier_delay".into(), width: 13 };
        let first =
            Error::new(ErrorKind::NotFound, "unknown_name", "there is no `x`").remedy("did you mean `y`?").at(place);
        let second = Error::new(ErrorKind::Invalid, "wrong_type", "no");
        let status = statuses(vec![first, second]);
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no `x` (and 1 more)"));
        let errors = decoded(&status).errors;
        let place =
            wire::Place { file: "a.sql".into(), line: 12, column: 6, text: "FROM carrier_delay".into(), width: 13 };
        let expected = wire::Error {
            code: "unknown_name".into(),
            message: "there is no `x`".into(),
            remedy: "did you mean `y`?".into(),
            place: Some(place),
        };
        assert_eq!(errors[0], expected);
        assert_eq!((errors[1].code.as_str(), errors[1].place.as_ref()), ("wrong_type", None));
    }

    #[test]
    fn many_or_long_errors_still_fit_in_headers() {
        let many = (0..500).map(|i| Error::new(ErrorKind::Invalid, "wrong_type", format!("number {i}"))).collect();
        let errors = decoded(&statuses(many)).errors;
        let last = errors.last().unwrap();
        assert_eq!(last.message, format!("and {} more errors, which are not shown", 500 - (errors.len() - 1)));

        let text = "ä".repeat(100_000);
        let place = Place { file: text.clone(), line: 1, column: 1, text: text.clone(), width: 1 };
        let long = Error::new(ErrorKind::Invalid, "wrong_type", text.clone()).remedy(text).at(place);
        let status = status(long);
        assert!(status.details().len() + status.message().len() < 6 << 10, "{}", status.details().len());
        assert!(decoded(&status).errors[0].message.ends_with("ä…"));
    }
}
