//! How far the writing of pushes has come in each dataset, for whoever must know exactly which rows were there to be read.
//!
//! A number of acceptance counts as begun before the store is told of its rows, and as ended after the store has them, or has
//! refused them for good. So a reader that finds, after reading, nothing begun beyond what had ended before it read, has seen every
//! pushed row up to there, and no other. What was *acknowledged* before and after would not do: a row can be seen before its
//! acknowledgement.
//!
//! Costs two numbers per dataset, and one look under a lock for each push that is written; readers keep their [`Mark`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use asof_online::Journal;

/// Of every dataset that anybody asked about or pushed to.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<HashMap<Journal, Arc<Mark>>>);

/// How far the writing of pushes to one dataset has come.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    begun: AtomicI64,
    ended: AtomicI64,
}

impl Marks {
    /// The mark of a dataset.
    pub(crate) fn of(&self, journal: &Journal) -> Arc<Mark> {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match marks.get(journal) {
            Some(mark) => Arc::clone(mark),
            None => Arc::clone(marks.entry(journal.clone()).or_default()),
        }
    }
}

impl Mark {
    /// Rows up to this number are on their way into the store.
    pub(super) fn begin(&self, last: i64) {
        self.begun.fetch_max(last, Ordering::SeqCst);
    }

    /// Nothing up to this number is on its way any more.
    pub(crate) fn end(&self, last: i64) {
        self.begin(last);
        self.ended.fetch_max(last, Ordering::SeqCst);
    }

    /// To be asked before reading: all pushed rows up to this number are there.
    pub(crate) fn ended(&self) -> i64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// To be asked after reading: no row behind this number was there.
    pub(crate) fn begun(&self) -> i64 {
        self.begun.load(Ordering::SeqCst)
    }
}
