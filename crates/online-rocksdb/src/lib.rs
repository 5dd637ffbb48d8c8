//! The embedded online store: [`RocksStore`], over RocksDB.
//!
//! ```text
//! <path>/format               says that a store is here, and how it is laid out
//! <path>/holder               locked by the one process that has the store open; holds its id
//! <path>/db/                  RocksDB
//!   family `rows`             slot (8 bytes, big-endian), key → row
//!   family `published`        view → generation, slot and Published, as JSON
//!   family `journal`          dataset, order of acceptance → rows that its table does not have yet
//!   family `once`             dataset, name of a push → that it was accepted
//! <path>/accepted             how far each journal reached, as JSON
//! <path>/building/<slot>/     files of publications that are not visible yet; emptied at every start
//! ```
//! Every publication gets a **slot** of its own, a number that prefixes its keys. Its rows are sorted on disk,
//! written as table files beside the live data and taken in whole; then one synced write of its `published` record
//! makes them visible. A read takes one pointer to the slots of all views and does one multi-get in them, so it sees
//! the rows of one publication of each. The former slot is removed once no read uses it.
//!
//! Within [`OpenOptions::copy_bytes`] the visible rows are also copied into memory ([`Slab`](asof_online::Slab)) and read from there; keys that
//! are pushed are marked in the copy first, and read from the database until the copy is made anew.
//!
//! A **push** is one synced write: rows merged into the slots of their views, the entry of the journal, the name of the push.
//!
//! # What holds after a crash
//! - Killed before the synced record: the old rows are visible. Files in `building` and rows in a slot that no record
//!   names are leftovers, removed at the next start.
//! - Killed after it: the new rows are visible.
//! - A push is there whole or not at all, in its views, its journal and among the names.
//! - A torn last entry of the write-ahead log (a power cut in the middle of the write) is dropped, which leaves the state
//!   before; damage anywhere else in the log refuses to open. Records are flushed to a table file at once, so that a
//!   damaged log can hardly take one away. What a log that lost its synced end could hide shows: of publications
//!   against the catalog, which keeps every [`Published`](asof_online::Published) too, of pushes against `accepted`.
//! - After the disk was full the database is opened again within the process, by the first write for which there is room.
//! - Blocks carry RocksDB's checksums and rows their own. A damaged row is an error, never a missing one;
//!   `check` counts every row again.
//!
//! # What it costs
//! A publication takes [`OpenOptions::sort_bytes`] of memory and, on disk, its rows up to three times for a
//! moment (sorted runs, table files, the old generation). A read takes one multi-get and no lock but
//! the cloning of one pointer.

mod cleaning;
mod copier;
mod copy;
mod database;
mod error;
mod folder;
mod holder;
mod journal;
mod publication;
mod pushing;
mod reading;
mod rebuild;
mod record;
mod shelf;
mod sort;
mod store;
mod tables;
mod tuning;
mod witness;

pub use rebuild::SetAside;
pub use store::RocksStore;
pub use tuning::OpenOptions;
