//! Leaves event time and status of a view out of a join whose output nobody asks for them.
//!
//! The logical node always has them, since they belong to the answer; a projection above the join shows that they are not
//! wanted, once plans are physical. Of a view of as-of windows alone no row need be found then, only events added up.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::exec::{AsofJoinExec, ViewInput};

/// The projection over a join that gives no more than it must; none if nothing can be left out.
pub(super) fn lean(join: &AsofJoinExec, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let exprs = projection.expr();
    let wanted: Vec<usize> =
        exprs.iter().flat_map(|output| collect_columns(&output.expr)).map(|column| column.index()).collect();
    let mut kept: Vec<usize> = (0..join.spine().schema().fields().len()).collect();
    let mut behind = kept.len();
    let mut views = Vec::with_capacity(join.views().len());
    for view in join.views() {
        let first = behind;
        let found = first + view.features.len() + view.windows.len();
        behind = first + view.width();
        let found = (found..behind).any(|column| wanted.contains(&column));
        let view = ViewInput { found, ..view.clone() };
        kept.extend(first..first + view.width());
        views.push(view);
    }
    if kept.len() == behind {
        return Ok(None);
    }
    let schema = Arc::new(join.schema().project(&kept)?);
    let lean = AsofJoinExec::new(Arc::clone(join.spine()), join.timestamp(), views, join.known_at(), schema);
    let lean = if join.is_by_key() { lean.partitioned()? } else { lean };
    let moved = |expr: &Arc<dyn PhysicalExpr>| {
        let moved = Arc::clone(expr).transform(|expr| {
            let column = expr.downcast_ref::<Column>().map(|c| (c.name().to_owned(), c.index()));
            Ok(match column.and_then(|(name, index)| Some((name, kept.binary_search(&index).ok()?))) {
                Some((name, place)) => Transformed::yes(Arc::new(Column::new(&name, place)) as _),
                None => Transformed::no(expr),
            })
        });
        moved.map(|moved| moved.data)
    };
    let exprs = exprs.iter().map(|output| Ok(ProjectionExpr::new(moved(&output.expr)?, output.alias.clone())));
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Ok(Some(Arc::new(ProjectionExec::try_new(exprs, Arc::new(lean))?)))
}
