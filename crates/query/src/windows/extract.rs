//! Takes as-of windows out of a bound plan.
//!
//! The engine has bound a view's SELECT with its as-of windows marked: a projection, over windows, over the rest. What
//! comes out are event rows, computed by the engine as any rows are, and what is to be done with them at each moment.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection, Window};

use super::function::{constant, understand};
use super::{Argument, Frame, HIDDEN, Problem, WindowCall, unmarked};

/// A view's SELECT without its as-of windows, and they beside it.
#[derive(Clone, Debug)]
pub(crate) struct Windowed {
    /// The rows: the columns that come from no window by their names and in their order, then hidden ones.
    pub(crate) events: LogicalPlan,
    /// The windows, over columns of `events`.
    pub(crate) calls: Vec<WindowCall>,
    /// The columns that come from windows.
    pub(crate) computed: Vec<Computed>,
    /// The hidden columns of `events` that those are computed from as well, beside windows.
    pub(crate) beside: Vec<String>,
}

/// A column that comes from windows.
#[derive(Clone, Debug)]
pub(crate) struct Computed {
    /// Its name.
    pub(crate) name: String,
    /// Its value, from results of windows and columns of the row that wins.
    pub(crate) expression: Expr,
    /// Whether it needs that row.
    pub(crate) reads_row: bool,
}

/// Takes the windows out.
pub(crate) fn extract(plan: LogicalPlan) -> Result<Windowed, Problem> {
    let LogicalPlan::Projection(Projection { expr: outputs, input, .. }) = plan else {
        return Err(Problem::Defect(format!("{} is not a projection over windows", plan.display())));
    };
    let mut extraction = Extraction::default();
    let rest = extraction.windows(Arc::unwrap_or_clone(input))?;
    if holds_marks(&rest)? {
        return Err(Problem::Beneath);
    }
    extraction.outputs(&outputs)?;
    let Extraction { calls, plain, hidden, computed, beside, .. } = extraction;
    let hidden = hidden.into_iter().map(|(expression, name)| expression.alias(name));
    let events = LogicalPlanBuilder::from(rest).project(plain.into_iter().chain(hidden))?.build()?;
    Ok(Windowed { events, calls, computed, beside })
}

#[derive(Default)]
struct Extraction {
    calls: Vec<WindowCall>,
    /// For each call the column of the bound plan with its result.
    results: Vec<Column>,
    plain: Vec<Expr>,
    /// Hidden columns: their values and names.
    hidden: Vec<(Expr, String)>,
    computed: Vec<Computed>,
    beside: Vec<String>,
}

impl Extraction {
    /// What is below the windows, with the ordinary ones left where they are.
    fn windows(&mut self, plan: LogicalPlan) -> Result<LogicalPlan, Problem> {
        let LogicalPlan::Window(Window { input, window_expr, schema }) = plan else { return Ok(plan) };
        let first = input.schema().fields().len();
        let below = input.schema().clone();
        let rest = self.windows(Arc::unwrap_or_clone(input))?;
        let mut ordinary = Vec::new();
        for (n, expression) in window_expr.into_iter().enumerate() {
            match as_of(&expression) {
                Some((function, frame)) => {
                    let (qualifier, field) = schema.qualified_field(first + n);
                    let types = (function.params.args.iter()).map(|argument| argument.get_type(&below));
                    let types = types.collect::<Result<Vec<_>, _>>()?;
                    let understood = understand(&function.fun, &function.params, &types, frame)?;
                    let WindowFunctionParams { args, filter, .. } = &function.params;
                    let arguments = args.iter().take(understood.columns).map(|argument| match constant(argument) {
                        Some(value) if understood.columns > 1 => Argument::Constant(value),
                        _ => Argument::Column(self.column("argument", argument)),
                    });
                    let arguments = arguments.collect();
                    let shown: Vec<_> = args.iter().map(Expr::to_string).collect();
                    self.results.push(Column::new(qualifier.cloned(), field.name()));
                    let call = WindowCall {
                        name: format!("{HIDDEN}window_{}", self.calls.len()),
                        written: format!("{}({})", function.fun.name(), shown.join(", ")),
                        measure: understood.measure,
                        arguments,
                        filter: filter.as_ref().map(|filter| self.column("argument", filter)),
                        frame,
                        data_type: field.data_type().clone(),
                    };
                    self.calls.push(call);
                }
                None => ordinary.push(expression),
            }
        }
        if ordinary.is_empty() {
            return Ok(rest);
        }
        Ok(LogicalPlan::Window(Window::try_new(ordinary, Arc::new(rest))?))
    }

    fn outputs(&mut self, outputs: &[Expr]) -> Result<(), Problem> {
        for output in outputs {
            let name = output.qualified_name().1;
            let expression = output.clone().unalias();
            let read = expression.column_refs();
            if !read.iter().any(|column| self.results.contains(column)) {
                self.plain.push(expression.alias(name));
                continue;
            }
            let reads_row = read.iter().any(|column| !self.results.contains(column));
            if expression.exists(|e| Ok(is_subquery(e)))? {
                return Err(Problem::Subquery(name));
            }
            let expression = expression.transform(|e| match e {
                Expr::Column(column) => Ok(Transformed::yes(Expr::Column(self.result_or_row(&column)))),
                other => Ok(Transformed::no(other)),
            })?;
            self.computed.push(Computed { name, expression: expression.data, reads_row });
        }
        Ok(())
    }

    fn result_or_row(&mut self, column: &Column) -> Column {
        match self.results.iter().position(|result| result == column) {
            Some(call) => Column::new_unqualified(&self.calls[call].name),
            None => {
                let row = self.column("row", &Expr::Column(column.clone()));
                if !self.beside.contains(&row.name) {
                    self.beside.push(row.name.clone());
                }
                row
            }
        }
    }

    /// The hidden column with this value. What is an argument and what is beside windows stay apart, since the rows'
    /// own columns decide between rows of one rank.
    fn column(&mut self, purpose: &str, value: &Expr) -> Column {
        let prefix = format!("{HIDDEN}{purpose}_");
        let known = self.hidden.iter().find(|(hidden, name)| hidden == value && name.starts_with(&prefix));
        let name = known.map(|(_, name)| name.clone()).unwrap_or_else(|| {
            let name = format!("{prefix}{}", self.hidden.len());
            self.hidden.push((value.clone(), name.clone()));
            name
        });
        Column::new_unqualified(name)
    }
}

/// The function and frame of a marked window.
pub(crate) fn as_of(expression: &Expr) -> Option<(&WindowFunction, Frame)> {
    match expression {
        Expr::Alias(alias) => as_of(&alias.expr),
        Expr::WindowFunction(function) => {
            let [partition] = function.params.partition_by.as_slice() else { return None };
            let name = constant(partition)?;
            let frame = unmarked(name.try_as_str().flatten()?)?;
            Some((function, frame))
        }
        _ => None,
    }
}

/// Whether some as-of window is left, because something stands between it and the columns that come out.
fn holds_marks(plan: &LogicalPlan) -> Result<bool, Problem> {
    let is_marked = |node: &LogicalPlan| match node {
        LogicalPlan::Window(window) => Ok(window.window_expr.iter().any(|expression| as_of(expression).is_some())),
        _ => Ok(false),
    };
    Ok(plan.exists(is_marked)?)
}

fn is_subquery(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(_, _)
    )
}

impl From<DataFusionError> for Problem {
    fn from(error: DataFusionError) -> Self {
        Problem::Defect(error.strip_backtrace())
    }
}
