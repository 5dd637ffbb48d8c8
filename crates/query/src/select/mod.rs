//! From a SELECT to a typed plan over the columns of what it names.
//!
//! The plan scans **stubs**: tables that have a schema and no rows, by the name the text uses. Binding needs no
//! more; planning swaps the stubs for real scans. Both call [`plan`], so a query cannot mean one thing when it
//! is checked and another when it runs. Types are coerced here, once.

mod context;
mod diagnose;
mod problem;
mod volatile;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use asof_model::Columns;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, Result as EngineResult};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::Analyzer;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Ident, Query, SelectItem, SetExpr, Spanned, Statement, TableAlias, TableFactor, VisitMut,
    VisitorMut,
};

use crate::bounded::windows;
use crate::fault::{At, Fault};
use context::Context;
pub(crate) use problem::Problem;

/// What a query may read: the schema of each name, as the text writes it.
pub(crate) type Relations = BTreeMap<String, SchemaRef>;

/// The settings under which every plan is bound and run, so that text means the same everywhere: UTC, plain string
/// types.
pub(crate) static OPTIONS: LazyLock<Arc<ConfigOptions>> = LazyLock::new(|| {
    let mut options = ConfigOptions::new();
    options.execution.time_zone = Some("+00:00".to_owned());
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    Arc::new(options)
});

/// The schema under which a table's columns are bound.
pub(crate) fn stub(columns: &Columns) -> SchemaRef {
    Arc::new(columns.to_arrow())
}

/// The typed plan of a query.
///
/// # Errors
/// `unknown_column`, `ambiguous_column`, `unknown_function`, `unstable_function`, `invalid_query` and
/// `unsupported_sql`, each at its place.
pub(crate) fn plan(query: &Query, relations: &Relations) -> Result<LogicalPlan, Fault> {
    let plan = attempt(query, relations).map_err(|error| {
        diagnose::fault(error, query.span(), |message| {
            let fails = |part: &Query| attempt(part, relations).is_err_and(|e| diagnose::message(&e) == message);
            diagnose::narrow(query, fails)
        })
    })?;
    volatile::check(&plan, query)?;
    Ok(plan)
}

fn attempt(query: &Query, relations: &Relations) -> EngineResult<LogicalPlan> {
    let mut query = query.clone();
    let ControlFlow::Continue(()) = query.visit(&mut PlainAliases);
    let context = Context { relations };
    let planner = SqlToRel::new_with_options(&context, parser_options());
    let plan = planner.sql_statement_to_plan(Statement::Query(Box::new(query)))?;
    windows(Analyzer::new().execute_and_check(plan, &OPTIONS, |_, _| {})?)
}

/// An expression over the columns of a schema, not yet coerced.
///
/// # Errors
/// Those of [`plan`].
pub(crate) fn expression(expression: &SqlExpr, schema: &DFSchema) -> Result<Expr, Fault> {
    let context = Context { relations: &Relations::new() };
    let planner = SqlToRel::new_with_options(&context, parser_options());
    let bound = planner.sql_to_expr(expression.clone(), schema, &mut PlannerContext::new());
    let bound = bound.map_err(|error| diagnose::fault(error, expression.span(), |_| None))?;
    volatile::check_expression(&bound, expression)?;
    Ok(bound)
}

/// What the engine says about an expression or plan at a known place, as a fault.
pub(crate) fn refused(
    error: datafusion::error::DataFusionError,
    span: datafusion::sql::sqlparser::tokenizer::Span,
) -> Fault {
    diagnose::fault(error, span, |_| None)
}

fn parser_options() -> ParserOptions {
    ParserOptions::new().with_collect_spans(true).with_map_string_types_to_utf8view(false)
}

/// `FROM flights@3` can be qualified as `flights`, as if the version were not there.
struct PlainAliases;

impl VisitorMut for PlainAliases {
    type Break = std::convert::Infallible;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { name, alias: alias @ None, .. } = factor
            && let Some(ident) = name.0.first().and_then(|part| part.as_ident())
            && let Some((plain, _)) = ident.value.split_once('@')
        {
            let name = Ident::with_span(ident.span, plain);
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        ControlFlow::Continue(())
    }
}

/// Refuses output columns that have no name of their own, and two of one name. It looks at the text, before
/// the engine does, which would tell neither as clearly.
///
/// # Errors
/// `unnamed_column`, `duplicate_column`, `reserved_column`.
pub(crate) fn check_output(query: &Query) -> Result<(), Fault> {
    let mut seen = std::collections::HashSet::new();
    for item in first_select(&query.body) {
        let name = match item {
            SelectItem::UnnamedExpr(SqlExpr::Identifier(ident)) => &ident.value,
            SelectItem::UnnamedExpr(SqlExpr::CompoundIdentifier(parts)) if !parts.is_empty() => {
                &parts[parts.len() - 1].value
            }
            SelectItem::ExprWithAlias { alias, .. } => &alias.value,
            SelectItem::UnnamedExpr(other) => return Err(Problem::UnnamedColumn(other.to_string()).at(other.span())),
            _ => continue,
        };
        if is_reserved(name) {
            return Err(Problem::ReservedColumn(name.clone()).at(item.span()));
        }
        if !seen.insert(name) {
            return Err(Problem::DuplicateColumn(name.clone()).at(item.span()));
        }
    }
    Ok(())
}

/// Names that Asof gives to hidden and derived columns itself.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with("__") || name == "_seq" || name == "_superseded" || name.ends_with("__status")
}

/// The items of the SELECT that names the output: of a union the first one.
pub(crate) fn first_select(body: &SetExpr) -> &[SelectItem] {
    match body {
        SetExpr::Select(select) => &select.projection,
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => &[],
    }
}

fn gives(item: &SelectItem, name: &str) -> bool {
    match item {
        SelectItem::UnnamedExpr(SqlExpr::Identifier(ident)) => ident.value == name,
        SelectItem::UnnamedExpr(SqlExpr::CompoundIdentifier(parts)) => parts.last().is_some_and(|i| i.value == name),
        SelectItem::ExprWithAlias { alias, .. } => alias.value == name,
        _ => false,
    }
}

/// The place of the item that gives an output column; of the whole query where `*` gives it.
pub(crate) fn span_of_output(query: &Query, name: &str) -> datafusion::sql::sqlparser::tokenizer::Span {
    let item = first_select(&query.body).iter().find(|item| gives(item, name));
    item.map_or(query.span(), Spanned::span)
}

/// The output columns of a plan in their normal types, each name once.
///
/// # Errors
/// `duplicate_column`, `reserved_column` and `unsupported_type`, naming the column.
pub(crate) fn output_columns(query: &Query, plan: &LogicalPlan) -> Result<Columns, Fault> {
    let mut seen = std::collections::HashSet::new();
    let fields = plan.schema().fields().iter().map(|field| {
        // Only `*` can give what `check_output` has not seen.
        if !seen.insert(field.name()) {
            return Err(Problem::DuplicateColumn(field.name().clone()).at(query.span()));
        }
        if is_reserved(field.name()) {
            return Err(Problem::ReservedColumn(field.name().clone()).at(query.span()));
        }
        let data_type = asof_model::schema::normal(field.data_type());
        let data_type = data_type.ok_or_else(|| {
            Problem::UnsupportedType(field.name().clone(), type_name(field.data_type()))
                .at(span_of_output(query, field.name()))
        })?;
        Ok(asof_model::Column { name: field.name().clone(), data_type, nullable: field.is_nullable() })
    });
    Ok(Columns(fields.collect::<Result<_, Fault>>()?))
}

/// A type for messages.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Timestamp(_, _) => "TIMESTAMP".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".to_owned(),
        other => asof_model::schema::sql_type(other),
    }
}
