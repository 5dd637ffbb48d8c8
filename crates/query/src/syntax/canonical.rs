//! One way to write what SQL lets one write in several: what means the same has one text, and so one digest (law 1).
//!
//! Letter case, white space and comments are gone before (`tokens`), and much else as soon as the parser writes a text
//! out. Here the rest of the free choices is made: words that may be left out (`AS`, `INNER`, `OUTER`, `ASC`, `ALL`,
//! `UNION DISTINCT`), `x::t` for `CAST(x AS t)`, names of one type, quotes around plain names, and parentheses around
//! what is of one piece or stands alone. Only the written form changes; the text means to the engine what it meant.
//! Parentheses that show an order of operations stay, needed or not: to tell, one would need the parser's precedences.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Distinct, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, JoinConstraint, JoinOperator, NamedWindowDefinition, NamedWindowExpr, ObjectName,
    ObjectNamePart, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, SetQuantifier, TableAlias,
    TableFactor, TableWithJoins, TimezoneInfo, VisitMut, VisitorMut, WindowType,
};
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

/// The canonical text of a query or an expression.
pub(super) fn text<T: VisitMut + Clone + ToString>(written: &T) -> String {
    let mut canonical = written.clone();
    let ControlFlow::Continue(()) = canonical.visit(&mut Canonical::default());
    canonical.to_string()
}

#[derive(Default)]
struct Canonical {
    /// Of each expression that is being visited: whether a field or element of it is taken.
    roots: Vec<bool>,
    next_is_root: bool,
}

impl VisitorMut for Canonical {
    type Break = std::convert::Infallible;

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        set_operations(&mut query.body);
        if let Some(OrderByKind::Expressions(order)) = query.order_by.as_mut().map(|by| &mut by.kind) {
            ordered(order);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        let Select { distinct, projection, from, selection, group_by, having, qualify, named_window, .. } = select;
        distinct.take_if(|distinct| *distinct == Distinct::All);
        projection.iter_mut().for_each(item);
        from.iter_mut().for_each(joined);
        [selection, having, qualify].into_iter().flatten().for_each(alone);
        if let GroupByExpr::Expressions(by, _) = group_by {
            by.iter_mut().for_each(alone);
        }
        for NamedWindowDefinition(_, window) in named_window {
            if let NamedWindowExpr::WindowSpec(spec) = window {
                ordered(&mut spec.order_by);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Self::Break> {
        for part in &mut relation.0 {
            if let ObjectNamePart::Identifier(name) = part {
                plain(name);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            joined(table_with_joins);
        }
        if let TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } = factor
        {
            let TableAlias { explicit, name, .. } = alias;
            *explicit = true;
            plain(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.roots.push(mem::take(&mut self.next_is_root));
        self.next_is_root = matches!(expr, Expr::CompoundFieldAccess { .. } | Expr::JsonAccess { .. });
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.next_is_root = false;
        let is_root = self.roots.pop().unwrap_or_default();
        match expr {
            // `(a).b` is a field of the column `a`, `a.b` a column of the relation `a`.
            Expr::Nested(inner) if !is_root && is_closed(inner) => alone(expr),
            Expr::Nested(inner) => alone(inner),
            Expr::Identifier(name) => plain(name),
            Expr::CompoundIdentifier(names) => names.iter_mut().for_each(plain),
            Expr::Cast { kind, expr, data_type, .. } => {
                if *kind == CastKind::DoubleColon {
                    *kind = CastKind::Cast;
                }
                alone(expr);
                one_name(data_type);
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                operand.iter_mut().chain(else_result).for_each(|part| alone(part));
                conditions.iter_mut().flat_map(|when| [&mut when.condition, &mut when.result]).for_each(alone);
            }
            Expr::InList { list, .. } => list.iter_mut().for_each(alone),
            Expr::Function(function) => called(function),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn set_operations(body: &mut SetExpr) {
    if let SetExpr::SetOperation { set_quantifier, left, right, .. } = body {
        if *set_quantifier == SetQuantifier::Distinct {
            *set_quantifier = SetQuantifier::None;
        }
        set_operations(left);
        set_operations(right);
    }
}

fn item(item: &mut SelectItem) {
    match item {
        SelectItem::UnnamedExpr(expr) => alone(expr),
        SelectItem::ExprWithAlias { expr, alias } => {
            alone(expr);
            plain(alias);
        }
        _ => {}
    }
}

fn joined(from: &mut TableWithJoins) {
    use JoinOperator::{FullOuter, Inner, Join, Left, LeftOuter, Right, RightOuter};
    for join in &mut from.joins {
        let operator = &mut join.join_operator;
        let (Inner(constraint)
        | Join(constraint)
        | Left(constraint)
        | LeftOuter(constraint)
        | Right(constraint)
        | RightOuter(constraint)
        | FullOuter(constraint)) = operator
        else {
            continue;
        };
        if let JoinConstraint::On(condition) = constraint {
            alone(condition);
        }
        let constraint = mem::replace(constraint, JoinConstraint::None);
        *operator = match operator {
            Left(_) | LeftOuter(_) => Left(constraint),
            Right(_) | RightOuter(_) => Right(constraint),
            FullOuter(_) => FullOuter(constraint),
            _ => Join(constraint),
        };
    }
}

fn called(function: &mut Function) {
    if let FunctionArguments::List(list) = &mut function.args {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument {
                alone(argument);
            }
        }
    }
    if let Some(condition) = &mut function.filter {
        alone(condition);
    }
    if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
        spec.partition_by.iter_mut().for_each(alone);
        ordered(&mut spec.order_by);
    }
}

fn ordered(order: &mut [OrderByExpr]) {
    for OrderByExpr { expr, options, .. } in order {
        alone(expr);
        options.asc.take_if(|ascending| *ascending);
    }
}

/// What stands alone between commas or keywords needs no parentheses.
fn alone(expr: &mut Expr) {
    while let Expr::Nested(inner) = expr {
        *expr = mem::replace(inner.as_mut(), Expr::Identifier(Ident::new("")));
    }
}

/// Whether it is of one piece, whatever stands before and behind it.
fn is_closed(expr: &Expr) -> bool {
    use Expr::{Case, Cast, CompoundIdentifier, Function, Identifier, Value};
    matches!(expr, Identifier(_) | CompoundIdentifier(_) | Value(_) | Function(_) | Cast { .. } | Case { .. })
}

/// Takes the quotes off a name that means the same without them.
fn plain(name: &mut Ident) {
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_plain = name.value.starts_with(is_letter)
        && name.value.chars().all(|c| is_letter(c) || c.is_ascii_digit())
        && ALL_KEYWORDS.binary_search(&name.value.to_ascii_uppercase().as_str()).is_err();
    if is_plain {
        name.quote_style = None;
    }
}

/// Of the names that the engine takes for one type, the one that Asof writes.
fn one_name(data_type: &mut DataType) {
    use DataType::*;
    *data_type = match mem::replace(data_type, Unspecified) {
        Bool => Boolean,
        Int2(None) => SmallInt(None),
        Integer(None) | Int4(None) => Int(None),
        Int8(None) => BigInt(None),
        Float4 => Real,
        Float8 | DoublePrecision => Double(ExactNumberInfo::None),
        Text | String(None) => Varchar(None),
        Numeric(info) => Decimal(info),
        Timestamp(precision, TimezoneInfo::WithoutTimeZone) => Timestamp(precision, TimezoneInfo::None),
        Timestamp(precision, TimezoneInfo::Tz) => Timestamp(precision, TimezoneInfo::WithTimeZone),
        other => other,
    };
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;
    use crate::syntax::tokens::DIALECT;

    fn check(written: &str, expected: &str) {
        let expr = Parser::new(&DIALECT).try_with_sql(written).and_then(|mut parser| parser.parse_expr());
        assert_eq!(text(&expr.unwrap_or_else(|e| panic!("{written}: {e}"))), expected);
    }

    #[test]
    fn parentheses_go_where_they_say_nothing() {
        check("((a))", "a");
        check("((a + b))", "(a + b)");
        check("(a) + (b)", "a + b");
        check("(a + b) * (c)", "(a + b) * c");
        check("((a + b)) * (((c)))", "(a + b) * c");
        check("f((a + b), (c))", "f(a + b, c)");
        check("-(1)", "-1");
        check("-(-1)", "-(-1)");
        check("(a + b)::int", "CAST(a + b AS INT)");
        check("(a)[(1)]", "(a)[1]");
        check("((a)).b", "(a).b");
        check("(a).b + (c)", "(a).b + c");
    }

    #[test]
    fn quotes_go_where_they_say_nothing() {
        check("\"a_1\"", "a_1");
        check("\"A\"", "\"A\"");
        check("\"1a\"", "\"1a\"");
        check("\"a b\"", "\"a b\"");
        check("\"current_date\"", "\"current_date\"");
        check("\"a\".\"select\"", "a.\"select\"");
    }
}
