//! Rows that come in the order of time, as events are logged: they and the slots go by together.
//!
//! Where every row of a batch happened at the time of the one before or later, the newest row of each key is all that need
//! be remembered: before a row is taken in, the slots whose moment lies before it are given the newest rows of their keys. A
//! row then costs one look at a table with 16 bytes a key, and neither its slots nor their moments are looked
//! for. It is the merge that rivals sort their inputs for; here a batch that is in order takes part in it, whatever
//! the others do, because all that is ever written to a slot is the better of two rows.
//!
//! The slots in the order of time take 16 bytes each while views are read, and sorting them takes some 30 ns each,
//! so a march begins when rows enough have come in order to be worth it.

use std::sync::Arc;

use super::choose::{Candidate, Holder, RowRef, offer, put};
use super::error::Error;
use super::keys::NO_KEY;
use super::spine::KeyIndex;

/// A slot, as it goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Passing {
    moment: i64,
    slot: u32,
    key: u32,
}

/// The slots of an index in the order of their moments.
pub(super) fn in_time(index: &KeyIndex) -> Vec<Passing> {
    let of_key = |key| index.slots_of(key).map(move |slot| (slot, key));
    let slots = (0..index.keys().len()).flat_map(of_key);
    let mut slots: Vec<_> =
        slots.map(|(slot, key)| Passing { moment: index.moments()[slot], slot: slot as u32, key }).collect();
    slots.sort_unstable();
    slots
}

/// One partition of a view and the slots, going by in the order of time.
#[derive(Debug)]
pub(super) struct March<const N: usize> {
    /// The slots in the order of time, once the march has begun.
    slots: Arc<Vec<Passing>>,
    /// Rows that have come in order so far.
    rows: usize,
    /// The time of the last of them.
    now: i64,
    /// The first slot, in the order of time, that has not gone by. None before the march begins.
    at: Option<usize>,
    /// Per key its newest row.
    newest: Vec<Candidate<N>>,
}

impl<const N: usize> March<N> {
    /// One that has not begun.
    pub(super) fn new() -> Self {
        March { slots: Arc::default(), rows: 0, now: i64::MIN, at: None, newest: Vec::new() }
    }

    /// Whether the next rows, which happened at these times, go on with the march, or begin it.
    pub(super) fn takes(&mut self, times: &[i64], index: &KeyIndex) -> bool {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return false };
        if *first < self.now || !times.is_sorted() {
            return false;
        }
        if self.at.is_none() {
            self.now = *last;
            self.rows += times.len();
        }
        self.at.is_some() || self.rows > index.slots() / 4
    }

    /// What it takes besides the order of slots, in bytes.
    pub(super) fn size(&self) -> usize {
        self.newest.capacity() * size_of::<Candidate<N>>()
    }

    /// The rows it refers to.
    pub(super) fn references(&mut self) -> impl Iterator<Item = &mut RowRef> {
        self.newest.iter_mut().map(Candidate::row_mut)
    }

    /// Rows go by, with the slots before and between them.
    pub(super) fn on(
        &mut self,
        keys: &[u32],
        times: &[i64],
        candidate: impl Fn(usize) -> Candidate<N>,
        index: &KeyIndex,
        lasting: &mut [Candidate<N>],
        holder: &mut impl Holder,
    ) -> Result<(), Error> {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(()) };
        let mut at = match self.at {
            Some(at) => at,
            None => {
                self.newest = vec![Candidate::NONE; index.keys().len() as usize];
                self.slots = index.in_time()?;
                self.slots.partition_point(|slot| slot.moment < *first)
            }
        };
        let slots = Arc::clone(&self.slots);
        let until = at + slots[at..].partition_point(|slot| slot.moment < *last);
        look_ahead(&slots[at..until], lasting, &self.newest);
        for (row, (key, time)) in keys.iter().zip(times).enumerate() {
            while at < until && slots[at].moment < *time {
                let slot = slots[at];
                offer(holder, &mut lasting[slot.slot as usize], self.newest[slot.key as usize])?;
                at += 1;
            }
            if *key != NO_KEY {
                offer(holder, &mut self.newest[*key as usize], candidate(row))?;
            }
        }
        (self.at, self.now) = (Some(at), *last);
        Ok(())
    }

    /// No more rows will come: the newest of each key count for the slots that have not gone by.
    pub(super) fn end(
        &mut self,
        index: &KeyIndex,
        lasting: &mut [Candidate<N>],
        holder: &mut impl Holder,
    ) -> Result<(), Error> {
        for (key, newest) in std::mem::take(&mut self.newest).into_iter().enumerate() {
            let slots = index.slots_of(key as u32);
            let gone = index.moments()[slots.clone()].partition_point(|moment| *moment < self.now);
            match lasting[slots].get_mut(gone) {
                Some(place) => put(holder, place, newest)?,
                None => holder.release(newest.row()),
            }
        }
        (self.at, self.slots) = (None, Arc::default());
        Ok(())
    }
}

/// Looks at what slots will need, all at once, as the fronts do.
fn look_ahead<const N: usize>(slots: &[Passing], lasting: &[Candidate<N>], newest: &[Candidate<N>]) {
    let places = slots.iter().map(|slot| lasting[slot.slot as usize].rank()[0] ^ newest[slot.key as usize].rank()[0]);
    std::hint::black_box(places.fold(0, |seen, rank| seen ^ rank));
}
