//! Columns of values: Arrow arrays on this side, one packed array per column on the wire.
//!
//! Every normal type of `model::schema` goes there and back unchanged, floats to the bit; other types are made
//! normal first. Validity is Arrow's own bitmap, cut to the rows. What comes in may lie about every length,
//! so nothing is allocated that the message did not carry, except nulls, whose count is bounded.

mod to_arrow;
mod to_wire;

pub use to_arrow::to_batch;
pub use to_wire::from_batch;

pub(crate) use to_arrow::{decimal, to_batch_apart};
pub(crate) use to_wire::{from_array, normalized};

#[cfg(test)]
mod tests;
