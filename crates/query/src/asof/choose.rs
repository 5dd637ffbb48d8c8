//! Which row each slot gets: rules 2 to 6 of SEMANTICS.md.
//!
//! Every step is a maximum in one total order, so neither the order of rows, nor batches, nor partitions
//! matter: [`Candidates`] of several partitions are filled independently and merged.

use std::cmp::Ordering;
use std::sync::Arc;

use asof_model::Micros;
use datafusion::arrow::array::{Array, AsArray, Int64Array, RecordBatch, UInt32Array};
use datafusion::arrow::datatypes::{Int64Type, UInt32Type};
use datafusion::execution::memory_pool::MemoryReservation;

use super::KnownMoment;
use super::error::Error;
use super::front::Front;
use super::keys::NO_KEY;
use super::march::March;
use super::runs;
use super::spine::KeyIndex;
use crate::windows::{Events, cover};

/// Rows of a view, decoded: for each the number of its key among the spine's, and times in microseconds.
#[derive(Debug)]
pub(super) struct ViewRows {
    pub(super) keys: Vec<u32>,
    pub(super) times: Int64Array,
    pub(super) known: Option<Int64Array>,
    pub(super) superseded: Option<Int64Array>,
    pub(super) seq: Option<Int64Array>,
}

impl ViewRows {
    /// The same for windows.
    pub(super) fn events<'a>(&'a self, rows: &'a RecordBatch) -> Events<'a> {
        Events { keys: &self.keys, times: &self.times, known: self.known.as_ref(), seq: self.seq.as_ref(), rows }
    }

    /// A row with its rank (rule 5): event time, then when it became known and the order of acceptance, if the view has them.
    #[inline]
    fn candidate<const N: usize>(&self, row: usize, known: Option<i64>, held: &impl Held) -> Candidate<N> {
        let mut rank = [self.times.value(row); N];
        if let Some(known) = known.filter(|_| N > 1) {
            rank[1] = known;
        }
        if let Some(seq) = self.seq.as_ref().filter(|_| N > 1) {
            rank[N - 1] = if seq.is_valid(row) { seq.value(row) } else { i64::MIN };
        }
        Candidate { rank, row: held.row_ref(row) }
    }

    /// Takes their keys from rows that never count.
    pub(super) fn keep_what_counts(&mut self, rule: KnownMoment) {
        for (row, key) in self.keys.iter_mut().enumerate() {
            let time = self.times.value(row);
            let at = |column: &Option<Int64Array>| column.as_ref().filter(|c| c.is_valid(row)).map(|c| c.value(row));
            let known = self.known.as_ref().map(|_| at(&self.known).unwrap_or(time));
            if span(rule, time, known, at(&self.superseded)).is_none() {
                *key = NO_KEY;
            }
        }
    }
}

/// A row of a view: a place (a batch that is kept, or a file) and the row's number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowRef(u64);

impl RowRef {
    /// No row.
    pub(super) const NONE: RowRef = RowRef(u64::MAX);
    /// A row that is too old to be found.
    pub(super) const EXPIRED: RowRef = RowRef(u64::MAX - 1);
    /// Places are numbered below this.
    pub(super) const PLACES: u32 = u32::MAX;

    /// The row of that number in a place.
    pub(super) fn new(place: u32, row: u32) -> Self {
        RowRef(u64::from(place) << 32 | u64::from(row))
    }

    /// The place.
    pub(super) fn place(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// The row's number in its place.
    pub(super) fn row(self) -> usize {
        self.0 as u32 as usize
    }

    /// Whether there is a row.
    pub(super) fn is_row(self) -> bool {
        self < RowRef::EXPIRED
    }

    /// The same row after its place got another number.
    pub(super) fn shifted(self, by: u32) -> Self {
        if self.is_row() { RowRef(self.0 + (u64::from(by) << 32)) } else { self }
    }
}

/// Says where each row of a batch is held.
pub(super) trait Held {
    /// Where the row of that number is.
    fn row_ref(&self, row: usize) -> RowRef;
}

/// What holds the rows that candidates refer to. One that keeps no rows in memory has nothing to count and nothing to move.
pub(super) trait Holder: Sized {
    /// Where the rows of a batch are held.
    type Held: Held;
    /// Takes a batch of the view in; [`Holder::seal`] must follow when its rows have been offered.
    fn hold(&mut self, batch: &RecordBatch) -> Result<Self::Held, Error>;
    /// Orders two rows of equal rank.
    fn compare(&mut self, left: RowRef, right: RowRef) -> Result<Ordering, Error>;
    /// All rows of a batch have been offered.
    fn seal(&mut self, _: Self::Held) {}
    /// One more reference.
    fn retain(&mut self, _: RowRef) {}
    /// One reference fewer.
    fn release(&mut self, _: RowRef) {}
    /// Takes in all that another one holds, with its references; says by how much its places' numbers grow.
    fn append(&mut self, _: Self) -> u32 {
        0
    }
    /// Forgets what nobody refers to, when that pays. The references are all there are; they change where rows move.
    fn tidy<'a>(&mut self, _: impl Iterator<Item = &'a mut RowRef>) -> Result<(), Error> {
        Ok(())
    }
    /// Memory held, in bytes.
    fn size(&self) -> usize {
        0
    }
}

/// Rows that stay in their files, where they are found again by number. Batches end with the columns [`FILE`] and
/// [`ROW`].
#[derive(Debug, Default)]
pub(super) struct InFiles;

/// The column of a batch with the number of each row's file, an unsigned 32-bit integer.
pub(super) const FILE: &str = "__file";
/// The column of a batch with each row's number in its file, a 64-bit integer.
pub(super) const ROW: &str = "__row";

/// Files and rows of a batch.
#[derive(Debug)]
pub(super) struct Places {
    files: UInt32Array,
    rows: Int64Array,
}

impl Held for Places {
    fn row_ref(&self, row: usize) -> RowRef {
        RowRef::new(self.files.value(row), self.rows.value(row) as u32)
    }
}

impl Holder for InFiles {
    type Held = Places;

    fn hold(&mut self, batch: &RecordBatch) -> Result<Places, Error> {
        let column = |name| batch.column_by_name(name).ok_or_else(|| Error::Defect(format!("no column {name}")));
        let (files, rows) = (column(FILE)?.as_primitive::<UInt32Type>(), column(ROW)?.as_primitive::<Int64Type>());
        if rows.values().iter().any(|row| u32::try_from(*row).is_err()) {
            return Err(Error::Defect("a file with more than four billion rows".to_owned()));
        }
        Ok(Places { files: files.clone(), rows: rows.clone() })
    }

    /// Rows that can tie are not left in their files; so this is for good measure.
    fn compare(&mut self, left: RowRef, right: RowRef) -> Result<Ordering, Error> {
        Ok(left.cmp(&right))
    }
}

/// Rows of which no column is wanted: that there is one is enough.
#[derive(Debug, Default)]
pub(super) struct Nowhere;

impl Held for Nowhere {
    fn row_ref(&self, row: usize) -> RowRef {
        RowRef::new(0, row as u32)
    }
}

impl Holder for Nowhere {
    type Held = Nowhere;

    fn hold(&mut self, _: &RecordBatch) -> Result<Nowhere, Error> {
        Ok(Nowhere)
    }

    /// Rows without columns are all alike.
    fn compare(&mut self, _: RowRef, _: RowRef) -> Result<Ordering, Error> {
        Ok(Ordering::Equal)
    }
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

/// A row that may win, with its rank (rule 5): event time first, then those of known and seq that the view has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<const N: usize> {
    rank: [i64; N],
    row: RowRef,
}

impl<const N: usize> Candidate<N> {
    pub(super) const NONE: Self = Candidate { rank: [i64::MIN; N], row: RowRef::NONE };

    /// What ranks it.
    pub(super) fn rank(&self) -> &[i64; N] {
        &self.rank
    }

    /// The row.
    pub(super) fn row(&self) -> RowRef {
        self.row
    }

    /// The row, to be told where it has moved.
    pub(super) fn row_mut(&mut self) -> &mut RowRef {
        &mut self.row
    }

    /// Whether it wins over another (rule 5).
    fn beats(&self, other: &Self, holder: &mut impl Holder) -> Result<bool, Error> {
        match self.rank.cmp(&other.rank) {
            Ordering::Less => Ok(false),
            Ordering::Greater => Ok(true),
            Ordering::Equal if self.row == other.row || !self.row.is_row() => Ok(false),
            Ordering::Equal if !other.row.is_row() => Ok(true),
            Ordering::Equal => Ok(holder.compare(self.row, other.row)? == Ordering::Greater),
        }
    }
}

/// The best rows so far, per slot. `N` numbers rank them.
#[derive(Debug)]
pub(super) struct Candidates<const N: usize, H> {
    index: Arc<KeyIndex>,
    rule: KnownMoment,
    /// Per slot the best row that counts from this slot on to the key's last.
    lasting: Vec<Candidate<N>>,
    /// The best rows that count for a range of slots only, because they are superseded later. A segment tree per key:
    /// the key whose slots start at s and number n owns 2n places from 2s on; place 1 of them is the root, n + i
    /// the leaf of its slot i. A row sits in the O(log n) nodes that together cover its range. Empty while no row is so.
    passing: Vec<Candidate<N>>,
    /// Per key the best row for one slot that is not written there yet. Empty where it does not pay, and in the end.
    fronts: Vec<Front<N>>,
    /// The rows that come in the order of time.
    march: March<N>,
    holder: H,
    reservation: MemoryReservation,
}

/// Where a row counts: from a slot on, and before another if it is superseded. Slots are counted from the first of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// The row in its batch.
    pub(super) row: usize,
    /// When it happened.
    pub(super) time: i64,
    /// The number of its key.
    pub(super) key: u32,
    pub(super) first: usize,
    pub(super) end: Option<usize>,
}

impl<const N: usize, H: Holder> Candidates<N, H> {
    /// None yet.
    pub(super) fn new(
        index: Arc<KeyIndex>,
        rule: KnownMoment,
        holder: H,
        reservation: MemoryReservation,
    ) -> Result<Self, Error> {
        reservation.try_grow(index.slots() * size_of::<Candidate<N>>() + Front::<N>::size(&index))?;
        let lasting = vec![Candidate::NONE; index.slots()];
        let (fronts, march) = (Front::all(&index), March::new());
        Ok(Candidates { index, rule, lasting, passing: Vec::new(), fronts, march, holder, reservation })
    }

    /// Takes a batch of the view in, with what was decoded of it.
    pub(super) fn absorb(&mut self, batch: &RecordBatch, rows: &ViewRows) -> Result<(), Error> {
        let counts_at_once = rows.known.is_none() && rows.superseded.is_none() && rows.times.null_count() == 0;
        let times = rows.times.values();
        if counts_at_once && self.index.one_each() {
            return self.absorb_one_each(batch, rows);
        }
        if counts_at_once && runs::pay(&rows.keys) {
            return self.absorb_runs(batch, rows);
        }
        if !counts_at_once || self.fronts.is_empty() || !self.march.takes(times, &self.index) {
            return self.absorb_telling(batch, rows, |_| {});
        }
        let held = self.holder.hold(batch)?;
        let candidate = |row| rows.candidate(row, None, &held);
        self.march.on(&rows.keys, times, candidate, &self.index, &mut self.lasting, &mut self.holder)?;
        self.holder.seal(held);
        self.tidy()
    }

    /// The same where each key has one slot, which has the key's number, and rows count from when they happened: the newest row of
    /// each key is all that is wanted. Then a row is one look into memory.
    fn absorb_one_each(&mut self, batch: &RecordBatch, rows: &ViewRows) -> Result<(), Error> {
        let held = self.holder.hold(batch)?;
        let (index, times) = (Arc::clone(&self.index), rows.times.values());
        let same = index.same_moment();
        for (n, keys) in rows.keys.chunks(WARMED).enumerate() {
            let ahead = keys.iter().filter_map(|key| self.lasting.get(*key as usize));
            std::hint::black_box(ahead.fold(0, |seen, place| seen ^ place.rank[0]));
            for (i, key) in keys.iter().enumerate() {
                let row = n * WARMED + i;
                // What is no key has no place.
                let Some(place) = self.lasting.get_mut(*key as usize) else { continue };
                let moment = same.unwrap_or_else(|| index.moments()[*key as usize]);
                if times[row] <= moment {
                    offer(&mut self.holder, place, rows.candidate(row, None, &held))?;
                }
            }
        }
        self.holder.seal(held);
        self.tidy()
    }

    /// The same for rows that come in runs of one key, and count from when they happened.
    fn absorb_runs(&mut self, batch: &RecordBatch, rows: &ViewRows) -> Result<(), Error> {
        let held = self.holder.hold(batch)?;
        let mut start = 0;
        for run in rows.keys.chunk_by(|key, next| key == next) {
            let first = start;
            start += run.len();
            if run[0] == NO_KEY {
                continue;
            }
            let slots = self.index.slots_of(run[0]);
            let (moments, lasting) = (&self.index.moments()[slots.clone()], &mut self.lasting[slots]);
            runs::merge(&rows.times.values()[first..start], moments, |slot, row| {
                offer(&mut self.holder, &mut lasting[slot], rows.candidate(first + row, None, &held))
            })?;
        }
        self.holder.seal(held);
        self.tidy()
    }

    /// The same, and says of each row that counts from where to where.
    pub(super) fn absorb_telling(
        &mut self,
        batch: &RecordBatch,
        rows: &ViewRows,
        mut arrive: impl FnMut(Counts),
    ) -> Result<(), Error> {
        let held = self.holder.hold(batch)?;
        let index = Arc::clone(&self.index);
        let always_happened = rows.times.null_count() == 0;
        let times = rows.times.values();
        for (row, key) in rows.keys.iter().copied().enumerate() {
            if row % WARMED == 0 {
                let ahead = row..rows.keys.len().min(row + WARMED);
                match self.fronts.as_slice() {
                    [] => warm_slots(&index, &self.lasting, &rows.keys[ahead]),
                    fronts => warm(fronts, &self.lasting, index.moments(), &rows.keys[ahead.clone()], &times[ahead]),
                }
            }
            if key == NO_KEY || !(always_happened || rows.times.is_valid(row)) {
                continue;
            }
            let time = times[row];
            let at = |column: &Int64Array| column.is_valid(row).then(|| column.value(row));
            let known = rows.known.as_ref().map(|k| at(k).unwrap_or(time));
            let superseded = rows.superseded.as_ref().and_then(at);
            let Some((from, until)) = span(self.rule, time, known, superseded) else { continue };
            let candidate = || rows.candidate(row, known, &held);
            if let (None, Some(front)) = (until, self.fronts.get_mut(key as usize)) {
                if !front.covers(from) {
                    if let Some(slot) = front.slot() {
                        put(&mut self.holder, &mut self.lasting[slot], front.held)?;
                    }
                    front.go(key, from, &index);
                }
                if let Some(first) = front.slot() {
                    arrive(Counts { row, time, key, first, end: None });
                    offer(&mut self.holder, &mut front.held, candidate())?;
                }
                continue;
            }
            let slots = index.slots_of(key);
            let moments = &index.moments()[slots.clone()];
            let first = moments.partition_point(|moment| *moment < from);
            let end = until.map_or(slots.len(), |until| moments.partition_point(|moment| *moment < until));
            if first >= end {
                continue;
            }
            let lasts = end == slots.len();
            let behind = (!lasts).then_some(slots.start + end);
            arrive(Counts { row, time, key, first: slots.start + first, end: behind });
            if lasts {
                offer(&mut self.holder, &mut self.lasting[slots.start + first], candidate())?;
            } else {
                if self.passing.is_empty() {
                    self.reservation.try_grow(2 * index.slots() * size_of::<Candidate<N>>())?;
                    self.passing.resize(2 * index.slots(), Candidate::NONE);
                }
                for node in cover(first, end, slots.len()) {
                    offer(&mut self.holder, &mut self.passing[2 * slots.start + node], candidate())?;
                }
            }
        }
        self.holder.seal(held);
        self.tidy()
    }

    /// All rows have come: what is still at hand goes where it belongs.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.march.end(&self.index, &mut self.lasting, &mut self.holder)?;
        for front in std::mem::take(&mut self.fronts) {
            if let Some(slot) = front.slot() {
                put(&mut self.holder, &mut self.lasting[slot], front.held)?;
            }
        }
        Ok(())
    }

    /// Takes in what another partition of the same view found.
    pub(super) fn merge(&mut self, mut other: Self) -> Result<(), Error> {
        self.close()?;
        other.close()?;
        let shift = self.holder.append(other.holder);
        if !other.passing.is_empty() {
            self.passing.resize(2 * self.index.slots(), Candidate::NONE);
        }
        let places = self.lasting.iter_mut().zip(other.lasting).chain(self.passing.iter_mut().zip(other.passing));
        for (place, mut candidate) in places {
            candidate.row = candidate.row.shifted(shift);
            put(&mut self.holder, place, candidate)?;
        }
        self.tidy()
    }

    /// Keeps memory in proportion and accounted for.
    fn tidy(&mut self) -> Result<(), Error> {
        let fronts = self.fronts.iter_mut().map(|front| &mut front.held);
        let places = self.lasting.iter_mut().chain(&mut self.passing).chain(fronts).map(|c| &mut c.row);
        let places = places.chain(self.march.references());
        self.holder.tidy(places.filter(|row| row.is_row()))?;
        let places = size_of_val(&*self.lasting) + size_of_val(&*self.passing) + size_of_val(&*self.fronts);
        Ok(self.reservation.try_resize(places + self.march.size() + self.holder.size())?)
    }

    /// Carries the best rows forward along each key's slots and applies the TTL to the winners; `timed` says whether
    /// anybody wants their times.
    pub(super) fn settle(mut self, ttl: Option<Micros>, timed: bool) -> Result<(Winners, H), Error> {
        self.close()?;
        let slots = self.index.slots();
        self.reservation.try_grow(slots * size_of::<(i64, RowRef)>())?;
        let mut winners = Winners {
            times: Vec::with_capacity(if timed { slots } else { 0 }),
            rows: Vec::with_capacity(slots),
            reservation: self.reservation.new_empty(),
        };
        if self.index.one_each() && self.passing.is_empty() {
            for (winner, moment) in self.lasting.iter().zip(self.index.moments()) {
                winners.push(*winner, *moment, ttl, timed);
            }
            return self.settled(winners);
        }
        for key in 0..self.index.keys().len() {
            let slots = self.index.slots_of(key);
            let mut lasting = Candidate::NONE;
            for slot in slots.clone() {
                let from_here = self.lasting[slot];
                if from_here.beats(&lasting, &mut self.holder)? {
                    lasting = from_here;
                }
                let mut winner = lasting;
                if !self.passing.is_empty() {
                    let mut node = slots.len() + slot - slots.start;
                    while node > 0 {
                        let passing = self.passing[2 * slots.start + node];
                        if passing.beats(&winner, &mut self.holder)? {
                            winner = passing;
                        }
                        node /= 2;
                    }
                }
                winners.push(winner, self.index.moments()[slot], ttl, timed);
            }
        }
        self.settled(winners)
    }

    fn settled(self, mut winners: Winners) -> Result<(Winners, H), Error> {
        drop((self.lasting, self.passing));
        winners.reservation = self.reservation;
        winners.account(self.holder.size())?;
        Ok((winners, self.holder))
    }
}

/// Rows of which the fronts or slots are looked at ahead of time.
const WARMED: usize = 256;

/// Looks at what the next rows will need, all at once: a processor waits for many places in memory at a time as long as
/// it need not decide anything in between. Doing so halves the time of the rows where fronts and slots do not fit its
/// caches. It changes nothing.
fn warm<const N: usize>(fronts: &[Front<N>], lasting: &[Candidate<N>], moments: &[i64], keys: &[u32], times: &[i64]) {
    let (mut leaving, mut count) = ([0_u32; WARMED], 0);
    for (key, time) in keys.iter().zip(times) {
        if let Some(front) = fronts.get(*key as usize) {
            leaving[count] = front.place();
            count += usize::from(!front.covers(*time));
        }
    }
    let mut seen = 0;
    for slot in leaving[..count].iter().map(|slot| *slot as usize) {
        if let (Some(place), Some(moment)) = (lasting.get(slot), moments.get(slot)) {
            seen ^= place.rank[0] ^ moment;
        }
    }
    std::hint::black_box(seen);
}

/// The same where there are no fronts: a key has few slots then, which lie together.
fn warm_slots<const N: usize>(index: &KeyIndex, lasting: &[Candidate<N>], keys: &[u32]) {
    let mut firsts = [0_u32; WARMED];
    for (first, key) in firsts.iter_mut().zip(keys) {
        *first = index.first_slot(*key);
    }
    let mut seen = 0;
    for slot in firsts[..keys.len().min(WARMED)].iter().map(|slot| *slot as usize) {
        if let (Some(place), Some(moment)) = (lasting.get(slot), index.moments().get(slot)) {
            seen ^= place.rank[0] ^ moment;
        }
    }
    std::hint::black_box(seen);
}

/// Lets a row have a place if it is better than the one there.
pub(super) fn offer<const N: usize>(
    holder: &mut impl Holder,
    place: &mut Candidate<N>,
    candidate: Candidate<N>,
) -> Result<(), Error> {
    if candidate.beats(place, holder)? {
        // First the new, then the old: they may share a batch.
        holder.retain(candidate.row);
        holder.release(place.row);
        *place = candidate;
    }
    Ok(())
}

/// Moves a row that is referred to already to another place, where it stays if it is better.
pub(super) fn put<const N: usize>(
    holder: &mut impl Holder,
    place: &mut Candidate<N>,
    candidate: Candidate<N>,
) -> Result<(), Error> {
    if candidate.beats(place, holder)? {
        holder.release(place.row);
        *place = candidate;
    } else {
        holder.release(candidate.row);
    }
    Ok(())
}

/// What each slot got (rule 6).
#[derive(Debug)]
pub(super) struct Winners {
    /// The event time of the row, where there is one, and where anybody wants it.
    pub(super) times: Vec<i64>,
    /// The row; [`RowRef::NONE`] where no row counts, [`RowRef::EXPIRED`] where the one that counts is older than the TTL.
    pub(super) rows: Vec<RowRef>,
    reservation: MemoryReservation,
}

impl Winners {
    /// Where nobody asks.
    pub(super) fn none(reservation: MemoryReservation) -> Self {
        Winners { times: Vec::new(), rows: Vec::new(), reservation }
    }

    fn push<const N: usize>(&mut self, winner: Candidate<N>, moment: i64, ttl: Option<Micros>, timed: bool) {
        let time = winner.rank[0];
        // Before the beginning of time nothing can have happened, so saturating is exact.
        let expired = winner.row.is_row() && ttl.is_some_and(|Micros(ttl)| time < moment.saturating_sub(ttl));
        if timed {
            self.times.push(time);
        }
        self.rows.push(if expired { RowRef::EXPIRED } else { winner.row });
    }

    /// Reserves memory for the winners and so many bytes beside them.
    pub(super) fn account(&mut self, beside: usize) -> Result<(), Error> {
        Ok(self.reservation.try_resize(self.rows.len() * size_of::<(i64, RowRef)>() + beside)?)
    }

    /// Takes the winners apart: times, rows, and the memory reserved for them.
    pub(super) fn into_parts(self) -> (Vec<i64>, Vec<RowRef>, MemoryReservation) {
        (self.times, self.rows, self.reservation)
    }
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
}
