//! The spine, collected, and its index: key → slots.
//!
//! A **slot** is a distinct (key, moment) of the spine; all spine rows of one slot get the same answer. The slots of
//! a key lie together, sorted by moment. Views with the same key columns share one index.

use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{BatchCoalescer, CastOptions, cast_with_options};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::HashMap;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::StreamExt;

use super::error::Error;
use super::moments::micros;

/// All spine rows in order, cut into batches of the session's size, with their moments.
#[derive(Debug)]
pub(super) struct Spine {
    pub(super) batches: Vec<RecordBatch>,
    moments: Vec<i64>,
    reservation: MemoryReservation,
}

impl Spine {
    /// Reads the spine to its end. `timestamp` is the position of the column that says as of when.
    pub(super) async fn collect(
        mut stream: SendableRecordBatchStream,
        timestamp: usize,
        batch_size: usize,
        reservation: MemoryReservation,
    ) -> Result<Self, Error> {
        let schema = stream.schema();
        let column = schema.field(timestamp).name().clone();
        let mut coalescer = BatchCoalescer::new(schema, batch_size);
        let mut spine = Spine { batches: Vec::new(), moments: Vec::new(), reservation };
        while let Some(batch) = stream.next().await {
            coalescer.push_batch(batch?).map_err(DataFusionError::from)?;
            while let Some(batch) = coalescer.next_completed_batch() {
                spine.push(batch, timestamp, &column)?;
            }
        }
        coalescer.finish_buffered_batch().map_err(DataFusionError::from)?;
        while let Some(batch) = coalescer.next_completed_batch() {
            spine.push(batch, timestamp, &column)?;
        }
        Ok(spine)
    }

    fn push(&mut self, batch: RecordBatch, timestamp: usize, column: &str) -> Result<(), Error> {
        let before = self.moments.len();
        let moments = micros(batch.column(timestamp), column, Some(before + 1))?;
        if let Some(row) = (0..moments.len()).find(|row| moments.is_null(*row)) {
            return Err(Error::NullMoment { column: column.to_owned(), row: before + row + 1 });
        }
        // Rows and slots are numbered in 32 bits, one number is no slot at all.
        if before + moments.len() >= u32::MAX as usize {
            return Err(Error::SpineTooLong);
        }
        self.reservation.try_grow(batch.get_array_memory_size() + moments.len() * size_of::<i64>())?;
        self.moments.extend_from_slice(moments.values());
        self.batches.push(batch);
        Ok(())
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.moments.len()
    }
}

/// Keys of some columns and their slots.
#[derive(Debug)]
pub(super) struct KeyIndex {
    types: Vec<DataType>,
    converter: RowConverter,
    keys: HashMap<Box<[u8]>, u32>,
    /// The first slot of each key, and at the end the number of slots.
    starts: Vec<u32>,
    /// The moment of each slot.
    moments: Vec<i64>,
    /// The slot of each spine row.
    row_slots: Vec<u32>,
    reservation: MemoryReservation,
}

/// The slot of a spine row with a null key.
const NO_SLOT: u32 = u32::MAX;

impl KeyIndex {
    /// Indexes the spine by the columns at these positions, each compared as the type beside it.
    pub(super) fn new(
        spine: &Spine,
        columns: &[(usize, DataType)],
        reservation: MemoryReservation,
    ) -> Result<Self, Error> {
        let types: Vec<_> = columns.iter().map(|(_, data_type)| data_type.clone()).collect();
        let converter =
            RowConverter::new(types.iter().cloned().map(SortField::new).collect()).map_err(DataFusionError::from)?;
        let mut index = KeyIndex {
            types,
            converter,
            keys: HashMap::default(),
            starts: Vec::new(),
            moments: Vec::new(),
            row_slots: Vec::new(),
            reservation,
        };
        // 32 bytes a row: its key, its place in the order and its slot, and what the slot takes.
        index.reservation.try_grow(spine.rows() * 32)?;
        let mut row_keys = Vec::with_capacity(spine.rows());
        for batch in &spine.batches {
            let arrays: Vec<_> = columns.iter().map(|(position, _)| batch.column(*position).clone()).collect();
            let encoded = index.encode(&arrays)?;
            let known = index.keys.len();
            let mut bytes = 0;
            for row in 0..batch.num_rows() {
                row_keys.push(encoded.get(row).map(|key| match index.keys.get(key) {
                    Some(id) => *id,
                    None => {
                        let id = index.keys.len() as u32;
                        index.keys.insert(key.into(), id);
                        bytes += key.len();
                        id
                    }
                }));
            }
            // Twice the size of an entry: hash tables are at most seven eighths full, and double.
            index.reservation.try_grow(bytes + (index.keys.len() - known) * 2 * size_of::<(Box<[u8]>, u32)>())?;
        }
        index.number_slots(&spine.moments, &row_keys);
        Ok(index)
    }

    fn number_slots(&mut self, moments: &[i64], row_keys: &[Option<u32>]) {
        let mut order: Vec<u32> = (0..row_keys.len() as u32).filter(|row| row_keys[*row as usize].is_some()).collect();
        order.sort_unstable_by_key(|row| (row_keys[*row as usize], moments[*row as usize]));
        self.row_slots = vec![NO_SLOT; row_keys.len()];
        let mut last = None;
        for row in order.iter().map(|row| *row as usize) {
            let Some(key) = row_keys[row] else { continue };
            if last != Some((key, moments[row])) {
                // Keys were numbered as they came, so the order of numbers has no gap.
                if last.is_none_or(|(last_key, _)| last_key != key) {
                    self.starts.push(self.moments.len() as u32);
                }
                self.moments.push(moments[row]);
                last = Some((key, moments[row]));
            }
            self.row_slots[row] = (self.moments.len() - 1) as u32;
        }
        self.starts.push(self.moments.len() as u32);
    }

    fn encode(&self, columns: &[ArrayRef]) -> Result<Encoded, Error> {
        // A key that does not fit its type is an error, never a null.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let cast =
            columns.iter().zip(&self.types).map(|(column, data_type)| cast_with_options(column, data_type, &options));
        let columns: Vec<_> = cast.collect::<Result<_, _>>().map_err(DataFusionError::from)?;
        let nulls = columns
            .iter()
            .fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref()));
        Ok(Encoded { rows: self.converter.convert_columns(&columns).map_err(DataFusionError::from)?, nulls })
    }

    /// For each row the number of its key, if the spine has it.
    pub(super) fn look_up(&self, columns: &[ArrayRef]) -> Result<Vec<Option<u32>>, Error> {
        let encoded = self.encode(columns)?;
        let rows = encoded.rows.num_rows();
        Ok((0..rows).map(|row| encoded.get(row).and_then(|key| self.keys.get(key).copied())).collect())
    }

    /// How many keys.
    pub(super) fn keys(&self) -> u32 {
        self.keys.len() as u32
    }

    /// How many slots.
    pub(super) fn slots(&self) -> usize {
        self.moments.len()
    }

    /// The slots of a key, in the order of their moments.
    pub(super) fn slots_of(&self, key: u32) -> Range<usize> {
        self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize
    }

    /// The moment of each slot.
    pub(super) fn moments(&self) -> &[i64] {
        &self.moments
    }

    /// The slots of some spine rows; none for a row with a null key.
    pub(super) fn slots_of_rows(&self, rows: Range<usize>) -> impl Iterator<Item = Option<usize>> {
        self.row_slots[rows].iter().map(|slot| (*slot != NO_SLOT).then_some(*slot as usize))
    }
}

/// Key columns as comparable bytes.
struct Encoded {
    rows: Rows,
    nulls: Option<NullBuffer>,
}

impl Encoded {
    /// The key of a row; none if a part of it is null.
    fn get(&self, row: usize) -> Option<&[u8]> {
        let null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!null).then(|| self.rows.row(row).data())
    }
}
