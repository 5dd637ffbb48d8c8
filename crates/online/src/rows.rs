//! What a read of one view found.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use asof_model::{Error, Micros, Result, RunId};

use crate::key::Keys;
use crate::row::Opened;
use crate::{Cells, Codec, Found, Published, Value};

/// The rows of one view under the keys asked for, in order: bytes that were checked, out of which values are read in place.
/// Columns are numbered as in the [`Layout`](crate::Layout); where they are, [`Codec::positions`] tells once.
///
/// A row may be hidden, as one that does not count any more: it has no values then, but still its event time.
#[derive(Debug)]
pub struct Rows {
    codec: Arc<Codec>,
    generation: u64,
    run: RunId,
    at: Micros,
    rows: Opened,
    /// The states of windows, and the latest event time in any of them.
    windows: Option<(Cells, Option<Micros>)>,
}

impl Rows {
    /// Checks what a backend found under each of the first `count` keys, in order.
    pub(crate) fn new<R: AsRef<[u8]>>(
        codec: &Arc<Codec>,
        published: &Published,
        keys: &Keys,
        count: usize,
        values: &[Option<Value<'_, R>>],
        windows: Option<(Cells, Option<Micros>)>,
    ) -> std::result::Result<Self, crate::Error> {
        let found = values.iter().take(count).enumerate().map(|(n, value)| {
            let (row, checked) = value.as_ref()?.bytes();
            Some((keys.get(n)?, row, checked))
        });
        let Published { generation, run, at, .. } = *published;
        Ok(Rows { rows: codec.rows().open_all(found)?, windows, codec: Arc::clone(codec), generation, run, at })
    }

    /// How many keys were asked for.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the rows are laid out: the same value for all rows of one generation.
    pub fn codec(&self) -> &Arc<Codec> {
        &self.codec
    }

    /// The run that published the view.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The moment as of which the rows are the newest.
    pub fn at(&self) -> Micros {
        self.at
    }

    /// From when on all rows and windows count; none where there is nothing.
    pub fn counts_from(&self) -> Option<Micros> {
        let latest = self.windows.as_ref().and_then(|(_, latest)| *latest);
        self.rows.counts_from().max(latest)
    }

    /// The states of the windows that were asked for.
    pub fn windows(&self) -> Option<&Cells> {
        self.windows.as_ref().map(|(cells, _)| cells)
    }

    /// When a row happened; none where there is none.
    pub fn event_time(&self, row: usize) -> Option<Micros> {
        self.rows.event_time(row)
    }

    /// When all of them happened, null where there is none.
    pub fn event_times(&self) -> TimestampMicrosecondArray {
        self.rows.event_times()
    }

    /// Takes a row's values away.
    pub fn hide(&mut self, row: usize) {
        self.rows.hide(row);
    }

    /// Whether every row has a value in a column.
    pub fn is_whole(&self, column: usize) -> bool {
        self.codec.rows().is_whole(&self.rows, column)
    }

    /// Whether a row has a value in a column.
    pub fn has(&self, row: usize, column: usize) -> bool {
        self.codec.rows().has(&self.rows, row, column)
    }

    /// The values of a column that all take this many bytes, little-endian, with zeros where there is none. Of a column of
    /// another width it is zeros or the beginnings of its values.
    pub fn slots<const WIDTH: usize>(&self, column: usize) -> impl Iterator<Item = [u8; WIDTH]> {
        self.codec.rows().slots(&self.rows, column)
    }

    /// The same, copied to a place for each row.
    pub fn copy_slots<const WIDTH: usize>(&self, column: usize, out: &mut [[u8; WIDTH]]) {
        self.codec.rows().copy_slots(&self.rows, column, out);
    }

    /// A column as an array.
    ///
    /// # Errors
    /// `online_damaged`, `row_too_large`.
    pub fn column(&self, column: usize) -> Result<ArrayRef> {
        Ok(self.codec.rows().column(&self.rows, column)?)
    }

    /// Columns by name, and all that is known of the rows.
    ///
    /// # Errors
    /// `unknown_column`, and those of [`column`](Self::column).
    pub fn found(mut self, columns: &[String]) -> Result<Found> {
        let positions = self.codec.positions(columns)?;
        let arrays = positions.iter().map(|n| self.column(*n)).collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().zip(&arrays).map(|(name, array)| Field::new(name, array.data_type().clone(), true));
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let values = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(Error::internal)?;
        let (counts_from, event_times) = (self.counts_from(), self.event_times());
        let windows = self.windows.take().map(|(cells, _)| cells);
        Ok(Found { generation: self.generation, run: self.run, at: self.at, counts_from, event_times, values, windows })
    }
}
