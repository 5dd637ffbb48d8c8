//! Typed values to the type of a column: only where nothing is lost, value by value.
//!
//! Numbers go between whole, fractional and decimal types if each value comes back as it was; times become UTC
//! microseconds; encodings (dictionaries, views, large offsets) are laid off. A text never becomes anything else.

use std::sync::Arc;

use arrow::array::cast::AsArray as _;
use arrow::array::{Array, ArrayRef, FixedSizeListArray, ListArray, PrimitiveArray, new_null_array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Field, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::array_value_to_string;
use asof_model::time::DAY;

use super::{Bad, Converted, Floored, Unfit};

/// The array as values of a normal type.
pub(crate) fn typed(array: &ArrayRef, to: &DataType, floored: &mut Floored) -> Converted {
    use DataType::*;
    let from = array.data_type();
    let refused = || Err(Unfit::Type(from.clone()));
    match (from, to) {
        _ if from == to => Ok(array.clone()),
        (Null, _) => Ok(new_null_array(to, array.len())),
        (Dictionary(_, values), _) => typed(&laid_off(array, values)?, to, floored),
        (RunEndEncoded(..), _) => refused(),
        (Timestamp(..) | Date32 | Date64, Timestamp(..)) => moments(array, floored),
        (Date64, Date32) => exactly(array, to),
        (LargeUtf8 | Utf8View, Utf8) | (LargeBinary | BinaryView | FixedSizeBinary(_), Binary) => laid_off(array, to),
        (List(_) | LargeList(_) | ListView(_) | LargeListView(_) | FixedSizeList(..), List(item)) => {
            list(array, item, floored)
        }
        _ if is_number(from) && is_number(to) => exactly(array, to),
        _ => refused(),
    }
}

fn is_number(data_type: &DataType) -> bool {
    use DataType::*;
    data_type.is_numeric() && !matches!(data_type, Decimal256(p, _) if *p > 38)
}

/// Another encoding of the same values.
fn laid_off(array: &ArrayRef, to: &DataType) -> Converted {
    cast_with_options(array, to, &CastOptions { safe: false, ..Default::default() })
        .map_err(|_| Unfit::Type(array.data_type().clone()))
}

/// The values in the other type, if each comes back from there as it was.
fn exactly(array: &ArrayRef, to: &DataType) -> Converted {
    let from = array.data_type();
    let unfit = |_| Unfit::Type(from.clone());
    let options = CastOptions { safe: true, ..Default::default() };
    let there = cast_with_options(array, to, &options).map_err(unfit)?;
    let back = cast_with_options(&there, from, &options).map_err(unfit)?;
    let same = not_distinct(array, &back).map_err(unfit)?;
    match (0..array.len()).find(|row| !same.value(*row)) {
        Some(row) => Err(bad(array, row).into()),
        None => Ok(there),
    }
}

fn bad(array: &ArrayRef, row: usize) -> Bad {
    Bad { row, value: array_value_to_string(array, row).unwrap_or_else(|_| "a value".to_owned()) }
}

fn moments(array: &ArrayRef, floored: &mut Floored) -> Converted {
    let times = |per_unit| move |value: i64| value.checked_mul(per_unit);
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => micros::<TimestampSecondType>(array, times(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => micros::<TimestampMillisecondType>(array, times(1000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => micros::<TimestampMicrosecondType>(array, Some),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            for (row, value) in array.as_primitive::<TimestampNanosecondType>().iter().enumerate() {
                if value.is_some_and(|v| v.rem_euclid(1000) != 0) {
                    floored.mark(row);
                }
            }
            micros::<TimestampNanosecondType>(array, |value| Some(value.div_euclid(1000)))
        }
        DataType::Date32 => micros::<Date32Type>(array, |days| i64::from(days).checked_mul(DAY)),
        DataType::Date64 => micros::<Date64Type>(array, times(1000)),
        other => Err(Unfit::Type(other.clone())),
    }
}

fn micros<T: ArrowPrimitiveType>(array: &ArrayRef, convert: impl Fn(T::Native) -> Option<i64>) -> Converted {
    let values = array.as_primitive::<T>();
    let mut micros = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_null(row) {
            micros.push(0);
        } else {
            micros.push(convert(values.value(row)).ok_or_else(|| bad(array, row))?);
        }
    }
    let micros = PrimitiveArray::<TimestampMicrosecondType>::new(micros.into(), values.nulls().cloned());
    Ok(Arc::new(micros.with_timezone("UTC")))
}

fn list(array: &ArrayRef, item: &Arc<Field>, floored: &mut Floored) -> Converted {
    let unfit = |_| Unfit::Type(array.data_type().clone());
    // As a plain list of what it holds; then the items are converted.
    let plain: ArrayRef = match array.data_type() {
        DataType::List(_) => array.clone(),
        DataType::LargeList(inner) | DataType::ListView(inner) | DataType::LargeListView(inner) => {
            laid_off(array, &DataType::List(inner.clone()))?
        }
        DataType::FixedSizeList(inner, _) => {
            let fixed: &FixedSizeListArray = array.as_fixed_size_list();
            laid_off(&(Arc::new(fixed.clone()) as ArrayRef), &DataType::List(inner.clone()))?
        }
        other => return Err(Unfit::Type(other.clone())),
    };
    let plain: &ListArray = plain.as_list();
    let (offsets, nulls) = (plain.offsets().clone(), plain.nulls().cloned());
    let row_of = |at: usize| offsets.windows(2).position(|w| (w[0] as usize..w[1] as usize).contains(&at));
    let mut inner = Floored::default();
    // Items that no row holds may be anything, so they are not looked at.
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    let items = plain.values().slice(first, last - first);
    let items = typed(&items, item.data_type(), &mut inner).map_err(|e| match e {
        Unfit::Value(bad) => Unfit::Value(Bad { row: row_of(bad.row + first).unwrap_or_default(), ..bad }),
        Unfit::Type(_) => Unfit::Type(array.data_type().clone()),
    })?;
    for (at, _) in inner.0.iter().enumerate().filter(|(_, is)| **is) {
        floored.mark(row_of(at + first).unwrap_or_default());
    }
    let offsets = arrow::buffer::OffsetBuffer::from_lengths(offsets.lengths());
    let list = ListArray::try_new(item.clone(), offsets, items, nulls).map_err(unfit)?;
    Ok(Arc::new(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use asof_model::schema::{parse_sql_type, timestamp};

    /// Each value as text, or why not.
    fn check(array: impl Array + 'static, sql: &str, expected: Result<&[&str], Unfit>) {
        let array: ArrayRef = Arc::new(array);
        let to = parse_sql_type(sql).unwrap();
        let found = typed(&array, &to, &mut Floored::default()).map(|array| {
            assert_eq!(array.data_type(), &to);
            (0..array.len()).map(|i| array_value_to_string(&array, i).unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(found, expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect()), "{array:?} → {sql}");
    }

    fn value(row: usize, value: &str) -> Result<&'static [&'static str], Unfit> {
        Err(Unfit::Value(Bad { row, value: value.to_owned() }))
    }

    fn kind(data_type: DataType) -> Result<&'static [&'static str], Unfit> {
        Err(Unfit::Type(data_type))
    }

    #[test]
    fn numbers_that_come_back_as_they_were() {
        check(Int32Array::from(vec![Some(1), None]), "BIGINT", Ok(&["1", ""]));
        check(Int64Array::from(vec![1, 300]), "TINYINT", value(1, "300"));
        check(UInt64Array::from(vec![1, u64::MAX]), "BIGINT", value(1, "18446744073709551615"));
        check(Int64Array::from(vec![1 << 53, (1 << 53) + 1]), "DOUBLE", value(1, "9007199254740993"));
        check(Float64Array::from(vec![Some(517.0), None]), "BIGINT", Ok(&["517", ""]));
        check(Float64Array::from(vec![517.5]), "BIGINT", value(0, "517.5"));
        check(Float64Array::from(vec![f64::NAN]), "BIGINT", value(0, "NaN"));
        check(Float32Array::from(vec![0.5]), "DOUBLE", Ok(&["0.5"]));
        check(Float64Array::from(vec![0.1]), "REAL", value(0, "0.1"));
        check(Int64Array::from(vec![12]), "DECIMAL(5,2)", Ok(&["12.00"]));
        let cents = Decimal128Array::from(vec![1234]).with_precision_and_scale(10, 3).unwrap();
        check(cents, "DECIMAL(5,2)", value(0, "1.234"));
    }

    #[test]
    fn other_types_are_not_guessed_at() {
        check(StringArray::from(vec!["1"]), "BIGINT", kind(DataType::Utf8));
        check(Int64Array::from(vec![1]), "VARCHAR", kind(DataType::Int64));
        check(Int64Array::from(vec![1]), "TIMESTAMP", kind(DataType::Int64));
        check(BooleanArray::from(vec![true]), "BIGINT", kind(DataType::Boolean));
    }

    #[test]
    fn encodings_are_laid_off() {
        check(StringViewArray::from(vec!["a"]), "VARCHAR", Ok(&["a"]));
        check(
            DictionaryArray::<arrow::datatypes::Int8Type>::from_iter(["a", "b", "a"]),
            "VARCHAR",
            Ok(&["a", "b", "a"]),
        );
        check(NullArray::new(1), "BIGINT", Ok(&[""]));
        let list = LargeListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some([Some(1), None])]);
        check(list, "BIGINT[]", Ok(&["[1, ]"]));
        let list = ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>([
            Some(vec![Some(1.0)]),
            None,
            Some(vec![Some(2.0), Some(2.5)]),
        ]);
        check(list.clone(), "BIGINT[]", value(2, "2.5"));
        check(list.slice(0, 2), "BIGINT[]", Ok(&["[1]", ""]));
        check(list.slice(2, 1), "BIGINT[]", value(0, "2.5"));
    }

    #[test]
    fn times_become_utc_microseconds() {
        check(TimestampSecondArray::from(vec![1]), "TIMESTAMP", Ok(&["1970-01-01T00:00:01Z"]));
        check(
            TimestampSecondArray::from(vec![0, i64::MAX]),
            "TIMESTAMP",
            Err(Unfit::Value(Bad { row: 1, value: bad_text() })),
        );
        let zoned = TimestampMillisecondArray::from(vec![0]).with_timezone("America/New_York");
        check(zoned, "TIMESTAMP", Ok(&["1970-01-01T00:00:00Z"]));
        check(Date32Array::from(vec![1]), "TIMESTAMP", Ok(&["1970-01-02T00:00:00Z"]));
        let mut floored = Floored::default();
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(-1), Some(1000), None, Some(1001)]));
        let found = typed(&nanos, &timestamp(), &mut floored).unwrap();
        let found = found.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(found.iter().collect::<Vec<_>>(), [Some(-1), Some(1), None, Some(1)]);
        assert_eq!(floored.count(), 2);
    }

    /// What a time beyond all calendars is shown as.
    fn bad_text() -> String {
        let array: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
        bad(&array, 0).value
    }
}
