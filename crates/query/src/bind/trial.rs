//! The last check of a definition: it is planned over empty tables, so that whatever planning would refuse is refused
//! now, not when somebody trains or serves.

use std::sync::Arc;

use asof_model::definition::Input;
use asof_model::{Definition, Digest, Micros, Pinned, Registered, Result, Version};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::sql::sqlparser::ast::Spanned;

use super::Bound;
use super::scope::{Scope, Stop};
use crate::asof::KnownMoment;
use crate::fault::Fault;
use crate::plan::{Definitions, Planner, Tables, TrainingOptions};
use crate::syntax::Statement;
use crate::visibility::SEQ;

/// Plans what a bound definition would be planned as.
///
/// # Errors
/// Those of [`Planner`], at the definition's SELECT.
pub(super) fn run(statement: &Statement, bound: &Bound, scope: &Scope<'_>) -> Result<(), Stop> {
    let Some(query) = &statement.written.query else { return Ok(()) };
    let (definition, project) = (statement.definition.clone(), scope.registry.project().clone());
    let pinned = Pinned {
        kind: definition.kind(),
        project,
        name: definition.name().clone(),
        version: Version(0),
        digest: Digest::of(b""),
    };
    let (inputs, columns) = (bound.inputs.clone(), bound.columns.clone());
    let registered = Registered { pinned, definition, inputs, columns, created: Micros(0) };
    let closure = closure(&bound.inputs, scope);
    let tables = Empty { tables: closure.iter().filter_map(|d| Some((d.pinned.clone(), empty(d, scope)?))).collect() };
    let definitions = Definitions::new(closure);
    let planner = Planner::new(&definitions, &tables);
    let planned = match &registered.definition {
        Definition::FeatureView(_) => planner.view(&registered, KnownMoment::EventTime).map(drop),
        Definition::FeatureService(_) => planner.serving(&registered).map(drop),
        Definition::TrainingSet(_) => {
            let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: true };
            planner.training(&registered, &options).map(drop)
        }
        Definition::Dataset(_) | Definition::Entity(_) => Ok(()),
    };
    planned.map_err(|error| Stop::Fault(Fault::new(error, query.span())))
}

/// Everything that some inputs read, directly or not.
fn closure(inputs: &[Input], scope: &Scope<'_>) -> Vec<Arc<Registered>> {
    let mut found: Vec<Arc<Registered>> = Vec::new();
    let mut open: Vec<Pinned> = inputs.iter().map(|i| i.pinned.clone()).collect();
    while let Some(pinned) = open.pop() {
        if found.iter().any(|f| f.pinned == pinned) {
            continue;
        }
        if let Some(registered) = scope.pinned(&pinned) {
            open.extend(registered.inputs.iter().map(|i| i.pinned.clone()));
            found.push(registered);
        }
    }
    found
}

struct Empty {
    tables: Vec<(Pinned, Arc<dyn TableProvider>)>,
}

impl Tables for Empty {
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>> {
        self.tables.iter().find(|(pinned, _)| pinned == dataset).map(|(_, table)| table.clone())
    }
}

/// A dataset without rows.
fn empty(registered: &Registered, scope: &Scope<'_>) -> Option<Arc<dyn TableProvider>> {
    if !matches!(registered.definition, Definition::Dataset(_)) {
        return None;
    }
    let columns = scope.shown(registered);
    let fields = columns.to_arrow().fields().iter().cloned().collect::<Vec<_>>();
    let seq = Arc::new(Field::new(SEQ, DataType::Int64, false));
    Some(Arc::new(EmptyTable::new(Arc::new(Schema::new(fields.into_iter().chain([seq]).collect::<Vec<_>>())))))
}
