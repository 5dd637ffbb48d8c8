//! The as-of join: features as they were at each spine row's own moment.
//!
//! # What it promises
//! For every row of the **spine**, in order, duplicates included and columns untouched, the one row that each
//! view gives for the row's key at the row's moment. SEMANTICS.md numbers the rules; this folder obeys them so:
//!
//! 1. Keys are compared after both sides are cast to one type: integer widths are unified, a string against a
//!    number is refused when planned, null equals nothing, so a spine row with a null key finds nothing.
//! 2. A row counts from its event time on, that moment included. A view row without an event time never counts.
//! 3. The TTL is applied to the winner only. That is the same as applying it to every row, because the
//!    winner has the greatest event time: when it is too old, all are. Its status then is *expired*.
//! 4. What was learned later, or has been superseded by then, does not count ([`KnownMoment`]).
//! 5. The greatest (event time, known, seq) wins. Where rows may still tie (an aggregate has no `seq`, a join can
//!    repeat one), their values decide, as bytes, so that neither batches nor partitions have a say.
//! 6. No such row: null features, and [`STATUS`] says whether the value is missing or expired.
//!
//! # How
//! The spine is collected and, per distinct set of key columns, indexed (`keys`, `spine`): key → its distinct moments,
//! sorted; one such pair is a **slot**. Each view is streamed once, unsorted, its partitions concurrently: a row
//! looks its key up, finds the slots from which it counts, and stays only where it beats what is there (`choose`).
//! At the end the best rows are carried forward along each key's slots, and the output is gathered (`gather`).
//! Rows hardly ever come in no order at all, so each key has its slot at hand (`front`), rows in the order of time
//! go by together with the slots (`march`), and rows by key and time are merged with the slots of their key (`runs`).
//! A row that is superseded counts for a range of slots; such ranges live in a segment tree per key, so that
//! memory does not grow with the number of revisions. A view's as-of windows are computed in the same pass
//! ([`crate::windows`]), from the same stretches of slots.
//!
//! Where a view is Parquet files under filters and projections, and its rows cannot tie, its features stay in the files
//! until the rows are chosen (`late`), and are picked from there (`pick`). Otherwise the rows that are referred to are kept in memory (`kept`).
//!
//! # What it costs
//! One pass over each view's keys and times: a look-up and a binary search per row, and only the look-up where rows come by
//! time or by key and time. A second pass over the features of the chosen rows. Memory in proportion to the spine and the chosen rows'
//! features only, never to the view: spine rows; 16 to 32 bytes per slot for each partition of the view being read
//! (three times that with revisions), and up to 56 per key that has several slots; and the feature values of the chosen rows, at most twice as many where rows
//! are kept. All of it is reserved from the session's memory pool. Two views are read at a time where there is memory for both. A
//! view whose rows may tie is read with all its features, even unused ones, since they decide the tie.
//!
//! Where that is more than the pool has, spine and views are divided by a hash of the key, on disk, and joined part by
//! part (`spill`), with the same result.
//!
//! # Elsewhere
//! [`AsofCodec`] makes bytes of a plan with as-of joins; [`AsofJoinExec::by_key`] joins inputs that are partitioned by key,
//! each partition on its own.
//!
//! # What it does not do
//! It does not push filters on its output down into its inputs. The spine is planned on its own, on one partition
//! (`planner` says why).

mod by_key;
mod choose;
mod codec;
mod error;
mod exec;
mod files;
mod front;
mod gather;
mod kept;
mod keys;
mod late;
mod lean;
mod logical;
mod march;
mod moments;
mod pick;
mod planner;
mod runs;
mod sequence;
mod spill;
mod spine;
mod stream;
mod wanted;

use asof_model::Micros;
use datafusion::common::Column;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Extension, LogicalPlan};
use std::sync::Arc;

pub use asof_model::KnownMoment;
pub use codec::AsofCodec;
pub use exec::{AsofJoinExec, KeyPair, ViewInput};
pub use logical::AsofJoin;
pub use planner::AsofPlanner;
pub use sequence::SequenceExec;

use crate::windows::WindowCall;

/// The output column, qualified by the view's alias, with the event time of the row that was found; null unless
/// one was found that is within the TTL.
pub const EVENT_TIME: &str = "__event_time";

/// The output column, qualified by the view's alias, that says what was found, as the number of an
/// [`asof_model::Status`]: 0 a row (whose values may be null), 2 missing, 3 expired.
pub const STATUS: &str = "__status";

/// One view, as the join reads it. The columns are those of `plan`, except the first of each pair in `on`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewSide {
    /// What qualifies its columns in the output; unique among the views.
    pub alias: String,
    /// Its rows.
    pub plan: LogicalPlan,
    /// Which column of the spine equals which of the view; at least one pair.
    pub on: Vec<(Column, Column)>,
    /// Event time: a timestamp of any unit and zone, or a date.
    pub timestamp: Column,
    /// When a row became known, where the view declares it; null means at its event time.
    pub known: Option<Column>,
    /// When a row was superseded by a revision; null means never.
    pub superseded: Option<Column>,
    /// The order of acceptance, an integer.
    pub seq: Option<Column>,
    /// Whether no two rows are equal in key, event time, known and seq, where the plan itself does not show it.
    pub unique: bool,
    /// How long a row counts, in microseconds.
    pub ttl: Option<Micros>,
    /// **All** features of the view, whether wanted or not: they decide ties, and training and materialization
    /// must decide them alike. Those nobody reads are pruned by the optimizer wherever rows cannot tie.
    pub features: Vec<Column>,
    /// Aggregates over as-of windows of the view's rows.
    pub windows: Vec<WindowCall>,
}

/// Joins `views` to `spine` as of `timestamp`, a column of the spine.
///
/// The output has the spine's fields as they are; then, for each view, its features, the results of its windows,
/// [`EVENT_TIME`] and [`STATUS`], qualified by the view's alias. Give the spine an alias of its own where one of its columns has a feature's
/// name, or the two cannot be told apart.
///
/// # Errors
/// `key_type` where a key of one type is compared with one of another, `column_type` where a
/// moment is not one, `ambiguous_column` where two output columns could not be told apart.
pub fn asof_join(
    spine: LogicalPlan,
    timestamp: Column,
    views: Vec<ViewSide>,
    known_at: KnownMoment,
) -> asof_model::Result<LogicalPlan> {
    let node = AsofJoin::try_new(spine, timestamp, views, known_at)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// Teaches a session to run [`asof_join`].
pub fn with_asof(builder: SessionStateBuilder) -> SessionStateBuilder {
    builder.with_query_planner(Arc::new(planner::Planner))
}
