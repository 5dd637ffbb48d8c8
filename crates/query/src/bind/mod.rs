//! Binding: definitions as read become definitions with a meaning.
//!
//! Names are resolved to exact versions, upstream first; every type is checked; each definition gets its digest
//! and with it its version. Nothing is changed anywhere: the outcome says what applying would change.
//!
//! A definition that fails is reported, and what reads it is passed over in silence, so that one mistake is one
//! message. Costs one binding of each SELECT, and one planning, which is done on all threads unless something is wrong.

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
    /// What a name stands for.
    fn kind(&self, name: &Name) -> Option<Kind> {
        self.names().into_iter().find(|(known, _)| known == name).map(|(_, kind)| kind)
    }
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
    if errors.is_empty()
        && let Some(changes) = all_well(&ordered, registry, now)
    {
        return Ok(changes);
    }
    // Something is not well: one after the other, so that what reads it is passed over.
    let mut scope = Scope::new(registry, &ordered);
    let mut changes = Vec::with_capacity(ordered.len());
    for statement in &ordered {
        let name = statement.definition.name().clone();
        scope.begin(&name);
        let bound = bind_one(statement, &scope);
        match bound.and_then(|bound| trial::run(statement, &bound, &scope).map(|()| bound)) {
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

/// The changes, if no definition has a mistake. Most of binding is the trial of each, and as long as all are well these can be
/// made at the same time.
fn all_well(ordered: &[Statement], registry: &dyn Registry, now: Micros) -> Option<Vec<Change>> {
    let mut scope = Scope::new(registry, ordered);
    let (mut changes, mut trials) = (Vec::with_capacity(ordered.len()), Vec::with_capacity(ordered.len()));
    for statement in ordered {
        scope.begin(statement.definition.name());
        let bound = bind_one(statement, &scope).ok()?;
        let change = versions::register(&statement.definition, bound.clone(), registry, now);
        scope.bound(change.registered.clone());
        changes.push(change);
        trials.push((statement, bound));
    }
    let scope = &scope;
    let pass = move |trials: &[(&Statement, Bound)]| {
        deep(|| trials.iter().all(|(statement, bound)| trial::run(statement, bound, scope).is_ok()))
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = trials.len().div_ceil(threads).max(LEAST_TRIALS);
    let (own, others) = trials.split_at(share.min(trials.len()));
    let well = std::thread::scope(|threads| {
        let others: Vec<_> = others.chunks(share).map(|trials| threads.spawn(move || pass(trials))).collect();
        let own = pass(own);
        // One that panics is not well: it panics once more where one looks at each.
        others.into_iter().map(|other| other.join().unwrap_or(false)).fold(own, |all, one| all && one)
    });
    well.then_some(changes)
}

/// So few trials are not worth another thread.
const LEAST_TRIALS: usize = 16;

/// What binding finds out about a definition.
#[derive(Clone)]
struct Bound {
    inputs: Vec<asof_model::definition::Input>,
    columns: Columns,
}

fn bind_one(statement: &Statement, scope: &Scope<'_>) -> Result<Bound, Stop> {
    scope.check_name(&statement.definition, statement.written.name)?;
    let written = &statement.written;
    Ok(match &statement.definition {
        Definition::Dataset(dataset) => dataset::bind(dataset, written, scope)?,
        Definition::Entity(entity) => entity::bind(entity, written)?,
        Definition::FeatureView(view) => view::bind(view, written, scope)?,
        Definition::FeatureService(service) => service::bind(service, written, scope)?,
        Definition::TrainingSet(set) => training_set::bind(set, written, scope)?,
    })
}

impl Stop {
    fn into_error(self, text: &Text) -> Option<Error> {
        match self {
            Stop::Fault(fault) => Some(fault.within(text)),
            Stop::Upstream => None,
        }
    }
}
