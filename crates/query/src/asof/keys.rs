//! The distinct keys of a spine, numbered.
//!
//! A look-up happens for every row of every view, so the common kinds of keys have a way of their own. **Integers** (and
//! dates, which are integers) lying close together are numbered by a table that is indexed by the key itself;
//! scattered ones by a hash table of numbers. **Texts and bytes** are hashed as they lie in their arrays. **Everything
//! else**, composite keys above all, is encoded to comparable bytes first, which costs more than all the rest.
//! Runs of one key, which is what a file sorted by key consists of, are looked up once.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, StringArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{CastOptions, cast_with_options, max, min};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::HashMap;
use datafusion::error::DataFusionError;

use super::error::Error;

/// The number of a key that is null, or that the spine does not have.
pub(super) const NO_KEY: u32 = u32::MAX;

/// A table indexed by the key may be this much longer than there are keys: 4 bytes a place against at least 18 a key
/// in a hash table, which besides takes longer.
const SPREAD: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    /// The types in which the columns are compared.
    types: Vec<DataType>,
    table: Table,
}

#[derive(Debug)]
enum Table {
    /// The number of key `first + i` stands at place i.
    Near {
        first: i64,
        numbers: Vec<u32>,
        count: u32,
    },
    Integers(HashMap<i64, u32>),
    Bytes {
        encoding: Encoding,
        numbers: HashMap<Box<[u8]>, u32>,
        bytes: usize,
    },
}

/// How a key becomes bytes.
#[derive(Debug)]
enum Encoding {
    Text,
    Binary,
    Rows(RowConverter),
}

/// Key columns of some rows in a form that can be looked up.
enum Encoded {
    Integers(Int64Array),
    Text(StringArray),
    Binary(BinaryArray),
    Rows(Rows, Option<NullBuffer>),
}

impl Keys {
    /// No keys yet, of columns that are compared in these types.
    pub(super) fn new(types: Vec<DataType>) -> Result<Self, Error> {
        let table = match types.as_slice() {
            [only] if only.is_integer() || *only == DataType::Date32 => Table::Integers(HashMap::default()),
            types => {
                let encoding = match types {
                    [DataType::Utf8] => Encoding::Text,
                    [DataType::Binary] => Encoding::Binary,
                    _ => Encoding::Rows(
                        RowConverter::new(types.iter().cloned().map(SortField::new).collect())
                            .map_err(DataFusionError::from)?,
                    ),
                };
                Table::Bytes { encoding, numbers: HashMap::default(), bytes: 0 }
            }
        };
        Ok(Keys { types, table })
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        match &self.table {
            Table::Near { count, .. } => *count,
            Table::Integers(numbers) => numbers.len() as u32,
            Table::Bytes { numbers, .. } => numbers.len() as u32,
        }
    }

    /// Memory held, in bytes. Hash tables are at most seven eighths full, and double.
    pub(super) fn size(&self) -> usize {
        match &self.table {
            Table::Near { numbers, .. } => numbers.capacity() * size_of::<u32>(),
            Table::Integers(numbers) => numbers.capacity() * (size_of::<(i64, u32)>() + 1) * 8 / 7,
            Table::Bytes { numbers, bytes, .. } => {
                numbers.capacity() * (size_of::<(Box<[u8]>, u32)>() + 1) * 8 / 7 + bytes
            }
        }
    }

    /// Numbers the keys of all rows of a spine, whose key columns come in batches; [`NO_KEY`] where a part of the key is
    /// null. `reserve` is told how much memory is held.
    pub(super) fn number(
        &mut self,
        batches: &[Vec<ArrayRef>],
        mut reserve: impl FnMut(usize) -> Result<(), Error>,
    ) -> Result<Vec<u32>, Error> {
        let encoded = batches.iter().map(|columns| self.encode(columns)).collect::<Result<Vec<_>, _>>()?;
        let rows = encoded.iter().map(Encoded::len).sum();
        let mut out = Vec::with_capacity(rows);
        if let Some((first, span)) = span(&encoded).filter(|(_, span)| span / SPREAD as u64 <= rows as u64) {
            reserve((span as usize + 1) * size_of::<u32>())?;
            self.table = near(&encoded, first, span);
            for batch in &encoded {
                self.find(batch, &mut out)?;
            }
            self.spread();
            return Ok(out);
        }
        for batch in &encoded {
            self.number_as_they_come(batch, &mut out)?;
            reserve(self.size())?;
        }
        Ok(out)
    }

    fn number_as_they_come(&mut self, encoded: &Encoded, out: &mut Vec<u32>) -> Result<(), Error> {
        match (&mut self.table, encoded) {
            (Table::Integers(table), Encoded::Integers(keys)) => each(keys.len(), keys.nulls(), out, |row| {
                let next = table.len() as u32;
                *table.entry(keys.value(row)).or_insert(next)
            }),
            (Table::Bytes { numbers, bytes, .. }, encoded) => each(encoded.len(), encoded.nulls(), out, |row| {
                let key = encoded.bytes(row);
                match numbers.get(key) {
                    Some(number) => *number,
                    None => {
                        let next = numbers.len() as u32;
                        *bytes += key.len();
                        numbers.insert(key.into(), next);
                        next
                    }
                }
            }),
            _ => return Err(Error::Defect("keys are numbered before they are looked up".to_owned())),
        }
        Ok(())
    }

    /// Keeps a table indexed by the key only where keys lie close together.
    fn spread(&mut self) {
        let Table::Near { first, numbers, count } = &self.table else { return };
        if numbers.len() / SPREAD <= *count as usize {
            return;
        }
        let numbered = numbers.iter().enumerate().filter(|(_, number)| **number != NO_KEY);
        self.table = Table::Integers(numbered.map(|(place, number)| (first + place as i64, *number)).collect());
    }

    /// The least and the greatest key, where keys are integers and there are any.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        match &self.table {
            Table::Near { first, numbers, .. } => Some((*first, first + (numbers.len() as i64 - 1))),
            Table::Integers(numbers) => numbers.keys().min().copied().zip(numbers.keys().max().copied()),
            Table::Bytes { .. } => None,
        }
    }

    /// For each row the number of its key; [`NO_KEY`] where the spine does not have it.
    pub(super) fn look_up(&self, columns: &[ArrayRef], out: &mut Vec<u32>) -> Result<(), Error> {
        self.find(&self.encode(columns)?, out)
    }

    fn find(&self, encoded: &Encoded, out: &mut Vec<u32>) -> Result<(), Error> {
        match (&self.table, encoded) {
            (Table::Near { first, numbers, .. }, Encoded::Integers(keys)) => {
                each(keys.len(), keys.nulls(), out, |row| {
                    // Below the first wraps to far beyond the last.
                    let place = keys.value(row).wrapping_sub(*first) as u64;
                    usize::try_from(place).ok().and_then(|place| numbers.get(place)).copied().unwrap_or(NO_KEY)
                });
            }
            (Table::Integers(table), Encoded::Integers(keys)) => {
                let mut last = (0, NO_KEY);
                let mut known = false;
                each(keys.len(), keys.nulls(), out, |row| {
                    let key = keys.value(row);
                    if !known || last.0 != key {
                        last = (key, table.get(&key).copied().unwrap_or(NO_KEY));
                        known = true;
                    }
                    last.1
                });
            }
            (Table::Bytes { numbers, .. }, encoded) => {
                let mut last: Option<(usize, u32)> = None;
                each(encoded.len(), encoded.nulls(), out, |row| {
                    let key = encoded.bytes(row);
                    match last {
                        Some((before, number)) if encoded.bytes(before) == key => number,
                        _ => {
                            let number = numbers.get(key).copied().unwrap_or(NO_KEY);
                            last = Some((row, number));
                            number
                        }
                    }
                });
            }
            _ => return Err(Error::Defect("integer keys in a table of bytes".to_owned())),
        }
        Ok(())
    }

    fn encode(&self, columns: &[ArrayRef]) -> Result<Encoded, Error> {
        let compared = compared(columns.iter().zip(&self.types))?;
        Ok(match &self.table {
            Table::Near { .. } | Table::Integers(_) => {
                // A date is a number of days in 32 bits, which nothing casts to 64 at once.
                let wide = match &self.types[0] {
                    DataType::Date32 => {
                        cast(&compared[0], &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64))
                    }
                    _ => cast(&compared[0], &DataType::Int64),
                };
                Encoded::Integers(wide.map_err(DataFusionError::from)?.as_primitive::<Int64Type>().clone())
            }
            Table::Bytes { encoding: Encoding::Text, .. } => Encoded::Text(compared[0].as_string::<i32>().clone()),
            Table::Bytes { encoding: Encoding::Binary, .. } => Encoded::Binary(compared[0].as_binary::<i32>().clone()),
            Table::Bytes { encoding: Encoding::Rows(converter), .. } => {
                let nulls = (compared.iter())
                    .fold(None, |nulls, c| NullBuffer::union(nulls.as_ref(), c.logical_nulls().as_ref()));
                Encoded::Rows(converter.convert_columns(&compared).map_err(DataFusionError::from)?, nulls)
            }
        })
    }
}

/// The least integer key, and how far the greatest lies from it.
fn span(batches: &[Encoded]) -> Option<(i64, u64)> {
    let keys = batches.iter().map(|batch| match batch {
        Encoded::Integers(keys) => Some(keys),
        _ => None,
    });
    let keys = keys.collect::<Option<Vec<_>>>()?;
    let first = keys.iter().filter_map(|keys| min(keys)).min()?;
    let last = keys.iter().filter_map(|keys| max(keys)).max()?;
    Some((first, last.abs_diff(first)))
}

/// Numbers integer keys in their order, so that those which lie together in a sorted file have their slots together.
fn near(batches: &[Encoded], first: i64, span: u64) -> Table {
    let mut numbers = vec![NO_KEY; span as usize + 1];
    for batch in batches {
        if let Encoded::Integers(keys) = batch {
            keys.iter().flatten().for_each(|key| numbers[key.abs_diff(first) as usize] = 0);
        }
    }
    let mut count = 0;
    for number in numbers.iter_mut().filter(|number| **number != NO_KEY) {
        *number = count;
        count += 1;
    }
    Table::Near { first, numbers, count }
}

/// Key columns in the types in which they are compared.
pub(super) fn compared<'a>(
    columns: impl Iterator<Item = (&'a ArrayRef, &'a DataType)>,
) -> Result<Vec<ArrayRef>, Error> {
    Ok(columns.map(|(column, to)| cast(column, to)).collect::<Result<_, _>>().map_err(DataFusionError::from)?)
}

fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions { safe: false, ..Default::default() };
    match column.data_type() == to {
        true => Ok(Arc::clone(column)),
        false => cast_with_options(column, to, &options),
    }
}

/// Puts out a number for each row: that of `find`, or [`NO_KEY`] where the row's key is null.
fn each(rows: usize, nulls: Option<&NullBuffer>, out: &mut Vec<u32>, mut find: impl FnMut(usize) -> u32) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => out.extend((0..rows).map(find)),
        Some(nulls) => out.extend((0..rows).map(|row| if nulls.is_valid(row) { find(row) } else { NO_KEY })),
    }
}

impl Encoded {
    fn len(&self) -> usize {
        match self {
            Encoded::Integers(keys) => keys.len(),
            Encoded::Text(keys) => keys.len(),
            Encoded::Binary(keys) => keys.len(),
            Encoded::Rows(keys, _) => keys.num_rows(),
        }
    }

    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Encoded::Integers(keys) => keys.nulls(),
            Encoded::Text(keys) => keys.nulls(),
            Encoded::Binary(keys) => keys.nulls(),
            Encoded::Rows(_, nulls) => nulls.as_ref(),
        }
    }

    /// The key of a row that is not null. Integers have none.
    fn bytes(&self, row: usize) -> &[u8] {
        match self {
            Encoded::Integers(_) => &[],
            Encoded::Text(keys) => keys.value(row).as_bytes(),
            Encoded::Binary(keys) => keys.value(row),
            Encoded::Rows(keys, _) => keys.row(row).data(),
        }
    }
}
