//! Datasets as Delta tables, and training sets as files: all that is kept of the past, under one root URL.
//!
//! Promises:
//! - One [`Store::ingest`] is one Delta commit is one [`Snapshot`]: it happens whole or not at all, whatever
//!   crashes, and the same file content is never let in twice (the keys are in the commit itself).
//! - A snapshot never changes; each of its data files is checked against a digest by
//!   [`Snapshot::verify_files`]. Log files are never cleaned up, so every number stays known; it stays readable until
//!   [`Store::vacuum`] is told not to keep it, and says then that it is gone.
//! - What a call returned is on disk: files, log and folders are synced before.
//! - A training set is visible whole or not at all, and its digest covers values, not bytes of files.
//!
//! Costs: ingest streams, sorts within the memory it is given and spills to disk beyond it; loading a snapshot
//! replays the log since its last checkpoint (every ten commits).
//!
//! Work that is given up (its future is dropped) leaves nothing behind: files that nothing refers to yet are removed.
//! [`Ongoing`] says when the last thread of such work has ended.
//!
//! Files from outside are read on blocking threads, never on those that poll the caller's futures.

mod columns;
mod compact;
mod content;
mod durable;
mod export;
mod failure;
mod folder;
mod ingest;
mod layout;
mod memory;
mod ongoing;
mod parts;
mod progress;
mod push;
mod serving_log;
mod snapshot;
mod stage;
mod store;
mod table;
mod together;
mod training;
mod vacuum;

pub use compact::{Compact, Compaction};
pub use content::content_digest;
pub use export::{ExportFormat, export};
pub use ingest::{Format, Ingest, Ingested, IngestedFile, ReadOptions, SkippedFile};
pub use memory::Budget;
pub use ongoing::{Guard, Ongoing};
pub use progress::{Progress, Quiet};
pub use push::{Gate, Land, Landing, Numbers};
pub use snapshot::{DataFile, Snapshot};
pub use store::{Added, Commit, Store};
pub use training::{InputSnapshot, Manifest, ManifestDraft, TrainingOptions};
pub use vacuum::{Orphan, Removable, Vacuum};

/// The hidden last column of every dataset: the order in which it accepted its rows. `BIGINT NOT NULL`, unique in
/// the dataset, never reused.
pub const SEQ: &str = "_seq";
