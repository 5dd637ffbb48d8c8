//! Rows of a request that cannot be answered: a value that is not of its type, an expression that fails on its values.
//!
//! One such row fails the request, and the error names it; or, where the request asks for it, the row gets its error, null
//! features and the status [`Status::Failed`], and the other rows their answers. Rows count from 0, as in the reply.
//!
//! Costs nothing while all is well. A row on which an expression fails is found by halving: for one bad row among n, about
//! 2 log n more evaluations over about 2 n rows in all; where every row is bad, each is evaluated by itself.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt8Array, new_null_array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::kernels::nullif::nullif;
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use asof_model::{Error, Result, Status};
use asof_query::Serving;

/// The most characters of a value that a message repeats.
const MAX_SHOWN: usize = 40;

/// Why one row of a request was not answered.
#[derive(Clone, Debug, PartialEq)]
pub struct RowError {
    /// The row, from 0.
    pub row: usize,
    /// The reason; its message names the row.
    pub error: Error,
}

impl RowError {
    /// An error of this row.
    pub fn new(row: usize, error: Error) -> Self {
        RowError { row, error: error.context(format_args!("row {row}")) }
    }
}

/// What became of the rows of one request so far.
pub(crate) struct Rows {
    /// Whether a bad row is answered by its error, and does not fail the request.
    apart: bool,
    /// Of each bad row the first error.
    bad: BTreeMap<usize, Error>,
}

impl Rows {
    /// A request of which one bad row fails the whole.
    pub(crate) fn together() -> Self {
        Rows { apart: false, bad: BTreeMap::new() }
    }

    /// A request whose rows are answered each for itself; these are known to be bad.
    pub(crate) fn apart(known: Vec<RowError>) -> Self {
        let mut rows = Rows { apart: true, bad: BTreeMap::new() };
        for RowError { row, error } in known {
            rows.bad.entry(row).or_insert(error);
        }
        rows
    }

    /// A row is bad.
    ///
    /// # Errors
    /// That error, where one bad row fails the whole.
    fn add(&mut self, row: usize, error: Error) -> Result<()> {
        let RowError { row, error } = RowError::new(row, error);
        if !self.apart {
            return Err(error);
        }
        self.bad.entry(row).or_insert(error);
        Ok(())
    }

    /// The column in another type; a value that does not fit is null, and its row bad. `wrong` makes the error from the
    /// value as text.
    pub(crate) fn cast(
        &mut self,
        given: &ArrayRef,
        to: &DataType,
        wrong: impl Fn(String) -> Error,
    ) -> Result<ArrayRef> {
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let reason = match cast_with_options(given, to, &strict) {
            Ok(cast) => return self.whole(given, cast, wrong),
            Err(reason) => reason,
        };
        let cast = cast_with_options(given, to, &CastOptions::default()).map_err(|e| wrong(e.to_string()))?;
        let lost: Vec<_> = (0..given.len()).filter(|row| given.is_valid(*row) && cast.is_null(*row)).collect();
        if lost.is_empty() {
            return Err(wrong(reason.to_string()));
        }
        for row in lost {
            self.add(row, wrong(format!("which {} is not", shown(given, row).map_err(Error::internal)?)))?;
        }
        Ok(cast)
    }

    /// A column that was cast, unless a fraction was cut off to make an integer of it: that row is bad.
    fn whole(&mut self, given: &ArrayRef, cast: ArrayRef, wrong: impl Fn(String) -> Error) -> Result<ArrayRef> {
        if !cast.data_type().is_integer() || given.data_type().is_integer() {
            return Ok(cast);
        }
        let back = cast_with_options(&cast, given.data_type(), &CastOptions::default()).map_err(Error::internal)?;
        let cut = not_distinct(&back, given).map_err(Error::internal)?;
        for row in (0..cut.len()).filter(|row| !cut.value(*row)) {
            self.add(row, wrong(format!("which {} is not", shown(given, row).map_err(Error::internal)?)))?;
        }
        Ok(cast)
    }

    /// The features of the rows of `input`, null in bad rows.
    pub(crate) fn evaluate(&mut self, serving: &Serving, input: &RecordBatch) -> Result<RecordBatch> {
        let features = match serving.evaluate(input) {
            Ok(features) => features,
            Err(error) if !is_about_values(&error) => return Err(error),
            Err(_) => {
                let mut pieces = Vec::new();
                self.divide(serving, input, 0, input.num_rows(), &mut pieces)?;
                joined(&serving.features.to_arrow(), &pieces, input.num_rows())?
            }
        };
        self.hide(features)
    }

    /// The features of `count` rows from `from` on, in pieces.
    fn divide(
        &mut self,
        serving: &Serving,
        input: &RecordBatch,
        from: usize,
        count: usize,
        pieces: &mut Vec<Vec<ArrayRef>>,
    ) -> Result<()> {
        match serving.evaluate(&input.slice(from, count)) {
            Ok(features) => pieces.push(features.columns().to_vec()),
            Err(error) if !is_about_values(&error) => return Err(error),
            Err(error) if count <= 1 => {
                self.add(from, error)?;
                let nulls = serving.features.0.iter().map(|feature| new_null_array(&feature.data_type, count));
                pieces.push(nulls.collect());
            }
            Err(_) => {
                let half = count / 2;
                self.divide(serving, input, from, half, pieces)?;
                self.divide(serving, input, from + half, count - half, pieces)?;
            }
        }
        Ok(())
    }

    /// Nulls in place of what bad rows gave.
    fn hide(&self, features: RecordBatch) -> Result<RecordBatch> {
        if self.bad.is_empty() {
            return Ok(features);
        }
        let bad: BooleanArray = (0..features.num_rows()).map(|row| Some(self.bad.contains_key(&row))).collect();
        let columns = features.columns().iter().map(|column| nullif(column, &bad)).collect::<Result<Vec<_>, _>>();
        batch(&features.schema(), columns.map_err(Error::internal)?, features.num_rows())
    }

    /// The statuses of a feature, with those of bad rows.
    pub(crate) fn statuses(&self, statuses: UInt8Array) -> UInt8Array {
        if self.bad.is_empty() {
            return statuses;
        }
        let status = |(row, status)| if self.bad.contains_key(&row) { Some(Status::Failed as u8) } else { status };
        statuses.iter().enumerate().map(status).collect()
    }

    /// The bad rows, in order.
    pub(crate) fn errors(self) -> Vec<RowError> {
        self.bad.into_iter().map(|(row, error)| RowError { row, error }).collect()
    }
}

/// Whether other values could have been computed.
fn is_about_values(error: &Error) -> bool {
    error.code() == "cannot_compute"
}

fn shown(array: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    let text = array_value_to_string(array, row)?;
    Ok(match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

fn joined(schema: &Schema, pieces: &[Vec<ArrayRef>], rows: usize) -> Result<RecordBatch> {
    let columns = (0..schema.fields().len()).map(|i| {
        let parts: Vec<&dyn Array> = pieces.iter().filter_map(|piece| piece.get(i)).map(AsRef::as_ref).collect();
        concat(&parts).map_err(Error::internal)
    });
    batch(schema, columns.collect::<Result<_>>()?, rows)
}

/// A batch in which any value may be null: also a constant's, in a bad row.
fn batch(schema: &Schema, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields = schema.fields().iter().map(|field| Field::clone(field).with_nullable(true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.into(), columns, &options).map_err(Error::internal)
}
