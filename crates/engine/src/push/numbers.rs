//! The order of acceptance, where files and pushes come at the same time.
//!
//! An ingest writes its numbers into files before it commits, and nobody knows how many it will need. So it gets a
//! range that no ingest exhausts, and what is pushed meanwhile is numbered behind that; when it ends, what it did not
//! use is given back, unless something was pushed. Numbers so have gaps, are never reused, and fit into 63 bits for
//! eight million ingests that pushes ran into.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asof_model::{Error, Result};
use asof_offline::Numbers;
use asof_online::Journal;

/// Numbers kept free for one ingest.
const RANGE: i64 = 1 << 40;

/// The last number given in each dataset that anybody pushed to or ingested into since the start.
#[derive(Debug, Default)]
pub(crate) struct Sequences(Mutex<HashMap<Journal, i64>>);

impl Sequences {
    fn last(&self) -> MutexGuard<'_, HashMap<Journal, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers up to this one are given.
    pub(super) fn given(&self, journal: &Journal, last: i64) {
        let mut all = self.last();
        let known = all.entry(journal.clone()).or_default();
        *known = last.max(*known);
    }

    /// So many numbers behind all that were given, and behind `last`. Gives the last of them.
    pub(super) fn take(&self, journal: &Journal, last: i64, count: u64) -> Result<i64> {
        let mut all = self.last();
        let known = all.entry(journal.clone()).or_default();
        let end = i64::try_from(count).ok().and_then(|count| last.max(*known).checked_add(count));
        *known = end.ok_or_else(|| Error::internal(format!("no order of acceptance is left to give in {journal}")))?;
        Ok(*known)
    }

    /// For an ingest into a dataset; to be dropped after it, and after entrances were forgotten.
    pub(crate) fn ingest(self: &Arc<Self>, journal: Journal) -> Arc<Ingesting> {
        Arc::new(Ingesting { sequences: Arc::clone(self), journal, ranges: Mutex::default() })
    }
}

/// Numbers for one ingest.
#[derive(Debug)]
pub(crate) struct Ingesting {
    sequences: Arc<Sequences>,
    journal: Journal,
    /// Where the range of each attempt begins.
    ranges: Mutex<Vec<i64>>,
}

impl Numbers for Ingesting {
    fn begin(&self, last: i64) -> i64 {
        let mut all = self.sequences.last();
        let known = all.entry(self.journal.clone()).or_default();
        let begin = last.max(*known);
        *known = begin.saturating_add(RANGE);
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner).push(begin);
        begin
    }
}

impl Drop for Ingesting {
    /// Gives back what nobody pushed behind. What the ingest used is in its table, and whoever numbers next looks there.
    fn drop(&mut self) {
        let mut all = self.sequences.last();
        let ranges = std::mem::take(&mut *self.ranges.lock().unwrap_or_else(PoisonError::into_inner));
        for begin in ranges.into_iter().rev() {
            match all.get_mut(&self.journal) {
                Some(known) if *known == begin.saturating_add(RANGE) => *known = begin,
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        Journal { project: "p".parse().unwrap(), dataset: "d".parse().unwrap() }
    }

    #[test]
    fn what_an_ingest_did_not_use_is_given_back() {
        let sequences = Arc::new(Sequences::default());
        let ingest = sequences.ingest(journal());
        assert_eq!(ingest.begin(10), 10);
        assert_eq!(ingest.begin(20), 10 + RANGE);
        drop(ingest);
        // The table says what it used.
        assert_eq!(sequences.take(&journal(), 25, 5), Ok(30));
        assert_eq!(sequences.take(&journal(), 25, 1), Ok(31));
    }

    #[test]
    fn pushes_and_ingests_never_get_the_same_number() {
        let sequences = Arc::new(Sequences::default());
        assert_eq!(sequences.take(&journal(), 10, 2), Ok(12));
        let ingest = sequences.ingest(journal());
        assert_eq!(ingest.begin(10), 12);
        assert_eq!(sequences.take(&journal(), 10, 1), Ok(12 + RANGE + 1));
        let other = sequences.ingest(journal());
        assert_eq!(other.begin(10), 12 + RANGE + 1);
        drop(ingest);
        drop(other);
        assert_eq!(sequences.take(&journal(), 15, 1), Ok(12 + RANGE + 2));
    }
}
