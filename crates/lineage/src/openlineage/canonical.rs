//! The canonical text of a JSON value, and its digest: what makes two events the same one.
//!
//! Members are sorted by their names' bytes, there is no space, texts are escaped in one way, and a number is written in one
//! way however it came: `1.0`, `1` and `1e0` are the same. Integers of 64 bits keep every digit.
//!
//! Deliberately not RFC 8785: that one sorts by UTF-16 units and writes large integers as doubles, which would make two
//! different ones equal.

use asof_model::Digest;
use serde_json::{Number, Value};

/// Integers up to this size are the same as a double and as an integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The text.
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// The digest of the text.
pub fn digest(value: &Value) -> Digest {
    Digest::of(text(value).as_bytes())
}

/// A digest in the form of an identifier (RFC 9562, version 8: of the maker's own kind).
pub fn identifier(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// Values nest no deeper than what the reader of JSON lets in, so this may recurse.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (i, (name, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() <= EXACT => {
            // Both zeros are one.
            format!("{}", double as i64)
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(text(&serde_json::from_str(json).unwrap()), expected, "{json}");
    }

    #[test]
    fn a_value_has_one_text() {
        check(" { \"b\" : [1, 2.5 ,null] , \"a\" : true } ", r#"{"a":true,"b":[1,2.5,null]}"#);
        check(r#""\u0041\/\n\u00e4""#, "\"A/\\n\u{e4}\"");
        check("1.0", "1");
        check("1e2", "100");
        check("-0.0", "0");
        check("9007199254740993", "9007199254740993");
        check("18446744073709551615", "18446744073709551615");
        check("0.1", "0.1");
        check("1e300", "1e+300");
        check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    }

    #[test]
    fn what_differs_has_another_digest() {
        let digest = |json: &str| super::digest(&serde_json::from_str(json).unwrap());
        assert_eq!(digest(r#"{"a":1,"b":2}"#), digest(r#"{"b":2.0,"a":1}"#));
        assert_ne!(digest("9007199254740993"), digest("9007199254740992"));
        assert_ne!(digest(r#"["1"]"#), digest("[1]"));
    }
}
