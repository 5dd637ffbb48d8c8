//! Sums, averages, variances, quantiles and counts of different values that do not depend on how they were come by.
//!
//! # What it promises
//! Rows may arrive in any order, be cut into any batches, be spread over any partitions and tiles, and be merged
//! along any tree: the result is the same to the bit, and so are the bytes of a state. What was subtracted
//! was never there.
//!
//! - [`Sums`] of floats are exact and rounded once, when they are read; averages, [`variance`] and [`deviation`]
//!   are computed from the exact sums. It is the superaccumulator of Neal (2015, "Fast exact summation
//!   using small and large superaccumulators") reduced to the few words that the data touch.
//!   [`Bulk`] is the same for values that come many at a time, and cheaper.
//! - [`Integers`] are sums of integers and of decimals; an overflow is found at the end, so that it depends on
//!   the sum and not on the way to it.
//! - [`Sketches`] give quantiles to within 1 % (DDSketch: Masson, Rim and Lee, 2019). What they keep are counts,
//!   and nothing is ever collapsed.
//! - [`Registers`] tell about how many different values there are (HyperLogLog, 1.6 %), by a hash that is fixed here.
//!
//! All keep one state per **group**, a number from 0: a slot of a spine, a node of a tree, a tile. No arithmetic
//! here depends on the machine: it is integers, and the five operations that IEEE 754 fixes to the bit.
//!
//! # What it costs
//! A sum takes 16 bytes a group for ordinary numbers and more only where the data need it ([`Columns`]); adding
//! a value is a few instructions and one cache line. A sketch takes 8 bytes for each different 64th of a power of
//! two that its group has seen.
//!
//! # What it deliberately does not do
//! It knows nothing of nulls, plans or types: who counts decides what an empty group gives. A group out of
//! range is a defect of the caller.

mod bins;
mod bulk;
mod bytes;
mod columns;
mod integers;
mod number;
mod registers;
mod round;
mod short;
mod sketches;
mod sums;
#[cfg(test)]
mod tests;
mod variance;
mod words;

pub use bulk::Bulk;
pub use bytes::Error;
pub use integers::Integers;
pub use registers::{Estimate, Registers, hash, register};
pub use short::Total;
pub use sketches::Sketches;
pub use sums::Sums;
pub use variance::{Of, deviation, spread, variance};

#[cfg(doc)]
use columns::Columns;
