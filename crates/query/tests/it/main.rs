//! Integration tests of the query layer.

mod asof;
mod columns;
mod language;
mod planning;
mod project;
mod slt;
mod visibility;
