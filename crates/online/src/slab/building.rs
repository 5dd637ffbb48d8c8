//! A slab in the making.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use foldhash::quality::RandomState;

use super::budget::{Budget, Reserved};
use super::{CHUNK, HEAD, Slab, WORD, WORDS, record, reduced, tagged, worn};
use crate::{Codec, Error};

/// Takes rows until they are all there, or until the budget has no more for them: then it lets go of what it had.
#[derive(Debug)]
pub struct SlabBuilder {
    chunks: Vec<Vec<u8>>,
    keys: usize,
    /// None once the budget was at its end.
    memory: Option<Reserved>,
    /// How far it came.
    reached: usize,
}

impl SlabBuilder {
    /// Within a budget.
    pub fn new(budget: &Budget) -> Self {
        let memory = (budget.limit() > 0).then(|| budget.nothing_yet());
        SlabBuilder { chunks: Vec::new(), keys: 0, memory, reached: 0 }
    }

    /// Whether it still takes rows.
    pub fn is_open(&self) -> bool {
        self.memory.is_some()
    }

    /// Adds a row under its key (without a store's own prefix), each key once.
    ///
    /// # Errors
    /// [`Error::OtherFormat`], [`Error::Damaged`]: it is checked here, so that no reader has to.
    pub fn push(&mut self, codec: &Codec, key: &[u8], row: &[u8]) -> Result<(), Error> {
        if self.is_open() {
            codec.verify(key, row)?;
            self.put(key, row);
        }
        Ok(())
    }

    pub(super) fn put(&mut self, key: &[u8], row: &[u8]) {
        let length = (HEAD + key.len() + row.len()).next_multiple_of(WORD);
        // The place in the index besides.
        self.reached += length + WORD * 3 / 2;
        let Some(memory) = &mut self.memory else { return };
        let heads = (u32::try_from(key.len()), u32::try_from(row.len()));
        let (true, (Ok(key_length), Ok(row_length))) = (memory.grow(length), heads) else {
            return self.give_up();
        };
        if self.chunks.last().is_none_or(|chunk| chunk.len() + length > CHUNK) {
            self.chunks.last_mut().into_iter().for_each(Vec::shrink_to_fit);
            self.chunks.push(Vec::new());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.extend_from_slice(&key_length.to_le_bytes());
            chunk.extend_from_slice(&row_length.to_le_bytes());
            chunk.extend_from_slice(key);
            chunk.extend_from_slice(row);
            chunk.resize(chunk.len().next_multiple_of(WORD), 0);
        }
        self.keys += 1;
    }

    fn give_up(&mut self) {
        self.chunks = Vec::new();
        self.memory = None;
    }

    /// Makes the index.
    ///
    /// # Errors
    /// How many bytes are needed at the least, where the budget was at its end.
    pub fn finish(mut self) -> Result<Slab, usize> {
        let mut memory = self.memory.take().ok_or(self.reached)?;
        let places = self.keys + self.keys / 2 + 1;
        // Eight bits for each new key until it is worn: then about one look in eight for nothing leads elsewhere.
        let filter = (worn(self.keys) * 8).div_ceil(64);
        if !memory.grow((places + filter) * WORD) {
            return Err(self.reached + filter * WORD);
        }
        let chunks: Vec<Box<[u8]>> = self.chunks.into_iter().map(Vec::into_boxed_slice).collect();
        let hasher = RandomState::default();
        let mut index = vec![0_u64; places];
        for (n, chunk) in chunks.iter().enumerate() {
            let mut at = 0;
            while let Some((key, row)) = chunk.get(at..).and_then(record) {
                let hash = hasher.hash_one(key);
                let mut place = reduced(hash, places);
                // There are more places than keys.
                while index[place] != 0 {
                    place = if place + 1 == places { 0 } else { place + 1 };
                }
                index[place] = tagged(hash) | (n as u64 * WORDS + (at / WORD) as u64 + 1);
                at += (HEAD + key.len() + row.len()).next_multiple_of(WORD);
            }
        }
        Ok(Slab {
            chunks,
            index: index.into_iter().map(AtomicU64::new).collect(),
            hasher,
            keys: self.keys,
            grown: std::iter::repeat_with(AtomicU64::default).take(filter).collect(),
            marks: AtomicUsize::new(0),
            memory,
        })
    }
}
