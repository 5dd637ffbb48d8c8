//! What a SELECT may contain, and the names it reads.
//!
//! A definition is one SELECT (with CTEs, joins, unions and subqueries inside) and reaches nothing but what it
//! names: no table functions, no statements, no parameters, no recursion.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, NamedWindowDefinition, NamedWindowExpr, ObjectName, Query, Select, SelectFlavor, SetExpr, Spanned,
    TableFactor, Value, ValueWithSpan, Visit, Visitor, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::cursor::Result;
use super::problem::Problem;
use crate::fault::{At, Fault};

/// Refuses what is not a SELECT over names. Only where `calls` says so may a name in FROM have arguments:
/// a service's `view(column)`.
pub(super) fn check(query: &Query, calls: bool) -> Result<()> {
    match query.visit(&mut Guard { around: query.span(), calls }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(fault) => Err(fault),
    }
}

/// Remembers the innermost query, for parts whose own place the parser does not keep.
struct Guard {
    around: Span,
    calls: bool,
}

impl Guard {
    fn refuse_if(&self, refused: bool, what: &'static str, span: Span) -> ControlFlow<Fault> {
        let span = if span == Span::empty() { self.around } else { span };
        if refused { ControlFlow::Break(Problem::NotAllowed(what).at(span)) } else { ControlFlow::Continue(()) }
    }
}

impl Visitor for Guard {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Fault> {
        let span = query.span();
        if span != Span::empty() {
            self.around = span;
        }
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        self.refuse_if(recursive, "WITH RECURSIVE", span)?;
        self.refuse_if(!query.locks.is_empty(), "a lock (FOR UPDATE)", span)?;
        self.refuse_if(query.for_clause.is_some(), "FOR XML, JSON or BROWSE", span)?;
        self.refuse_if(query.settings.is_some(), "SETTINGS", span)?;
        self.refuse_if(query.format_clause.is_some(), "FORMAT", span)?;
        self.refuse_if(!query.pipe_operators.is_empty(), "pipe operators", span)?;
        self.body(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Fault> {
        let span = select.span();
        self.refuse_if(select.into.is_some(), "SELECT INTO", span)?;
        self.refuse_if(select.flavor != SelectFlavor::Standard, "FROM before SELECT", span)?;
        self.refuse_if(!select.lateral_views.is_empty(), "LATERAL VIEW", span)?;
        self.refuse_if(select.prewhere.is_some(), "PREWHERE", span)?;
        self.refuse_if(!select.connect_by.is_empty(), "CONNECT BY", span)?;
        self.refuse_if(select.top.is_some(), "TOP", span)?;
        let sorted = [&select.cluster_by, &select.distribute_by].iter().any(|by| !by.is_empty());
        self.refuse_if(sorted || !select.sort_by.is_empty(), "CLUSTER, DISTRIBUTE or SORT BY", span)?;
        select.named_window.iter().try_for_each(|NamedWindowDefinition(_, window)| match window {
            NamedWindowExpr::WindowSpec(spec) => inherits(spec),
            NamedWindowExpr::NamedWindow(_) => ControlFlow::Continue(()),
        })
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Fault> {
        let span = factor.span();
        match factor {
            TableFactor::Table {
                name, args, version, partitions, json_path, sample, index_hints, with_hints, ..
            } => {
                self.refuse_if(args.is_some() && !self.calls, "a table function", span)?;
                let plain = version.is_none()
                    && sample.is_none()
                    && json_path.is_none()
                    && partitions.is_empty()
                    && index_hints.is_empty()
                    && with_hints.is_empty();
                self.refuse_if(!plain, "options of a table", span)?;
                let one = name.0.len() == 1 && name.0[0].as_ident().is_some();
                self.refuse_if(!one, "a name with a schema or catalog", name.span())
            }
            TableFactor::Derived { sample, .. } => self.refuse_if(sample.is_some(), "a sample", span),
            TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            _ => self.refuse_if(true, "a table function", span),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Fault> {
        match expr {
            Expr::Function(Function { over: Some(WindowType::WindowSpec(spec)), .. }) => inherits(spec),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Fault> {
        self.refuse_if(matches!(value.value, Value::Placeholder(_)), "a placeholder", value.span)
    }
}

impl Guard {
    fn body(&self, body: &SetExpr) -> ControlFlow<Fault> {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => ControlFlow::Continue(()),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            SetExpr::Table(_) => self.refuse_if(true, "TABLE", self.around),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.refuse_if(true, "a statement that changes data", self.around)
            }
        }
    }
}

/// DataFusion 55 reads a window that starts from a named one (`OVER (w ROWS 2 PRECEDING)`) without the name's PARTITION
/// BY and ORDER BY: a wrong answer in silence, so it is refused.
fn inherits(spec: &WindowSpec) -> ControlFlow<Fault> {
    match &spec.window_name {
        Some(name) => ControlFlow::Break(Problem::InheritedWindow(name.value.clone()).at(name.span)),
        None => ControlFlow::Continue(()),
    }
}

/// A name in FROM, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) written: String,
    pub(crate) span: Span,
}

/// The names that a query reads, in order, without those that its own WITH introduces.
pub(crate) fn names(query: &Query) -> Vec<Named> {
    let mut names = Names { scopes: Vec::new(), found: Vec::new() };
    let ControlFlow::Continue(()) = query.visit(&mut names);
    names.found
}

/// The CTEs of one query that is being visited.
struct Scope {
    names: Vec<(String, *const Query)>,
    /// How many of them have been visited and so can be seen by what follows.
    visible: usize,
}

struct Names {
    scopes: Vec<Scope>,
    found: Vec<Named>,
}

impl Visitor for Names {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let names = ctes.map(|cte| (cte.alias.name.value.clone(), std::ptr::from_ref(cte.query.as_ref()))).collect();
        self.scopes.push(Scope { names, visible: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        // A CTE is visible from its own end on: `WITH flights AS (SELECT … FROM flights)` reads the dataset.
        if let Some(outer) = self.scopes.last_mut() {
            let next = outer.names.get(outer.visible).map(|(_, query)| *query);
            outer.visible += usize::from(next == Some(std::ptr::from_ref(query)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        if let [part] = relation.0.as_slice()
            && let Some(ident) = part.as_ident()
        {
            let local = self.scopes.iter().any(|s| s.names[..s.visible].iter().any(|(name, _)| *name == ident.value));
            if !local {
                self.found.push(Named { written: ident.value.clone(), span: ident.span });
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Cursor;
    use super::super::tokens::statements;
    use super::*;
    use crate::text::{Source, Text};

    fn query(sql: &str) -> Box<Query> {
        let text = std::sync::Arc::new(Text::new(Source { file: "a.sql".into(), text: sql.into() }));
        Cursor::new(statements(&text).0.remove(0), &text).query().unwrap()
    }

    #[test]
    fn names_are_those_not_introduced_inside() {
        let check = |sql: &str, expected: &[&str]| {
            let found: Vec<_> = names(&query(sql)).into_iter().map(|n| n.written).collect();
            assert_eq!(found, expected, "{sql}");
        };
        check("SELECT 1 FROM a, b AS c JOIN d@3 ON true", &["a", "b", "d@3"]);
        check("WITH a AS (SELECT * FROM a), b AS (SELECT * FROM a) SELECT * FROM b, c", &["a", "c"]);
        check("SELECT * FROM (WITH x AS (SELECT * FROM y) SELECT * FROM x) AS q, x", &["y", "x"]);
        check("SELECT * FROM a WHERE i IN (SELECT i FROM b) UNION ALL SELECT * FROM c", &["a", "b", "c"]);
    }

    #[test]
    fn a_window_that_starts_from_another_is_refused() {
        let check = |sql: &str| {
            let fault = super::check(&query(sql), false).unwrap_err();
            assert_eq!(fault.into_error(), Problem::InheritedWindow("w".into()).into(), "{sql}");
        };
        check("SELECT sum(x) OVER (w ROWS 2 PRECEDING) FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)");
        check("SELECT sum(x) OVER v FROM t WINDOW w AS (PARTITION BY k), v AS (w ORDER BY ts)");
        check("SELECT * FROM (SELECT sum(x) OVER (w) FROM t WINDOW w AS (ORDER BY ts)) AS q");
    }

    #[test]
    fn what_reaches_further_is_refused() {
        let check = |sql: &str, what: &'static str| {
            let fault = super::check(&query(sql), false).unwrap_err();
            assert_eq!(fault.into_error(), Problem::NotAllowed(what).into(), "{sql}");
        };
        check("SELECT * FROM unnest(a)", "a table function");
        check("SELECT * FROM TABLE(f(1))", "a table function");
        check("SELECT * FROM generate_series(1, 10)", "a table function");
        assert!(super::check(&query("SELECT * FROM view(origin) AS v"), true).is_ok());
        check("SELECT * FROM s.t", "a name with a schema or catalog");
        check("SELECT * INTO t FROM a", "SELECT INTO");
        check("SELECT * FROM a WHERE x = $1", "a placeholder");
        check("WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a", "WITH RECURSIVE");
        check("SELECT * FROM a FOR UPDATE", "a lock (FOR UPDATE)");
        check("WITH a AS (INSERT INTO t VALUES (1)) SELECT * FROM a", "a statement that changes data");
        check("SELECT * FROM (SELECT * FROM a TABLESAMPLE (10 PERCENT)) AS b", "options of a table");
    }
}
