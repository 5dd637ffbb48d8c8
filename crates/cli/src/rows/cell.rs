//! One value of a column, as JSON and as text. A reply that is not as promised (too short, no values) reads
//! as null: nothing here can fail.

use asof_proto::column::v1::Column;
use asof_proto::column::v1::column::Values;
use chrono::{Days, NaiveDate};
use serde_json::{Number, Value};

use crate::moments::moment;

/// How many rows a column has.
pub(super) fn len(column: &Column) -> usize {
    match &column.values {
        Some(Values::Int64s(v) | Values::Timestamps(v)) => v.values.len(),
        Some(Values::Doubles(v)) => v.values.len(),
        Some(Values::Floats(v)) => v.values.len(),
        Some(Values::Strings(v) | Values::Decimals(v)) => v.values.len(),
        Some(Values::Binaries(v)) => v.values.len(),
        Some(Values::Bools(v)) => v.values.len(),
        Some(Values::Dates(v)) => v.values.len(),
        Some(Values::Lists(v)) => v.offsets.len().saturating_sub(1),
        Some(Values::Nulls(v)) => v.count as usize,
        None => 0,
    }
}

/// The value as JSON: numbers and booleans as such, a DECIMAL as its digits, moments as RFC 3339, binary as
/// hexadecimal digits, what is not a number as "NaN", "Infinity" or "-Infinity".
pub(crate) fn value(column: &Column, row: usize) -> Value {
    read(column, row).unwrap_or(Value::Null)
}

/// The value as text; none is null.
pub(crate) fn text(column: &Column, row: usize) -> Option<String> {
    match value(column, row) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn read(column: &Column, row: usize) -> Option<Value> {
    let valid = column.validity.is_empty() || column.validity.get(row / 8)? >> (row % 8) & 1 == 1;
    if !valid {
        return None;
    }
    Some(match column.values.as_ref()? {
        Values::Int64s(v) => Value::from(*v.values.get(row)?),
        Values::Doubles(v) => float(*v.values.get(row)?),
        // By way of its shortest text: 0.1 stays 0.1.
        Values::Floats(v) => float(v.values.get(row)?.to_string().parse().ok()?),
        Values::Strings(v) | Values::Decimals(v) => Value::from(v.values.get(row)?.as_str()),
        Values::Binaries(v) => Value::from(v.values.get(row)?.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        Values::Bools(v) => Value::from(*v.values.get(row)?),
        Values::Dates(v) => Value::from(date(*v.values.get(row)?)),
        Values::Timestamps(v) => Value::from(moment(*v.values.get(row)?)),
        Values::Lists(v) => {
            let (from, to) = (*v.offsets.get(row)? as usize, *v.offsets.get(row + 1)? as usize);
            let items = v.items.as_deref()?;
            // Bounded by what is there, whatever the offsets say.
            Value::from((from..to.min(len(items))).map(|item| value(items, item)).collect::<Vec<_>>())
        }
        Values::Nulls(_) => return None,
    })
}

fn float(number: f64) -> Value {
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => Value::from("NaN"),
        None if number > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

fn date(days: i32) -> String {
    let epoch = NaiveDate::default();
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let date = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
    date.map_or_else(|| format!("{days} days"), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use asof_proto::column::v1 as wire;
    use serde_json::json;

    use super::*;

    fn check(values: Values, validity: &[u8], expected: &[Value]) {
        let column =
            Column { name: "c".into(), r#type: String::new(), validity: validity.to_vec(), values: Some(values) };
        assert_eq!((0..len(&column)).map(|row| value(&column, row)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn values_are_shown_as_documented() {
        check(Values::Int64s(wire::Int64s { values: vec![1, 2, 3] }), &[0b101], &[json!(1), json!(null), json!(3)]);
        check(Values::Floats(wire::Floats { values: vec![0.1] }), &[], &[json!(0.1)]);
        check(
            Values::Doubles(wire::Doubles { values: vec![f64::NAN, -f64::INFINITY] }),
            &[],
            &[json!("NaN"), json!("-Infinity")],
        );
        check(Values::Dates(wire::Int32s { values: vec![-1] }), &[], &[json!("1969-12-31")]);
        check(Values::Timestamps(wire::Int64s { values: vec![1_500_000] }), &[], &[json!("1970-01-01T00:00:01.500Z")]);
        check(Values::Binaries(wire::Binaries { values: vec![vec![10, 255]] }), &[], &[json!("0aff")]);
        check(Values::Nulls(wire::Nulls { count: 1 }), &[], &[json!(null)]);
    }

    #[test]
    fn a_reply_that_is_not_as_promised_reads_as_null() {
        check(
            Values::Int64s(wire::Int64s { values: vec![1; 9] }),
            &[0xff],
            &[vec![json!(1); 8], vec![json!(null)]].concat(),
        );
        let items = Column { values: Some(Values::Bools(wire::Bools { values: vec![true] })), ..Column::default() };
        let lists = wire::Lists { offsets: vec![0, u32::MAX, 0], items: Some(Box::new(items)) };
        check(Values::Lists(Box::new(lists)), &[], &[json!([true]), json!([])]);
    }
}
