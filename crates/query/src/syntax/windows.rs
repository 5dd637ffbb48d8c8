//! As-of windows: an OVER without PARTITION BY and ORDER BY, directly or by a named window.
//!
//! The view names the partition (its entity) and the order (its timestamp), and the current row is the moment asked
//! about. The engine knows no such window, but it can type one: [`read`] gives each a partition of its own, whose
//! name says the frame ([`marked`]), and what was so marked is taken out of the bound plan again (`crate::windows`).
//!
//! They stand in the items of the view's own SELECT, where each gives one value per moment. Anywhere else they would
//! have to be known before the moment is, so there they are refused, and so is all that mixes rows after them.

use std::ops::ControlFlow;

use asof_model::{Definition, Error, ErrorKind, Micros, Registered};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, NamedWindowDefinition,
    NamedWindowExpr, Query, Select, SetExpr, Spanned, Value, Visit, VisitMut, Visitor, VisitorMut, WindowFrame,
    WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::interval;
use super::problem::Problem;
use super::tokens::DIALECT;
use crate::fault::{At, Fault};
use crate::windows::{Frame, default_hop, marked, may_slide};

/// How deep named windows may refer to one another; a circle ends there, and the planner refuses it.
const MAX_NAMES: usize = 16;

/// The word that every window has.
const OVER: &[u8] = b"OVER";

/// A SELECT with as-of windows.
#[derive(Debug)]
pub(crate) struct AsOf {
    /// The SELECT with its as-of windows marked.
    pub(crate) query: Query,
    /// The functions over them, in order, with their places.
    pub(crate) calls: Vec<(String, Span)>,
    /// How far back those reach that are bounded in time.
    widths: Vec<Micros>,
}

impl AsOf {
    /// Whether all windows would slide by this anyway.
    pub(crate) fn slides_by(&self, slide: Micros) -> bool {
        self.widths.iter().all(|width| default_hop(*width) == slide)
    }
}

/// Marks the as-of windows of a view's SELECT; none if it has none.
///
/// # Errors
/// `window_frame`, `window_place` and `window_function`, each at the function it is about.
pub(crate) fn read(query: &Query, slide: Option<Micros>) -> Result<Option<AsOf>, Fault> {
    let all = find(query);
    if all.is_empty() {
        return Ok(None);
    }
    let mut query = query.clone();
    let beside = beside(&query);
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(Problem::WindowPlace.at(all[0])) };
    let mut marker = Marker {
        named: named(select),
        slide,
        queries: 0,
        functions: Vec::new(),
        calls: Vec::new(),
        widths: Vec::new(),
    };
    if let ControlFlow::Break(fault) = VisitMut::visit(&mut select.projection, &mut marker) {
        return Err(fault);
    }
    let Marker { calls, widths, named, .. } = marker;
    select.named_window.retain(|definition| bare(&definition.1, &named, MAX_NAMES).is_none());
    if let Some(span) = all.iter().find(|span| !calls.iter().any(|(_, marked)| marked == *span)) {
        return Err(Problem::WindowPlace.at(*span));
    }
    match beside {
        Some(what) => Err(Problem::WindowBeside(what).at(all[0])),
        None => Ok(Some(AsOf { query, calls, widths })),
    }
}

/// Whether a registered view has as-of windows.
///
/// # Errors
/// `internal`: what is registered was read before.
pub fn has_windows(registered: &Registered) -> Result<bool, Error> {
    let Definition::FeatureView(view) = &registered.definition else { return Ok(false) };
    // Reading a text takes a fifth of a millisecond, and there is no window without the word.
    if !view.query.as_bytes().windows(OVER.len()).any(|word| word.eq_ignore_ascii_case(OVER)) {
        return Ok(false);
    }
    let (query, _) = super::reread(registered, &view.query)?;
    Ok(!find(&query).is_empty())
}

/// Refuses to do with a view that has as-of windows what is only built for others.
///
/// # Errors
/// `windows_trained_only`.
pub fn refuse(registered: &Registered, what: &str) -> Result<(), Error> {
    if !has_windows(registered)? {
        return Ok(());
    }
    let message = format!("{} has as-of windows: it cannot be {what} yet", registered.pinned.reference());
    Err(Error::new(ErrorKind::Unsupported, "windows_trained_only", message)
        .remedy("train on it: CREATE TRAINING SET … FEATURES a service that reads it"))
}

/// Checks a view's SLIDE against its windows.
///
/// # Errors
/// `invalid_slide`.
pub(crate) fn check_slide(slide: Micros, windows: Option<&AsOf>, span: Span) -> Result<(), Fault> {
    if !may_slide(slide) {
        return Err(Problem::Slide.at(span));
    }
    match windows {
        Some(windows) if !windows.widths.is_empty() => Ok(()),
        _ => Err(Problem::SlideAlone.at(span)),
    }
}

/// What mixes, drops or orders the rows of a SELECT, if something does.
fn beside(query: &Query) -> Option<&'static str> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, modifiers) => !by.is_empty() || !modifiers.is_empty(),
    };
    let found = [
        (grouped, "GROUP BY"),
        (select.having.is_some(), "HAVING"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.distinct.is_some(), "DISTINCT"),
        (query.order_by.is_some(), "ORDER BY"),
        (query.limit_clause.is_some() || query.fetch.is_some(), "LIMIT"),
    ];
    found.into_iter().find(|(is, _)| *is).map(|(_, what)| what)
}

type Named = Vec<(String, NamedWindowExpr)>;

fn named(select: &Select) -> Named {
    select.named_window.iter().map(|NamedWindowDefinition(name, window)| (name.value.clone(), window.clone())).collect()
}

/// The specification of a window, if it is a bare frame.
fn bare<'a>(window: &'a NamedWindowExpr, named: &'a Named, depth: usize) -> Option<&'a WindowSpec> {
    match window {
        NamedWindowExpr::WindowSpec(spec) => is_bare(spec).then_some(spec),
        NamedWindowExpr::NamedWindow(other) if depth > 0 => {
            let (_, window) = named.iter().find(|(name, _)| *name == other.value)?;
            bare(window, named, depth - 1)
        }
        NamedWindowExpr::NamedWindow(_) => None,
    }
}

/// A window that starts from a named one was refused before (`reach`).
fn is_bare(spec: &WindowSpec) -> bool {
    spec.partition_by.is_empty() && spec.order_by.is_empty()
}

/// The window of a function, if it is a bare frame.
fn bare_over(function: &Function, named: &Named) -> Option<WindowSpec> {
    match function.over.as_ref()? {
        WindowType::WindowSpec(spec) => is_bare(spec).then(|| spec.clone()),
        WindowType::NamedWindow(name) => bare(&NamedWindowExpr::NamedWindow(name.clone()), named, MAX_NAMES).cloned(),
    }
}

/// The places of all functions over as-of windows, wherever they stand.
fn find(query: &Query) -> Vec<Span> {
    let mut windows = Windows { named: Vec::new(), found: Vec::new() };
    let ControlFlow::Continue(()) = query.visit(&mut windows);
    windows.found
}

struct Windows {
    /// For each SELECT around, its WINDOW clause.
    named: Vec<Named>,
    found: Vec<Span>,
}

impl Visitor for Windows {
    type Break = std::convert::Infallible;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        self.named.push(named(select));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<Self::Break> {
        self.named.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let none = Named::new();
        if let Expr::Function(function) = expr
            && bare_over(function, self.named.last().unwrap_or(&none)).is_some()
        {
            self.found.push(function.name.span());
        }
        ControlFlow::Continue(())
    }
}

/// Marks the as-of windows among the items of one SELECT.
struct Marker {
    named: Named,
    slide: Option<Micros>,
    /// How many subqueries are around.
    queries: usize,
    /// For each function with an OVER around, whether that is an as-of window.
    functions: Vec<bool>,
    calls: Vec<(String, Span)>,
    widths: Vec<Micros>,
}

impl VisitorMut for Marker {
    type Break = Fault;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Fault> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Fault> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if function.over.is_none() || self.queries > 0 {
            return ControlFlow::Continue(());
        }
        let spec = bare_over(function, &self.named);
        let span = function.name.span();
        if !self.functions.is_empty() && (spec.is_some() || self.functions.contains(&true)) {
            return ControlFlow::Break(Problem::WindowNested.at(span));
        }
        self.functions.push(spec.is_some());
        match spec.map(|spec| self.mark(function, &spec)) {
            Some(Err(problem)) => ControlFlow::Break(problem.at(span)),
            Some(Ok(())) | None => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        if self.queries == 0 && matches!(expr, Expr::Function(Function { over: Some(_), .. })) {
            self.functions.pop();
        }
        ControlFlow::Continue(())
    }
}

impl Marker {
    fn mark(&mut self, function: &mut Function, spec: &WindowSpec) -> Result<(), Problem> {
        let frame = spec.window_frame.as_ref().map_or(Ok(Frame::All), |frame| read_frame(frame, self.slide))?;
        if let Frame::Range { width, .. } = frame {
            self.widths.push(width);
        }
        let mark = marked(self.calls.len(), frame);
        self.calls.push((function.name.to_string(), function.name.span()));
        within_group(function)?;
        // A plain literal would not do: the engine leaves those out of PARTITION BY.
        let text = format!("CAST('{mark}' AS VARCHAR)");
        let mark = Parser::new(&DIALECT).try_with_sql(&text).and_then(|mut parser| parser.parse_expr());
        let mark = mark.map_err(|e| Problem::Syntax(e.to_string()))?;
        let spec = WindowSpec { window_name: None, partition_by: vec![mark], order_by: Vec::new(), window_frame: None };
        function.over = Some(WindowType::WindowSpec(spec));
        Ok(())
    }
}

fn read_frame(frame: &WindowFrame, slide: Option<Micros>) -> Result<Frame, Problem> {
    let wrong = |reason: &str| Err(Problem::WindowFrame(reason.to_owned()));
    if !matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow)) {
        return wrong("an as-of window ends at the moment asked about");
    }
    let WindowFrameBound::Preceding(start) = &frame.start_bound else {
        return wrong("an as-of window holds rows up to the moment asked about");
    };
    match (&frame.units, start.as_deref()) {
        (WindowFrameUnits::Range | WindowFrameUnits::Rows, None) => Ok(Frame::All),
        (WindowFrameUnits::Range, Some(Expr::Interval(written))) => {
            let width = interval::of(written).map_err(Problem::InvalidInterval)?;
            Ok(Frame::range(width, slide))
        }
        (WindowFrameUnits::Rows, Some(Expr::Value(value))) => match &value.value {
            Value::Number(n, _) => match n.parse() {
                Ok(n) if n > 0 => Ok(Frame::Rows(n)),
                _ => wrong("ROWS takes a whole number of rows, at least one"),
            },
            _ => wrong("ROWS takes a whole number of rows, at least one"),
        },
        (WindowFrameUnits::Range, Some(_)) => wrong("RANGE takes a length of time"),
        (WindowFrameUnits::Rows, Some(_)) => wrong("ROWS takes a whole number of rows, at least one"),
        (WindowFrameUnits::Groups, _) => wrong("an as-of window has no GROUPS"),
    }
}

/// `f(q) WITHIN GROUP (ORDER BY x)` becomes `f(x, q)`; with an OVER the engine would forget it.
fn within_group(function: &mut Function) -> Result<(), Problem> {
    let Some(order) = function.within_group.pop() else { return Ok(()) };
    let name = function.name.to_string();
    let ascending = order.options.asc != Some(false) && function.within_group.is_empty();
    match &mut function.args {
        FunctionArguments::List(list) if name == "approx_percentile_cont" && ascending => {
            list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(order.expr)));
            Ok(())
        }
        _ => Err(Problem::WindowGroup(name)),
    }
}

#[cfg(test)]
mod tests {
    use asof_model::time::{DAY, SECOND};

    use super::super::cursor::Cursor;
    use super::super::tokens::statements;
    use super::*;
    use crate::text::{Source, Text};
    use crate::windows::unmarked;

    fn parsed(select: &str) -> Box<Query> {
        let text = std::sync::Arc::new(Text::new(Source { file: "a.sql".into(), text: select.into() }));
        Cursor::new(statements(&text).0.remove(0), &text).query().unwrap()
    }

    /// The marks that a SELECT gets, in order.
    fn check(select: &str, expected: &[&str]) {
        let marked = read(&parsed(select), None).unwrap().map(|w| w.query.to_string()).unwrap_or_default();
        let marks: Vec<_> = marked.split("CAST('").skip(1).map(|m| m.split('\'').next().unwrap()).collect();
        let frames: Vec<_> = marks.iter().map(|mark| unmarked(mark).unwrap().to_string()).collect();
        assert_eq!(frames, expected, "{select}");
    }

    #[test]
    fn a_frame_alone_is_an_as_of_window() {
        let week = &format!("range {} {}", 7 * DAY, 3_600 * SECOND);
        check("SELECT avg(x) OVER (RANGE INTERVAL '7 days' PRECEDING) FROM t", &[week]);
        check("SELECT avg(x) OVER (RANGE BETWEEN INTERVAL '1' WEEK PRECEDING AND CURRENT ROW) FROM t", &[week]);
        check("SELECT avg(x) OVER (ROWS 10 PRECEDING), count(*) OVER () FROM t", &["rows 10", "all"]);
        check("SELECT avg(x) OVER (ROWS UNBOUNDED PRECEDING) FROM t", &["all"]);
        check(
            "SELECT avg(x) OVER w, sum(y) OVER w FROM t WINDOW w AS (RANGE INTERVAL '7 days' PRECEDING)",
            &[week, week],
        );
        check("SELECT avg(x) OVER v FROM t WINDOW w AS (ROWS 2 PRECEDING), v AS w", &["rows 2"]);
        check("SELECT 1 + coalesce(avg(x) OVER (), 0) - lag(x) OVER (ORDER BY ts) AS y FROM t", &["all"]);
    }

    #[test]
    fn ordinary_windows_are_not() {
        check("SELECT avg(x) OVER (PARTITION BY k) FROM t", &[]);
        check("SELECT avg(x) OVER (ORDER BY ts) FROM t", &[]);
        check("SELECT avg(x) OVER w FROM t WINDOW w AS (ORDER BY ts)", &[]);
        check("SELECT avg(x) FROM t", &[]);
    }

    #[test]
    fn what_a_window_cannot_be_is_refused() {
        let check = |select: &str, expected: Problem| {
            let fault = read(&parsed(select), None).unwrap_err();
            assert_eq!(fault.into_error(), expected.into(), "{select}");
        };
        check("SELECT a FROM (SELECT count(*) OVER () AS a FROM t) AS q", Problem::WindowPlace);
        check("SELECT a FROM t WHERE count(*) OVER () > 1", Problem::WindowPlace);
        check("SELECT count(*) OVER () AS a FROM t UNION ALL SELECT 1", Problem::WindowPlace);
        check("SELECT (SELECT count(*) OVER () FROM u) AS a, count(*) OVER () AS b FROM t", Problem::WindowPlace);
        check("SELECT DISTINCT count(*) OVER () AS a FROM t", Problem::WindowBeside("DISTINCT"));
        check("SELECT k, sum(count(*)) OVER () AS a FROM t GROUP BY k", Problem::WindowBeside("GROUP BY"));
        check("SELECT count(*) OVER () AS a FROM t ORDER BY b", Problem::WindowBeside("ORDER BY"));
        check("SELECT count(*) OVER () AS a FROM t LIMIT 3", Problem::WindowBeside("LIMIT"));
        check("SELECT sum(count(*) OVER ()) OVER () AS a FROM t", Problem::WindowNested);
        check("SELECT lag(count(*) OVER ()) OVER (ORDER BY ts) AS a FROM t", Problem::WindowNested);
        check(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) OVER () AS a FROM t",
            Problem::WindowGroup("percentile_cont".into()),
        );
        let frame = |reason: &str| Problem::WindowFrame(reason.into());
        check("SELECT sum(x) OVER (RANGE 3 PRECEDING) FROM t", frame("RANGE takes a length of time"));
        check("SELECT sum(x) OVER (ROWS 0 PRECEDING) FROM t", frame("ROWS takes a whole number of rows, at least one"));
        check("SELECT sum(x) OVER (GROUPS 1 PRECEDING) FROM t", frame("an as-of window has no GROUPS"));
        check(
            "SELECT sum(x) OVER (ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM t",
            frame("an as-of window ends at the moment asked about"),
        );
        check(
            "SELECT sum(x) OVER (RANGE INTERVAL '1 month' PRECEDING) FROM t",
            Problem::InvalidInterval("a month has no fixed length".into()),
        );
    }

    #[test]
    fn a_percentile_within_its_group_takes_two_arguments() {
        let select = "SELECT approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY x) OVER () AS p FROM t";
        let marked = read(&parsed(select), None).unwrap().unwrap().query.to_string();
        assert!(marked.contains("approx_percentile_cont(x, 0.9) OVER"), "{marked}");
    }

    #[test]
    fn a_slide_is_a_part_or_a_number_of_days_and_is_needed() {
        let windows = |select: &str| read(&parsed(select), None).unwrap();
        let check = |select: &str, slide: i64, expected: Option<Problem>| {
            let found = check_slide(Micros(slide), windows(select).as_ref(), Span::empty());
            assert_eq!(found.err().map(Fault::into_error), expected.map(Into::into), "{select} {slide}");
        };
        let week = "SELECT sum(x) OVER (RANGE INTERVAL '7 days' PRECEDING) FROM t";
        check(week, 3_600 * SECOND, None);
        check(week, 7 * SECOND, Some(Problem::Slide));
        check("SELECT sum(x) OVER (ROWS 3 PRECEDING) FROM t", DAY, Some(Problem::SlideAlone));
        check("SELECT x FROM t", DAY, Some(Problem::SlideAlone));
        assert!(windows(week).unwrap().slides_by(Micros(3_600 * SECOND)));
        assert!(!windows(week).unwrap().slides_by(Micros(DAY)));
    }
}
