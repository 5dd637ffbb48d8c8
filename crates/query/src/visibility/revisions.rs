//! Revisions of one fact: which of them stay, and until when each counts.

use std::sync::Arc;

use asof_model::definition::Dataset;
use asof_model::schema::timestamp;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::functions_window::expr_fn::lead;
use datafusion::logical_expr::{Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, cast, lit, when};

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

/// The name of the moment of the next revision while it is computed.
const NEXT: &str = "_next";
/// The name of a fact's greatest sequence number while it is computed.
const LATEST: &str = "_latest";

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

    // A row with a null in its key is nobody's revision.
    let nobodys = dataset.key.iter().map(|key| column(key).is_null()).reduce(Expr::or).unwrap_or_else(|| lit(true));
    let key: Vec<_> = dataset.key.iter().map(|key| column(key)).collect();
    let Some(known) = &dataset.known_at else {
        // The latest is the one accepted last. An aggregate and a join: a window would cost far more, since most
        // facts have one revision and each would be a partition of its own.
        let latest = rows.clone().aggregate(key, [max(column(SEQ)).alias(LATEST)])?.project([unqualified(LATEST)])?;
        let on = (vec![Column::new(Some(name.clone()), SEQ)], vec![Column::new_unqualified(LATEST)]);
        let rows = rows.join(latest.build()?, JoinType::Left, on, None)?;
        let plan = aliased(rows.filter(unqualified(LATEST).is_not_null().or(nobodys))?.project(kept())?, &name)?;
        return Ok(Relation { plan, hidden: Hidden { seq, superseded: None } });
    };

    // The order of revisions: by when they became known, then by acceptance.
    let moment = |name: &str| cast(column(name), timestamp());
    let known = coalesce(vec![moment(known), moment(&dataset.timestamp)]);
    let order = [known.clone(), column(SEQ)].map(|rank| rank.sort(true, true)).to_vec();
    let next = lead(known, Some(1), None).partition_by(key).order_by(order).build()?.alias(NEXT);
    let rows = rows.window([next])?;
    if revisions == Revisions::Timed {
        let never = ScalarValue::try_new_null(&timestamp())?;
        let superseded = when(nobodys, lit(never)).otherwise(unqualified(NEXT))?.alias(SUPERSEDED);
        let plan = aliased(rows.project(kept().chain([superseded]))?, &name)?;
        return Ok(Relation { plan, hidden: Hidden { seq, superseded: hidden(SUPERSEDED) } });
    }
    let plan = aliased(rows.filter(unqualified(NEXT).is_null().or(nobodys))?.project(kept())?, &name)?;
    Ok(Relation { plan, hidden: Hidden { seq, superseded: None } })
}

fn unqualified(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn aliased(rows: LogicalPlanBuilder, name: &TableReference) -> Result<LogicalPlan, Error> {
    Ok(rows.alias(name.clone())?.build()?)
}
