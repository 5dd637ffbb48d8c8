//! Rows that were checked, one after the other in one piece of memory, and columns out of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use asof_model::Micros;

use super::read::Trouble;
use super::sink::Sink;
use super::{RowCodec, Shape, VALIDITY, stamp};
use crate::Error;

/// Opened rows. Copying them here costs less than a look-up in the store by far, and frees its memory at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened {
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// The validity that all rows share: a column's bit is set where every row has a value.
    shared: Vec<u8>,
    /// How many rows are there and shown.
    shown: usize,
    /// The length of every row so far, if it is one.
    length: Option<usize>,
    counts_from: Option<Micros>,
}

/// Where a row is; nowhere where it ends at 0.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    start: usize,
    end: usize,
    hidden: bool,
}

impl Opened {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Opened { places: Vec::with_capacity(rows), ..Opened::default() }
    }

    /// Adds a row of a codec that has opened it, or none.
    pub(super) fn push(&mut self, codec: &RowCodec, row: Option<&[u8]>) {
        let Some(row) = row else {
            self.places.push(Place::default());
            return;
        };
        let validity = &row[VALIDITY..VALIDITY + codec.columns.len().div_ceil(8)];
        if self.bytes.is_empty() {
            // Rows of one view are of like lengths.
            self.bytes.reserve_exact(row.len() * (self.places.capacity() - self.places.len()).max(1));
            self.shared = validity.to_vec();
            self.length = Some(row.len());
        } else {
            self.length = self.length.filter(|length| *length == row.len());
            self.shared.iter_mut().zip(validity).for_each(|(shared, own)| *shared &= own);
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(row);
        self.places.push(Place { start, end: self.bytes.len(), hidden: false });
        self.shown += 1;
        self.counts_from = self.counts_from.max(stamp(row).map(|stamp| stamp.counts_from()));
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn counts_from(&self) -> Option<Micros> {
        self.counts_from
    }

    /// Its values are none from now on; that it is there, and when it happened, still shows.
    pub(crate) fn hide(&mut self, n: usize) {
        let place = &mut self.places[n];
        if place.end > 0 && !place.hidden {
            place.hidden = true;
            self.shown -= 1;
        }
    }

    /// The event time of a row, also of a hidden one.
    pub(crate) fn event_time(&self, n: usize) -> Option<Micros> {
        let place = self.places[n];
        stamp(&self.bytes[place.start..place.end]).map(|stamp| stamp.event_time)
    }

    pub(crate) fn event_times(&self) -> TimestampMicrosecondArray {
        let times = (0..self.len()).map(|n| self.event_time(n).map(|time| time.0));
        times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")
    }

    /// A row whose values show.
    fn row(&self, place: &Place) -> Option<&[u8]> {
        (place.end > 0 && !place.hidden).then(|| &self.bytes[place.start..place.end])
    }

    fn rows(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.places.iter().map(|place| self.row(place))
    }
}

impl RowCodec {
    /// Whether every row has a value in a column.
    pub(crate) fn is_whole(&self, rows: &Opened, column: usize) -> bool {
        rows.shown == rows.places.len() && rows.shared.get(column / 8).is_none_or(|bits| bits >> (column % 8) & 1 == 1)
    }

    /// Whether a row has a value in a column.
    pub(crate) fn has(&self, rows: &Opened, row: usize, column: usize) -> bool {
        rows.row(&rows.places[row]).is_some_and(|row| row[VALIDITY + column / 8] >> (column % 8) & 1 == 1)
    }

    /// Copies the slots of a column of this width, with zeros where there is no value: as many as there are rows.
    pub(crate) fn copy_slots<const WIDTH: usize>(&self, rows: &Opened, column: usize, out: &mut [[u8; WIDTH]]) {
        let offset = self.columns[column].offset;
        match rows.length {
            // Every row has a value, at the same distance from that of the row before it.
            Some(length) if self.is_whole(rows, column) && offset + WIDTH <= length => {
                // In plain steps, which the compiler makes much quicker code of than of chained iterators.
                let mut rest = rows.bytes.get(offset..).unwrap_or_default();
                for out in out {
                    let Some(slot) = rest.first_chunk() else { break };
                    *out = *slot;
                    rest = rest.get(length..).unwrap_or_default();
                }
            }
            _ => out.iter_mut().zip(self.slots(rows, column)).for_each(|(out, slot)| *out = slot),
        }
    }

    /// The slots of a column of this width, with zeros where there is no value.
    pub(crate) fn slots<'a, const WIDTH: usize>(
        &self,
        rows: &'a Opened,
        column: usize,
    ) -> impl Iterator<Item = [u8; WIDTH]> + use<'a, WIDTH> {
        let offset = self.columns[column].offset;
        let (byte, bit) = (VALIDITY + column / 8, column % 8);
        rows.rows().map(move |row| {
            let row = row.filter(|row| row[byte] >> bit & 1 == 1);
            row.and_then(|row| row.get(offset..)?.first_chunk().copied()).unwrap_or([0; WIDTH])
        })
    }

    /// A column as an array.
    pub(crate) fn column(&self, rows: &Opened, column: usize) -> Result<ArrayRef, Error> {
        let slot = &self.columns[column];
        if slot.shape == Shape::Fixed(8) && matches!(slot.data_type, DataType::Float64 | DataType::Int64) {
            return Ok(self.eight_bytes(rows, column));
        }
        let mut sink = Sink::new(&slot.shape, rows.len());
        let fill = |row: Option<&[u8]>| match row.map(|row| self.value(row, column)).transpose()?.flatten() {
            Some(bytes) => sink.value(bytes),
            None => sink.null(),
        };
        rows.rows().try_for_each(fill).map_err(|trouble: Trouble| self.error(trouble))?;
        let damaged = |e: arrow::error::ArrowError| Error::Damaged { view: self.view.clone(), reason: e.to_string() };
        sink.finish(&slot.data_type).map_err(damaged)
    }

    /// What most features are.
    fn eight_bytes(&self, rows: &Opened, column: usize) -> ArrayRef {
        let mut values = MutableBuffer::from_len_zeroed(8 * rows.len());
        self.copy_slots(rows, column, values.as_slice_mut().as_chunks_mut::<8>().0);
        let nulls = (!self.is_whole(rows, column))
            .then(|| (0..rows.len()).map(|row| self.has(rows, row, column)).collect::<NullBuffer>());
        let values = Buffer::from(values);
        match self.columns[column].data_type {
            DataType::Float64 => Arc::new(Float64Array::new(ScalarBuffer::new(values, 0, rows.len()), nulls)),
            _ => Arc::new(Int64Array::new(ScalarBuffer::new(values, 0, rows.len()), nulls)),
        }
    }
}
