//! Integration tests of the query layer.

mod asof;
mod visibility;
