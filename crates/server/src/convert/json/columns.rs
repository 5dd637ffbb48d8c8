//! Values as JSON says them → columns of the types that the service declares.
//!
//! A value that does not fit is null, and its row in error; the caller decides whether that fails the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use asof_engine::{MAX_ENTITIES, RowError};
use asof_model::schema::{self, sql_type};
use asof_model::{Columns, Error, ErrorKind, Micros, Result, name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::{Body, Cell, Entities, Members};
use crate::convert::column::decimal;

/// The most characters of a value that a message repeats.
const MAX_SHOWN: usize = 40;
/// What stands where an entity leaves a column out; its row is in error.
static ABSENT: Cell<'static> = Cell::Null;

/// The entities of a request as a batch of the declared columns, and the rows in error, in order.
///
/// # Errors
/// `entities_or_columns`, `too_many_entities`; of columns `unknown_column`, `duplicate_column`, `missing_column`,
/// `invalid_column` where lengths differ.
pub(crate) fn to_batch_apart(
    body: &Body<'_>,
    declared: &Columns,
    service: &str,
) -> Result<(RecordBatch, Vec<RowError>)> {
    let mut bad = BTreeMap::new();
    let (count, columns) = match (&body.entities, &body.columns) {
        (Some(entities), None) => (entities.count, by_row(entities, declared, service, &mut bad)?),
        (None, Some(columns)) => by_column(columns, declared, service)?,
        _ => {
            let message = "a request has either `entities`, an object per entity, or `columns`, a list per column";
            return Err(Error::new(ErrorKind::Invalid, "entities_or_columns", message).remedy("give one of the two"));
        }
    };
    let arrays = declared.0.iter().zip(columns).map(|(column, cells)| {
        let cells: Vec<_> = cells.into_iter().enumerate().collect();
        to_array(&column.name, &column.data_type, &cells, &mut bad)
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let fields = declared.0.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let batch = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(Error::internal)?;
    Ok((batch, bad.into_iter().map(|(row, error)| RowError::new(row, error)).collect()))
}

/// Rows that do not fit; of each the first reason.
type Bad = BTreeMap<usize, Error>;

/// Per declared column a cell for each entity.
fn by_row<'b>(
    entities: &'b Entities<'_>,
    declared: &Columns,
    service: &str,
    bad: &mut Bad,
) -> Result<Vec<Vec<&'b Cell<'b>>>> {
    at_most(entities.count)?;
    let mut columns: Vec<Vec<&Cell<'_>>> = vec![Vec::with_capacity(entities.count); declared.0.len()];
    for (row, Members(members)) in entities.rows.iter().enumerate() {
        let mut given = 0;
        for (index, (column, cells)) in declared.0.iter().zip(&mut columns).enumerate() {
            // Most entities name their members in the order of the declaration.
            let there = members.get(index).filter(|(name, _)| *name == column.name);
            let found = there.or_else(|| members.iter().find(|(name, _)| *name == column.name));
            given += usize::from(found.is_some());
            if found.is_none() {
                bad.entry(row).or_insert_with(|| missing(&column.name, declared, service));
            }
            cells.push(found.map_or(&ABSENT, |(_, cell)| cell));
        }
        if given < members.len() {
            let names = members.iter().map(|(name, _)| name.as_ref());
            if let Err(error) = known_once(names, declared, service) {
                bad.entry(row).or_insert(error);
            }
        }
    }
    Ok(columns)
}

/// The number of entities, and per declared column a cell for each.
fn by_column<'b>(
    columns: &'b Members<'_, Vec<Cell<'_>>>,
    declared: &Columns,
    service: &str,
) -> Result<(usize, Vec<Vec<&'b Cell<'b>>>)> {
    let Members(members) = columns;
    known_once(members.iter().map(|(name, _)| name.as_ref()), declared, service)?;
    // Without a column one row is asked for, of which nothing is known.
    let count = members.first().map_or(1, |(_, cells)| cells.len());
    at_most(count)?;
    if let Some((name, cells)) = members.iter().find(|(_, cells)| cells.len() != count) {
        let message = format!("column `{}` has {} values where the first has {count}", abridged(name), cells.len());
        return Err(Error::new(ErrorKind::Invalid, "invalid_column", message));
    }
    let found = declared.0.iter().map(|column| {
        let (_, cells) = (members.iter().find(|(name, _)| *name == column.name))
            .ok_or_else(|| missing(&column.name, declared, service))?;
        Ok(cells.iter().collect())
    });
    Ok((count, found.collect::<Result<_>>()?))
}

fn at_most(count: usize) -> Result<()> {
    if count <= MAX_ENTITIES {
        return Ok(());
    }
    let message = format!("{count} entities in one request; at most {MAX_ENTITIES} are answered");
    Err(Error::new(ErrorKind::Invalid, "too_many_entities", message).remedy("split the request"))
}

/// Refuses a name that the service does not take, or that is given twice.
fn known_once<'n>(names: impl Iterator<Item = &'n str>, declared: &Columns, service: &str) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if declared.get(name).is_none() {
            let message = format!("`{}` is not a key or parameter of {service}", abridged(name));
            let error = Error::new(ErrorKind::NotFound, "unknown_column", message);
            return Err(match name::nearest(name, declared.names()) {
                Some(near) => error.remedy(format!("did you mean `{near}`?")),
                None => error.remedy(format!("it takes: {}", wanted(declared))),
            });
        }
        if seen.contains(&name) {
            let message = format!("`{name}` is given twice to {service}");
            return Err(Error::new(ErrorKind::Invalid, "duplicate_column", message).remedy("give it once"));
        }
        seen.push(name);
    }
    Ok(())
}

fn missing(name: &str, declared: &Columns, service: &str) -> Error {
    let message = format!("`{name}` is missing: {service} needs it");
    Error::new(ErrorKind::Invalid, "missing_column", message)
        .remedy(format!("give all of: {}; what is not known is null", wanted(declared)))
}

fn wanted(declared: &Columns) -> String {
    declared.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One column from cells and the rows they belong to.
fn to_array(name: &str, wanted: &DataType, cells: &[(usize, &Cell<'_>)], bad: &mut Bad) -> Result<ArrayRef> {
    let mut each = Each { name, wanted, cells, bad };
    Ok(match wanted {
        DataType::Boolean => Arc::new(BooleanArray::from(each.read(boolean))),
        DataType::Int8 => Arc::new(Int8Array::from(each.read(|cell| i8::try_from(integer(cell)?).ok()))),
        DataType::Int16 => Arc::new(Int16Array::from(each.read(|cell| i16::try_from(integer(cell)?).ok()))),
        DataType::Int32 => Arc::new(Int32Array::from(each.read(|cell| i32::try_from(integer(cell)?).ok()))),
        DataType::Int64 => Arc::new(Int64Array::from(each.read(integer))),
        DataType::Float64 => Arc::new(Float64Array::from(each.read(number))),
        DataType::Float32 => Arc::new(Float32Array::from(each.read(|cell| {
            let double = number(cell)?;
            let single = double as f32;
            (single.is_finite() || !double.is_finite()).then_some(single)
        }))),
        DataType::Utf8 => Arc::new(StringArray::from(each.read(text))),
        DataType::Binary => {
            let bytes = each.read(|cell| STANDARD.decode(text(cell)?).ok());
            Arc::new(bytes.into_iter().collect::<BinaryArray>())
        }
        DataType::Date32 => dates(each.read(text), &mut each)?,
        DataType::Timestamp(_, _) => {
            let moments = each.read(|cell| text(cell)?.parse::<Micros>().ok().map(|moment| moment.0));
            Arc::new(TimestampMicrosecondArray::from(moments).with_data_type(schema::timestamp()))
        }
        DataType::Decimal128(precision, scale) => {
            let digits = each.read(|cell| match cell {
                Cell::Integer(integer) => decimal(&integer.to_string(), *precision, *scale),
                cell => decimal(text(cell)?, *precision, *scale),
            });
            let digits = Decimal128Array::from(digits).with_precision_and_scale(*precision, *scale);
            Arc::new(digits.map_err(Error::internal)?)
        }
        DataType::List(item) => lists(item, each)?,
        other => return Err(Error::internal(format!("`{name}` has the type {other}, which JSON cannot give"))),
    })
}

/// The cells of one column, to be read as one type.
struct Each<'a, 'b> {
    name: &'a str,
    wanted: &'a DataType,
    cells: &'a [(usize, &'a Cell<'b>)],
    bad: &'a mut Bad,
}

impl<'a, 'b> Each<'a, 'b> {
    /// What can be read; the rest is null, and its row bad.
    fn read<T>(&mut self, read: impl Fn(&'a Cell<'b>) -> Option<T>) -> Vec<Option<T>> {
        let mut values = Vec::with_capacity(self.cells.len());
        for (row, cell) in self.cells {
            let value = match cell {
                Cell::Null => None,
                cell => read(cell),
            };
            if value.is_none() && **cell != Cell::Null {
                self.refuse(*row, cell);
            }
            values.push(value);
        }
        values
    }

    fn refuse(&mut self, row: usize, cell: &Cell<'_>) {
        let (name, wanted) = (self.name, self.wanted);
        let wrong = || {
            let message = format!("`{name}` must be {}, not {}", sql_type(wanted), shown(cell));
            let error = Error::new(ErrorKind::Invalid, "wrong_type", message);
            match remedy(wanted) {
                Some(remedy) => error.remedy(remedy),
                None => error,
            }
        };
        self.bad.entry(row).or_insert_with(wrong);
    }
}

fn lists(item: &FieldRef, mut each: Each<'_, '_>) -> Result<ArrayRef> {
    let lists = each.read(|cell| match cell {
        Cell::List(items) => Some(items),
        _ => None,
    });
    let rows = each.cells.iter().map(|(row, _)| *row);
    let items = rows.zip(&lists).flat_map(|(row, list)| list.iter().flat_map(move |l| l.iter().map(move |i| (row, i))));
    let items: Vec<_> = items.collect();
    let items = to_array(each.name, item.data_type(), &items, each.bad)?;
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.map_or(0, Vec::len)));
    let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
    Ok(Arc::new(ListArray::try_new(item.clone(), offsets, items, Some(nulls)).map_err(Error::internal)?))
}

/// Dates are read as Arrow reads them everywhere else.
fn dates(texts: Vec<Option<&str>>, each: &mut Each<'_, '_>) -> Result<ArrayRef> {
    let plain = |text: &&str| text.len() <= MAX_SHOWN && !text.contains([':', 'T', ' ']);
    let texts: ArrayRef = Arc::new(texts.iter().map(|text| text.filter(plain)).collect::<StringArray>());
    let dates = cast(&texts, &DataType::Date32).map_err(Error::internal)?;
    for (index, (row, cell)) in each.cells.iter().enumerate() {
        if dates.is_null(index) && matches!(cell, Cell::Text(_)) {
            each.refuse(*row, cell);
        }
    }
    Ok(Arc::new(Date32Array::from(dates.to_data())))
}

fn boolean(cell: &Cell<'_>) -> Option<bool> {
    match cell {
        Cell::Bool(value) => Some(*value),
        _ => None,
    }
}

/// An integer as a number or as its digits.
fn integer(cell: &Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Integer(value) => Some(*value),
        Cell::Text(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn number(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Integer(value) => Some(*value as f64),
        Cell::Number(value) => Some(*value),
        Cell::Text(text) => match text.as_ref() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn text<'c>(cell: &'c Cell<'_>) -> Option<&'c str> {
    match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

fn remedy(wanted: &DataType) -> Option<String> {
    Some(match wanted {
        DataType::Binary => "send its bytes as base64: \"3q2+7w==\"".to_owned(),
        DataType::Date32 => "write it as \"2013-12-31\"".to_owned(),
        DataType::Timestamp(_, _) => "write it as \"2013-12-31T18:00:00Z\"".to_owned(),
        DataType::Decimal128(_, scale) => format!(
            "write its digits as a text, with at most {scale} after the point: a number with a point would not be exact"
        ),
        DataType::Float32 | DataType::Float64 => "write a number, or \"NaN\", \"Infinity\", \"-Infinity\"".to_owned(),
        other if other.is_integer() => "write a whole number; its digits as a text will do".to_owned(),
        _ => return None,
    })
}

/// A value for a message.
fn shown(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Number(value) => format!("the number {value:?}"),
        Cell::Text(text) => format!("the text `{}`", abridged(text)),
        Cell::List(_) => "a list".to_owned(),
    }
}

/// Text of a stranger, as much as belongs in a message.
fn abridged(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
