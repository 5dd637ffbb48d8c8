//! Datasets: the columns that its clauses name exist and have fitting types, and data that is there already
//! still means the same.

use std::sync::Arc;

use asof_model::definition::Dataset;
use asof_model::name::nearest;
use asof_model::schema::sql_type;
use asof_model::{Columns, Definition};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::Analyzer;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Spanned};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::scope::Scope;
use super::{Bound, Problem};
use crate::fault::{At, Fault};
use crate::select;
use crate::syntax::Written;

pub(super) fn bind(dataset: &Dataset, written: &Written, scope: &Scope<'_>) -> Result<Bound, Fault> {
    let stored = scope.registry.dataset_columns(&dataset.name);
    if let Some(columns) = dataset.columns.as_ref().or(stored.as_ref()) {
        let within = Within { dataset, columns };
        within.clauses(written)?;
        within.checks(written)?;
    }
    if let Some(stored) = &stored {
        keeps_its_data(dataset, stored, written, scope)?;
    }
    Ok(Bound { inputs: Vec::new(), columns: dataset.columns.clone().unwrap_or_default() })
}

/// A dataset whose columns are known.
struct Within<'a> {
    dataset: &'a Dataset,
    columns: &'a Columns,
}

impl Within<'_> {
    fn clauses(&self, written: &Written) -> Result<(), Fault> {
        self.moment(&self.dataset.timestamp, "TIMESTAMP", written.item("TIMESTAMP", 0))?;
        if let Some(known_at) = &self.dataset.known_at {
            self.moment(known_at, "KNOWN AT", written.item("KNOWN AT", 0))?;
        }
        for (index, column) in self.dataset.key.iter().enumerate() {
            let span = written.item("KEY", index);
            let data_type = self.column(column, span)?;
            if data_type.is_floating() || data_type.is_nested() {
                return Err(Problem::ColumnType {
                    column: column.clone(),
                    found: sql_type(&data_type),
                    purpose: "a key",
                    wanted: "of a type whose values are equal or not, so neither a float nor an array",
                }
                .at(span));
            }
        }
        for (index, column) in self.dataset.cluster_by.iter().enumerate() {
            self.column(column, written.item("CLUSTER BY", index))?;
        }
        Ok(())
    }

    fn column(&self, name: &str, span: Span) -> Result<DataType, Fault> {
        let found = self.columns.get(name).map(|column| column.data_type.clone());
        found.ok_or_else(|| {
            let near = nearest(name, self.columns.names()).map(str::to_owned);
            let known = self.columns.names().map(str::to_owned).collect();
            Problem::NotAColumn { dataset: self.dataset.name.to_string(), column: name.to_owned(), near, known }
                .at(span)
        })
    }

    fn moment(&self, name: &str, purpose: &'static str, span: Span) -> Result<(), Fault> {
        let data_type = self.column(name, span)?;
        if matches!(data_type, DataType::Timestamp(_, _) | DataType::Date32) {
            return Ok(());
        }
        let found = sql_type(&data_type);
        Err(Problem::ColumnType { column: name.to_owned(), found, purpose, wanted: "TIMESTAMP or DATE" }.at(span))
    }

    fn checks(&self, written: &Written) -> Result<(), Fault> {
        let schema = DFSchema::try_from(self.columns.to_arrow()).map_err(|e| select::refused(e, written.name))?;
        for (check, condition) in self.dataset.checks.iter().zip(&written.checks) {
            let span = condition.span();
            let bound = select::expression(condition, &schema)?;
            one_row(&bound, span)?;
            let found = coerced_type(bound, &schema).map_err(|e| select::refused(e, span))?;
            if !matches!(found, DataType::Boolean | DataType::Null) {
                let found = select::type_name(&found);
                return Err(Problem::CheckType { check: check.name.to_string(), found }.at(place(condition, written)));
            }
        }
        Ok(())
    }
}

fn place(condition: &SqlExpr, written: &Written) -> Span {
    let span = condition.span();
    if span == Span::empty() { written.item("CHECK", 0) } else { span }
}

/// A check sees one row, so nothing in it may look at others.
fn one_row(bound: &Expr, span: Span) -> Result<(), Fault> {
    let bound = std::slice::from_ref(bound);
    if !find_aggregate_exprs(bound).is_empty() {
        return Err(Problem::CheckReach("an aggregate").at(span));
    }
    if !find_window_exprs(bound).is_empty() {
        return Err(Problem::CheckReach("a window").at(span));
    }
    Ok(())
}

fn coerced_type(bound: Expr, schema: &DFSchema) -> datafusion::common::Result<DataType> {
    let rows = LogicalPlan::EmptyRelation(datafusion::logical_expr::EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema.clone()),
    });
    let plan = LogicalPlanBuilder::from(rows).project([bound.alias("condition")])?.build()?;
    let plan = Analyzer::new().execute_and_check(plan, &select::OPTIONS, |_, _| {})?;
    let column = Expr::Column(datafusion::common::Column::from_name("condition"));
    column.get_type(plan.schema())
}

/// What is stored cannot be read under another meaning: neither other types nor other times.
fn keeps_its_data(dataset: &Dataset, stored: &Columns, written: &Written, scope: &Scope<'_>) -> Result<(), Fault> {
    let refuse = |what: String, span: Span| Problem::HasData { dataset: dataset.name.to_string(), what }.at(span);
    let current = scope.registry.current(&dataset.name);
    let Some(Definition::Dataset(before)) = current.as_ref().map(|r| &r.definition) else { return Ok(()) };
    if before.timestamp != dataset.timestamp {
        let what = format!("its TIMESTAMP was {}, not {}", before.timestamp, dataset.timestamp);
        return Err(refuse(what, written.item("TIMESTAMP", 0)));
    }
    if before.known_at != dataset.known_at {
        let said = before.known_at.as_ref().map_or("nothing".to_owned(), |column| format!("column {column}"));
        return Err(refuse(format!("its KNOWN AT said {said}"), written.item("KNOWN AT", 0)));
    }
    let Some(declared) = &dataset.columns else { return Ok(()) };
    for (index, column) in declared.0.iter().enumerate() {
        if let Some(old) = stored.get(&column.name).filter(|old| old.data_type != column.data_type) {
            let what = format!("`{}` is stored as {}", column.name, sql_type(&old.data_type));
            return Err(refuse(what, written.item("columns", index)));
        }
    }
    // Columns that an ingest added need not be declared; those that were may not go.
    let binding = before.columns.as_ref().unwrap_or(stored);
    match binding.names().find(|name| stored.get(name).is_some() && declared.get(name).is_none()) {
        Some(gone) => Err(refuse(format!("its column `{gone}` cannot be removed"), written.name)),
        None => Ok(()),
    }
}
