//! Whether two computations of a view have the same rows at a moment, without holding the rows.
//!
//! Rows are dealt out to buckets by the hash of what they are, and each bucket keeps how many rows it has and the
//! sum of the hashes of what they are and say. The sum does not depend on their order, and rows that differ have equal
//! sums once in 2⁶⁴. One pass over a view counts it at many moments: a row is added where it begins to count, and
//! taken away where it was superseded. Costs 16 bytes per bucket and moment.

use std::hash::{DefaultHasher, Hasher};

use asof_model::Micros;

use super::rows::Row;

/// Enough that one of them is small, and few enough to keep them for every moment.
const BUCKETS: usize = 4_096;

/// Counts rows at some moments.
pub(super) struct Counter {
    /// Sorted.
    moments: Vec<Micros>,
    /// What is added at each moment, for all buckets.
    steps: Vec<Vec<Bucket>>,
    rows: u64,
}

/// The rows of a bucket at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// How many.
    pub(super) rows: i64,
    sum: u64,
}

/// The rows at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) Vec<Bucket>);

impl Counter {
    /// A counter for these moments, in order.
    pub(super) fn new(moments: Vec<Micros>) -> Self {
        let steps = vec![vec![Bucket::default(); BUCKETS]; moments.len()];
        Counter { moments, steps, rows: 0 }
    }

    pub(super) fn add(&mut self, row: &Row<'_>) {
        self.rows += 1;
        let first = self.moments.partition_point(|moment| moment.0 < row.from);
        let end = self.moments.partition_point(|moment| moment.0 < row.until);
        if first >= end {
            return;
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(row.identity);
        let bucket = bucket(hasher.finish());
        hasher.write(row.features);
        let hash = hasher.finish();
        let begins = &mut self.steps[first][bucket];
        begins.rows += 1;
        begins.sum = begins.sum.wrapping_add(hash);
        if let Some(ends) = self.steps.get_mut(end) {
            ends[bucket].rows -= 1;
            ends[bucket].sum = ends[bucket].sum.wrapping_sub(hash);
        }
    }

    /// How many rows there were, whenever they count.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows at each moment.
    pub(super) fn counts(self) -> Vec<Count> {
        let mut buckets = vec![Bucket::default(); BUCKETS];
        let at = |step: Vec<Bucket>| {
            for (bucket, step) in buckets.iter_mut().zip(step) {
                bucket.rows += step.rows;
                bucket.sum = bucket.sum.wrapping_add(step.sum);
            }
            Count(buckets.clone())
        };
        self.steps.into_iter().map(at).collect()
    }
}

impl Count {
    /// The buckets that are not the same in another count.
    pub(super) fn different<'a>(&'a self, other: &'a Count) -> impl Iterator<Item = usize> + 'a {
        let pairs = self.0.iter().zip(&other.0).enumerate();
        pairs.filter(|(_, (own, other))| own != other).map(|(index, _)| index)
    }
}

/// The bucket of a row that is this.
pub(super) fn bucket_of(identity: &[u8]) -> usize {
    let mut hasher = DefaultHasher::new();
    hasher.write(identity);
    bucket(hasher.finish())
}

fn bucket(hash: u64) -> usize {
    (hash % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Given = (u8, u8, i64, i64);

    fn counts(rows: &[Given], moments: &[Micros]) -> Vec<Count> {
        let mut counter = Counter::new(moments.to_vec());
        for (identity, features, from, until) in rows {
            counter.add(&Row { identity: &[*identity], features: &[*features], from: *from, until: *until });
        }
        counter.counts()
    }

    /// The rows at a moment, the slow and obvious way.
    fn at(rows: &[Given], moment: i64) -> Vec<(u8, u8)> {
        let counting = rows.iter().filter(|(_, _, from, until)| *from <= moment && moment < *until);
        let mut counting: Vec<_> = counting.map(|(identity, features, ..)| (*identity, *features)).collect();
        counting.sort();
        counting
    }

    proptest! {
        #[test]
        fn counts_are_equal_where_the_rows_are(
            rows in proptest::collection::vec((0..3u8, 0..2u8, 0..9i64, 0..12i64), 0..12),
            others in proptest::collection::vec((0..3u8, 0..2u8, 0..9i64, 0..12i64), 0..4),
            dropped in 0..4usize,
        ) {
            let others: Vec<_> = rows.iter().skip(dropped).copied().chain(others).rev().collect();
            let moments: Vec<_> = (0..10).map(Micros).collect();
            let (own, other) = (counts(&rows, &moments), counts(&others, &moments));
            for moment in 0..10 {
                let same = at(&rows, moment) == at(&others, moment);
                let (own, other) = (&own[moment as usize], &other[moment as usize]);
                prop_assert_eq!(own == other, same, "at {}", moment);
                prop_assert_eq!(own.0.iter().map(|b| b.rows).sum::<i64>(), at(&rows, moment).len() as i64);
                prop_assert_eq!(own.different(other).next().is_none(), same);
            }
        }
    }
}
