//! Errors as JSON: `{"error": {"code", "message", "remedy"?, "place"?}}`.

use asof_model::Error;
use serde_json::{Value, json};

/// The body of a failed request.
pub(crate) fn from_error(error: &Error) -> Vec<u8> {
    json!({ "error": one(error) }).to_string().into_bytes()
}

/// One error; what it does not have is left out.
pub(super) fn one(error: &Error) -> Value {
    let mut value = json!({ "code": error.code(), "message": error.message() });
    if let Some(remedy) = error.remedy_text() {
        value["remedy"] = remedy.into();
    }
    if let Some(place) = error.place() {
        value["place"] = json!({ "line": place.line, "column": place.column, "text": place.text });
    }
    value
}
