//! A slab: the rows of one publication in memory, over a store that is slower.
//!
//! # What it promises
//! - It changes speed and never an answer. What lies in it was checked when it was put there, under its key, so that it is
//!   read without another look at its checksum; the memory of the machine is trusted, disks are not.
//! - It never changes but for marks: a key that is pushed afterwards is **outdated**; one that it does not have leaves a bit
//!   in a filter. Of those, and of few others, it says [`Look::Elsewhere`]: look in the store.
//! - Marks are set before a push is written and are never taken back. Whoever reads some keys here and others in
//!   the store, and then finds his marks as they were ([`Slab::still`]), has read what was true at one moment.
//! - It takes memory out of a [`Budget`], all that it needs or none.
//!
//! # What it costs
//! Twelve bytes a key in the index, some twelve around key and row, a bit in the filter. A look is one hash, and two places of memory that are not
//! in the processor's cache: the index and the row. No lock, no allocation.
//!
//! # How it lies
//! ```text
//! chunk  = record…                      of CHUNK bytes, or of one larger record
//! record = key's length u32, row's length u32, key, row, up to seven bytes of nothing
//! index  = a word per place: 0, or outdated (1 bit), tag (23 bits), where the record is (40 bits, in words, from 1)
//! ```
//! The index is one open table with linear probing, made in one go when all rows are there: two thirds of it are full.

mod budget;
mod building;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::quality::RandomState;

pub use budget::Budget;
use budget::Reserved;
pub use building::SlabBuilder;

/// The bytes of most chunks. What is larger has one of its own.
const CHUNK: usize = 4 << 20;
/// Records begin at multiples of it.
const WORD: usize = 8;
const WORDS: u64 = (CHUNK / WORD) as u64;
/// The lengths before a record's bytes.
const HEAD: usize = 8;

const OUTDATED: u64 = 1 << 63;
const PLACE: u64 = (1 << 40) - 1;

/// See the module.
pub struct Slab {
    chunks: Vec<Box<[u8]>>,
    index: Box<[AtomicU64]>,
    hasher: RandomState,
    keys: usize,
    /// A bit for each key that was pushed and is not here, and for those that share its hash.
    grown: Box<[AtomicU64]>,
    /// How often a key was outdated.
    marks: AtomicUsize,
    memory: Reserved,
}

/// What a slab knows of a key.
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    /// The key is in no store.
    Nothing(Gap),
    /// It is here.
    Here(Held<'a>),
    /// It was pushed, or may have been: the store knows.
    Elsewhere,
}

/// A row in a slab.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    row: &'a [u8],
    place: usize,
}

/// Where a slab has nothing.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    hash: u64,
}

impl<'a> Held<'a> {
    /// Its bytes, which were checked under their key.
    pub(crate) fn row(self) -> &'a [u8] {
        self.row
    }
}

impl Slab {
    /// Looks a key up.
    pub fn look(&self, key: &[u8]) -> Look<'_> {
        let hash = self.hasher.hash_one(key);
        let look = match self.find(hash, key) {
            Some((place, row)) => Look::Here(Held { row, place }),
            None => Look::Nothing(Gap { hash }),
        };
        if self.still(look) { look } else { Look::Elsewhere }
    }

    /// Whether a look that did not lead elsewhere would say the same again.
    pub fn still(&self, look: Look<'_>) -> bool {
        match look {
            Look::Here(held) => self.index[held.place].load(Ordering::Acquire) & OUTDATED == 0,
            Look::Nothing(Gap { hash }) => {
                let (word, bit) = self.filtered(hash);
                word.load(Ordering::Acquire) & bit == 0
            }
            Look::Elsewhere => true,
        }
    }

    /// From now on what it has of this key does not count. To be called before a push of it is written.
    pub fn outdate(&self, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let ((word, bit), found) = match self.find(hash, key) {
            Some((place, _)) => ((&self.index[place], OUTDATED), true),
            None => (self.filtered(hash), false),
        };
        if word.fetch_or(bit, Ordering::AcqRel) & bit == 0 || !found {
            self.marks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many keys it has, tiles of windows among them.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Whether so much was pushed since that it should be made anew: more than an eighth of its keys, and not just a few.
    pub fn is_worn(&self) -> bool {
        self.marks.load(Ordering::Relaxed) > worn(self.keys)
    }

    /// The bit of the filter for a hash.
    fn filtered(&self, hash: u64) -> (&AtomicU64, u64) {
        let bit = reduced(hash, self.grown.len() * 64);
        (&self.grown[bit / 64], 1 << (bit % 64))
    }

    /// Where the index has a key, and its row.
    fn find(&self, hash: u64, key: &[u8]) -> Option<(usize, &[u8])> {
        let mut place = reduced(hash, self.index.len());
        loop {
            let entry = self.index.get(place)?.load(Ordering::Relaxed);
            if entry == 0 {
                return None;
            }
            if (entry ^ tagged(hash)) & !OUTDATED <= PLACE {
                let (found, row) = self.record(entry & PLACE)?;
                if found == key {
                    return Some((place, row));
                }
            }
            place = if place + 1 == self.index.len() { 0 } else { place + 1 };
        }
    }

    /// The record that lies at a place, counted in words from 1.
    fn record(&self, place: u64) -> Option<(&[u8], &[u8])> {
        let place = place.checked_sub(1)?;
        let chunk = self.chunks.get((place / WORDS) as usize)?;
        record(chunk.get((place % WORDS) as usize * WORD..)?)
    }
}

impl std::fmt::Debug for Slab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slab").field("keys", &self.keys).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// The record that bytes begin with.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let head = u64::from_le_bytes(*head);
    let (key, rest) = rest.split_at_checked((head & u64::from(u32::MAX)) as usize)?;
    Some((key, rest.get(..(head >> 32) as usize)?))
}

/// The bits of a hash that an entry of the index keeps, where it keeps them.
fn tagged(hash: u64) -> u64 {
    (hash << 40) & !OUTDATED
}

/// How many marks wear a slab of so many keys out.
fn worn(keys: usize) -> usize {
    keys / 8 + 1000
}

/// A place for a hash among so many: its upper bits, spread evenly (Lemire 2019, "Fast random integer generation in an
/// interval"). An entry's tag is of the lower ones.
fn reduced(hash: u64, places: usize) -> usize {
    ((u128::from(hash) * places as u128) >> 64) as usize
}
