//! As-of windows: aggregates over what had happened, and was known, at the moment asked about.
//!
//! # What it promises
//! A view says `avg(x) OVER (RANGE INTERVAL '7 days' PRECEDING)`; the value moves with time even when no event arrives.
//! Which rows a window holds is the rule of SEMANTICS.md ([`Frame`]), and what becomes of them depends on nothing else:
//! neither on the order of rows, nor batches, nor partitions, to the bit. An aggregate that cannot hold this is refused
//! when planned, with the reason (`function`).
//!
//! # How
//! - **Binding.** The parser marks as-of windows ([`crate::syntax::windows`]); the engine binds and types the marked
//!   SELECT; [`extract`] takes them out of the bound plan again. What stays is a plan of **event rows** (the view's
//!   plain columns, and hidden ones with the windows' arguments), a list of [`WindowCall`]s, and for each column that
//!   comes from windows an expression over their results.
//! - **Evaluating.** The as-of join hands its rows to [`Windows`], one per view, with a [`Part`] for each partition. There are
//!   two ways, and a view's calls may go both. Where rows count from their event time on and the states are a word or two,
//!   time is cut into **tiles** at the edges of each key's windows, and an event is added to one of them (`tiles`). All
//!   else goes by **stretches** (`stretches`): a row counts for a contiguous stretch of its key's slots, from the first
//!   at which it has happened and is known to the last before it has left or is superseded (`place`). What can be
//!   subtracted is added at the first slot and subtracted behind the last, with running totals at the end
//!   (`state/totals`); all else sits in the O(log n) nodes of a tree over the key's slots (`state/tree`). The last n rows
//!   of each slot are kept as they are (`rows`).
//! - **Keeping online.** What the store keeps of events, and what comes of it, is the same states or the same rows (`tiled`),
//!   with values in bytes of our own (`packed`).
//!
//! # What it costs
//! One pass over the view for its own rows and all windows together; calls with equal frame, filter and argument share
//! their states. In tiles a row costs one addition per state, however many windows hold it, and its states are in the cache.
//! By stretches it costs two binary searches per distinct frame, and per state one or O(log slots) updates, each a
//! cache miss. Memory is in proportion to the spine, not to the events: a few words per slot and state; for
//! `count(DISTINCT …)`, `approx_distinct`, percentiles and the engine's own aggregates the distinct values, registers, bins
//! or states per node. All of it is reserved from the session's memory pool.

mod call;
mod evaluate;
mod extract;
mod frame;
mod function;
mod layout;
mod packed;
mod place;
mod problem;
mod rows;
mod state;
mod stretches;
mod tiled;
mod tiles;

pub use call::{Argument, Measure, WindowCall};
pub(crate) use evaluate::{Events, Part, Settled, Windows};
pub(crate) use extract::{Computed, Windowed, as_of, extract};
pub use frame::Frame;
pub(crate) use frame::{default_hop, may_slide};
pub(crate) use place::{Arrival, Slots, cover};
pub(crate) use problem::Problem;
pub use tiled::{States, TileCell, TileKind, Tiling};

/// What every hidden column's name begins with.
pub(crate) const HIDDEN: &str = "__";

/// What a marked window's partition begins with.
const MARK: &str = "__asof ";

/// The name of the partition that stands for the n-th as-of window. They are told apart because the engine calls a
/// window by function and partition, and `sum(x)` and `sum(CAST(x AS …))` by one name.
pub(crate) fn marked(n: usize, frame: Frame) -> String {
    format!("{MARK}{n} {frame}")
}

/// The as-of window that a partition's name stands for.
pub(crate) fn unmarked(name: &str) -> Option<Frame> {
    let (_, frame) = name.strip_prefix(MARK)?.split_once(' ')?;
    frame.parse().ok()
}
