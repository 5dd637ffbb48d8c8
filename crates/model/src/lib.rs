//! The words of Asof as plain types: names, references, definitions, schemas, digests, runs,
//! receipts, flows of columns, error kinds and the clock.
//!
//! Promises: no I/O, no async, no engine. Every other crate speaks in these types, so a value that
//! reached one of them has been validated once and is trusted afterwards.

pub mod clock;
pub mod definition;
pub mod digest;
pub mod disk;
pub mod error;
pub mod flow;
pub mod known;
pub mod memory;
pub mod name;
pub mod reference;
pub mod run;
pub mod schema;
pub mod time;
pub mod trained;
pub mod value;

pub use clock::Clock;
pub use definition::{Definition, Registered};
pub use digest::Digest;
pub use error::{Error, Kind as ErrorKind, Result};
pub use flow::Flows;
pub use known::KnownMoment;
pub use name::Name;
pub use reference::{Kind, Pinned, Reference, Selector, SnapshotNumber, Version};
pub use run::{Run, RunId};
pub use schema::{Column, Columns};
pub use time::Micros;
pub use trained::{Label, Model, ModelReference};
pub use value::Status;
