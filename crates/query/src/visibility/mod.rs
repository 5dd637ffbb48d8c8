//! Which rows of a dataset count: revisions, and the hidden columns that carry what the as-of join must know.
//!
//! # What it promises
//! A dataset's provider shows its visible columns and [`SEQ`], the order in which rows were accepted. With `KEY`, rows
//! equal on the key are revisions of one fact, and [`scan`] resolves them:
//!
//! - [`Revisions::Timed`], on a dataset with `KNOWN AT`: every revision stays, and [`SUPERSEDED`] says when it was
//!   superseded, which is when the next revision (by known, then `seq`) became known. As of a moment m exactly those
//!   rows count that are known by m and superseded after m; the as-of join asks for each row's own m.
//! - [`Revisions::Latest`], or no `KNOWN AT`: only the last revision stays.
//!
//! A row with a null in a key column is nobody's revision: it is a fact of its own.
//!
//! A view's SELECT is bound over visible columns only. [`expose`] then puts the real rows in and carries the
//! hidden columns up through whatever keeps rows as they are, so that the view's own rows have them. What mixes rows
//! (`GROUP BY`, `DISTINCT`, `UNION`) has no `seq` any more; ties among its rows are broken by their values.
//! What mixes rows that are superseded at different moments is refused: its answer would change with the moment
//! it is asked for, and the view's rows are computed once.
//!
//! # What it costs
//! A dataset without `KEY`: nothing. With one: a sort by key (it may spill) of the columns that are used.

mod carry;
mod error;
mod revisions;

use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::LogicalPlan;

pub use revisions::{Revisions, scan};

/// The hidden column with the order of acceptance.
pub const SEQ: &str = "_seq";

/// The hidden column with the moment at which a row was superseded; null means that it never was.
pub const SUPERSEDED: &str = "_superseded";

/// Which hidden columns a plan has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// The order of acceptance. It may repeat where a join repeats rows, and be null where one adds rows.
    pub seq: Option<Column>,
    /// When a row was superseded.
    pub superseded: Option<Column>,
}

/// Rows with their hidden columns: a dataset's, or a view's.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The rows: visible columns first, then those that `hidden` names.
    pub plan: LogicalPlan,
    /// Which columns are hidden.
    pub hidden: Hidden,
}

/// Puts real rows into a plan that was bound over visible columns only.
///
/// Every table scan in `plan`, in its subqueries too, is replaced by what `relations` gives for the scan's table
/// name (a [`scan`] of a dataset, or another view that was exposed before); a scan for which it gives nothing
/// stays. The result has the columns of `plan`, in order, followed by the hidden ones.
///
/// # Errors
/// `revisions_mixed` (not supported) where rows that are superseded at different moments would be mixed,
/// `reserved_column` where a column is called [`SEQ`] or [`SUPERSEDED`], and whatever `relations` fails with.
pub fn expose(
    plan: LogicalPlan,
    relations: &mut dyn FnMut(&TableReference) -> asof_model::Result<Option<Relation>>,
) -> asof_model::Result<Relation> {
    Ok(carry::expose(plan, relations)?)
}
