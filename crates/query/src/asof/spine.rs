//! The spine, collected, and its index: key → slots.
//!
//! A **slot** is a distinct (key, moment) of the spine; all spine rows of one slot get the same answer. The slots of
//! a key lie together, sorted by moment. Views with the same key columns share one index.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::StreamExt;

use super::error::Error;
use super::keys::{Keys, NO_KEY};
use super::march::{Passing, in_time};
use super::moments::micros;
use crate::windows::Slots;

/// The rows of a spine as they are read: in order, in batches of the session's size, each row with a moment.
pub(super) struct SpineRows {
    stream: SendableRecordBatchStream,
    coalescer: BatchCoalescer,
    batch_size: usize,
    timestamp: usize,
    column: String,
    rows: usize,
    ended: bool,
}

impl SpineRows {
    /// `timestamp` is the position of the column that says as of when.
    pub(super) fn new(stream: SendableRecordBatchStream, timestamp: usize, batch_size: usize) -> Self {
        let schema = stream.schema();
        let column = schema.field(timestamp).name().clone();
        let coalescer = BatchCoalescer::new(schema, batch_size);
        SpineRows { stream, coalescer, batch_size, timestamp, column, rows: 0, ended: false }
    }

    /// The next batch and its moments.
    pub(super) async fn next(&mut self) -> Result<Option<(RecordBatch, Int64Array)>, Error> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return self.checked(batch).map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            let done = match self.stream.next().await.transpose()? {
                // Most are of the right size as they come, and need not be copied.
                Some(batch)
                    if batch.num_rows() == self.batch_size && self.coalescer.is_empty() && is_compact(&batch) =>
                {
                    return self.checked(batch).map(Some);
                }
                Some(batch) => self.coalescer.push_batch(batch),
                None => {
                    self.ended = true;
                    self.coalescer.finish_buffered_batch()
                }
            };
            done.map_err(DataFusionError::from)?;
        }
    }

    fn checked(&mut self, batch: RecordBatch) -> Result<(RecordBatch, Int64Array), Error> {
        let moments = micros(batch.column(self.timestamp), &self.column, Some(self.rows + 1))?;
        if let Some(row) = (0..moments.len()).find(|row| moments.is_null(*row)) {
            return Err(Error::NullMoment { column: self.column.clone(), row: self.rows + row + 1 });
        }
        self.rows += moments.len();
        Ok((batch, moments))
    }
}

/// Spine rows in order, in batches, with their moments.
#[derive(Debug)]
pub(super) struct Spine {
    pub(super) batches: Vec<RecordBatch>,
    /// The moments of each batch; its own column, where that is of microseconds.
    moments: Vec<ScalarBuffer<i64>>,
    rows: usize,
    reservation: MemoryReservation,
}

impl Spine {
    /// No rows yet.
    pub(super) fn new(reservation: MemoryReservation) -> Self {
        Spine { batches: Vec::new(), moments: Vec::new(), rows: 0, reservation }
    }

    /// Reads a spine to its end, or until memory for it is refused: then the refusal is given back, all that was read is
    /// there, the batch too for which there was no memory, and what is left can be read on.
    ///
    /// # Errors
    /// Whatever the spine's own plan failed with. Nothing can be read on from a plan that failed, for want of memory or
    /// otherwise: it may look as if it had ended.
    pub(super) async fn collect(&mut self, rows: &mut SpineRows) -> Result<Option<Error>, Error> {
        while let Some((batch, moments)) = rows.next().await? {
            match self.push(batch, &moments) {
                Err(error) if error.is_refusal() => return Ok(Some(error)),
                pushed => pushed?,
            }
        }
        Ok(None)
    }

    /// One batch more. Where memory is refused, it is there all the same.
    pub(super) fn push(&mut self, batch: RecordBatch, moments: &Int64Array) -> Result<(), Error> {
        // Rows and slots are numbered in 32 bits, one number is no slot at all.
        if self.rows + moments.len() >= u32::MAX as usize {
            return Err(Error::SpineTooLong);
        }
        // Moments that are a column of the batch count twice: rather too much than too little.
        let bytes = size_of_rows(&batch) + size_of_val(&moments.values()[..]);
        self.rows += moments.len();
        self.moments.push(moments.values().clone());
        self.batches.push(batch);
        Ok(self.reservation.try_grow(bytes)?)
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }
}

/// Whether a batch holds little more memory than its own rows take; a slice holds all that it was cut from.
fn is_compact(batch: &RecordBatch) -> bool {
    let own = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
    batch.get_array_memory_size() <= 2 * batch.columns().iter().map(own).sum::<usize>()
}

/// What the rows of a batch take in memory, which may be part of a larger one. Views of bytes are counted with all
/// that they look at.
pub(super) fn size_of_rows(batch: &RecordBatch) -> usize {
    let size = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8View | DataType::BinaryView => column.get_array_memory_size(),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    };
    batch.columns().iter().map(size).sum()
}

/// Keys of some columns and their slots.
#[derive(Debug)]
pub(super) struct KeyIndex {
    keys: Keys,
    /// The first slot of each key, and at the end the number of slots.
    starts: Vec<u32>,
    /// The moment of each slot.
    moments: Vec<i64>,
    /// The moment of all slots, if it is the same.
    same_moment: Option<i64>,
    row_slots: Arc<RowSlots>,
    /// The slots in the order of time, once somebody wanted them.
    in_time: Mutex<Option<Arc<Vec<Passing>>>>,
    reservation: MemoryReservation,
}

/// The slot of each spine row: all that is still asked of an index when the views have been read.
#[derive(Debug)]
pub(super) struct RowSlots {
    slots: Vec<u32>,
    _reservation: MemoryReservation,
}

/// The slot of a spine row with a null key.
pub(super) const NO_SLOT: u32 = u32::MAX;

impl RowSlots {
    /// The slots of some spine rows; [`NO_SLOT`] for a row with a null key.
    pub(super) fn of(&self, rows: Range<usize>) -> &[u32] {
        &self.slots[rows]
    }
}

impl KeyIndex {
    /// Indexes the spine by the columns at these positions, each compared as the type beside it.
    pub(super) fn new(
        spine: &Spine,
        columns: &[(usize, DataType)],
        reservation: MemoryReservation,
    ) -> Result<Self, Error> {
        let mut keys = Keys::new(columns.iter().map(|(_, data_type)| data_type.clone()).collect())?;
        // 32 bytes a row: its key, its moment and number in the order of keys, its slot, and what the slot takes.
        let rows = spine.rows() * 32;
        reservation.try_grow(rows)?;
        let of_batch =
            |batch: &RecordBatch| columns.iter().map(|(position, _)| batch.column(*position).clone()).collect();
        let batches: Vec<Vec<_>> = spine.batches.iter().map(of_batch).collect();
        let row_keys = keys.number(&batches, |held| Ok(reservation.try_resize(rows + held)?))?;
        let Numbered { starts, moments, row_slots: slots } = number_slots(keys.len(), &spine.moments, &row_keys);
        let row_slots = slots.capacity() * size_of::<u32>();
        let index = keys.size() + starts.capacity() * size_of::<u32>() + moments.capacity() * size_of::<i64>();
        reservation.try_resize(index + row_slots)?;
        let row_slots = Arc::new(RowSlots { slots, _reservation: reservation.split(row_slots) });
        let same_moment = moments.first().copied().filter(|first| moments.iter().all(|moment| moment == first));
        Ok(KeyIndex { keys, starts, moments, same_moment, row_slots, in_time: Mutex::default(), reservation })
    }

    /// The distinct keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How many slots.
    pub(super) fn slots(&self) -> usize {
        self.moments.len()
    }

    /// The slots of a key, in the order of their moments.
    pub(super) fn slots_of(&self, key: u32) -> Range<usize> {
        self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize
    }

    /// The first slot of a key; any slot for what is no key.
    pub(super) fn first_slot(&self, key: u32) -> u32 {
        self.starts.get(key as usize).copied().unwrap_or_default()
    }

    /// Whether each key has one slot; it has the number of the key then.
    pub(super) fn one_each(&self) -> bool {
        self.slots() == self.keys.len() as usize
    }

    /// The moment of all slots, if it is the same.
    pub(super) fn same_moment(&self) -> Option<i64> {
        self.same_moment
    }

    /// The moment of each slot.
    pub(super) fn moments(&self) -> &[i64] {
        &self.moments
    }

    /// The slots in the order of time, sorted for the first who asks.
    pub(super) fn in_time(&self) -> Result<Arc<Vec<Passing>>, Error> {
        let mut sorted = self.in_time.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sorted) = sorted.as_ref() {
            return Ok(Arc::clone(sorted));
        }
        self.reservation.try_grow(self.slots() * size_of::<Passing>())?;
        Ok(Arc::clone(sorted.insert(Arc::new(in_time(self)))))
    }

    /// The slot of each spine row.
    pub(super) fn row_slots(&self) -> &Arc<RowSlots> {
        &self.row_slots
    }
}

/// The slots of some rows: the first of each key and their number, their moments, and which is whose.
struct Numbered {
    starts: Vec<u32>,
    moments: Vec<i64>,
    row_slots: Vec<u32>,
}

/// Sorts the rows by key, by counting, then each key's by moment: a key has few.
fn number_slots(keys: u32, moments: &[ScalarBuffer<i64>], row_keys: &[u32]) -> Numbered {
    let keys = keys as usize;
    // A spine of all keys in order, each once, is sorted as it is.
    if row_keys.len() == keys && row_keys.iter().zip(0..).all(|(key, row)| *key == row) {
        let moments = moments.iter().flat_map(|batch| batch.iter().copied());
        return Numbered {
            starts: (0..=keys as u32).collect(),
            moments: moments.collect(),
            row_slots: row_keys.to_vec(),
        };
    }
    let mut ends = vec![0_u32; keys + 1];
    for key in row_keys.iter().filter(|key| **key != NO_KEY) {
        ends[*key as usize + 1] += 1;
    }
    for key in 0..keys {
        ends[key + 1] += ends[key];
    }
    // From here on `ends[key]` is where the next row of the key goes, and in the end where its rows end.
    let mut order = vec![(0_i64, 0_u32); ends[keys] as usize];
    let rows = row_keys.iter().zip(moments.iter().flat_map(|batch| batch.iter())).enumerate();
    for (row, (key, moment)) in rows.filter(|(_, (key, _))| **key != NO_KEY) {
        let place = &mut ends[*key as usize];
        order[*place as usize] = (*moment, row as u32);
        *place += 1;
    }
    let mut row_slots = vec![NO_SLOT; row_keys.len()];
    let mut slots = Vec::with_capacity(order.len());
    let mut starts = Vec::with_capacity(keys + 1);
    let mut first = 0;
    for end in ends.into_iter().take(keys).map(|end| end as usize) {
        starts.push(slots.len() as u32);
        let rows = &mut order[first..end];
        rows.sort_unstable();
        let mut last = None;
        for (moment, row) in rows {
            if last != Some(*moment) {
                slots.push(*moment);
                last = Some(*moment);
            }
            row_slots[*row as usize] = (slots.len() - 1) as u32;
        }
        first = end;
    }
    starts.push(slots.len() as u32);
    slots.shrink_to_fit();
    Numbered { starts, moments: slots, row_slots }
}

impl Slots for KeyIndex {
    fn keys(&self) -> u32 {
        self.keys.len()
    }

    fn of(&self, key: u32) -> Range<usize> {
        self.slots_of(key)
    }

    fn moments(&self) -> &[i64] {
        &self.moments
    }
}
