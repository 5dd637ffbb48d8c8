//! Wire → Arrow. Everything in here comes from strangers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array,
    ListArray, NullArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, DecimalType, Field, Int8Type, Int16Type, Int32Type, Schema,
};
use asof_engine::RowError;
use asof_model::schema::{self, parse_sql_type, sql_type};
use asof_model::{Error, ErrorKind, Result};
use asof_proto::column::v1::{Column, Int64s, Lists, Strings, column::Values};

/// The most items of one list column that may all be null: nulls cost the sender nothing.
const MAX_NULL_ITEMS: usize = 1 << 16;
/// The deepest nesting of lists.
const MAX_DEPTH: usize = 8;

/// The columns as a batch of at most `max_rows`. Each has the type it names; one that names none has the type
/// its array suggests (`BIGINT`, `DOUBLE`, `VARCHAR`, …), or none if all is null.
///
/// # Errors
/// `too_many_entities`; `invalid_column`, which names the column, where lengths, type and values do not fit
/// together.
pub fn to_batch(columns: Vec<Column>, max_rows: usize) -> Result<RecordBatch> {
    let (batch, bad) = to_batch_apart(columns, max_rows)?;
    match bad.into_iter().next() {
        Some(RowError { error, .. }) => Err(error),
        None => Ok(batch),
    }
}

/// As [`to_batch`], but a value that does not fit the type of its column is null, and its row in error.
///
/// # Errors
/// As of [`to_batch`], for columns that cannot be read at all.
pub(crate) fn to_batch_apart(columns: Vec<Column>, max_rows: usize) -> Result<(RecordBatch, Vec<RowError>)> {
    let mut bad = Bad::new();
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    // Without a column one row was asked for, of which nothing is known.
    let mut rows = 1;
    for column in columns {
        let count = length(&column)?;
        if count > max_rows {
            let message = format!("{count} entities in one request; at most {max_rows} are answered");
            return Err(Error::new(ErrorKind::Invalid, "too_many_entities", message).remedy("split the request"));
        }
        let first = arrays.is_empty();
        if !first && count != rows {
            return Err(invalid(&column.name, format!("has {count} values where the columns before it have {rows}")));
        }
        rows = count;
        let name = column.name.clone();
        let array = to_array(column, count, 0, &mut bad)?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    let bad = bad.into_iter().map(|(row, error)| RowError::new(row, error)).collect();
    Ok((batch.map_err(Error::internal)?, bad))
}

/// Rows, or items of a list, whose values do not fit; of each the first reason.
type Bad = BTreeMap<usize, Error>;

/// How many values a column says it has.
fn length(column: &Column) -> Result<usize> {
    Ok(match &column.values {
        None => return Err(invalid(&column.name, "has no values of a kind known here")),
        Some(values) => match values {
            Values::Int64s(v) | Values::Timestamps(v) => v.values.len(),
            Values::Doubles(v) => v.values.len(),
            Values::Floats(v) => v.values.len(),
            Values::Strings(v) | Values::Decimals(v) => v.values.len(),
            Values::Binaries(v) => v.values.len(),
            Values::Bools(v) => v.values.len(),
            Values::Dates(v) => v.values.len(),
            Values::Lists(v) => match v.offsets.len().checked_sub(1) {
                Some(rows) => rows,
                None => return Err(invalid(&column.name, "is of lists and has no offsets")),
            },
            Values::Nulls(v) => v.count as usize,
        },
    })
}

/// One column, `count` values long.
fn to_array(column: Column, count: usize, depth: usize, bad: &mut Bad) -> Result<ArrayRef> {
    let Column { name, r#type, validity, values } = column;
    let declared = match r#type.as_str() {
        "" => None,
        text => {
            let parsed = parse_sql_type(text);
            Some(parsed.ok_or_else(|| invalid(&name, format!("is of the unknown type `{}`", abridged(text))))?)
        }
    };
    let nulls = nulls(&name, validity, count)?;
    let Some(values) = values else { return Err(invalid(&name, "has no values")) };
    let natural = natural_type(&values);
    let fits = |wanted: &DataType| match (&values, wanted) {
        (Values::Nulls(_), _) => true,
        (Values::Int64s(_), wanted) => wanted.is_signed_integer(),
        (Values::Decimals(_), DataType::Decimal128(_, _)) | (Values::Lists(_), DataType::List(_)) => true,
        (_, wanted) => natural.as_ref() == Some(wanted),
    };
    if let Some(declared) = declared.as_ref().filter(|d| !fits(d)) {
        return Err(invalid(&name, format!("says it is {} and carries values of another type", sql_type(declared))));
    }
    Ok(match values {
        Values::Int64s(v) => integers(&name, v, nulls, declared, bad),
        Values::Doubles(v) => Arc::new(Float64Array::new(v.values.into(), nulls)),
        Values::Floats(v) => Arc::new(Float32Array::new(v.values.into(), nulls)),
        Values::Strings(v) => Arc::new(StringArray::from_iter(present(v.values, nulls.as_ref()))),
        Values::Binaries(v) => Arc::new(BinaryArray::from_iter(present(v.values, nulls.as_ref()))),
        Values::Bools(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v.values), nulls)),
        Values::Dates(v) => Arc::new(Date32Array::new(v.values.into(), nulls)),
        Values::Timestamps(v) => {
            Arc::new(TimestampMicrosecondArray::new(v.values.into(), nulls).with_data_type(schema::timestamp()))
        }
        Values::Decimals(v) => decimals(&name, v, nulls, declared, bad)?,
        Values::Lists(v) => lists(&name, *v, nulls, declared, depth, bad)?,
        Values::Nulls(_) => match declared {
            Some(declared) => new_null_array(&declared, count),
            None => Arc::new(NullArray::new(count)),
        },
    })
}

/// The type of an array that names none; none where the values do not tell.
fn natural_type(values: &Values) -> Option<DataType> {
    Some(match values {
        Values::Int64s(_) => DataType::Int64,
        Values::Doubles(_) => DataType::Float64,
        Values::Floats(_) => DataType::Float32,
        Values::Strings(_) => DataType::Utf8,
        Values::Binaries(_) => DataType::Binary,
        Values::Bools(_) => DataType::Boolean,
        Values::Dates(_) => DataType::Date32,
        Values::Timestamps(_) => schema::timestamp(),
        Values::Decimals(_) | Values::Lists(_) | Values::Nulls(_) => return None,
    })
}

fn nulls(name: &str, validity: Vec<u8>, count: usize) -> Result<Option<NullBuffer>> {
    if validity.is_empty() {
        return Ok(None);
    }
    if validity.len() != count.div_ceil(8) {
        let message = format!("has {} bytes of validity for {count} values", validity.len());
        return Err(invalid(name, message));
    }
    Ok(Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(validity), 0, count))))
}

/// The values with none in place of each null.
fn present<T>(values: Vec<T>, nulls: Option<&NullBuffer>) -> impl Iterator<Item = Option<T>> {
    let values = values.into_iter().enumerate();
    values.map(move |(row, value)| nulls.is_none_or(|n| n.is_valid(row)).then_some(value))
}

fn integers(
    name: &str,
    values: Int64s,
    nulls: Option<NullBuffer>,
    declared: Option<DataType>,
    bad: &mut Bad,
) -> ArrayRef {
    match declared {
        Some(DataType::Int8) => narrow::<Int8Type>(name, values, nulls, bad),
        Some(DataType::Int16) => narrow::<Int16Type>(name, values, nulls, bad),
        Some(DataType::Int32) => narrow::<Int32Type>(name, values, nulls, bad),
        _ => Arc::new(Int64Array::new(values.values.into(), nulls)),
    }
}

/// What can be read of the values that are there; the rest is null, and bad.
fn each<V, T>(
    values: Vec<V>,
    nulls: Option<&NullBuffer>,
    bad: &mut Bad,
    read: impl Fn(V) -> Result<T>,
) -> Vec<Option<T>> {
    let read = present(values, nulls).enumerate().map(|(row, value)| match read(value?) {
        Ok(value) => Some(value),
        Err(error) => {
            bad.entry(row).or_insert(error);
            None
        }
    });
    read.collect()
}

fn narrow<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(
    name: &str,
    values: Int64s,
    nulls: Option<NullBuffer>,
    bad: &mut Bad,
) -> ArrayRef {
    let narrowed = each(values.values, nulls.as_ref(), bad, |value| {
        let wrong = |_| invalid(name, format!("has {value}, which no {} holds", sql_type(&T::DATA_TYPE)));
        T::Native::try_from(value).map_err(wrong)
    });
    Arc::new(narrowed.into_iter().collect::<PrimitiveArray<T>>())
}

fn decimals(
    name: &str,
    values: Strings,
    nulls: Option<NullBuffer>,
    declared: Option<DataType>,
    bad: &mut Bad,
) -> Result<ArrayRef> {
    let Some(DataType::Decimal128(precision, scale)) = declared else {
        return Err(invalid(name, "is of decimals and must say which, as DECIMAL(p,s)"));
    };
    let digits = each(values.values, nulls.as_ref(), bad, |text| {
        decimal(&text, precision, scale).ok_or_else(|| {
            invalid(name, format!("has `{}`, which is not a DECIMAL({precision},{scale})", abridged(&text)))
        })
    });
    let array = Decimal128Array::from(digits);
    Ok(Arc::new(array.with_precision_and_scale(precision, scale).map_err(|e| invalid(name, e.to_string()))?))
}

/// The digits of `[+-]d…[.d…]` at a scale; none where they do not fit exactly.
pub(crate) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    // Longer than any decimal: refused before it is copied.
    if !is_digits || whole.is_empty() || fraction.len() > scale || unsigned.len() > 64 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    let signed = if text.starts_with('-') { -digits } else { digits };
    Decimal128Type::is_valid_decimal_precision(signed, precision).then_some(signed)
}

fn lists(
    name: &str,
    lists: Lists,
    nulls: Option<NullBuffer>,
    declared: Option<DataType>,
    depth: usize,
    bad: &mut Bad,
) -> Result<ArrayRef> {
    if depth >= MAX_DEPTH {
        return Err(invalid(name, format!("nests lists deeper than {MAX_DEPTH}")));
    }
    let Lists { offsets, items } = lists;
    let mut items = *items.ok_or_else(|| invalid(name, "is of lists and has no items"))?;
    let count = length(&items)?;
    let ascending = offsets.first() == Some(&0) && offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ascending || offsets.last().copied() != u32::try_from(count).ok() {
        return Err(invalid(name, format!("has offsets that do not lead from 0 to its {count} items")));
    }
    if matches!(items.values, Some(Values::Nulls(_))) && count > MAX_NULL_ITEMS {
        return Err(invalid(name, format!("has more than {MAX_NULL_ITEMS} items that are all null")));
    }
    let mut bad_items = Bad::new();
    let ends: Vec<usize> = offsets.iter().skip(1).map(|end| *end as usize).collect();
    let offsets = offsets.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets.map_err(|_| invalid(name, "has too many items"))?));
    let field = match declared {
        Some(DataType::List(field)) => {
            items.r#type = sql_type(field.data_type());
            Some(field)
        }
        _ => None,
    };
    name.clone_into(&mut items.name);
    let items = to_array(items, count, depth + 1, &mut bad_items)?;
    for (item, error) in bad_items {
        bad.entry(ends.partition_point(|end| *end <= item)).or_insert(error);
    }
    let field = field.unwrap_or_else(|| Arc::new(Field::new("element", items.data_type().clone(), true)));
    let array = ListArray::try_new(field, offsets, items, nulls);
    Ok(Arc::new(array.map_err(|e| invalid(name, e.to_string()))?))
}

/// Text of a stranger, as much as belongs in a message.
fn abridged(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn invalid(name: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, "invalid_column", format!("column `{}` {reason}", abridged(name)))
}
