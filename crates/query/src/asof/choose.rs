//! Which row each slot gets: rules 2 to 6 of SEMANTICS.md.
//!
//! Every step is a maximum in one total order, so neither the order of rows, nor batches, nor partitions
//! matter: [`Candidates`] of several partitions are filled independently and merged.

use std::cmp::Ordering;
use std::sync::Arc;

use asof_model::Micros;
use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::execution::memory_pool::MemoryReservation;

use super::KnownMoment;
use super::error::Error;
use super::kept::{Kept, RowRef};
use super::spine::KeyIndex;

/// Rows of a view, decoded: for each its key among the spine's, times in microseconds, and the features.
#[derive(Debug)]
pub(super) struct ViewRows {
    pub(super) keys: Vec<Option<u32>>,
    pub(super) times: Int64Array,
    pub(super) known: Option<Int64Array>,
    pub(super) superseded: Option<Int64Array>,
    pub(super) seq: Option<Int64Array>,
    pub(super) features: RecordBatch,
}

/// The moments at which a row counts: from the first on, and before the second if there is one (rules 2 and 4,
/// and revisions). None if it never does. `known` is none where the view does not declare it.
fn span(rule: KnownMoment, time: i64, known: Option<i64>, superseded: Option<i64>) -> Option<(i64, Option<i64>)> {
    match rule {
        KnownMoment::EventTime => {
            let from = time.max(known.unwrap_or(time));
            superseded.is_none_or(|until| from < until).then_some((from, superseded))
        }
        KnownMoment::At(Micros(moment)) => {
            let counts = known.is_none_or(|known| known <= moment) && superseded.is_none_or(|until| moment < until);
            counts.then_some((time, None))
        }
        KnownMoment::Now => superseded.is_none().then_some((time, None)),
    }
}

/// A row that may win, with its rank (rule 5).
#[derive(Clone, Copy, Debug)]
struct Candidate {
    time: i64,
    known: i64,
    seq: i64,
    row: RowRef,
}

impl Candidate {
    const NONE: Candidate = Candidate { time: i64::MIN, known: i64::MIN, seq: i64::MIN, row: RowRef::NONE };

    /// Whether it wins over another (rule 5).
    fn beats(&self, other: &Candidate, kept: &mut Kept) -> Result<bool, Error> {
        if self.row == RowRef::NONE || other.row == RowRef::NONE {
            return Ok(self.row != RowRef::NONE);
        }
        let rank = |c: &Candidate| (c.time, c.known, c.seq);
        Ok(match rank(self).cmp(&rank(other)) {
            Ordering::Equal => kept.compare(self.row, other.row)? == Ordering::Greater,
            unequal => unequal == Ordering::Greater,
        })
    }
}

/// The best rows so far, per slot.
#[derive(Debug)]
pub(super) struct Candidates {
    index: Arc<KeyIndex>,
    rule: KnownMoment,
    /// Per slot the best row that counts from this slot on to the key's last.
    lasting: Vec<Candidate>,
    /// The best rows that count for a range of slots only, because they are superseded later. A segment tree per key:
    /// the key whose slots start at s and number n owns 2n places from 2s on; place 1 of them is the root, n + i
    /// the leaf of its slot i. A row sits in the O(log n) nodes that together cover its range. Empty while no row is so.
    passing: Vec<Candidate>,
    kept: Kept,
    reservation: MemoryReservation,
}

impl Candidates {
    /// None yet.
    pub(super) fn new(
        index: Arc<KeyIndex>,
        rule: KnownMoment,
        kept: Kept,
        reservation: MemoryReservation,
    ) -> Result<Self, Error> {
        reservation.try_grow(index.slots() * size_of::<Candidate>())?;
        let lasting = vec![Candidate::NONE; index.slots()];
        Ok(Candidates { index, rule, lasting, passing: Vec::new(), kept, reservation })
    }

    /// Takes some rows of the view in.
    pub(super) fn absorb(&mut self, rows: ViewRows) -> Result<(), Error> {
        let index = Arc::clone(&self.index);
        let batch = self.kept.push(rows.features)?;
        for (row, key) in rows.keys.iter().enumerate() {
            let (Some(key), true) = (*key, rows.times.is_valid(row)) else { continue };
            let time = rows.times.value(row);
            let at = |column: &Int64Array| column.is_valid(row).then(|| column.value(row));
            let known = rows.known.as_ref().map(|k| at(k).unwrap_or(time));
            let superseded = rows.superseded.as_ref().and_then(at);
            let Some((from, until)) = span(self.rule, time, known, superseded) else { continue };
            let slots = index.slots_of(key);
            let moments = &index.moments()[slots.clone()];
            let first = moments.partition_point(|t| *t < from);
            let end = until.map_or(moments.len(), |until| moments.partition_point(|t| *t < until));
            if first >= end {
                continue;
            }
            let seq = rows.seq.as_ref().and_then(at).unwrap_or(i64::MIN);
            let candidate = Candidate { time, known: known.unwrap_or(time), seq, row: RowRef::new(batch, row) };
            if end == moments.len() {
                offer(&mut self.kept, &mut self.lasting[slots.start + first], candidate)?;
            } else {
                self.passing.resize(2 * index.slots(), Candidate::NONE);
                for node in cover(first, end, moments.len()) {
                    offer(&mut self.kept, &mut self.passing[2 * slots.start + node], candidate)?;
                }
            }
        }
        self.kept.seal(batch);
        self.tidy()
    }

    /// Takes in what another partition of the same view found.
    pub(super) fn merge(&mut self, other: Candidates) -> Result<(), Error> {
        let shift = self.kept.append(other.kept);
        if !other.passing.is_empty() {
            self.passing.resize(2 * self.index.slots(), Candidate::NONE);
        }
        let places = self.lasting.iter_mut().zip(other.lasting).chain(self.passing.iter_mut().zip(other.passing));
        for (place, mut candidate) in places {
            candidate.row = candidate.row.shifted(shift);
            if candidate.beats(place, &mut self.kept)? {
                self.kept.release(place.row);
                *place = candidate;
            } else {
                self.kept.release(candidate.row);
            }
        }
        self.tidy()
    }

    /// Keeps memory in proportion and accounted for.
    fn tidy(&mut self) -> Result<(), Error> {
        if self.kept.is_crowded() {
            let places = self.lasting.iter().chain(&self.passing).map(|c| c.row);
            let moved = self.kept.compact(places.filter(|r| *r != RowRef::NONE).collect())?;
            for candidate in self.lasting.iter_mut().chain(&mut self.passing) {
                candidate.row = moved.to(candidate.row);
            }
        }
        let places = self.lasting.len() + self.passing.len();
        Ok(self.reservation.try_resize(places * size_of::<Candidate>() + self.kept.size())?)
    }

    /// Carries the best rows forward along each key's slots and applies the TTL to the winners.
    pub(super) fn settle(mut self, ttl: Option<Micros>) -> Result<Chosen, Error> {
        debug_assert_eq!(
            self.kept.references(),
            self.lasting.iter().chain(&self.passing).filter(|c| c.row != RowRef::NONE).count(),
            "every reference is counted, or rows are kept that nobody wants"
        );
        let mut winners = Vec::with_capacity(self.index.slots());
        self.reservation.try_grow(self.index.slots() * size_of::<Winner>())?;
        for key in 0..self.index.keys() {
            let slots = self.index.slots_of(key);
            let mut lasting = Candidate::NONE;
            for slot in slots.clone() {
                let from_here = self.lasting[slot];
                if from_here.beats(&lasting, &mut self.kept)? {
                    lasting = from_here;
                }
                let mut winner = lasting;
                if !self.passing.is_empty() {
                    let mut node = slots.len() + slot - slots.start;
                    while node > 0 {
                        let passing = self.passing[2 * slots.start + node];
                        if passing.beats(&winner, &mut self.kept)? {
                            winner = passing;
                        }
                        node /= 2;
                    }
                }
                winners.push(Winner::new(winner, self.index.moments()[slot], ttl));
            }
        }
        drop((self.lasting, self.passing));
        let found = |w: &Winner| if let Winner::Found { row, .. } = w { Some(*row) } else { None };
        let moved = self.kept.compact(winners.iter().filter_map(found).collect())?;
        for winner in &mut winners {
            if let Winner::Found { row, .. } = winner {
                *row = moved.to(*row);
            }
        }
        self.reservation.try_resize(winners.len() * size_of::<Winner>() + self.kept.size())?;
        Ok(Chosen { winners, batches: self.kept.into_batches(), index: self.index, _reservation: self.reservation })
    }
}

fn offer(kept: &mut Kept, place: &mut Candidate, candidate: Candidate) -> Result<(), Error> {
    if candidate.beats(place, kept)? {
        // First the new, then the old: they may share a batch.
        kept.retain(candidate.row);
        kept.release(place.row);
        *place = candidate;
    }
    Ok(())
}

/// The nodes of a segment tree with `leaves` leaves that together cover the leaves from `first` to before `end`.
fn cover(first: usize, end: usize, leaves: usize) -> impl Iterator<Item = usize> {
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

/// What a slot got (rule 6).
#[derive(Clone, Copy, Debug)]
pub(super) enum Winner {
    /// A row, with its event time.
    Found { time: i64, row: RowRef },
    /// No row counts.
    Missing,
    /// The row that counts is older than the TTL.
    Expired,
}

impl Winner {
    fn new(candidate: Candidate, moment: i64, ttl: Option<Micros>) -> Self {
        if candidate.row == RowRef::NONE {
            return Winner::Missing;
        }
        match ttl {
            // Before the beginning of time nothing can have happened, so saturating is exact.
            Some(Micros(ttl)) if candidate.time < moment.saturating_sub(ttl) => Winner::Expired,
            _ => Winner::Found { time: candidate.time, row: candidate.row },
        }
    }
}

/// The outcome for one view: what each slot got, and the rows that were found.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) winners: Vec<Winner>,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) index: Arc<KeyIndex>,
    _reservation: MemoryReservation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_from_when_it_happened_and_was_known_until_it_is_superseded() {
        let check = |rule, time, known, superseded, expected| {
            assert_eq!(span(rule, time, known, superseded), expected, "{rule:?} {time} {known:?} {superseded:?}");
        };
        let event = KnownMoment::EventTime;
        check(event, 5, None, None, Some((5, None)));
        check(event, 5, Some(3), None, Some((5, None)));
        check(event, 5, Some(8), None, Some((8, None)));
        check(event, 5, Some(8), Some(9), Some((8, Some(9))));
        check(event, 5, Some(8), Some(8), None);
        let at = KnownMoment::At(Micros(8));
        check(at, 5, Some(8), None, Some((5, None)));
        check(at, 5, Some(9), None, None);
        check(at, 9, None, None, Some((9, None)));
        check(at, 5, Some(7), Some(8), None);
        check(at, 5, Some(7), Some(9), Some((5, None)));
        check(KnownMoment::Now, 5, Some(9), None, Some((5, None)));
        check(KnownMoment::Now, 5, Some(7), Some(9), None);
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
