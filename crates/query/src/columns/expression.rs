//! What an expression's value is made of.
//!
//! A column is itself; what is computed from values is a transformation, an aggregate's arguments an aggregation. What
//! decides in it is indirect: the conditions of a CASE, an aggregate's FILTER and ORDER BY, a window's PARTITION BY and
//! ORDER BY, and whatever decides which rows a subquery has.

use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Case, WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{Expr, SortExpr, Subquery};

use asof_model::flow::Way;

use super::uses::Uses;
use super::walk::{Scope, Stop, Walk};
use crate::windows::as_of;

impl Walk<'_> {
    /// What a value is made of.
    pub(super) fn value(&mut self, expression: &Expr, scope: &Scope<'_>) -> Result<Uses, Stop> {
        Ok(match expression {
            Expr::Column(column) => scope.own(column).ok_or_else(|| unknown(column))?.clone(),
            Expr::OuterReferenceColumn(_, column) => scope.outer(column).ok_or_else(|| unknown(column))?.clone(),
            Expr::Alias(alias) => self.value(&alias.expr, scope)?,
            Expr::Literal(..) | Expr::LambdaVariable(_) => Uses::default(),
            Expr::Case(case) => self.case(case, scope)?,
            Expr::AggregateFunction(aggregate) => {
                let params = &aggregate.params;
                let mut uses = self.values(&params.args, scope)?.then(Way::Aggregation);
                uses.add(&self.values(params.filter.as_deref(), scope)?.then(Way::Filter));
                uses.and(&self.order(&params.order_by, scope)?.then(Way::Sort))
            }
            Expr::WindowFunction(window) => match as_of(expression) {
                Some(_) => self.as_of_window(window, scope)?,
                None => self.window(window, scope)?,
            },
            Expr::ScalarSubquery(subquery) => {
                let (value, rows) = self.subquery(subquery, scope)?;
                value.and(&rows)
            }
            Expr::Exists(exists) => self.subquery(&exists.subquery, scope)?.1,
            Expr::InSubquery(within) => {
                let (value, rows) = self.subquery(&within.subquery, scope)?;
                let own = self.value(&within.expr, scope)?.then(Way::Transformation);
                own.and(&value.then(Way::Join)).and(&rows)
            }
            Expr::SetComparison(comparison) => {
                let (value, rows) = self.subquery(&comparison.subquery, scope)?;
                let own = self.value(&comparison.expr, scope)?.then(Way::Transformation);
                own.and(&value.then(Way::Join)).and(&rows)
            }
            // Whatever else there is computes its value from those of its parts.
            other => {
                let mut parts = Vec::new();
                other
                    .apply_children(|part| {
                        parts.push(part.clone());
                        Ok(TreeNodeRecursion::Continue)
                    })
                    .map_err(|e| Stop(e.strip_backtrace()))?;
                self.values(&parts, scope)?.then(Way::Transformation)
            }
        })
    }

    /// What several values are made of.
    pub(super) fn values<'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'e Expr>,
        scope: &Scope<'_>,
    ) -> Result<Uses, Stop> {
        let mut uses = Uses::default();
        for expression in expressions {
            uses.add(&self.value(expression, scope)?);
        }
        Ok(uses)
    }

    /// What an order is made of.
    pub(super) fn order(&mut self, by: &[SortExpr], scope: &Scope<'_>) -> Result<Uses, Stop> {
        self.values(by.iter().map(|sort| &sort.expr), scope)
    }

    fn case(&mut self, case: &Case, scope: &Scope<'_>) -> Result<Uses, Stop> {
        let whens = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
        let conditions = self.values(whens.chain(case.expr.as_deref()), scope)?.then(Way::Conditional);
        let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
        Ok(self.values(thens.chain(case.else_expr.as_deref()), scope)?.then(Way::Transformation).and(&conditions))
    }

    fn window(&mut self, window: &WindowFunction, scope: &Scope<'_>) -> Result<Uses, Stop> {
        let params = &window.params;
        let way = match window.fun {
            WindowFunctionDefinition::AggregateUDF(_) => Way::Aggregation,
            WindowFunctionDefinition::WindowUDF(_) => Way::Transformation,
        };
        let mut uses = self.values(&params.args, scope)?.then(way);
        uses.add(&self.values(params.filter.as_deref(), scope)?.then(Way::Filter));
        uses.add(&self.values(&params.partition_by, scope)?.then(Way::Window));
        Ok(uses.and(&self.order(&params.order_by, scope)?.then(Way::Window)))
    }

    /// The partition and order of an as-of window are the view's, which the view adds.
    fn as_of_window(&mut self, window: &WindowFunction, scope: &Scope<'_>) -> Result<Uses, Stop> {
        let params = &window.params;
        let uses = self.values(&params.args, scope)?.then(Way::Aggregation);
        let filter = self.values(params.filter.as_deref(), scope)?.then(Way::Filter);
        Ok(uses.and(&filter).and(&Uses::of(self.moment)))
    }

    /// What a subquery's first column is made of, and what decides which rows it has.
    fn subquery(&mut self, subquery: &Subquery, scope: &Scope<'_>) -> Result<(Uses, Uses), Stop> {
        let shape = self.plan(&subquery.subquery, Some(scope))?;
        Ok((shape.columns.into_iter().next().unwrap_or_default(), shape.rows))
    }
}

fn unknown(column: &Column) -> Stop {
    Stop(format!("column {}", column.flat_name()))
}
