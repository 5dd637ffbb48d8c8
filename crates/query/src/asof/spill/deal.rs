//! Dealing rows out to parts by their key.

use std::sync::{Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{interleave_record_batch, take_record_batch};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;

use super::spool::{Spool, Spooled, Spooling};
use crate::asof::error::Error;
use crate::asof::spine::size_of_rows;

/// Not the seed of the engine's own repartitioning: rows that it has dealt out by the same key must spread again.
const SEED: u64 = 0x6173_6f66;

/// For each row the hash of its key, none where a part of the key is null. The same for equal keys, whatever else.
pub(super) fn hashes(keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u64>>, Error> {
    let mut hashes = vec![0; rows];
    create_hashes(keys, &RandomState::with_seed(SEED), &mut hashes)?;
    let nulls = keys.iter().fold(None, |nulls, key| NullBuffer::union(nulls.as_ref(), key.logical_nulls().as_ref()));
    let is_valid = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    Ok(hashes.into_iter().enumerate().map(|(row, hash)| is_valid(row).then_some(hash)).collect())
}

/// The part that a hash belongs to: the upper bits decide.
pub(super) fn part_of(hash: u64, parts: usize) -> u32 {
    ((u128::from(hash) * parts as u128) >> 64) as u32
}

/// The parts of spine rows with these hashes: that of the key, and one after the other where the key is null. `first` is the
/// number of the first row, so that they come out the same when the spine is read again.
pub(super) fn parts_of_spine(hashes: &[Option<u64>], first: u64, parts: usize) -> Vec<u32> {
    let part = |(row, hash): (usize, &Option<u64>)| match hash {
        Some(hash) => part_of(*hash, parts),
        None => ((first + row as u64) % parts as u64) as u32,
    };
    hashes.iter().enumerate().map(part).collect()
}

/// Which hashes there are among the spine's keys, and perhaps some that are not: a bit for a range of them.
#[derive(Debug)]
pub(super) struct Seen {
    bits: Vec<u64>,
}

impl Seen {
    /// In about so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Seen { bits: vec![0; (bytes / size_of::<u64>()).max(1).next_power_of_two()] }
    }

    pub(super) fn size(&self) -> usize {
        size_of_val(&self.bits[..])
    }

    /// By the lower bits, since the upper ones are much alike within a part.
    fn place(&self, hash: u64) -> (usize, u64) {
        (((hash >> 6) as usize) & (self.bits.len() - 1), 1 << (hash & 63))
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let (word, bit) = self.place(hash);
        self.bits[word] |= bit;
    }

    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.bits[word] & bit != 0
    }
}

/// A row that goes to no part.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The files of all parts, while they are written.
pub(super) struct Piles {
    files: Vec<Mutex<Spooling>>,
}

impl Piles {
    pub(super) fn new(spool: &Spool, parts: usize) -> Result<Self, Error> {
        let files = (0..parts).map(|_| Ok(Mutex::new(spool.create()?))).collect::<Result<_, Error>>()?;
        Ok(Piles { files })
    }

    pub(super) fn finish(self) -> Result<Vec<Spooled>, Error> {
        let finish = |file: Mutex<Spooling>| Ok(file.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?);
        self.files.into_iter().map(finish).collect()
    }
}

/// Deals rows out in their order. They are gathered first, so that what is written to a part at a time is worth it.
pub(super) struct Dealer<'a> {
    piles: &'a Piles,
    batches: Vec<RecordBatch>,
    /// For each row of each batch its part.
    parts: Vec<Vec<u32>>,
    bytes: usize,
    most: usize,
    reservation: MemoryReservation,
}

impl<'a> Dealer<'a> {
    /// Gathers about `most` bytes.
    pub(super) fn new(piles: &'a Piles, most: usize, reservation: MemoryReservation) -> Self {
        Dealer { piles, batches: Vec::new(), parts: Vec::new(), bytes: 0, most, reservation }
    }

    /// Deals a batch out: for each row the part that it goes to, or [`NOWHERE`].
    pub(super) fn deal(&mut self, batch: RecordBatch, parts: Vec<u32>) -> Result<(), Error> {
        let wanted = parts.iter().filter(|part| **part != NOWHERE).count();
        if wanted == 0 {
            return Ok(());
        }
        // A batch of which little is wanted would hold up much.
        let (batch, parts) = match wanted * 2 < parts.len() {
            false => (batch, parts),
            true => {
                let rows = (0..parts.len() as u32).filter(|row| parts[*row as usize] != NOWHERE);
                let batch = take_record_batch(&batch, &UInt32Array::from_iter_values(rows));
                let parts = parts.into_iter().filter(|part| *part != NOWHERE).collect();
                (batch.map_err(DataFusionError::from)?, parts)
            }
        };
        // Twice for what is copied on the way, and what says which row goes where.
        self.bytes += 2 * size_of_rows(&batch) + batch.num_rows() * (size_of::<(usize, usize)>() + size_of::<u32>());
        self.batches.push(batch);
        self.parts.push(parts);
        match self.bytes < self.most {
            // Without memory for more, what there is goes out.
            true if self.reservation.try_resize(self.bytes).is_ok() => Ok(()),
            _ => self.flush(),
        }
    }

    /// Writes out what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let mut ends = vec![0_usize; self.piles.files.len() + 1];
        for part in self.parts.iter().flatten().filter(|part| **part != NOWHERE) {
            ends[*part as usize + 1] += 1;
        }
        for part in 0..self.piles.files.len() {
            ends[part + 1] += ends[part];
        }
        let mut rows = vec![(0, 0); ends[self.piles.files.len()]];
        let mut next = ends.clone();
        for (batch, parts) in self.parts.iter().enumerate() {
            for (row, part) in parts.iter().enumerate().filter(|(_, part)| **part != NOWHERE) {
                rows[next[*part as usize]] = (batch, row);
                next[*part as usize] += 1;
            }
        }
        let batches: Vec<_> = self.batches.iter().collect();
        for (part, file) in self.piles.files.iter().enumerate() {
            let rows = &rows[ends[part]..ends[part + 1]];
            if !rows.is_empty() {
                let pile = interleave_record_batch(&batches, rows).map_err(DataFusionError::from)?;
                file.lock().unwrap_or_else(PoisonError::into_inner).append(&pile)?;
            }
        }
        self.batches.clear();
        self.parts.clear();
        self.bytes = 0;
        self.reservation.free();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int32Array, Int64Array};
    use datafusion::arrow::datatypes::DataType;

    use super::*;
    use crate::asof::keys::compared;

    #[test]
    fn equal_keys_of_two_widths_go_to_one_part() {
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-1)]));
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)]));
        let hashes = |key: ArrayRef| hashes(&compared([(&key, &DataType::Int64)].into_iter()).unwrap(), 3).unwrap();
        assert_eq!(hashes(narrow), hashes(wide.clone()));
        assert_eq!(hashes(wide)[1], None);
    }

    #[test]
    fn parts_share_the_hashes_and_none_is_beyond() {
        for parts in [1, 2, 3, 128] {
            assert_eq!((part_of(0, parts), part_of(u64::MAX, parts)), (0, parts as u32 - 1));
        }
    }

    #[test]
    fn what_was_seen_is_never_denied() {
        let mut seen = Seen::new(64);
        let hashes = [0, 1, u64::MAX, 0x1234_5678_9abc_def0];
        hashes.iter().for_each(|hash| seen.insert(*hash));
        assert!(hashes.iter().all(|hash| seen.may_contain(*hash)));
        assert!((2..60).all(|hash| !seen.may_contain(hash)));
    }
}
