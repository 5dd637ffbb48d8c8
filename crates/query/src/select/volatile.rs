//! Functions whose value depends on when or where they are computed are refused: a training set could not be
//! rebuilt, and serving would differ from training.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::WindowFunctionDefinition;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Query, Spanned, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::Problem;
use crate::fault::{At, Fault};

/// # Errors
/// `unstable_function` at the place where the function is called.
pub(super) fn check(plan: &LogicalPlan, query: &Query) -> Result<(), Fault> {
    let mut unstable = None;
    let walked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            unstable = unstable.take().or(find(expression));
            Ok(if unstable.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    });
    walked.map_err(|e| super::refused(e, query.span()))?;
    refuse(unstable, |name| place(query, name, query.span()))
}

/// # Errors
/// `unstable_function`.
pub(super) fn check_expression(bound: &Expr, written: &SqlExpr) -> Result<(), Fault> {
    refuse(find(bound), |name| place(written, name, written.span()))
}

fn refuse(unstable: Option<String>, place: impl Fn(&str) -> Span) -> Result<(), Fault> {
    match unstable {
        Some(name) => {
            let span = place(&name);
            Err(Problem::Unstable(name).at(span))
        }
        None => Ok(()),
    }
}

/// The name of the first function in an expression that is not immutable.
fn find(expression: &Expr) -> Option<String> {
    let mut found = None;
    let walked = expression.apply(|e| {
        let (name, volatility) = match e {
            Expr::ScalarFunction(call) => (call.func.name(), call.func.signature().volatility),
            Expr::AggregateFunction(call) => (call.func.name(), call.func.signature().volatility),
            Expr::WindowFunction(call) => match &call.fun {
                WindowFunctionDefinition::AggregateUDF(f) => (f.name(), f.signature().volatility),
                WindowFunctionDefinition::WindowUDF(f) => (f.name(), f.signature().volatility),
            },
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        if volatility == Volatility::Immutable {
            return Ok(TreeNodeRecursion::Continue);
        }
        found = Some(name.to_owned());
        Ok(TreeNodeRecursion::Stop)
    });
    debug_assert!(walked.is_ok(), "the closure never fails");
    found
}

/// Where a function is called. It may be written by another of its names; then the place is `otherwise`.
fn place(tree: &impl Visit, name: &str, otherwise: Span) -> Span {
    struct Calls<'a>(&'a str);
    impl Visitor for Calls<'_> {
        type Break = Span;
        fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<Span> {
            match expr {
                SqlExpr::Function(call) if call.name.to_string() == self.0 => ControlFlow::Break(call.name.span()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match tree.visit(&mut Calls(name)) {
        ControlFlow::Break(span) => span,
        ControlFlow::Continue(()) => otherwise,
    }
}
