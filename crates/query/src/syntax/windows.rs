//! As-of windows: an OVER without PARTITION BY and ORDER BY, directly or by a named window.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, NamedWindowExpr, Query, Select, Spanned, Visit, Visitor, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// The places of the functions that are computed over as-of windows.
pub(crate) fn as_of_windows(query: &Query) -> Vec<Span> {
    let mut windows = Windows { named: Vec::new(), found: Vec::new() };
    let ControlFlow::Continue(()) = query.visit(&mut windows);
    windows.found
}

struct Windows {
    /// For each SELECT around, its WINDOW clause.
    named: Vec<Vec<(String, NamedWindowExpr)>>,
    found: Vec<Span>,
}

impl Windows {
    /// Named windows may refer to one another; `depth` ends a circle, which the planner will refuse.
    fn is_bare_name(&self, name: &str, depth: usize) -> bool {
        let named = self.named.last().and_then(|windows| windows.iter().find(|(n, _)| n == name));
        match named {
            Some((_, NamedWindowExpr::WindowSpec(spec))) => is_bare(spec),
            Some((_, NamedWindowExpr::NamedWindow(other))) if depth > 0 => self.is_bare_name(&other.value, depth - 1),
            _ => false,
        }
    }
}

/// A window that starts from a named one was refused before (`reach`).
fn is_bare(spec: &WindowSpec) -> bool {
    spec.partition_by.is_empty() && spec.order_by.is_empty()
}

impl Visitor for Windows {
    type Break = std::convert::Infallible;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        self.named.push(select.named_window.iter().map(|w| (w.0.value.clone(), w.1.clone())).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<Self::Break> {
        self.named.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        if let Expr::Function(function) = expr {
            let bare = match &function.over {
                Some(WindowType::WindowSpec(spec)) => is_bare(spec),
                Some(WindowType::NamedWindow(name)) => self.is_bare_name(&name.value, 16),
                None => false,
            };
            if bare {
                self.found.push(function.name.span());
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

    fn check(select: &str, expected: usize) {
        let text = std::sync::Arc::new(Text::new(Source { file: "a.sql".into(), text: select.into() }));
        let query = Cursor::new(statements(&text).0.remove(0), &text).query().unwrap();
        assert_eq!(as_of_windows(&query).len(), expected, "{select}");
    }

    #[test]
    fn a_frame_alone_is_an_as_of_window() {
        check("SELECT avg(x) OVER (RANGE INTERVAL '7 days' PRECEDING) FROM t", 1);
        check("SELECT avg(x) OVER (ROWS 10 PRECEDING), count(*) OVER () FROM t", 2);
        check("SELECT avg(x) OVER w, sum(y) OVER w FROM t WINDOW w AS (RANGE INTERVAL '7 days' PRECEDING)", 2);
        check("SELECT avg(x) OVER v FROM t WINDOW w AS (ROWS 2 PRECEDING), v AS w", 1);
    }

    #[test]
    fn ordinary_windows_are_not() {
        check("SELECT avg(x) OVER (PARTITION BY k) FROM t", 0);
        check("SELECT avg(x) OVER (ORDER BY ts) FROM t", 0);
        check("SELECT avg(x) OVER w FROM t WINDOW w AS (ORDER BY ts)", 0);
        check("SELECT avg(x) FROM t", 0);
    }
}
