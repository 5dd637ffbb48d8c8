//! The online store: for each key of a view, its newest row, found in microseconds.
//!
//! - [`OnlineStore`] is what a backend must do, [`MemoryStore`] the smallest one that does it.
//! - [`Codec`] turns the rows of a view into keys and values of bytes and back. The bytes are the same in
//!   every backend, are versioned, and are refused, never misread, when they are not what was written.
//! - [`Content`] is the witness: a digest of what was published that does not depend on order, so that a
//!   store, the catalog and the offline tables can be held against one another.
//! - [`Slab`] is a copy of published rows in memory, for backends that are slower than that.
//! - [`suite`] is the test that every backend passes.
//!
//! Deliberately absent: the TTL and the clock. A store answers with the row and its event time; whether
//! that row still counts is decided where the request's moment is known. Nothing here is async: a local
//! read takes less time than a task switch, and callers with many keys make one call, not many.

mod basis;
mod codec;
mod content;
mod error;
mod key;
mod layout;
mod memory;
mod merge;
mod push;
mod reading;
mod row;
mod rows;
mod slab;
mod store;
pub mod suite;
mod tiles;

pub use basis::Basis;
pub use codec::Codec;
pub use content::Content;
pub use error::Error;
pub use key::Keys;
pub use layout::{EVENT_TIME, KNOWN, Layout, SEQ};
pub use memory::MemoryStore;
pub use merge::merged;
pub use push::{Change, Entry, Journal, Once, Pending, Push};
pub use reading::{Reading, Value};
pub use row::{Stamp, stamp};
pub use rows::Rows;
pub use slab::{Budget, Gap, Held, Look, Slab, SlabBuilder};
pub use store::{Ask, Found, Increase, Lookup, OnlineStore, Publication, Published, Windows};
pub use tiles::{Cell, CellColumn, CellKind, Cells, Different, LastRows, MOST_BYTES, Span, Tiles, Values, Within};
