//! Revisions of one fact: which of them stay, and until when each counts.

use std::sync::Arc;

use asof_model::definition::Dataset;
use asof_model::schema::timestamp;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_window::expr_fn::lead;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, cast, lit, when};

use super::error::Error;
use super::{Hidden, Relation, SEQ, SUPERSEDED};

/// Which revisions of a fact are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// All, each with the moment at which it was superseded. Where a dataset does not say when a row became known
    /// there is no such moment, and this means the latest.
    Timed,
    /// The latest only.
    Latest,
}

/// The name of the next revision's rank while it is computed.
const NEXT: &str = "_next";

/// Scans a dataset: its visible columns, then [`SEQ`] and, for timed revisions, [`SUPERSEDED`].
///
/// A table without [`SEQ`] is accepted where the dataset has no `KEY`.
///
/// # Errors
/// `unknown_column` where the table lacks a column that `TIMESTAMP`, `KNOWN AT` or `KEY` names.
pub fn scan(dataset: &Dataset, table: Arc<dyn TableProvider>, revisions: Revisions) -> asof_model::Result<Relation> {
    Ok(resolve(dataset, table, revisions)?)
}

fn resolve(dataset: &Dataset, table: Arc<dyn TableProvider>, revisions: Revisions) -> Result<Relation, Error> {
    let schema = table.schema();
    let has = |name: &str| schema.field_with_name(name).is_ok();
    let needed = std::iter::once(&dataset.timestamp)
        .chain(&dataset.known_at)
        .map(String::as_str)
        .chain(dataset.key.iter().map(String::as_str));
    let needed = needed.chain((!dataset.key.is_empty()).then_some(SEQ));
    if let Some(column) = needed.into_iter().find(|name| !has(name)) {
        return Err(Error::NoColumn { dataset: dataset.name.to_string(), column: column.to_owned() });
    }

    let name = TableReference::bare(dataset.name.as_str());
    let column = |column: &str| Expr::Column(Column::new(Some(name.clone()), column));
    let hidden = |column: &str| Some(Column::new(Some(name.clone()), column));
    let seq = if has(SEQ) { hidden(SEQ) } else { None };
    let visible: Vec<Expr> =
        schema.fields().iter().map(|f| f.name().as_str()).filter(|f| *f != SEQ).map(column).collect();
    let kept = || visible.iter().cloned().chain(seq.clone().map(Expr::Column));

    let rows = LogicalPlanBuilder::scan(name.clone(), provider_as_source(table), None)?;
    if dataset.key.is_empty() {
        return Ok(Relation { plan: rows.project(kept())?.build()?, hidden: Hidden { seq, superseded: None } });
    }

    // The order of revisions: by when they became known, then by acceptance.
    let known = dataset.known_at.as_ref().map(|known| {
        let moment = |name: &str| cast(column(name), timestamp());
        coalesce(vec![moment(known), moment(&dataset.timestamp)])
    });
    let order: Vec<_> = known.iter().cloned().chain([column(SEQ)]).map(|rank| rank.sort(true, true)).collect();
    let next = lead(known.clone().unwrap_or_else(|| column(SEQ)), Some(1), None)
        .partition_by(dataset.key.iter().map(|key| column(key)).collect())
        .order_by(order)
        .build()?
        .alias(NEXT);
    let rows = rows.window([next])?;
    let next = || Expr::Column(Column::new_unqualified(NEXT));
    // A row with a null in its key is nobody's revision.
    let nobodys = dataset.key.iter().map(|key| column(key).is_null()).reduce(Expr::or).unwrap_or_else(|| lit(true));

    if known.is_some() && revisions == Revisions::Timed {
        let never = ScalarValue::try_new_null(&timestamp())?;
        let superseded = when(nobodys, lit(never)).otherwise(next())?.alias(SUPERSEDED);
        let plan = aliased(rows.project(kept().chain([superseded]))?, &name)?;
        return Ok(Relation { plan, hidden: Hidden { seq, superseded: hidden(SUPERSEDED) } });
    }
    let plan = aliased(rows.filter(next().is_null().or(nobodys))?.project(kept())?, &name)?;
    Ok(Relation { plan, hidden: Hidden { seq, superseded: None } })
}

fn aliased(rows: LogicalPlanBuilder, name: &TableReference) -> Result<LogicalPlan, Error> {
    Ok(rows.alias(name.clone())?.build()?)
}
