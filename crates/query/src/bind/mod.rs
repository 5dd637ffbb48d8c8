//! Binding: definitions as read become definitions with a meaning.
//!
//! Names are resolved to exact versions, upstream first; every type is checked; each definition gets its digest
//! and with it its version. Nothing is changed anywhere: the outcome says what applying would change.
//!
//! A definition that fails is reported, and what reads it is passed over in silence, so that one mistake is one
//! message. Costs one planning of each SELECT.

mod dataset;
mod entity;
mod order;
mod problem;
mod scope;
mod service;
mod training_set;
mod trial;
mod versions;
mod view;

use std::sync::Arc;

use asof_model::{Columns, Definition, Error, Kind, Micros, Name, Registered, Selector, Version};

use crate::stack::deep;
use crate::syntax::Statement;
use crate::text::Text;
pub(crate) use problem::Problem;
use scope::{Scope, Stop};
pub use versions::difference;

/// What binding must know of a project.
pub trait Registry: Sync {
    /// The project.
    fn project(&self) -> &Name;
    /// The version that a name without a selector means.
    fn current(&self, name: &Name) -> Option<Arc<Registered>>;
    /// One version of a name.
    fn select(&self, name: &Name, selector: &Selector) -> Option<Arc<Registered>>;
    /// All names and what they stand for.
    fn names(&self) -> Vec<(Name, Kind)>;
    /// The number that the next new version of a name gets.
    fn next_version(&self, name: &Name) -> Version;
    /// The columns of a dataset's stored table, if something was ingested.
    fn dataset_columns(&self, name: &Name) -> Option<Columns>;
}

/// What applying would do with one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The definition as it would be registered, or already is.
    pub registered: Registered,
    /// What would change.
    pub effect: Effect,
}

/// How a definition differs from what is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing of that name is current.
    Created,
    /// Its meaning differs from the current version's: another version becomes current. It is a new one,
    /// unless an older version meant exactly this.
    Versioned {
        /// The version that is current now.
        from: Version,
        /// The clauses that differ.
        clauses: Vec<ClauseChange>,
        /// Upstream definitions that now mean another version: `flights: 1 → 2`.
        upstream: Vec<String>,
    },
    /// The same meaning with other remarks: the current version keeps its number.
    Annotated {
        /// The clauses that differ.
        clauses: Vec<ClauseChange>,
    },
    /// Nothing.
    Unchanged,
}

/// One clause, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseChange {
    /// The word that introduces it.
    pub name: &'static str,
    /// Its text in the current version; empty where it is absent.
    pub before: String,
    /// Its text in the files.
    pub after: String,
}

/// Gives definitions their meaning: exact inputs, columns, digest and version. The changes come upstream first.
///
/// # Errors
/// Every mistake found. A definition that reads a faulty one is not looked at.
pub fn bind(statements: Vec<Statement>, registry: &dyn Registry, now: Micros) -> Result<Vec<Change>, Vec<Error>> {
    deep(|| bind_all(statements, registry, now))
}

fn bind_all(statements: Vec<Statement>, registry: &dyn Registry, now: Micros) -> Result<Vec<Change>, Vec<Error>> {
    let (ordered, mut errors) = order::order(statements, registry);
    let mut scope = Scope::new(registry, &ordered);
    let mut changes = Vec::with_capacity(ordered.len());
    for statement in &ordered {
        let name = statement.definition.name().clone();
        scope.begin(&name);
        match bind_one(statement, &scope) {
            Ok(bound) => {
                let change = versions::register(&statement.definition, bound, registry, now);
                scope.bound(change.registered.clone());
                changes.push(change);
            }
            Err(stop) => {
                scope.failed(name);
                errors.extend(stop.into_error(&statement.written.text));
            }
        }
    }
    if errors.is_empty() { Ok(changes) } else { Err(errors) }
}

/// What binding finds out about a definition.
struct Bound {
    inputs: Vec<asof_model::definition::Input>,
    columns: Columns,
}

fn bind_one(statement: &Statement, scope: &Scope<'_>) -> Result<Bound, Stop> {
    scope.check_name(&statement.definition, statement.written.name)?;
    let written = &statement.written;
    let bound = match &statement.definition {
        Definition::Dataset(dataset) => dataset::bind(dataset, written, scope)?,
        Definition::Entity(entity) => entity::bind(entity, written)?,
        Definition::FeatureView(view) => view::bind(view, written, scope)?,
        Definition::FeatureService(service) => service::bind(service, written, scope)?,
        Definition::TrainingSet(set) => training_set::bind(set, written, scope)?,
    };
    trial::run(statement, &bound, scope)?;
    Ok(bound)
}

impl Stop {
    fn into_error(self, text: &Text) -> Option<Error> {
        match self {
            Stop::Fault(fault) => Some(fault.within(text)),
            Stop::Upstream => None,
        }
    }
}
