//! The FROM of a service: `view`, `view AS alias` or `view(column, …) AS alias`, and nothing else.

use std::collections::HashSet;

use asof_model::{Columns, Definition};
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Query, Select, SetExpr, Spanned, TableFactor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{BoundView, Found, REQUEST};
use crate::bind::Problem;
use crate::fault::{At, Fault};

/// The one SELECT that a service may be. Rows are the spine's or the request's, so nothing may make, drop, group
/// or order them.
pub(super) fn only_select(query: &Query) -> Result<&Select, Fault> {
    let refuse = |what: &'static str, span: Span| {
        let span = if span == Span::empty() { query.span() } else { span };
        Err(Problem::NotInService(what).at(span))
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return refuse("UNION or another query around it", query.span());
    };
    if let Some(with) = &query.with {
        return refuse("WITH", with.span());
    }
    if let Some(order_by) = &query.order_by {
        return refuse("ORDER BY", order_by.span());
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return refuse("LIMIT", query.span());
    }
    if let Some(condition) = &select.selection {
        return refuse("WHERE", condition.span());
    }
    match &select.group_by {
        GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty() => {}
        by => return refuse("GROUP BY", by.span()),
    }
    if let Some(condition) = &select.having {
        return refuse("HAVING", condition.span());
    }
    if let Some(condition) = &select.qualify {
        return refuse("QUALIFY", condition.span());
    }
    if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
        return refuse("DISTINCT", select.span());
    }
    match select.from.iter().flat_map(|item| &item.joins).next() {
        Some(join) => refuse("a join", join.relation.span()),
        None => Ok(select),
    }
}

/// The views of FROM with their keys, aliases distinct.
pub(super) fn views<E: From<Fault>>(
    select: &Select,
    name: Span,
    mut find: impl FnMut(&str, Span) -> Result<Found, E>,
) -> Result<Vec<BoundView>, E> {
    let mut views = Vec::with_capacity(select.from.len());
    let mut aliases = HashSet::new();
    for item in &select.from {
        let factor = Factor::read(&item.relation)?;
        if factor.alias == REQUEST {
            return Err(Problem::AliasRequest.at(factor.alias_span).into());
        }
        if !aliases.insert(factor.alias.clone()) {
            return Err(Problem::AliasTwice(factor.alias).at(factor.alias_span).into());
        }
        let found = find(&factor.written, factor.span)?;
        views.push(factor.bind(found)?);
    }
    if views.is_empty() { Err(Problem::NoView.at(name).into()) } else { Ok(views) }
}

/// One item of FROM, as written.
struct Factor {
    written: String,
    span: Span,
    alias: String,
    alias_span: Span,
    /// The columns in parentheses.
    from: Option<Vec<String>>,
}

impl Factor {
    fn read(factor: &TableFactor) -> Result<Self, Fault> {
        let not_a_view = |span: Span| Problem::NotAView.at(span);
        let TableFactor::Table { name, alias, args, .. } = factor else { return Err(not_a_view(factor.span())) };
        let ident = name.0.first().and_then(|part| part.as_ident()).ok_or_else(|| not_a_view(name.span()))?;
        let (alias, alias_span) = match alias {
            Some(alias) if alias.columns.is_empty() => (alias.name.value.clone(), alias.name.span),
            Some(alias) => return Err(not_a_view(alias.name.span)),
            None => (ident.value.split('@').next().unwrap_or_default().to_owned(), ident.span),
        };
        let column = |arg: &FunctionArg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column))) => Ok(column.value.clone()),
            _ => Err(not_a_view(arg.span())),
        };
        let from = args.as_ref().map(|args| args.args.iter().map(column).collect::<Result<Vec<_>, _>>()).transpose()?;
        Ok(Factor { written: ident.value.clone(), span: ident.span, alias, alias_span, from })
    }

    fn bind(self, found: Found) -> Result<BoundView, Fault> {
        let key = found.entity.columns.clone();
        if let Some(given) = self.from.as_ref().map(Vec::len).filter(|given| *given != key.0.len()) {
            let names = key.names().collect::<Vec<_>>().join(", ");
            return Err(Problem::KeyCount { view: self.written, key: names, wanted: key.0.len(), given }.at(self.span));
        }
        let from = self.from.unwrap_or_else(|| key.names().map(str::to_owned).collect());
        let features = match &found.view.definition {
            Definition::FeatureView(view) => crate::features(view, &found.view, &found.entity),
            _ => Columns::default(),
        };
        Ok(BoundView { alias: self.alias, view: found.view, key, from, features, used: Vec::new() })
    }
}
