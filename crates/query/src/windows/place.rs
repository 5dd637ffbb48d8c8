//! Where events belong: for each the stretch of its key's slots in which a window holds it.

use std::ops::Range;

use super::Frame;

/// The slots of a spine: for each key its moments, sorted, each once.
pub(crate) trait Slots: Send + Sync {
    /// How many keys; they are numbered from 0.
    fn keys(&self) -> u32;
    /// The slots of a key.
    fn of(&self, key: u32) -> Range<usize>;
    /// The moment of each slot.
    fn moments(&self) -> &[i64];
}

/// An event that counts at some slot of its key. Slots are numbered in 32 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Its row in the batch.
    pub(super) row: u32,
    /// When it happened.
    pub(super) time: i64,
    /// Its key's first slot.
    pub(super) base: u32,
    /// How many slots the key has.
    pub(super) slots: u32,
    /// The first slot at which it counts, counted from `base`.
    pub(super) first: u32,
    /// The slot from which on it is superseded, counted from `base`.
    pub(super) until: u32,
}

impl Arrival {
    /// The event of a row that happened at `time` and counts at these of its key's slots, counted from their first.
    pub(crate) fn new(row: usize, time: i64, key: &Range<usize>, counts: Range<usize>) -> Self {
        Arrival {
            row: row as u32,
            time,
            base: key.start as u32,
            slots: key.len() as u32,
            first: counts.start as u32,
            until: counts.end as u32,
        }
    }
}

/// An event with the stretch of slots in which a window holds it; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) row: u32,
    pub(super) base: u32,
    pub(super) slots: u32,
    /// The first slot, counted from `base`.
    pub(super) first: u32,
    /// The one behind the last, counted from `base`.
    pub(super) end: u32,
}

impl Placed {
    /// The first slot among all.
    pub(super) fn first_slot(&self) -> usize {
        self.base as usize + self.first as usize
    }

    /// The slot behind the last among all, if the key has one.
    pub(super) fn end_slot(&self) -> Option<usize> {
        (self.end < self.slots).then_some(self.base as usize + self.end as usize)
    }
}

impl Arrival {
    /// Where a frame holds the event, if it ever does.
    pub(super) fn placed(&self, frame: Frame, moments: &[i64]) -> Option<Placed> {
        let end = match frame.leaves(self.time) {
            None => self.until,
            Some(leaves) => {
                let slots = self.base as usize + self.first as usize..self.base as usize + self.until as usize;
                self.first + before(&moments[slots], leaves) as u32
            }
        };
        let Arrival { row, base, slots, first, .. } = *self;
        (first < end).then_some(Placed { row, base, slots, first, end })
    }
}

/// How many moments come before one. Usually few do, so the first are looked at in turn.
fn before(moments: &[i64], end: i64) -> usize {
    const NEAR: usize = 8;
    let near = moments.iter().take(NEAR).take_while(|moment| **moment < end).count();
    if near < NEAR { near } else { NEAR + moments[NEAR..].partition_point(|moment| *moment < end) }
}

/// The nodes of a segment tree with `leaves` leaves that together cover the leaves from `first` to before `end`. Node 1
/// is the root, `leaves + i` the leaf i, and the parent of n is n / 2.
pub(crate) fn cover(first: usize, end: usize, leaves: usize) -> impl Iterator<Item = usize> {
    let (mut left, mut right) = (first + leaves, end + leaves);
    std::iter::from_fn(move || {
        while left < right {
            if left % 2 == 1 {
                left += 1;
                return Some(left - 1);
            }
            if right % 2 == 1 {
                right -= 1;
                return Some(right);
            }
            left /= 2;
            right /= 2;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_one_are_counted() {
        let moments: Vec<i64> = (0..40).map(|n| 2 * n).collect();
        for end in -1..90 {
            for count in [0, 1, 7, 8, 9, 40] {
                let moments = &moments[..count];
                assert_eq!(before(moments, end), moments.iter().filter(|m| **m < end).count(), "{count} {end}");
            }
        }
    }

    /// Every range of every tree of up to 12 leaves: each leaf's ancestors hold the range's nodes exactly once.
    #[test]
    fn nodes_cover_a_range_once_and_nothing_else() {
        for leaves in 1..=12 {
            for first in 0..leaves {
                for end in first..=leaves {
                    let nodes: Vec<_> = cover(first, end, leaves).collect();
                    for leaf in 0..leaves {
                        let ancestors = std::iter::successors(Some(leaf + leaves), |n| (n / 2 > 0).then_some(n / 2));
                        let hits = ancestors.filter(|n| nodes.contains(n)).count();
                        assert_eq!(
                            hits,
                            usize::from((first..end).contains(&leaf)),
                            "{leaves} leaves, {first}..{end}, leaf {leaf}"
                        );
                    }
                }
            }
        }
    }
}
