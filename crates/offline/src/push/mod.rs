//! Rows that do not come as files: they are let in one push at a time, and land in the table many pushes at a time.
//!
//! - A [`Gate`] fits rows to the dataset and holds its conditions against them, as an ingest does with a file.
//! - [`Store::land`] commits rows that were let in as one snapshot, exactly once: how far pushes have come is part of the
//!   commit itself, so that landing them again after a crash changes nothing.
//!
//! A push brings no new columns: what a column is, is decided where somebody looks, by a declaration or a file.

mod gate;
mod land;

pub use gate::Gate;
pub(crate) use land::sorted;
pub use land::{Land, Landing};

/// Gives out the order of acceptance, where rows are let in by files and by pushes at the same time.
pub trait Numbers: std::fmt::Debug + Send + Sync {
    /// An ingest is about to number its rows, and `last` is the last number in the table. Gives the number after which it
    /// may begin; from now on all that follow are its own, and nobody else's.
    fn begin(&self, last: i64) -> i64;
}
