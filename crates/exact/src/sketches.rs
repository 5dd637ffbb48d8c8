//! Quantiles to within 1 %.

use std::cmp::Ordering;

use super::bins::{Bin, Key, NAN, ordered};
use super::bytes::{self, Error};

/// One sketch of a distribution per group.
///
/// A quantile is that of SQL's `percentile_cont`: between the two values next to its rank it goes in a straight line.
/// Each of these two is known to within 1/128 of itself (or 2^-1028, if that is more), and so is the quantile if both
/// have one sign. The least and the greatest value are known exactly, and no quantile is outside them: a group of one
/// value gives that value. The infinities are values like others; NaN is above them, and -0.0 is 0.0.
///
/// A group takes 40 bytes, and 8 for each bin that it has values in: no more bins than values, and 64 for each power
/// of two that they span, so at most some 1,300 for values between 0.001 and 1,000. Bins are never collapsed to save
/// memory: what is left would depend on the order in which that was done. Nothing can be subtracted.
#[derive(Clone, Debug)]
pub struct Sketches(Vec<Sketch>);

impl Sketches {
    /// Sketches of nothing.
    pub fn new(groups: usize) -> Self {
        Sketches(vec![Sketch::EMPTY; groups])
    }

    /// Adds a value.
    pub fn add(&mut self, group: usize, value: f64) {
        self.0[group].add(value);
    }

    /// Adds the values of one group to another.
    pub fn merge_group(&mut self, into: usize, from: usize) {
        let from = self.0[from].clone();
        self.0[into].merge(&from);
    }

    /// Adds the values of others, group by group. There are as many.
    pub fn absorb(&mut self, other: &Self) {
        for (sketch, more) in self.0.iter_mut().zip(&other.0) {
            sketch.merge(more);
        }
    }

    /// How many values a group has.
    pub fn count(&self, group: usize) -> u64 {
        self.0[group].count()
    }

    /// The value below which a share `q` of a group is, from 0 to 1. None if the group has no values.
    pub fn quantile(&self, group: usize, q: f64) -> Option<f64> {
        self.0[group].quantile(q)
    }

    /// Appends the state of a group, which says where it ends. Equal values have equal bytes.
    pub fn encode(&self, group: usize, out: &mut Vec<u8>) {
        let Sketch { bins, least, most } = &self.0[group];
        bytes::write_sketch(bins, *least, *most, out);
    }

    /// Reads a state from the start of `bytes`, which move on behind it, and adds it to a group.
    ///
    /// # Errors
    /// [`Error`], and the group is as it was.
    pub fn decode(&mut self, group: usize, bytes: &mut &[u8]) -> Result<(), Error> {
        if let Some((bins, least, most)) = bytes::read_sketch(bytes)? {
            self.0[group].merge(&Sketch { bins, least, most });
        }
        Ok(())
    }

    /// Memory held, in bytes. It looks at every group.
    pub fn size(&self) -> usize {
        let bins: usize = self.0.iter().map(|sketch| sketch.bins.capacity()).sum();
        self.0.capacity() * size_of::<Sketch>() + bins * size_of::<Bin>()
    }
}

/// The bins of one group, by ascending key, and its least and greatest value.
#[derive(Clone, Debug)]
struct Sketch {
    bins: Vec<Bin>,
    least: f64,
    most: f64,
}

impl Sketch {
    /// The least value is the greatest there can be, and the other way round, so that any value takes their place.
    const EMPTY: Self = Sketch { bins: Vec::new(), least: NAN, most: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        let value = ordered(value);
        self.span(value, value);
        self.count_in(Bin::new(Key::of(value), 1));
    }

    fn merge(&mut self, other: &Sketch) {
        self.span(other.least, other.most);
        match other.bins.as_slice() {
            [] => {}
            _ if self.bins.is_empty() => self.bins.clone_from(&other.bins),
            // One event, or many that are equal.
            [bin] => self.count_in(*bin),
            more => self.bins = merged(&self.bins, more),
        }
    }

    fn count_in(&mut self, more: Bin) {
        match self.bins.binary_search_by_key(&more.key(), |bin| bin.key()) {
            Ok(at) => self.bins[at] = self.bins[at].with(more.count()),
            Err(at) => self.bins.insert(at, more),
        }
    }

    fn span(&mut self, least: f64, most: f64) {
        self.least = min(self.least, least);
        self.most = max(self.most, most);
    }

    fn count(&self) -> u64 {
        self.bins.iter().fold(0, |count, bin| count.saturating_add(bin.count()))
    }

    fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.count().checked_sub(1)?;
        let rank = q.clamp(0.0, 1.0) * last as f64;
        let (below, part) = (rank.floor() as u64, rank.fract());
        let low = self.at(below, last);
        let high = if part > 0.0 { self.at(below + 1, last) } else { low };
        if low.total_cmp(&high).is_eq() {
            return Some(low);
        }
        let between = low * (1.0 - part) + high * part;
        // The NaN that a machine makes of two infinities has a sign on one machine and none on another.
        Some(if between.is_nan() { NAN } else { between.max(low).min(high) })
    }

    /// The value of a rank, which counts from 0 to `last`.
    fn at(&self, rank: u64, last: u64) -> f64 {
        if rank == 0 || rank >= last {
            return if rank == 0 { self.least } else { self.most };
        }
        let mut seen = 0_u64;
        let bin = self.bins.iter().find(|bin| {
            seen = seen.saturating_add(bin.count());
            seen > rank
        });
        bin.map_or(self.most, |bin| min(max(bin.key().middle(), self.least), self.most))
    }
}

/// The lesser, where NaN is the greatest.
fn min(left: f64, right: f64) -> f64 {
    if right.total_cmp(&left).is_lt() { right } else { left }
}

/// The greater, where NaN is the greatest.
fn max(left: f64, right: f64) -> f64 {
    if right.total_cmp(&left).is_gt() { right } else { left }
}

/// Bins of both, by ascending key.
fn merged(left: &[Bin], right: &[Bin]) -> Vec<Bin> {
    let mut bins = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    while let (Some(l), Some(r)) = (left.peek().copied(), right.peek().copied()) {
        let order = l.key().cmp(&r.key());
        bins.push(match order {
            Ordering::Less => l,
            Ordering::Equal => l.with(r.count()),
            Ordering::Greater => r,
        });
        left.next_if(|_| order.is_le());
        right.next_if(|_| order.is_ge());
    }
    bins.extend(left);
    bins.extend(right);
    bins
}
