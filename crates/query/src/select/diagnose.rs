//! What the engine says about a query, turned into a fault at a place, with a suggestion.

use asof_model::name::nearest;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{Query, SelectItem, SetExpr, Spanned};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use super::Problem;
use super::context::function_names;
use crate::fault::{At, Fault};

/// The fault for an error of the engine. Its place is the one the engine noted, else the one that `narrow`
/// finds for the error's message, else `whole`.
pub(super) fn fault(error: DataFusionError, whole: Span, narrow: impl FnOnce(&str) -> Option<Span>) -> Fault {
    let noted = error.diagnostic().and_then(|d| d.span).map(|span| {
        let location = |l: datafusion::common::Location| Location { line: l.line, column: l.column };
        Span::new(location(span.start), location(span.end))
    });
    let span = noted.or_else(|| narrow(&message(&error))).unwrap_or(whole);
    problem(&error).at(span)
}

fn problem(error: &DataFusionError) -> Problem {
    match root(error) {
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields),
            SchemaError::AmbiguousReference { field } => ambiguous(error, field),
            other => Problem::Invalid(other.to_string(), None),
        },
        DataFusionError::NotImplemented(reason) => Problem::Unsupported(reason.clone()),
        _ => planned(error),
    }
}

/// A reason that the engine gives in words only.
fn planned(error: &DataFusionError) -> Problem {
    let reason = message(error);
    if let Some((name, _)) = reason.strip_prefix("Invalid function '").and_then(|rest| rest.split_once('\'')) {
        let near = nearest(name, sorted(function_names())).map(str::to_owned);
        return Problem::UnknownFunction { name: name.to_owned(), near };
    }
    let is_about_types = TYPE_REASONS.iter().any(|words| reason.contains(words));
    if is_about_types && !reason.contains("but received") {
        return Problem::Types(in_sql_words(&reason));
    }
    // Where the engine has looked closer, it says it shorter.
    match error.diagnostic() {
        Some(noted) => Problem::Invalid(noted.message.clone(), noted.helps.first().map(|h| h.message.clone())),
        None => Problem::Invalid(in_sql_words(&reason), None),
    }
}

/// What the engine says when types do not fit.
const TYPE_REASONS: [&str; 5] = [
    "Cannot coerce",
    "Cannot infer common argument type",
    "No function matches",
    "non-boolean predicate",
    "type_coercion",
];

/// The names that Arrow has for SQL's types.
const TYPES: [(&str, &str); 12] = [
    ("Float64", "DOUBLE"),
    ("Float32", "REAL"),
    ("Int64", "BIGINT"),
    ("Int32", "INT"),
    ("Int16", "SMALLINT"),
    ("Int8", "TINYINT"),
    ("Utf8View", "VARCHAR"),
    ("Utf8", "VARCHAR"),
    ("Boolean", "BOOLEAN"),
    ("Date32", "DATE"),
    ("Binary", "BINARY"),
    ("Null", "NULL"),
];

/// A reason in one sentence, with types as users write them.
fn in_sql_words(reason: &str) -> String {
    let sentence = reason.lines().next().unwrap_or_default();
    let sentence = sentence.split(". ").next().unwrap_or_default();
    let mut words = String::with_capacity(sentence.len());
    for word in sentence.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        let name = TYPES.iter().find(|(arrow, _)| *arrow == bare).map_or(bare, |(_, sql)| sql);
        words.push_str(name);
        words.push_str(&word[bare.len()..]);
    }
    words.replace("Timestamp(µs, \"UTC\")", "TIMESTAMP").replace("Timestamp(ns)", "TIMESTAMP")
}

fn sorted(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

fn unknown_column(field: &Column, valid: &[Column]) -> Problem {
    let column = match &field.relation {
        Some(relation) => format!("`{}` in `{relation}`", field.name),
        None => format!("`{}`", field.name),
    };
    let within = |c: &&Column| field.relation.is_none() || c.relation == field.relation;
    let known: Vec<String> = valid.iter().filter(within).map(|c| c.name.clone()).collect();
    // A column of that name elsewhere is nearer than a similar one here.
    let elsewhere = valid.iter().find(|c| c.name == field.name).map(Column::flat_name);
    let near = elsewhere.or_else(|| nearest(&field.name, known.iter().map(String::as_str)).map(str::to_owned));
    Problem::UnknownColumn { column, near, known }
}

/// The engine tells the candidates only in the notes of its diagnostic: `possible column t.c`.
fn ambiguous(error: &DataFusionError, field: &Column) -> Problem {
    let notes = error.diagnostic().into_iter().flat_map(|d| &d.notes);
    let candidates = notes.filter_map(|note| note.message.strip_prefix("possible column ").map(str::to_owned));
    let (column, candidates) = (field.name.clone(), candidates.collect::<Vec<_>>());
    // Without candidates it is not about a reference, but about two columns that come out.
    if candidates.is_empty() {
        Problem::DuplicateColumn(column)
    } else {
        Problem::AmbiguousColumn { column, candidates }
    }
}

/// The error inside diagnostics and contexts. Of several the first.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, root),
        _ => error,
    }
}

/// The engine's reason, without its prefixes and back traces.
pub(super) fn message(error: &DataFusionError) -> String {
    let root = root(error);
    let text = match root {
        DataFusionError::Plan(reason)
        | DataFusionError::NotImplemented(reason)
        | DataFusionError::Execution(reason) => reason.clone(),
        DataFusionError::SchemaError(inner, _) => inner.to_string(),
        other => other.strip_backtrace(),
    };
    let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    text.trim().trim_end_matches('.').to_owned()
}

/// The smallest part of a query that fails in the same way by itself: an item of its SELECT, or its WHERE.
pub(super) fn narrow(query: &Query, fails: impl Fn(&Query) -> bool) -> Option<Span> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let changed = |change: &dyn Fn(&mut datafusion::sql::sqlparser::ast::Select)| {
        let mut part = query.clone();
        part.order_by = None;
        part.limit_clause = None;
        if let SetExpr::Select(select) = part.body.as_mut() {
            change(select);
        }
        fails(&part)
    };
    let known = |span: Span| (span != Span::empty()).then_some(span);
    if let Some(condition) = &select.selection
        && !changed(&|s| s.selection = None)
    {
        return known(condition.span());
    }
    let item = select.projection.iter().find(|item| changed(&|s| s.projection = vec![(*item).clone()]))?;
    known(match item {
        SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => expression.span(),
        other => other.span(),
    })
}
