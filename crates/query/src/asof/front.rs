//! The slot at which each key's rows are arriving, with the best row for it, close at hand.
//!
//! Whatever order a view's rows come in, by time as events are logged or by key and time as datasets are laid out, the
//! next row of a key nearly always counts from the same slot as the one before, or from a later one. So each key has a
//! **front**: one slot, the moments between which a row counts from it, and the best row for it so far. Only when a row
//! belongs elsewhere is that row written to its slot. A row then costs one look at a table of keys, which fits a
//! processor's cache where the table of slots does not, and a slot is written once instead of once for each of its rows:
//! for ten events a slot, in the order of time, that takes less than half the time of going to the slot each time.
//!
//! It takes some 40 bytes a key, so it is used only where keys have several slots each. Rows in no order cost what they
//! would cost without it, and a little more.

use super::choose::Candidate;
use super::spine::KeyIndex;

/// Fronts are kept where a key has so many slots on average: then they take less memory than the slots.
const SLOTS: usize = 4;

fn pay(index: &KeyIndex) -> bool {
    index.slots() >= SLOTS * index.keys().len() as usize
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front<const N: usize> {
    /// The moment of the slot before; the least of all if there is none.
    after: i64,
    /// The moment of the slot; the greatest of all if there is none.
    until: i64,
    /// The slot, counted from the first of all; the one behind the key's last where rows count nowhere.
    slot: u32,
    /// Whether it is behind the key's last.
    ended: bool,
    /// The best row that is not yet written to the slot.
    pub(super) held: Candidate<N>,
}

impl<const N: usize> Front<N> {
    /// The fronts of all keys at their first slots; none where they would not pay.
    pub(super) fn all(index: &KeyIndex) -> Vec<Self> {
        if !pay(index) {
            return Vec::new();
        }
        let front = |key| {
            let slot = index.slots_of(key).start;
            // Every key of the spine has a slot.
            Front {
                after: i64::MIN,
                until: index.moments()[slot],
                slot: slot as u32,
                ended: false,
                held: Candidate::NONE,
            }
        };
        (0..index.keys().len()).map(front).collect()
    }

    /// What all of them take, in bytes.
    pub(super) fn size(index: &KeyIndex) -> usize {
        if pay(index) { index.keys().len() as usize * size_of::<Self>() } else { 0 }
    }

    /// Whether rows that count from `moment` on count from this slot on.
    #[inline]
    pub(super) fn covers(&self, moment: i64) -> bool {
        self.after < moment && moment <= self.until
    }

    /// The slot, counted from the first of all; none if rows count nowhere.
    #[inline]
    pub(super) fn slot(&self) -> Option<usize> {
        (!self.ended).then_some(self.slot as usize)
    }

    /// The slot, or the one behind the key's last.
    #[inline]
    pub(super) fn place(&self) -> u32 {
        self.slot
    }

    /// Goes to the slot from which rows count that count from `moment` on, holding nothing. `key` is whose front it is.
    pub(super) fn go(&mut self, key: u32, moment: i64, index: &KeyIndex) {
        let slots = index.slots_of(key);
        let moments = &index.moments()[slots.clone()];
        let here = self.slot as usize - slots.start;
        let at = if moment > self.until {
            // Usually the next but one or so.
            let ahead = &moments[here..];
            let near = ahead.iter().take(8).take_while(|m| **m < moment).count();
            here + if near < 8 { near } else { ahead.partition_point(|m| *m < moment) }
        } else {
            moments[..here].partition_point(|m| *m < moment)
        };
        self.after = if at == 0 { i64::MIN } else { moments[at - 1] };
        self.until = moments.get(at).copied().unwrap_or(i64::MAX);
        self.slot = (slots.start + at) as u32;
        self.ended = at == moments.len();
        self.held = Candidate::NONE;
    }
}
