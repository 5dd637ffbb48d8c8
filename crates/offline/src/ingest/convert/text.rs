//! Texts to values, strictly: what is not wholly a value of the type is none. Blanks around numbers and times are let
//! pass; texts are kept as they are.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Decimal128Builder, ListArray, PrimitiveBuilder, StringArray, StringBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use asof_model::Micros;
use chrono::{Datelike as _, NaiveDate};
use serde_json::Value;

use super::{Bad, Converted, Floored, Unfit};
use crate::ingest::refusal::shown;

/// The texts as values of a normal type.
pub(crate) fn texts(texts: &StringArray, to: &DataType, floored: &mut Floored) -> Converted {
    Ok(match to {
        DataType::Utf8 => Arc::new(texts.clone()),
        DataType::Boolean => {
            let mut built = BooleanBuilder::with_capacity(texts.len());
            each(texts, boolean, |value, _| built.append_option(value))?;
            Arc::new(built.finish())
        }
        DataType::Int8 => primitive::<Int8Type>(texts, |t| integer(t)?.try_into().ok())?,
        DataType::Int16 => primitive::<Int16Type>(texts, |t| integer(t)?.try_into().ok())?,
        DataType::Int32 => primitive::<Int32Type>(texts, |t| integer(t)?.try_into().ok())?,
        DataType::Int64 => primitive::<Int64Type>(texts, integer)?,
        DataType::Float32 => {
            // A REAL rounds by nature; what it cannot reach at all it does not hold.
            let real = |t: &str| double(t).map(|v| (v, v as f32)).filter(|(v, r)| v.is_infinite() || !r.is_infinite());
            primitive::<Float32Type>(texts, |t| real(t).map(|(_, r)| r))?
        }
        DataType::Float64 => primitive::<Float64Type>(texts, double)?,
        DataType::Date32 => primitive::<Date32Type>(texts, date)?,
        DataType::Timestamp(..) => {
            let mut built = PrimitiveBuilder::<TimestampMicrosecondType>::with_capacity(texts.len());
            each(texts, moment, |value, row| {
                if value.is_some_and(|(_, finer)| finer) {
                    floored.mark(row);
                }
                built.append_option(value.map(|(micros, _)| micros));
            })?;
            Arc::new(built.finish().with_timezone("UTC"))
        }
        DataType::Decimal128(precision, scale) => {
            let mut built = Decimal128Builder::with_capacity(texts.len()).with_data_type(to.clone());
            each(texts, |t| decimal(t, *precision, *scale), |value, _| built.append_option(value))?;
            Arc::new(built.finish())
        }
        DataType::List(item) => list(texts, item, floored)?,
        _ => return Err(Unfit::Type(DataType::Utf8)),
    })
}

/// Parses each text; the first that is none of its kind is the error.
fn each<T>(
    texts: &StringArray,
    parse: impl Fn(&str) -> Option<T>,
    mut append: impl FnMut(Option<T>, usize),
) -> Result<(), Bad> {
    for (row, text) in texts.iter().enumerate() {
        let value = match text {
            None => None,
            Some(text) => Some(parse(text).ok_or_else(|| Bad { row, value: shown(text) })?),
        };
        append(value, row);
    }
    Ok(())
}

fn primitive<T: ArrowPrimitiveType>(
    texts: &StringArray,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef, Bad> {
    let mut built = PrimitiveBuilder::<T>::with_capacity(texts.len());
    each(texts, parse, |value, _| built.append_option(value))?;
    Ok(Arc::new(built.finish()))
}

/// JSON arrays.
fn list(texts: &StringArray, item: &Arc<Field>, floored: &mut Floored) -> Converted {
    let (mut items, mut lengths) = (StringBuilder::new(), Vec::with_capacity(texts.len()));
    // The row that each item is in, to name it when the item is bad.
    let mut rows = Vec::new();
    for (row, text) in texts.iter().enumerate() {
        let before = rows.len();
        if let Some(text) = text {
            let bad = || Bad { row, value: shown(text) };
            let Ok(Value::Array(values)) = serde_json::from_str(text) else { return Err(bad().into()) };
            for value in values {
                match value {
                    Value::Null => items.append_null(),
                    Value::String(text) => items.append_value(text),
                    Value::Object(_) => return Err(bad().into()),
                    other => items.append_value(other.to_string()),
                }
                rows.push(row);
            }
        }
        lengths.push(rows.len() - before);
    }
    let mut inner = Floored::default();
    let values = self::texts(&items.finish(), item.data_type(), &mut inner).map_err(|unfit| match unfit {
        Unfit::Value(bad) => Unfit::Value(Bad { row: rows.get(bad.row).copied().unwrap_or_default(), ..bad }),
        unfit => unfit,
    })?;
    inner.0.iter().zip(&rows).filter(|(is, _)| **is).for_each(|(_, row)| floored.mark(*row));
    let nulls = texts.nulls().map(|n| NullBuffer::new(n.inner().clone()));
    Ok(Arc::new(ListArray::new(item.clone(), OffsetBuffer::from_lengths(lengths), values, nulls)))
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim_ascii().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number, also as `17.0`: programs that know only fractions write it so.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    whole.parse().ok()
}

/// A number; also `NaN` and `inf`, but not what is merely too large.
pub(crate) fn double(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let number: f64 = text.parse().ok()?;
    (number.is_finite() || !text.bytes().any(|b| b.is_ascii_digit())).then_some(number)
}

/// Whether a text begins as `2013-01-01` does: what does not is no time, and needs no long look.
pub(crate) fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-'
}

/// Days since the Unix epoch, of `2013-01-01`.
pub(crate) fn date(text: &str) -> Option<i32> {
    let text = text.trim_ascii();
    if text.len() != 10 || !looks_like_time(text) {
        return None;
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    date.num_days_from_ce().checked_sub(NaiveDate::default().num_days_from_ce())
}

/// Microseconds since the Unix epoch, and whether the text is finer than that.
pub(crate) fn moment(text: &str) -> Option<(i64, bool)> {
    let text = text.trim_ascii();
    if !looks_like_time(text) {
        return None;
    }
    let Micros(micros) = text.parse().ok()?;
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit);
    Some((micros, digits.skip(6).any(|b| b != b'0')))
}

fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let scale = usize::try_from(scale).ok()?;
    let (kept, beyond) = fraction.split_at(fraction.len().min(scale));
    if beyond.bytes().any(|b| b != b'0') {
        return None;
    }
    let digits = whole.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', scale - kept.len()));
    let mut value = 0i128;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let fits = value < 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    fits.then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::display::array_value_to_string;
    use asof_model::schema::parse_sql_type;

    /// What a text becomes, as text; none where it is not let in.
    fn check(sql: &str, text: &str, expected: Option<&str>) {
        let array = StringArray::from(vec![None, Some(text)]);
        let found = texts(&array, &parse_sql_type(sql).unwrap(), &mut Floored::default());
        match (&found, expected) {
            (Ok(array), Some(expected)) => {
                assert!(array.is_null(0));
                assert_eq!(array_value_to_string(array, 1).unwrap(), expected, "{sql} {text}");
            }
            (Err(Unfit::Value(bad)), None) => assert_eq!((bad.row, &bad.value), (1, &shown(text))),
            _ => panic!("{sql} {text}: {found:?}"),
        }
    }

    #[test]
    fn texts_become_values_or_are_refused() {
        check("VARCHAR", " a ", Some(" a "));
        check("BOOLEAN", "TRUE", Some("true"));
        check("BOOLEAN", "0", Some("false"));
        check("BOOLEAN", "2", None);
        check("TINYINT", "127", Some("127"));
        check("TINYINT", "128", None);
        check("BIGINT", " -5 ", Some("-5"));
        check("BIGINT", "517.0", Some("517"));
        check("BIGINT", "517.5", None);
        check("BIGINT", "517.", None);
        check("BIGINT", "abc", None);
        check("BIGINT", "9223372036854775808", None);
        check("DOUBLE", "1e3", Some("1000.0"));
        check("DOUBLE", "nan", Some("NaN"));
        check("DOUBLE", "1e999", None);
        check("REAL", "1e39", None);
        check("DATE", "2013-02-28", Some("2013-02-28"));
        check("DATE", "1969-12-31", Some("1969-12-31"));
        check("DATE", "2013-02-29", None);
        check("DATE", "2013-02-28 00:00", None);
        check("TIMESTAMP", "2013-01-01 05:00", Some("2013-01-01T05:00:00Z"));
        check("TIMESTAMP", "2013-01-01T05:00:00+05:00", Some("2013-01-01T00:00:00Z"));
        check("TIMESTAMP", "2013-01-01", Some("2013-01-01T00:00:00Z"));
        check("TIMESTAMP", "1388534400", None);
        check("DECIMAL(5,2)", "-123.4", Some("-123.40"));
        check("DECIMAL(5,2)", "123.450", Some("123.45"));
        check("DECIMAL(5,2)", "123.456", None);
        check("DECIMAL(5,2)", "1234", None);
        check("DECIMAL(5,2)", ".", None);
        check("DECIMAL(38,0)", &"9".repeat(38), Some(&"9".repeat(38)));
        check("DECIMAL(38,0)", &"9".repeat(39), None);
        check("BIGINT[]", "[1, null, 3]", Some("[1, , 3]"));
        check("BIGINT[]", "[]", Some("[]"));
        check("BIGINT[]", "1", None);
        check("VARCHAR[]", "[\"a\"]", Some("[a]"));
    }

    #[test]
    fn an_item_of_a_list_is_named_with_its_row() {
        let array = StringArray::from(vec!["[1]", "[2, \"x\"]"]);
        let found = texts(&array, &parse_sql_type("BIGINT[]").unwrap(), &mut Floored::default());
        assert_eq!(found.unwrap_err(), Unfit::Value(Bad { row: 1, value: "\"x\"".into() }));
    }

    #[test]
    fn finer_than_a_microsecond_is_floored_and_counted() {
        let array = StringArray::from(vec![
            Some("1969-12-31T23:59:59.9999999Z"),
            Some("1970-01-01T00:00:00.1234560"),
            None,
            Some("1970-01-01T00:00:00.0000019Z"),
        ]);
        let mut floored = Floored::default();
        let found = texts(&array, &asof_model::schema::timestamp(), &mut floored).unwrap();
        let micros = arrow::array::cast::AsArray::as_primitive::<TimestampMicrosecondType>(&found);
        assert_eq!(micros.iter().collect::<Vec<_>>(), [Some(-1), Some(123_456), None, Some(1)]);
        assert_eq!(floored.count(), 2);
    }
}
