//! Moments of any unit as UTC microseconds.

use asof_model::schema::sql_type;
use datafusion::arrow::array::{Array, AsArray, Int64Array};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Date64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use super::error::Error;

const DAY: i64 = asof_model::time::DAY;

/// The moments of a timestamp or date column. Zones are stored as UTC already and a naive timestamp is UTC; finer
/// than a microsecond is floored, before 1970 too (a cast would round towards 1970). Nulls stay.
///
/// `first_row` is the number of the column's first row, from 1, where rows have numbers that mean something.
pub(super) fn micros(array: &dyn Array, column: &str, first_row: Option<usize>) -> Result<Int64Array, Error> {
    let (raw, convert): (Int64Array, fn(i64) -> Option<i64>) = match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            return Ok(array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast());
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (array.as_primitive::<TimestampNanosecondType>().reinterpret_cast(), |v| Some(v.div_euclid(1_000)))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().reinterpret_cast(), |v| v.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().reinterpret_cast(), |v| v.checked_mul(1_000_000))
        }
        DataType::Date32 => {
            (array.as_primitive::<Date32Type>().unary::<_, Int64Type>(i64::from), |v| v.checked_mul(DAY))
        }
        DataType::Date64 => (array.as_primitive::<Date64Type>().reinterpret_cast(), |v| v.checked_mul(1_000)),
        other => return Err(Error::not_a_moment(column, other)),
    };
    let out_of_range = |row: usize, value: i64| Error::OutOfRange {
        column: column.to_owned(),
        value: format!("{value} ({})", sql_type(array.data_type())),
        row: first_row.map(|first| first + row),
    };
    let converted = raw.iter().enumerate().map(|(row, value)| match value {
        Some(value) => convert(value).map(Some).ok_or_else(|| out_of_range(row, value)),
        None => Ok(None),
    });
    converted.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray,
    };

    use super::*;

    fn check(array: impl Array + 'static, expected: &[Option<i64>]) {
        let array: ArrayRef = Arc::new(array);
        let found: Vec<_> = micros(&array, "t", Some(1)).unwrap().iter().collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_unit_becomes_microseconds_and_finer_ones_are_floored() {
        check(TimestampSecondArray::from(vec![Some(-1), None]), &[Some(-1_000_000), None]);
        check(TimestampMillisecondArray::from(vec![2]), &[Some(2_000)]);
        check(TimestampMicrosecondArray::from(vec![3]).with_timezone("+02:00"), &[Some(3)]);
        check(TimestampNanosecondArray::from(vec![1_999, -1, -1_000]), &[Some(1), Some(-1), Some(-1)]);
        check(Date32Array::from(vec![-1, 1]), &[Some(-DAY), Some(DAY)]);
    }

    #[test]
    fn what_does_not_fit_names_its_row() {
        let error = micros(&TimestampSecondArray::from(vec![0, i64::MAX]), "t", Some(11)).unwrap_err();
        assert_eq!(error.to_string(), "row 12: the time 9223372036854775807 (Timestamp(s)) in `t` is out of range");
        let error = micros(&StringArray::from(vec!["a"]), "t", None).unwrap_err();
        assert_eq!(error.to_string(), "`t` is VARCHAR, not a timestamp or a date");
    }
}
