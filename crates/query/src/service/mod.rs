//! A feature service, bound: which views it reads, for which keys, and the expressions of its outputs.
//!
//! This is where law 2 is kept. A service is bound once, here, into typed and simplified expressions over
//! `alias.feature` and `request.parameter`; training projects these over the as-of join, serving evaluates these
//! on the rows of the online store. There is no second place that knows what a service computes.

mod from;
mod outputs;
pub(crate) mod status;

use std::sync::Arc;

use asof_model::definition::{Service, View};
use asof_model::{Columns, Definition, Registered};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::bind::Problem;
use crate::fault::{At, Fault};

/// What qualifies the parameters of a request.
pub(crate) const REQUEST: &str = "request";

/// A view and its entity, as a name in a service means them.
pub(crate) struct Found {
    pub(crate) view: Arc<Registered>,
    pub(crate) entity: Arc<Registered>,
}

/// A feature service with a meaning.
pub(crate) struct BoundService {
    pub(crate) views: Vec<BoundView>,
    pub(crate) request: Columns,
    pub(crate) outputs: Vec<Output>,
    /// What the outputs' expressions read: the used features of each view in order, then the parameters.
    pub(crate) input: DFSchemaRef,
}

/// A view in the FROM of a service.
pub(crate) struct BoundView {
    pub(crate) alias: String,
    pub(crate) view: Arc<Registered>,
    /// The entity's key columns.
    pub(crate) key: Columns,
    /// For each of them the column of the spine or request that holds it.
    pub(crate) from: Vec<String>,
    /// All features.
    pub(crate) features: Columns,
    /// The features that some output reads, in the view's order.
    pub(crate) used: Vec<String>,
}

/// One feature of a service.
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) expression: Expr,
    pub(crate) data_type: DataType,
    /// Positions of the views it reads.
    pub(crate) reads: Vec<usize>,
    /// The features and parameters it reads, as it was written.
    pub(crate) columns: Vec<Column>,
}

impl BoundView {
    pub(crate) fn definition(&self) -> &View {
        match &self.view.definition {
            Definition::FeatureView(view) => view,
            _ => unreachable!("only feature views are let into FROM"),
        }
    }
}

impl BoundService {
    /// The features, as columns.
    pub(crate) fn columns(&self) -> Columns {
        let columns = self.outputs.iter().map(|o| asof_model::Column::new(&o.name, o.data_type.clone()));
        Columns(columns.collect())
    }
}

/// Binds a service. `find` gives what a name in FROM means.
pub(crate) fn bind<E: From<Fault>>(
    service: &Service,
    query: &Query,
    name: Span,
    find: impl FnMut(&str, Span) -> Result<Found, E>,
) -> Result<BoundService, E> {
    let select = from::only_select(query)?;
    let mut views = from::views(select, name, find)?;
    let everything = schema(views.iter().map(|v| (v.alias.as_str(), &v.features)), &service.request);
    let everything = Arc::new(everything.map_err(|e| crate::select::refused(e, name))?);
    let outputs = outputs::bind(select, &views, &everything)?;
    if outputs.is_empty() {
        return Err(Problem::NoFeatures.at(name).into());
    }
    for view in &mut views {
        let is_used = |feature: &str| outputs.iter().any(|o| outputs::reads(&o.expression, &view.alias, feature));
        view.used = view.features.names().filter(|f| is_used(f)).map(str::to_owned).collect();
    }
    let used: Vec<(String, Columns)> = views.iter().map(|v| (v.alias.clone(), v.used_columns())).collect();
    let input = schema(used.iter().map(|(alias, columns)| (alias.as_str(), columns)), &service.request);
    let input = Arc::new(input.map_err(|e| crate::select::refused(e, name))?);
    Ok(BoundService { views, request: service.request.clone(), outputs, input })
}

/// The views of a service with their keys, without what it computes of them.
pub(crate) fn views<E: From<Fault>>(
    query: &Query,
    mut find: impl FnMut(&str) -> Result<Found, E>,
) -> Result<Vec<BoundView>, E> {
    from::views(from::only_select(query)?, Span::empty(), |written, _| find(written))
}

impl BoundView {
    /// The used features, typed.
    pub(crate) fn used_columns(&self) -> Columns {
        Columns(self.features.0.iter().filter(|c| self.used.contains(&c.name)).cloned().collect())
    }
}

/// Features and parameters as expressions see them. Everything may be null: a view may have no row for a key.
fn schema<'a>(
    views: impl Iterator<Item = (&'a str, &'a Columns)>,
    request: &'a Columns,
) -> datafusion::common::Result<DFSchema> {
    let mut fields = Vec::new();
    for (qualifier, columns) in views.chain([(REQUEST, request)]) {
        for column in &columns.0 {
            let field = Arc::new(Field::new(&column.name, column.data_type.clone(), true));
            fields.push((Some(TableReference::bare(qualifier)), field));
        }
    }
    DFSchema::new_with_metadata(fields, Default::default())
}

/// The input as a plain schema: `alias.feature` for every used feature, then the parameters by name.
pub(crate) fn plain_input(input: &DFSchema) -> SchemaRef {
    let fields = input.iter().map(|(qualifier, field)| {
        let name = match qualifier {
            Some(alias) if alias.table() != REQUEST => format!("{}.{}", alias.table(), field.name()),
            _ => field.name().clone(),
        };
        Field::new(name, field.data_type().clone(), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
