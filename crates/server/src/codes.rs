//! The one table from error kinds to the codes of protocols.

use asof_model::{Error, ErrorKind};
use axum::http::StatusCode;
use tonic::Code;

/// The gRPC code that tells a caller to do what the kind says.
pub fn grpc(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Precondition => Code::FailedPrecondition,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Late => Code::DeadlineExceeded,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Corrupt => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
    }
}

/// The HTTP status that tells a caller to do what the kind says; what is wrong with the HTTP of a request itself has the
/// status that HTTP has for it.
pub fn http(error: &Error) -> StatusCode {
    match error.code() {
        "wrong_method" | "read_only_lineage" => return StatusCode::METHOD_NOT_ALLOWED,
        "wrong_content_type" | "wrong_content_encoding" => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "other_site" => return StatusCode::FORBIDDEN,
        "body_too_large" => return StatusCode::PAYLOAD_TOO_LARGE,
        _ => {}
    }
    match error.kind() {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        // HTTP keeps 412 for conditions in headers: 409 is the state of things as well.
        ErrorKind::Conflict | ErrorKind::Precondition => StatusCode::CONFLICT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Late => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
