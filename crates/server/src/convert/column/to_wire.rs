//! Arrow → wire.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use asof_model::schema::{normal, sql_type};
use asof_model::{Error, ErrorKind, Result};
use asof_proto::column::v1::{
    Binaries, Bools, Column, Doubles, Floats, Int32s, Int64s, Lists, Nulls, Strings, column::Values,
};

/// The columns of a batch, in order.
///
/// # Errors
/// `unsupported_type` for a column whose type Asof does not keep.
pub fn from_batch(batch: &RecordBatch) -> Result<Vec<Column>> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns.map(|(field, array)| from_array(field.name(), array)).collect()
}

/// One column.
///
/// # Errors
/// `unsupported_type`.
pub(crate) fn from_array(name: &str, array: &ArrayRef) -> Result<Column> {
    let array = normalized(name, array)?;
    let data_type = array.data_type();
    let values = match data_type {
        DataType::Boolean => {
            Values::Bools(Bools { values: array.as_boolean().iter().map(Option::unwrap_or_default).collect() })
        }
        DataType::Int8 => integers::<Int8Type>(&array),
        DataType::Int16 => integers::<Int16Type>(&array),
        DataType::Int32 => integers::<Int32Type>(&array),
        DataType::Int64 => integers::<Int64Type>(&array),
        DataType::Float32 => Values::Floats(Floats { values: primitives::<Float32Type>(&array).collect() }),
        DataType::Float64 => Values::Doubles(Doubles { values: primitives::<Float64Type>(&array).collect() }),
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned());
            Values::Strings(Strings { values: texts.collect() })
        }
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().iter().map(|bytes| bytes.unwrap_or_default().to_vec());
            Values::Binaries(Binaries { values: bytes.collect() })
        }
        DataType::Date32 => Values::Dates(Int32s { values: primitives::<Date32Type>(&array).collect() }),
        DataType::Timestamp(_, _) => {
            Values::Timestamps(Int64s { values: primitives::<TimestampMicrosecondType>(&array).collect() })
        }
        DataType::Decimal128(_, _) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            let text = |row| if decimals.is_valid(row) { decimals.value_as_string(row) } else { String::new() };
            Values::Decimals(Strings { values: (0..decimals.len()).map(text).collect() })
        }
        DataType::List(_) => lists(&array)?,
        DataType::Null => Values::Nulls(Nulls { count: u32::try_from(array.len()).map_err(Error::internal)? }),
        _ => return Err(unsupported(name, data_type)),
    };
    let r#type = if data_type.is_null() { String::new() } else { sql_type(data_type) };
    Ok(Column { name: name.to_owned(), r#type, validity: validity(array.nulls()), values: Some(values) })
}

/// The column in the one type that Asof keeps for its values.
///
/// # Errors
/// `unsupported_type`.
pub(crate) fn normalized(name: &str, array: &ArrayRef) -> Result<ArrayRef> {
    let normal = match array.data_type() {
        DataType::Null => DataType::Null,
        other => normal(other).ok_or_else(|| unsupported(name, other))?,
    };
    if *array.data_type() == normal { Ok(array.clone()) } else { cast(array, &normal).map_err(Error::internal) }
}

fn unsupported(name: &str, data_type: &DataType) -> Error {
    let message = format!("column `{name}` has the type {data_type}, which cannot be sent");
    Error::new(ErrorKind::Invalid, "unsupported_type", message)
}

/// The values, with a zero in place of each null.
fn primitives<T: ArrowPrimitiveType>(array: &ArrayRef) -> impl Iterator<Item = T::Native> + '_ {
    array.as_primitive::<T>().iter().map(Option::unwrap_or_default)
}

fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Values {
    Values::Int64s(Int64s { values: primitives::<T>(array).map(Into::into).collect() })
}

/// Offsets from zero, and only the items between the first and the last.
fn lists(array: &ArrayRef) -> Result<Values> {
    let lists = array.as_list::<i32>();
    let offsets = lists.value_offsets();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let items = lists.values().slice(first as usize, (last - first) as usize);
    let offsets = offsets.iter().map(|offset| (offset - first) as u32).collect();
    Ok(Values::Lists(Box::new(Lists { offsets, items: Some(Box::new(from_array("", &items)?)) })))
}

/// One bit per row, set where the value is there; empty if all are.
fn validity(nulls: Option<&NullBuffer>) -> Vec<u8> {
    match nulls {
        Some(nulls) if nulls.null_count() > 0 => {
            let mut bits = vec![0; nulls.len().div_ceil(8)];
            nulls.valid_indices().for_each(|row| bits[row / 8] |= 1 << (row % 8));
            bits
        }
        _ => Vec::new(),
    }
}
