//! Which type would hold all texts of a column.
//!
//! What was seen is a set of kinds of texts; the type follows from the set alone. So it depends neither on the order
//! of rows and files nor on how many were looked at first: all are. A type is only chosen if no text changes its
//! meaning by it: `007` and numbers beyond what a DOUBLE holds exactly among fractions stay texts.

use arrow::datatypes::{DataType, Field};
use asof_model::schema::timestamp;
use serde_json::Value;
use std::sync::Arc;

use super::convert::text;

const BOOLEAN: u8 = 1;
/// A whole number that a DOUBLE holds exactly.
const SMALL: u8 = 2;
/// One that only a BIGINT does.
const LARGE: u8 = 4;
const FRACTION: u8 = 8;
const DATE: u8 = 16;
const MOMENT: u8 = 32;
const OTHER: u8 = 64;

/// The greatest whole number up to which a DOUBLE holds all.
const EXACT: u64 = 1 << 53;

/// The kinds of values seen in a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    kinds: u8,
    /// What was seen in its lists, if it has lists.
    items: Option<Box<Seen>>,
}

impl Seen {
    /// A text of a CSV file.
    pub(crate) fn text(&mut self, text: &str) {
        self.kinds |= kind(text);
    }

    /// A value of a JSON file. A text there is a date, a moment or a text, never a number.
    pub(crate) fn json(&mut self, value: &Value) {
        self.kinds |= match value {
            Value::Null => 0,
            Value::Bool(_) => BOOLEAN,
            Value::Number(number) => kind(&number.to_string()),
            Value::String(text) => match kind(text) {
                kind @ (DATE | MOMENT) => kind,
                _ => OTHER,
            },
            Value::Array(items) => {
                let seen = self.items.get_or_insert_default();
                items.iter().for_each(|item| seen.json(item));
                0
            }
            // Refused when it is read, with its row.
            Value::Object(_) => OTHER,
        };
    }

    /// Adds what was seen in another file.
    pub(crate) fn merge(&mut self, other: &Seen) {
        self.kinds |= other.kinds;
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items);
        }
    }

    /// The type that holds all; none where only nulls were seen.
    pub(crate) fn data_type(&self) -> Option<DataType> {
        if let Some(items) = &self.items {
            if self.kinds != 0 {
                return Some(DataType::Utf8);
            }
            let item = items.data_type().unwrap_or(DataType::Utf8);
            return Some(DataType::List(Arc::new(Field::new("element", item, true))));
        }
        Some(match self.kinds {
            0 => return None,
            BOOLEAN => DataType::Boolean,
            k if k & !(SMALL | LARGE) == 0 => DataType::Int64,
            k if k & !(SMALL | FRACTION) == 0 => DataType::Float64,
            DATE => DataType::Date32,
            k if k & !(DATE | MOMENT) == 0 => timestamp(),
            _ => DataType::Utf8,
        })
    }
}

fn kind(written: &str) -> u8 {
    let plain = written.trim_ascii();
    let digits = plain.strip_prefix('-').unwrap_or(plain);
    match digits.as_bytes() {
        [] => OTHER,
        // An account or postal code.
        [b'0', b'0'..=b'9', ..] if !plain.contains('-') || plain.starts_with('-') => OTHER,
        [b'0'..=b'9' | b'.', ..] => number_or_time(plain, digits),
        [b't' | b'T' | b'f' | b'F', ..] if matches!(plain.to_ascii_lowercase().as_str(), "true" | "false") => BOOLEAN,
        [b'n' | b'N' | b'i' | b'I', ..] if text::double(plain).is_some() => FRACTION,
        _ => OTHER,
    }
}

fn number_or_time(plain: &str, digits: &str) -> u8 {
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return match plain.parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= EXACT => SMALL,
            Ok(_) => LARGE,
            Err(_) => OTHER,
        };
    }
    if text::looks_like_time(plain) {
        return match (text::date(plain), text::moment(plain)) {
            (Some(_), _) => DATE,
            (None, Some(_)) => MOMENT,
            (None, None) => OTHER,
        };
    }
    if text::double(plain).is_some() { FRACTION } else { OTHER }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asof_model::schema::sql_type;

    fn check(texts: &[&str], expected: Option<&str>) {
        let mut seen = Seen::default();
        texts.iter().for_each(|t| seen.text(t));
        assert_eq!(seen.data_type().as_ref().map(sql_type).as_deref(), expected, "{texts:?}");
        // In any order, in any files.
        let mut backwards = Seen::default();
        for text in texts.iter().rev() {
            let mut one = Seen::default();
            one.text(text);
            backwards.merge(&one);
        }
        assert_eq!(backwards, seen);
    }

    #[test]
    fn the_narrowest_type_that_loses_nothing() {
        check(&[], None);
        check(&["true", "FALSE"], Some("BOOLEAN"));
        check(&["true", "1"], Some("VARCHAR"));
        check(&["1", "-2", " 3"], Some("BIGINT"));
        check(&["9007199254740993"], Some("BIGINT"));
        check(&["1", "2.5", "-1e3", ".5", "NaN"], Some("DOUBLE"));
        check(&["9007199254740993", "2.5"], Some("VARCHAR"));
        check(&["99999999999999999999"], Some("VARCHAR"));
        check(&["007"], Some("VARCHAR"));
        check(&["0", "0.5", "-0.5"], Some("DOUBLE"));
        check(&["1e999"], Some("VARCHAR"));
        check(&["2013-01-01"], Some("DATE"));
        check(&["0013-01-01"], Some("DATE"));
        check(&["2013-01-01", "2013-01-01 05:00"], Some("TIMESTAMP"));
        check(&["2013-01-01T05:00:00Z", "2013-01-01T05:00:00.123+02:00"], Some("TIMESTAMP"));
        check(&["2013-13-01"], Some("VARCHAR"));
        check(&["2013-01-01", "1"], Some("VARCHAR"));
        check(&["JFK", "1"], Some("VARCHAR"));
        check(&["Nancy"], Some("VARCHAR"));
        check(&[""], Some("VARCHAR"));
    }

    #[test]
    fn json_texts_are_never_numbers_and_arrays_are_lists() {
        let check = |lines: &[&str], expected: Option<&str>| {
            let mut seen = Seen::default();
            lines.iter().for_each(|line| seen.json(&serde_json::from_str(line).unwrap()));
            assert_eq!(seen.data_type().as_ref().map(sql_type).as_deref(), expected, "{lines:?}");
        };
        check(&["1", "null"], Some("BIGINT"));
        check(&["\"1\""], Some("VARCHAR"));
        check(&["\"2013-01-01T00:00:00Z\""], Some("TIMESTAMP"));
        check(&["[1, 2.5]", "[]"], Some("DOUBLE[]"));
        check(&["[]"], Some("VARCHAR[]"));
        check(&["[1]", "1"], Some("VARCHAR"));
    }
}
