//! Whether two rows of a view can be of one rank, so that their values decide which of them counts (rule 5).

use std::collections::BTreeSet;

use datafusion::common::Column;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Rows that are those of one dataset have its order of acceptance, and rows that are groups by key and time alone are
/// one per key and time: these cannot tie. Of all others it is not known. `tied` says of a source whether its rows may;
/// `ranked` are the columns that say whose a row is and when it counts.
pub(super) fn may_tie(plan: &LogicalPlan, tied: &dyn Fn(&str) -> bool, ranked: &[&str]) -> bool {
    let ranked = ranked.iter().map(|name| plan.schema().fields().iter().position(|field| field.name() == name));
    let ranked: Option<BTreeSet<usize>> = ranked.collect();
    descend(plan, tied, &ranked.unwrap_or_default())
}

/// `ranked` are places of columns of this node.
fn descend(plan: &LogicalPlan, tied: &dyn Fn(&str) -> bool, ranked: &BTreeSet<usize>) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => tied(scan.table_name.table()),
        LogicalPlan::SubqueryAlias(alias) => descend(&alias.input, tied, ranked),
        LogicalPlan::Filter(filter) => descend(&filter.input, tied, ranked),
        LogicalPlan::Sort(sort) => descend(&sort.input, tied, ranked),
        LogicalPlan::Limit(limit) => descend(&limit.input, tied, ranked),
        LogicalPlan::Window(window) => descend(&window.input, tied, ranked),
        LogicalPlan::Projection(projection) => {
            let below = ranked.iter().filter_map(|place| {
                let column = plain(projection.expr.get(*place)?)?;
                projection.input.schema().maybe_index_of_column(column)
            });
            descend(&projection.input, tied, &below.collect())
        }
        LogicalPlan::Aggregate(aggregate) => {
            let sets = matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
            let groups = grouping_set_to_exprlist(&aggregate.group_expr).map_or(0, |groups| groups.len());
            sets || (0..groups).any(|place| !ranked.contains(&place))
        }
        _ => true,
    }
}

/// The column that an expression is, under whatever name.
fn plain(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain(&alias.expr),
        _ => None,
    }
}
