//! Values as the bytes in which the store keeps them.
//!
//! # What it promises
//! The bytes of several columns' values, put together, compare as the values do, one after another, null first: so the store
//! can tell which is greater, and which are equal, without knowing what they are. The form is fixed here and not the
//! engine's, whose own may change with it, and holds every value to the bit.
//!
//! ```text
//! null               00
//! other              01, then
//!   number, moment   a word of the same order, 8 bytes, greatest first
//!   decimal          16 bytes of the same order, greatest first
//!   text, binary     the bytes, 00 as 00 FF, and 00 00 at the end
//! ```
//!
//! # What it does not do
//! Lists have no such bytes; what they are in is not kept online.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, Decimal128Array, Float32Array, Float64Array, Int64Array,
    StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type};
use datafusion::common::{exec_err, internal_err};
use datafusion::error::Result;

use super::state::{from_words, is_a_word, to_words};

/// What the bytes of a type's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Word,
    Decimal,
    Text,
    Bytes,
}

impl Form {
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            // It has no word of its own that says every bit.
            DataType::Float16 => return None,
            word if is_a_word(word) => Form::Word,
            DataType::Decimal128(_, _) => Form::Decimal,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Form::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Form::Bytes,
            _ => return None,
        })
    }
}

/// Whether values of a type have such bytes.
pub(super) fn may_pack(data_type: &DataType) -> bool {
    Form::of(data_type).is_some()
}

/// The values of some columns, to be written row by row.
enum Column {
    Words(Int64Array),
    Decimals(Decimal128Array),
    Bytes(BinaryArray),
}

impl Column {
    fn new(values: &ArrayRef) -> Result<Self> {
        Ok(match Form::of(values.data_type()) {
            Some(Form::Word) => Column::Words(exact_words(values)?),
            Some(Form::Decimal) => Column::Decimals(values.as_primitive::<Decimal128Type>().clone()),
            Some(Form::Text) => {
                Column::Bytes(cast(&cast(values, &DataType::Utf8)?, &DataType::Binary)?.as_binary().clone())
            }
            Some(Form::Bytes) => Column::Bytes(cast(values, &DataType::Binary)?.as_binary().clone()),
            None => return internal_err!("values of {} are not packed", values.data_type()),
        })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let valid = match self {
            Column::Words(words) => words.is_valid(row),
            Column::Decimals(decimals) => decimals.is_valid(row),
            Column::Bytes(bytes) => bytes.is_valid(row),
        };
        out.push(u8::from(valid));
        match self {
            _ if !valid => {}
            // Turned round at the sign, so that bytes compare as numbers.
            Column::Words(words) => out.extend_from_slice(&(words.value(row) ^ i64::MIN).to_be_bytes()),
            Column::Decimals(decimals) => out.extend_from_slice(&(decimals.value(row) ^ i128::MIN).to_be_bytes()),
            Column::Bytes(bytes) => {
                for byte in bytes.value(row) {
                    out.push(*byte);
                    if *byte == 0 {
                        out.push(u8::MAX);
                    }
                }
                out.extend_from_slice(&[0, 0]);
            }
        }
    }
}

/// The rows of some columns, each as its bytes.
pub(super) fn pack(columns: &[&ArrayRef], rows: usize) -> Result<BinaryArray> {
    let columns = columns.iter().map(|values| Column::new(values)).collect::<Result<Vec<_>>>()?;
    let (mut packed, mut row_bytes) = (BinaryBuilder::with_capacity(rows, 16 * rows), Vec::new());
    for row in 0..rows {
        row_bytes.clear();
        columns.iter().for_each(|column| column.write(row, &mut row_bytes));
        packed.append_value(&row_bytes);
    }
    Ok(packed.finish())
}

/// The columns of these types that rows are packed of; a row that is not there is null in all.
pub(super) fn unpack<'a>(types: &[DataType], rows: impl Iterator<Item = Option<&'a [u8]>>) -> Result<Vec<ArrayRef>> {
    let mut columns = types.iter().map(Unpacked::new).collect::<Result<Vec<_>>>()?;
    for row in rows {
        let mut rest = row;
        for column in &mut columns {
            if column.read(rest.as_mut()).is_none() {
                return exec_err!("what is kept of a value is not what was written");
            }
        }
        if rest.is_some_and(|rest| !rest.is_empty()) {
            return exec_err!("what is kept of a value is longer than its columns say");
        }
    }
    columns.into_iter().zip(types).map(|(column, data_type)| column.finish(data_type)).collect()
}

/// A column on its way back.
enum Unpacked {
    Words(Vec<Option<i64>>),
    Decimals(Vec<Option<i128>>),
    Bytes(BinaryBuilder),
}

impl Unpacked {
    fn new(data_type: &DataType) -> Result<Self> {
        Ok(match Form::of(data_type) {
            Some(Form::Word) => Unpacked::Words(Vec::new()),
            Some(Form::Decimal) => Unpacked::Decimals(Vec::new()),
            Some(Form::Text | Form::Bytes) => Unpacked::Bytes(BinaryBuilder::new()),
            None => return internal_err!("values of {data_type} are not packed"),
        })
    }

    /// Reads a value from the start of bytes, which move on behind it, or null of none. None where they are no value.
    fn read(&mut self, bytes: Option<&mut &[u8]>) -> Option<()> {
        let bytes = match bytes {
            None => None,
            Some(bytes) => match bytes.split_off_first()? {
                0 => None,
                1 => Some(bytes),
                _ => return None,
            },
        };
        match (self, bytes) {
            (Unpacked::Words(words), None) => words.push(None),
            (Unpacked::Decimals(decimals), None) => decimals.push(None),
            (Unpacked::Bytes(values), None) => values.append_null(),
            (Unpacked::Words(words), Some(bytes)) => words.push(Some(i64::from_be_bytes(array(bytes)?) ^ i64::MIN)),
            (Unpacked::Decimals(decimals), Some(bytes)) => {
                decimals.push(Some(i128::from_be_bytes(array(bytes)?) ^ i128::MIN));
            }
            (Unpacked::Bytes(values), Some(bytes)) => {
                let mut value = Vec::new();
                loop {
                    match bytes.split_off_first()? {
                        0 if *bytes.split_off_first()? == 0 => break,
                        byte => value.push(*byte),
                    }
                }
                values.append_value(&value);
            }
        }
        Some(())
    }

    fn finish(self, data_type: &DataType) -> Result<ArrayRef> {
        Ok(match self {
            Unpacked::Words(words) => from_exact_words(&Int64Array::from(words), data_type)?,
            Unpacked::Decimals(decimals) => Arc::new(Decimal128Array::from(decimals).with_data_type(data_type.clone())),
            Unpacked::Bytes(mut values) => {
                let values = values.finish();
                let values: ArrayRef = match Form::of(data_type) {
                    Some(Form::Text) => Arc::new(StringArray::try_from_binary(values)?),
                    _ => Arc::new(values),
                };
                cast(&values, data_type)?
            }
        })
    }
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}

/// As words of the same order, of which each says every bit of its value: [`to_words`] has one NaN.
fn exact_words(values: &ArrayRef) -> Result<Int64Array> {
    Ok(match values.data_type() {
        DataType::Float64 => values.as_primitive::<Float64Type>().unary(|v| turned(v.to_bits() as i64)),
        DataType::Float32 => {
            let turned = |v: f32| {
                let bits = v.to_bits() as i32;
                i64::from(bits ^ (((bits >> 31) as u32) >> 1) as i32)
            };
            values.as_primitive::<Float32Type>().unary(turned)
        }
        _ => to_words(values)?,
    })
}

/// Negative floats have their magnitude turned round; what is turned twice is as it was.
fn turned(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn from_exact_words(words: &Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Float64 => {
            let floats: Float64Array = words.unary(|word| f64::from_bits(turned(word) as u64));
            Arc::new(floats)
        }
        DataType::Float32 => {
            let floats: Float32Array = words.unary(|word| {
                let word = word as i32;
                f32::from_bits((word ^ (((word >> 31) as u32) >> 1) as i32) as u32)
            });
            Arc::new(floats)
        }
        _ => from_words(words, data_type)?,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        BooleanArray, Date32Array, Int8Array, StringViewArray, TimestampMicrosecondArray, UInt64Array,
    };
    use datafusion::arrow::row::{RowConverter, SortField};

    use super::*;

    fn every_type() -> Vec<ArrayRef> {
        let floats =
            [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 2.0, f64::NAN, -f64::NAN, f64::from_bits(0x7ff8_0000_0000_0007)];
        let decimals = Decimal128Array::from(vec![Some(i128::MIN), Some(-1), None, Some(0), Some(i128::MAX)]);
        vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(-1), None, Some(i8::MAX)])),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(-1), None, Some(i64::MAX)])),
            Arc::new(UInt64Array::from(vec![Some(0), Some(u64::MAX), None])),
            Arc::new(Date32Array::from(vec![Some(-1), Some(7), None])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(7), None]).with_timezone("UTC")),
            Arc::new(Float64Array::from_iter(floats.map(Some).into_iter().chain([None]))),
            Arc::new(Float32Array::from_iter(floats.map(|v| Some(v as f32)).into_iter().chain([None]))),
            Arc::new(decimals.with_precision_and_scale(38, 4).unwrap()),
            Arc::new(StringArray::from(vec![Some(""), Some("a"), Some("a\0"), Some("a\0\0b"), Some("ab"), None])),
            Arc::new(StringViewArray::from(vec![Some("ä and more than twelve bytes"), None])),
            Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0xff, 0][..]), Some(&[0xff]), Some(&[]), None])),
        ]
    }

    #[test]
    fn bytes_have_the_order_of_the_values_and_lead_back_to_the_bit() {
        for values in every_type() {
            // Each with each, so that what follows a value is seen not to matter.
            let count = values.len();
            let (left, right): (Vec<u64>, Vec<u64>) =
                (0..count * count).map(|n| ((n / count) as u64, (n % count) as u64)).unzip();
            let chosen =
                |rows: Vec<u64>| datafusion::arrow::compute::take(&values, &UInt64Array::from(rows), None).unwrap();
            let columns = [chosen(left), chosen(right)];
            let packed = pack(&columns.iter().collect::<Vec<_>>(), count * count).unwrap();
            let types = [values.data_type().clone(), values.data_type().clone()];
            let back = unpack(&types, packed.iter()).unwrap();
            // Comparing bits, where arrays compare NaN by NaN.
            assert_eq!(back[0].to_data(), columns[0].to_data(), "{:?}", values.data_type());
            assert_eq!(back[1].to_data(), columns[1].to_data(), "{:?}", values.data_type());
            // Rows of one rank are put in the order of the engine's bytes where windows are computed from events.
            let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
            let rows = RowConverter::new(fields).unwrap().convert_columns(&columns).unwrap();
            for a in 0..count * count {
                for b in 0..count * count {
                    let order = packed.value(a).cmp(packed.value(b));
                    assert_eq!(order, rows.row(a).cmp(&rows.row(b)), "{:?} {a} {b}", values.data_type());
                }
            }
        }
    }

    #[test]
    fn what_was_not_written_is_an_error() {
        let check = |bytes: &[u8], data_type: DataType| {
            let found = unpack(&[data_type], [Some(bytes)].into_iter());
            assert!(found.is_err(), "{bytes:?} is {found:?}");
        };
        check(&[], DataType::Int64);
        check(&[2], DataType::Int64);
        check(&[1, 0, 0], DataType::Int64);
        check(&[0, 0], DataType::Int64);
        check(&[1, b'a', 0], DataType::Utf8);
        check(&[1, b'a', 0, 0, 7], DataType::Utf8);
        check(&[1, 0xff, 0, 0], DataType::Utf8);
        check(&[0], DataType::new_list(DataType::Int64, true));
    }

    #[test]
    fn the_bytes_are_fixed_for_ever() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\0"]));
        let packed = pack(&[&numbers, &texts], 1).unwrap();
        assert_eq!(packed.value(0), [1, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, b'a', 0, 0xff, 0, 0]);
    }
}
