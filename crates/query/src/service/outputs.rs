//! The outputs of a service: each item of its SELECT as a typed expression, simplified once.

use std::ops::ControlFlow;

use asof_model::schema::normal;
use datafusion::common::{Column, DFSchemaRef, Result as EngineResult, TableReference};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{EmptyRelation, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::Analyzer;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, Spanned, Visit, Visitor,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{BoundView, Output};
use crate::bind::Problem;
use crate::fault::{At, Fault};
use crate::kept::kept;
use crate::select::{self, OPTIONS};

/// All outputs, in order, each name once.
pub(super) fn bind(select: &Select, views: &[BoundView], schema: &DFSchemaRef) -> Result<Vec<Output>, Fault> {
    let binder = Binder { views, schema };
    let mut outputs: Vec<Output> = Vec::new();
    for item in &select.projection {
        for (output, span) in binder.item(item)? {
            if let Some(first) = outputs.iter().find(|o| o.name == output.name) {
                let (first, second) = (binder.origin(first), binder.origin(&output));
                return Err(Problem::OutputTwice { column: output.name, first, second }.at(span));
            }
            if select::is_reserved(&output.name) {
                return Err(select::Problem::ReservedColumn(output.name).at(span));
            }
            outputs.push(output);
        }
    }
    Ok(outputs)
}

/// Whether an expression reads a feature.
pub(super) fn reads(expression: &Expr, alias: &str, feature: &str) -> bool {
    expression.column_refs().iter().any(|c| is_of(c, alias) && c.name == feature)
}

fn is_of(column: &Column, alias: &str) -> bool {
    column.relation.as_ref().is_some_and(|r| r.table() == alias)
}

struct Binder<'a> {
    views: &'a [BoundView],
    schema: &'a DFSchemaRef,
}

impl Binder<'_> {
    fn item(&self, item: &SelectItem) -> Result<Vec<(Output, Span)>, Fault> {
        match item {
            SelectItem::UnnamedExpr(expression) => {
                let name = match expression {
                    SqlExpr::Identifier(ident) => &ident.value,
                    SqlExpr::CompoundIdentifier(parts) if !parts.is_empty() => &parts[parts.len() - 1].value,
                    other => return Err(select::Problem::UnnamedColumn(other.to_string()).at(other.span())),
                };
                Ok(vec![(self.computed(name, expression)?, expression.span())])
            }
            SelectItem::ExprWithAlias { expr, alias } => Ok(vec![(self.computed(&alias.value, expr)?, alias.span)]),
            SelectItem::Wildcard(options) => {
                plain(options, item.span())?;
                Ok(self.all(|_| true, item.span()))
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                plain(options, item.span())?;
                let alias = name.to_string();
                if !self.views.iter().any(|v| v.alias == alias) {
                    let known = self.views.iter().map(|v| v.alias.as_str());
                    let near = asof_model::name::nearest(&alias, known.clone()).map(str::to_owned);
                    let known = known.map(str::to_owned).collect();
                    let problem = select::Problem::UnknownColumn { column: format!("`{alias}.*`"), near, known };
                    return Err(problem.at(item.span()));
                }
                Ok(self.all(|view| view.alias == alias, item.span()))
            }
            _ => Err(Problem::NotInService("this kind of `*`").at(item.span())),
        }
    }

    /// Every feature of some views.
    fn all(&self, wanted: impl Fn(&BoundView) -> bool, span: Span) -> Vec<(Output, Span)> {
        let mut outputs = Vec::new();
        for (index, view) in self.views.iter().enumerate().filter(|(_, view)| wanted(view)) {
            for feature in &view.features.0 {
                let column = Column::new(Some(TableReference::bare(view.alias.as_str())), &feature.name);
                let output = Output {
                    name: feature.name.clone(),
                    expression: Expr::Column(column.clone()),
                    data_type: feature.data_type.clone(),
                    reads: vec![index],
                    columns: vec![column],
                };
                outputs.push((output, span));
            }
        }
        outputs
    }

    fn computed(&self, name: &str, written: &SqlExpr) -> Result<Output, Fault> {
        let span = written.span();
        no_subquery(written)?;
        self.check_ambiguity(written)?;
        let bound = select::expression(written, self.schema)?;
        one_row(&bound, span)?;
        // What an output reads is what was written: simplifying may forget a view, its status may not.
        let read = bound.column_refs().into_iter().cloned().collect::<Vec<_>>();
        let reads = (0..self.views.len()).filter(|i| read.iter().any(|c| is_of(c, &self.views[*i].alias))).collect();
        let typed = self.typed(bound).map_err(|e| select::refused(e, span))?;
        let data_type = typed.get_type(self.schema).map_err(|e| select::refused(e, span))?;
        let kept_type = normal(&data_type)
            .ok_or_else(|| select::Problem::UnsupportedType(name.to_owned(), select::type_name(&data_type)).at(span))?;
        let expression = kept(typed, &data_type, &kept_type).and_then(|typed| self.simplified(typed));
        let expression = expression.map_err(|e| select::refused(e, span))?;
        Ok(Output { name: name.to_owned(), expression, data_type: kept_type, reads, columns: read })
    }

    /// The engine takes the first of several columns of one name in an expression; here that is an error.
    fn check_ambiguity(&self, written: &SqlExpr) -> Result<(), Fault> {
        for ident in bare_identifiers(written) {
            let fits = self.schema.qualified_fields_with_unqualified_name(&ident.value);
            if fits.len() > 1 {
                let candidates = fits.iter().map(|(q, f)| Column::new(q.cloned(), f.name()).flat_name()).collect();
                return Err(select::Problem::AmbiguousColumn { column: ident.value.clone(), candidates }.at(ident.span));
            }
        }
        Ok(())
    }

    fn typed(&self, bound: Expr) -> EngineResult<Expr> {
        let schema = self.schema.clone();
        let rows = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema });
        let plan = LogicalPlanBuilder::from(rows).project([bound.alias("output")])?.build()?;
        let plan = Analyzer::new().execute_and_check(plan, &OPTIONS, |_, _| {})?;
        let expression = plan.expressions().into_iter().next();
        let expression = expression.ok_or_else(|| datafusion::common::internal_datafusion_err!("one was projected"))?;
        Ok(expression.unalias())
    }

    fn simplified(&self, typed: Expr) -> EngineResult<Expr> {
        let context =
            SimplifyContext::builder().with_schema(self.schema.clone()).with_config_options(OPTIONS.clone()).build();
        ExprSimplifier::new(context).simplify(typed)
    }

    /// Where an output comes from, for messages: the alias of the view it is a column of.
    fn origin(&self, output: &Output) -> String {
        match output.reads.as_slice() {
            [one] => self.views[*one].alias.clone(),
            _ => output.name.clone(),
        }
    }
}

/// A service computes from one row per view, so nothing in it may look at others.
fn one_row(bound: &Expr, span: Span) -> Result<(), Fault> {
    let all = std::slice::from_ref(bound);
    let what = if !find_aggregate_exprs(all).is_empty() {
        "an aggregate"
    } else if !find_window_exprs(all).is_empty() {
        "a window"
    } else {
        return Ok(());
    };
    Err(Problem::NotInService(what).at(span))
}

fn plain(options: &WildcardAdditionalOptions, span: Span) -> Result<(), Fault> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if plain { Ok(()) } else { Err(Problem::NotInService("options of `*`").at(span)) }
}

/// The columns that an expression names without a qualifier.
fn bare_identifiers(written: &SqlExpr) -> Vec<Ident> {
    struct Bare(Vec<Ident>);
    impl Visitor for Bare {
        type Break = std::convert::Infallible;
        fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<Self::Break> {
            if let SqlExpr::Identifier(ident) = expr {
                self.0.push(ident.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut bare = Bare(Vec::new());
    let ControlFlow::Continue(()) = written.visit(&mut bare);
    bare.0
}

/// Subqueries read rows of their own.
fn no_subquery(written: &SqlExpr) -> Result<(), Fault> {
    struct Subqueries;
    impl Visitor for Subqueries {
        type Break = Span;
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Span> {
            ControlFlow::Break(query.span())
        }
    }
    match written.visit(&mut Subqueries) {
        ControlFlow::Break(span) => Err(Problem::NotInService("a subquery").at(span)),
        ControlFlow::Continue(()) => Ok(()),
    }
}
