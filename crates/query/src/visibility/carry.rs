//! Putting real rows into a plan, and carrying the hidden columns up through it.
//!
//! What each node does to them, from the bottom up:
//!
//! | node | `_seq` | `_superseded` |
//! |---|---|---|
//! | projection, filter, alias, sort | kept | kept |
//! | window, limit, sort that fetches | kept | refused |
//! | inner join | the left side's, else the right's | of one side; refused of both |
//! | left, right, semi, anti join | of the side whose rows are kept, else the other's | of the side whose rows are kept; refused of the other |
//! | full join | the left side's, else the right's | refused |
//! | anything else, subqueries in expressions | dropped | refused |

use asof_model::Error as ModelError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, TableReference};
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, Join, LogicalPlan, LogicalPlanBuilder, Subquery, TableScan, cast,
};
use std::sync::Arc;

use super::error::Error;
use super::{Hidden, Relation, SEQ, SUPERSEDED};

type Relations<'a> = dyn FnMut(&TableReference) -> Result<Option<Relation>, ModelError> + 'a;

/// See [`super::expose`].
pub(super) fn expose(plan: LogicalPlan, relations: &mut Relations<'_>) -> Result<Relation, Error> {
    let visible = plan.schema().columns();
    let exposed = walk(&plan, relations)?;
    let columns: Vec<Column> = visible.into_iter().chain(exposed.hidden.columns().cloned()).collect();
    if exposed.plan.schema().columns() == columns {
        return Ok(exposed);
    }
    let plan = LogicalPlanBuilder::from(exposed.plan).project(columns.into_iter().map(Expr::Column))?.build()?;
    Ok(Relation { plan, hidden: exposed.hidden })
}

impl Hidden {
    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.seq.iter().chain(&self.superseded)
    }

    fn requalified(&self, qualifier: &TableReference) -> Hidden {
        let requalify = |column: &Column| Column::new(Some(qualifier.clone()), &column.name);
        Hidden { seq: self.seq.as_ref().map(requalify), superseded: self.superseded.as_ref().map(requalify) }
    }
}

impl Relation {
    fn visible(plan: LogicalPlan) -> Self {
        Relation { plan, hidden: Hidden::default() }
    }

    /// Refuses rows that may be superseded.
    fn for_ever(self, what: &'static str) -> Result<Self, Error> {
        match &self.hidden.superseded {
            Some(column) => {
                let table = column.relation.as_ref().map_or_else(|| column.name.clone(), |t| t.table().to_owned());
                Err(Error::RevisionsMixed { table, what })
            }
            None => Ok(self),
        }
    }

    /// Keeps only those hidden columns.
    fn keeping(self, hidden: Hidden) -> Result<Self, Error> {
        if self.hidden == hidden {
            return Ok(self);
        }
        let dropped: Vec<&Column> =
            self.hidden.columns().filter(|c| !hidden.columns().any(|kept| kept == *c)).collect();
        let kept: Vec<Expr> =
            self.plan.schema().columns().into_iter().filter(|c| !dropped.contains(&c)).map(Expr::Column).collect();
        let plan = LogicalPlanBuilder::from(self.plan).project(kept)?.build()?;
        Ok(Relation { plan, hidden })
    }

    fn without_hidden(self) -> Result<LogicalPlan, Error> {
        Ok(self.keeping(Hidden::default())?.plan)
    }
}

fn walk(plan: &LogicalPlan, relations: &mut Relations<'_>) -> Result<Relation, Error> {
    if let LogicalPlan::TableScan(scan) = plan {
        return table(scan, relations);
    }
    if let LogicalPlan::Join(join) = plan {
        return walk_join(join, plan, relations);
    }
    let exprs = expressions(plan, relations)?;
    let mut inputs = Vec::new();
    for input in plan.inputs() {
        inputs.push(walk(input, relations)?);
    }
    match plan {
        LogicalPlan::Projection(_) => {
            let input = only(inputs)?;
            let hidden: Vec<Expr> = input.hidden.columns().cloned().map(Expr::Column).collect();
            for expr in &exprs {
                let name = expr.qualified_name().1;
                if name == SEQ || name == SUPERSEDED {
                    return Err(Error::Reserved(name));
                }
            }
            // The hidden columns keep their names and qualifiers, so nothing the user wrote can mean them.
            let plan = plan.with_new_exprs(exprs.into_iter().chain(hidden).collect(), vec![input.plan])?;
            Ok(Relation { plan, hidden: input.hidden })
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = only(inputs)?;
            let hidden = input.hidden.requalified(&alias.alias);
            Ok(Relation { plan: LogicalPlanBuilder::from(input.plan).alias(alias.alias.clone())?.build()?, hidden })
        }
        LogicalPlan::Filter(_) => pass(plan, exprs, only(inputs)?),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => pass(plan, exprs, only(inputs)?),
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => pass(plan, exprs, only(inputs)?.for_ever("LIMIT")?),
        LogicalPlan::Window(_) => pass(plan, exprs, only(inputs)?.for_ever("a window function")?),
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let input = only(inputs)?.for_ever("DISTINCT")?.without_hidden()?;
            Ok(Relation::visible(distinct_on(on, exprs, input)?))
        }
        _ => {
            let what = match plan {
                LogicalPlan::Aggregate(_) => "an aggregate",
                LogicalPlan::Distinct(_) => "DISTINCT",
                LogicalPlan::Union(_) => "UNION",
                _ => "this query",
            };
            let inputs = inputs
                .into_iter()
                .map(|input| input.for_ever(what)?.without_hidden())
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Relation::visible(plan.with_new_exprs(exprs, inputs)?))
        }
    }
}

fn pass(plan: &LogicalPlan, exprs: Vec<Expr>, input: Relation) -> Result<Relation, Error> {
    Ok(Relation { plan: plan.with_new_exprs(exprs, vec![input.plan])?, hidden: input.hidden })
}

/// The node over another input, with an order, which the engine's own way to do that panics at.
fn distinct_on(on: &DistinctOn, mut exprs: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan, Error> {
    let sort = exprs.split_off((on.on_expr.len() + on.select_expr.len()).min(exprs.len()));
    let select = exprs.split_off(on.on_expr.len().min(exprs.len()));
    let order = on.sort_expr.iter().flatten().zip(sort).map(|(was, expr)| was.with_expr(expr));
    let order = on.sort_expr.is_some().then(|| order.collect());
    Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn::try_new(exprs, select, order, Arc::new(input))?)))
}

fn only(mut inputs: Vec<Relation>) -> Result<Relation, Error> {
    match (inputs.pop(), inputs.is_empty()) {
        (Some(input), true) => Ok(input),
        _ => Err(ModelError::internal("a node with one input has another number").into()),
    }
}

/// The relation of that name in place of the scan, with the scan's columns and types.
fn table(scan: &TableScan, relations: &mut Relations<'_>) -> Result<Relation, Error> {
    let Some(relation) = relations(&scan.table_name)? else {
        return Ok(Relation::visible(LogicalPlan::TableScan(scan.clone())));
    };
    if !scan.filters.is_empty() || scan.fetch.is_some() {
        return Err(ModelError::internal("a plan was optimized before its rows were put in").into());
    }
    let schema = Arc::clone(relation.plan.schema());
    let mut columns = Vec::new();
    for field in scan.projected_schema.fields() {
        let (qualifier, found) = schema
            .qualified_field_with_unqualified_name(field.name())
            .map_err(|_| Error::NoColumn { dataset: scan.table_name.to_string(), column: field.name().clone() })?;
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        columns.push(match found.data_type() == field.data_type() {
            true => column,
            false => cast(column, field.data_type().clone()).alias(field.name()),
        });
    }
    columns.extend(relation.hidden.columns().cloned().map(Expr::Column));
    let plan = LogicalPlanBuilder::from(relation.plan).project(columns)?.alias(scan.table_name.clone())?.build()?;
    Ok(Relation { plan, hidden: relation.hidden.requalified(&scan.table_name) })
}

fn walk_join(join: &Join, plan: &LogicalPlan, relations: &mut Relations<'_>) -> Result<Relation, Error> {
    use JoinType::*;
    const WHAT: &str = "this join";
    let exprs = expressions(plan, relations)?;
    let (mut left, mut right) = (walk(&join.left, relations)?, walk(&join.right, relations)?);
    // Only a side each of whose rows stays what it was may carry the moment at which it is superseded.
    match join.join_type {
        Inner if left.hidden.superseded.is_none() || right.hidden.superseded.is_none() => {}
        Inner | Full => {
            left = left.for_ever(WHAT)?;
            right = right.for_ever(WHAT)?;
        }
        Left | LeftSemi | LeftAnti | LeftMark => right = right.for_ever(WHAT)?,
        Right | RightSemi | RightAnti | RightMark => left = left.for_ever(WHAT)?,
    }
    let superseded = left.hidden.superseded.clone().or(right.hidden.superseded.clone());
    let (l, r) = (left.hidden.seq.clone(), right.hidden.seq.clone());
    let seq = match join.join_type {
        Inner | Left | Full => l.or(r),
        Right => r.or(l),
        LeftSemi | LeftAnti | LeftMark => l,
        RightSemi | RightAnti | RightMark => r,
    };
    let hidden = Hidden { seq, superseded };
    // What does not come out goes before the join, so that two sides with hidden columns of one name do not clash.
    let own = |side: &Hidden| Hidden {
        seq: side.seq.clone().filter(|c| hidden.seq.as_ref() == Some(c)),
        superseded: side.superseded.clone(),
    };
    let left_own = own(&left.hidden);
    let mut right_own = own(&right.hidden);
    if left_own.seq.is_some() {
        right_own.seq = None;
    }
    let (left, right) = (left.keeping(left_own)?.plan, right.keeping(right_own)?.plan);
    Ok(Relation { plan: plan.with_new_exprs(exprs, vec![left, right])?, hidden })
}

/// The node's expressions, with real rows in their subqueries.
fn expressions(plan: &LogicalPlan, relations: &mut Relations<'_>) -> Result<Vec<Expr>, Error> {
    let mut failure = None;
    let mut real = |mut subquery: Subquery| -> datafusion::error::Result<Subquery> {
        let rows = expose(subquery.subquery.as_ref().clone(), relations)
            .and_then(|r| r.for_ever("a subquery")?.without_hidden());
        match rows {
            Ok(rows) => subquery.subquery = Arc::new(rows),
            Err(error) => failure = Some(error),
        }
        Ok(subquery)
    };
    let mut exprs = Vec::new();
    for expr in plan.expressions() {
        let replaced = expr.transform_up(|expr| {
            Ok(match expr {
                Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(real(subquery)?)),
                Expr::Exists(mut exists) => {
                    exists.subquery = real(exists.subquery)?;
                    Transformed::yes(Expr::Exists(exists))
                }
                Expr::InSubquery(mut within) => {
                    within.subquery = real(within.subquery)?;
                    Transformed::yes(Expr::InSubquery(within))
                }
                Expr::SetComparison(mut comparison) => {
                    comparison.subquery = real(comparison.subquery)?;
                    Transformed::yes(Expr::SetComparison(comparison))
                }
                other => Transformed::no(other),
            })
        })?;
        exprs.push(replaced.data);
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(exprs),
    }
}
