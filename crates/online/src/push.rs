//! What a push leaves in a store: rows of views, seen at once, and an entry in the dataset's **journal**, from which
//! the offline table is brought up to date later.
//!
//! All of it is one atomic, durable step, so that an acknowledged row is online and will be offline, or is in neither.

use arrow::array::RecordBatch;
use asof_model::{Micros, Name, Pinned};

/// Names the journal of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Journal {
    /// The project.
    pub project: Name,
    /// The dataset.
    pub dataset: Name,
}

impl std::fmt::Display for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.project, self.dataset)
    }
}

/// Some rows that a dataset accepts.
#[derive(Clone, Debug)]
pub struct Push {
    /// The dataset's journal.
    pub journal: Journal,
    /// The entry that is to be there afterwards.
    pub entry: Entry,
    /// How its repetition is known.
    pub once: Option<Once>,
    /// What becomes of views.
    pub changes: Vec<Change>,
}

/// An entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The order of acceptance of its last row: greater than in all entries before.
    pub last: i64,
    /// How many rows it brings.
    pub rows: u64,
    /// The rows, as whoever brings the dataset up to date wants them.
    pub bytes: Vec<u8>,
}

/// Makes a push count once, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The sender's name for the push, unique in the journal.
    pub key: String,
    /// When it was accepted.
    pub since: Micros,
    /// When it may be forgotten.
    pub until: Micros,
    /// What is remembered of it.
    pub told: Vec<u8>,
}

/// Rows of one view.
#[derive(Clone, Debug)]
pub struct Change {
    /// The view's version.
    pub view: Pinned,
    /// As [`Publication::write`](crate::Publication::write) takes them, with [`SEQ`](crate::SEQ).
    pub rows: RecordBatch,
}

/// How far a journal reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which one.
    pub journal: Journal,
    /// The order of acceptance of its last row.
    pub last: i64,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its entries.
    pub bytes: u64,
}
