//! Why a view may tell the future: what in its SELECT can let a row depend on rows that come later.
//!
//! Read from the shape of the plan, so these are suspicions, to be told once rows were seen to differ: a frame
//! that looks ahead over a column that never changes leaks nothing. What the views below it do is not looked at.

use asof_model::{Definition, Kind, Registered, Result};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, Join, LogicalPlan, Operator, Subquery, WindowFrameBound, WindowFrameUnits,
};

use super::{Planner, not_a, planning_error};
use crate::stack::deep;
use crate::visibility::Revisions;

impl Planner<'_> {
    /// What in a view's own SELECT can make a row depend on later ones, and what to write instead, the likeliest
    /// first; never empty.
    ///
    /// # Errors
    /// Those of [`Planner::view`].
    pub fn causes(&self, registered: &Registered) -> Result<Vec<String>> {
        let Definition::FeatureView(view) = &registered.definition else {
            return Err(not_a(registered, Kind::FeatureView, registered.definition.kind()));
        };
        deep(|| {
            let (bound, _) = self.bound_view(registered, view, Revisions::Timed, 0)?;
            causes(&bound.plan, &view.timestamp).map_err(planning_error)
        })
    }
}

fn causes(plan: &LogicalPlan, timestamp: &str) -> datafusion::common::Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let stamped = Column::new(plan.schema().qualified_field_with_unqualified_name(timestamp)?.0.cloned(), timestamp);
    found.extend(origin(plan, &stamped).and_then(|origin| origin.cause(timestamp)));
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Join(join) => found.extend(unbounded_join(join)),
            LogicalPlan::Limit(_) => found.push("LIMIT takes other rows once later ones are there".to_owned()),
            LogicalPlan::Distinct(Distinct::On(_)) => {
                found.push("DISTINCT ON takes another row once later ones are there".to_owned());
            }
            _ => {}
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                found.extend(match part {
                    Expr::WindowFunction(window) => looks_ahead(window, timestamp),
                    Expr::ScalarSubquery(subquery) => reads_everything(subquery),
                    Expr::Exists(exists) => reads_everything(&exists.subquery),
                    Expr::InSubquery(within) => reads_everything(&within.subquery),
                    _ => None,
                });
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if found.is_empty() {
        found.push(format!(
            "a row is made of rows that come after its own `{timestamp}`: stamp it with the moment at which the last \
             row that it is made of was there"
        ));
    }
    let mut told = std::collections::HashSet::new();
    found.retain(|cause| told.insert(cause.clone()));
    Ok(found)
}

/// What the event time of a row is made of, as far as it can tell the future.
enum Origin {
    /// Rounded down to a day, an hour, … by this function.
    Rounded(String),
    /// The first moment of rows that were gathered.
    First,
    /// The last moment of rows that were gathered.
    Last,
    /// An earlier moment than the column says.
    MovedBack,
}

impl Origin {
    fn cause(self, timestamp: &str) -> Option<String> {
        Some(match self {
            Origin::Rounded(how) => format!(
                "`{timestamp}` is rounded down ({how}), so a row is stamped before the rows that it is made of: stamp it \
                 with the end of its period (… + INTERVAL), or use a window that ends at the current row"
            ),
            Origin::First => format!(
                "`{timestamp}` is the first moment of the rows that are gathered (min): stamp the row with the last one, \
                 or use a window that ends at the current row"
            ),
            Origin::Last => format!(
                "GROUP BY keeps one row for rows of many moments, and `{timestamp}` (max) moves on with each of them: \
                 give one row per moment, with a window that ends at the current row"
            ),
            Origin::MovedBack => {
                format!("`{timestamp}` is moved back by a subtraction, to before the row that it comes from")
            }
        })
    }
}

/// Follows an output column down to what makes it; nothing where that is a plain column, or out of sight.
fn origin(plan: &LogicalPlan, column: &Column) -> Option<Origin> {
    let place = plan.schema().maybe_index_of_column(column)?;
    let below = |input: &LogicalPlan, place: usize| {
        let column = input.schema().columns().into_iter().nth(place)?;
        origin(input, &column)
    };
    match plan {
        LogicalPlan::Projection(projection) => made_of(projection.expr.get(place)?, &projection.input),
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input, place),
        LogicalPlan::Filter(filter) => below(&filter.input, place),
        LogicalPlan::Sort(sort) => below(&sort.input, place),
        LogicalPlan::Limit(limit) => below(&limit.input, place),
        LogicalPlan::Window(window) => below(&window.input, place),
        LogicalPlan::Distinct(Distinct::All(input)) => below(input, place),
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.get(place) {
            Some(key) => made_of(key, &aggregate.input),
            None => match aggregate.aggr_expr.get(place - aggregate.group_expr.len())?.clone().unalias() {
                Expr::AggregateFunction(call) if call.func.name() == "min" => Some(Origin::First),
                Expr::AggregateFunction(call) if call.func.name() == "max" => Some(Origin::Last),
                _ => None,
            },
        },
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            if place < left { below(&join.left, place) } else { below(&join.right, place - left) }
        }
        _ => None,
    }
}

fn made_of(expression: &Expr, input: &LogicalPlan) -> Option<Origin> {
    match expression {
        Expr::Alias(alias) => made_of(&alias.expr, input),
        Expr::Column(column) => origin(input, column),
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Date32 => Some(Origin::Rounded("to DATE".to_owned())),
        Expr::Cast(cast) => made_of(&cast.expr, input),
        Expr::TryCast(cast) => made_of(&cast.expr, input),
        Expr::ScalarFunction(call) if matches!(call.func.name(), "date_trunc" | "date_bin" | "to_date") => {
            Some(Origin::Rounded(call.func.name().to_owned()))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Minus, .. }) => Some(Origin::MovedBack),
        _ => None,
    }
}

/// A window function that sees rows after the current one.
fn looks_ahead(window: &WindowFunction, timestamp: &str) -> Option<String> {
    let (name, params) = (window.fun.name(), &window.params);
    let frame = &params.window_frame;
    if params.order_by.is_empty() {
        return Some(format!(
            "`{name}` OVER (…) has no ORDER BY, so it sees its whole partition, later rows too: add ORDER BY {timestamp}"
        ));
    }
    let descending = params.order_by.first().is_some_and(|order| !order.asc);
    let over_all_rows = matches!(name, "lead" | "ntile" | "percent_rank" | "cume_dist");
    let ahead = matches!(frame.end_bound, WindowFrameBound::Following(_));
    // Functions of rank and distance do not use the frame.
    let ranked = matches!(name, "row_number" | "rank" | "dense_rank" | "lag");
    if descending {
        Some(format!("`{name}` OVER (… DESC) counts from the end, so later rows come first"))
    } else if over_all_rows {
        Some(format!("`{name}` looks at rows after the current one"))
    } else if ahead && !ranked {
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        };
        Some(format!(
            "the frame of `{name}` OVER (… {units} … FOLLOWING) ends after the current row: end it with CURRENT ROW"
        ))
    } else {
        None
    }
}

/// A join whose condition says nothing about time, so that a row meets those of later moments too.
fn unbounded_join(join: &Join) -> Option<String> {
    let on = join.on.iter().flat_map(|(left, right)| [left, right]);
    let schemas = [join.left.schema(), join.right.schema()];
    let is_time = |column: &&Column| {
        let field = schemas.iter().find_map(|schema| schema.field_from_column(column).ok());
        field.is_some_and(|field| is_moment(field.data_type()))
    };
    if on.chain(&join.filter).any(|condition| condition.column_refs().iter().any(&is_time)) {
        return None;
    }
    let tables = tables(&join.right);
    Some(format!(
        "the join with {tables} says nothing about time, so a row of {tables} that comes later counts too: add a \
         condition like `{tables}.time <= …`"
    ))
}

/// A subquery that is not held to the row's own moment.
fn reads_everything(subquery: &Subquery) -> Option<String> {
    let outer = |expr: &Expr| matches!(expr, Expr::OuterReferenceColumn(field, _) if is_moment(field.data_type()));
    if subquery.outer_ref_columns.iter().any(outer) {
        return None;
    }
    let tables = tables(&subquery.subquery);
    Some(format!("a subquery reads all of {tables}, rows that come later too"))
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64)
}

/// The names of what a plan scans: `airports`, `airports and planes`.
fn tables(plan: &LogicalPlan) -> String {
    let mut names: Vec<String> = Vec::new();
    let walked = plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && !names.iter().any(|name| name == scan.table_name.table())
        {
            names.push(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "looking cannot fail");
    if names.is_empty() { "what it reads".to_owned() } else { names.join(" and ") }
}
