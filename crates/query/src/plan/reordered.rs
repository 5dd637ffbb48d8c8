//! A dataset's rows in another order: what comes out differently then was never determined by the rows.

use asof_model::Result;
use asof_model::definition::Dataset;
use datafusion::common::TableReference;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};

use super::planning_error;
use crate::visibility::Relation;

/// First the rows with an odd number, then those with an even one. Rows without numbers stay as they are.
pub(super) fn reordered(source: Relation, dataset: &Dataset) -> Result<Relation> {
    let Some(seq) = &source.hidden.seq else { return Ok(source) };
    let remainder = || Expr::Column(seq.clone()) % lit(2_i64);
    let [odd, even] = [remainder().not_eq(lit(0_i64)), remainder().eq(lit(0_i64))]
        .map(|half| LogicalPlanBuilder::from(source.plan.clone()).filter(half).and_then(LogicalPlanBuilder::build));
    let even = even.map_err(planning_error)?;
    let plan = LogicalPlanBuilder::from(odd.map_err(planning_error)?)
        .union(even)
        .and_then(|both| both.alias(TableReference::bare(dataset.name.as_str())))
        .and_then(LogicalPlanBuilder::build);
    Ok(Relation { plan: plan.map_err(planning_error)?, hidden: source.hidden })
}
