//! Windows made of tiles: each event is added once, whatever windows hold it.
//!
//! # What it promises
//! The same results, to the bit, as stretches of slots give (`place`), for the calls whose states are a word or two:
//! counts, exact sums, means and deviations of floats, sums of 64-bit integers, and the least or greatest of what is held
//! as a word, over `RANGE` and `OVER ()`, with any `FILTER`; where every row counts from its event time on and is never
//! superseded ([`Asked::take`] says which). Rows come in any order, and nothing here depends on it.
//!
//! # How
//! - **Scope** (`scope`). A word for each key says in which parts of time it has windows. Most events are in none, and
//!   are let go after one look.
//! - **Ledger** (`ledger`). The others are written down as one or two words and their values, by range of keys, in
//!   chunks. All partitions of a view write into one ledger, so nothing is merged afterwards. When a range's events take
//!   more than its states would, they are added to those and forgotten.
//! - **Tiles** (`edges`, `cells`). Time is cut for each key wherever one of its windows begins or ends. An event is in
//!   one tile and is added to that one's states: how many, the exact sum, the greatest. A window is a run of tiles.
//! - **Reading** (`read`, `slide`). Counts and sums are differences of running totals; the greatest is that of the
//!   run, found as windows go forward. Ranges are read concurrently. The results of a slot lie side by side, so that an
//!   output row costs one or two cache lines, however many windows there are (`results`).
//!
//! # What it costs, and why it is so
//! Measured on ten million events in the order of time and a million slots, windows of 1 hour, 7 and 30 days,
//! with sum, count, mean and maximum each (`benches/pit`, figures in `benches/RESULTS.md`): adding each event to the
//! states of its first and last slot, per frame and state, took as long as DuckDB's range join, waiting for memory in
//! hundreds of megabytes of states for each partition; tiles take a fifth of that. Here an event touches the word of its key and the end of a chunk; a
//! range of some thousand slots is then worked on within the cache. Compared with adding to each slot of
//! a stretch directly, tiles cost the same where slots are few, and no more where they are many.
//!
//! Memory: 8 bytes a key; the events in scope, 8 bytes and 8 for each column they need, but at most what the
//! states of their range's tiles would take; that is, at most twice 8 to 16 bytes per state and tile, and there is a tile
//! for each slot and frame and one more; results 8 bytes per call and slot. It is reserved from the session's pool. When
//! that refuses more, what is written down is added up first.
//!
//! # What it does not do
//! A row that became known later, or is superseded, counts for some slots and not for others that hold its time: it is in
//! no tile. Views that declare such a thing go the way of stretches, unless the moment by which things must have been known
//! is one for all.

mod asked;
mod cells;
mod edges;
mod ledger;
mod read;
mod results;
mod scope;
mod slide;

pub(super) use asked::Asked;
pub(super) use ledger::{Ledger, Writer};
pub(super) use results::Results;
