//! A dataset as it was at a moment.
//!
//! Facts are resolved first and cut off afterwards: where nothing says when a revision became known, the last one
//! is the truth about its moment (SEMANTICS), and cutting before would bring back what was corrected.

use asof_model::definition::Dataset;
use asof_model::schema::timestamp;
use asof_model::{Micros, Result};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};

use super::planning_error;
use crate::visibility::{Relation, Revisions};

/// The rows of a dataset's scan that had happened by `moment`, and were known and not yet superseded then. To who
/// asks for the latest revisions every row is known when it happens.
pub(super) fn cut_off(source: Relation, dataset: &Dataset, revisions: Revisions, moment: Micros) -> Result<Relation> {
    let name = TableReference::bare(dataset.name.as_str());
    let time = |column: &str| cast(Expr::Column(Column::new(Some(name.clone()), column)), timestamp());
    let at = || lit(ScalarValue::TimestampMicrosecond(Some(moment.0), Some("UTC".into())));
    let happened = time(&dataset.timestamp);
    let mut there = happened.clone().lt_eq(at());
    if let (Revisions::Timed, Some(known)) = (revisions, &dataset.known_at) {
        there = there.and(coalesce(vec![time(known), happened]).lt_eq(at()));
    }
    if let Some(superseded) = &source.hidden.superseded {
        let superseded = Expr::Column(superseded.clone());
        there = there.and(superseded.clone().is_null().or(superseded.gt(at())));
    }
    let plan = LogicalPlanBuilder::from(source.plan).filter(there).and_then(LogicalPlanBuilder::build);
    Ok(Relation { plan: plan.map_err(planning_error)?, hidden: source.hidden })
}
