//! Telling others of runs as they happen: who listens is told at once and waits for nothing; what there is to tell is put into
//! words later, by a [`Narrator`] of its own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use asof_catalog::Catalog;
use asof_lineage::columns::Flowing;
use asof_lineage::openlineage::out;
use asof_model::run::Item;
use asof_model::{Columns, Error, Flows, Kind, Name, Pinned, Registered, Result, Run};
use asof_query::Definitions;
use serde_json::Value;

use crate::Engine;

/// What happened to a run. Of one run, in this order.
#[derive(Clone, Debug)]
pub enum Told {
    /// It began.
    Began(Run),
    /// It ended; that it began was told before.
    Ended(Run),
    /// It was done at one stroke.
    Happened(Run),
}

/// Somebody who is told of runs. Must not block.
pub trait Listener: Send + Sync {
    /// Takes it in, or not.
    fn told(&self, told: Told);
}

/// Puts into words what happened, as OpenLineage has it. Holds no engine, so that it may outlive one.
#[derive(Clone)]
pub struct Narrator {
    catalog: Catalog,
    offline: asof_offline::Store,
}

impl Narrator {
    /// Of runs that are recorded there.
    pub fn new(catalog: Catalog, offline: asof_offline::Store) -> Narrator {
        Narrator { catalog, offline }
    }

    /// The events of what happened, each its JSON, in order.
    pub async fn events(&self, told: &Told) -> Vec<String> {
        let (Told::Began(run) | Told::Ended(run) | Told::Happened(run)) = told;
        let mut events = self.of(std::slice::from_ref(run)).await;
        match told {
            Told::Began(_) => events.truncate(1),
            Told::Ended(_) => drop(events.drain(..1usize.min(events.len()))),
            Told::Happened(_) => {}
        }
        events.iter().map(Value::to_string).collect()
    }

    /// All events of runs, run by run, with what they declare.
    pub(crate) async fn of(&self, runs: &[Run]) -> Vec<Value> {
        self.told(runs, true).await
    }

    /// The events of runs alone, run by run.
    pub(crate) async fn of_runs(&self, runs: &[Run]) -> Vec<Value> {
        self.told(runs, false).await
    }

    async fn told(&self, runs: &[Run], declared: bool) -> Vec<Value> {
        let definitions = self.definitions(runs).await;
        let made_of = self.made_of(runs, declared).await;
        let words = |run: &Run| {
            let location = |dataset: &Name| self.offline.location(&run.project, dataset);
            let say = |flowing: &dyn Flowing| match declared {
                true => out::events(run, &definitions, &location, flowing),
                false => out::of_run(run, &definitions, &location, flowing),
            };
            // Where it cannot be found out any more what columns are made of, nothing is said of columns.
            say(&made_of).or_else(|_| say(&Silence)).unwrap_or_default()
        };
        runs.iter().flat_map(words).collect()
    }

    /// What is needed to say what the columns of things that runs made are made of.
    async fn made_of(&self, runs: &[Run], declared: bool) -> MadeOf {
        let is_made = |item: &&Item| match item {
            Item::Online { .. } => true,
            Item::Definition(pinned) => pinned.kind == Kind::TrainingSet,
            _ => false,
        };
        // What made nothing, or is only beginning, says nothing of columns, and nothing is read for it.
        let made = || runs.iter().filter(|run| !run.outputs.is_empty());
        let of_sets = made().flat_map(|run| &run.inputs).filter(is_made);
        let of_views = made().flat_map(|run| &run.outputs).filter(|item| matches!(item, Item::Online { .. }));
        let of_names = made().filter(|run| declared && out::declares(run)).flat_map(|run| &run.outputs);
        let roots: HashSet<Pinned> = of_sets.chain(of_views).chain(of_names).filter_map(definition).cloned().collect();
        let roots: Vec<_> = roots.into_iter().collect();
        let closure = self.catalog.closure(&roots).await.unwrap_or_default();
        let mut columns = HashMap::new();
        for dataset in closure.iter().filter(|known| known.pinned.kind == Kind::Dataset) {
            let Pinned { project, name, .. } = &dataset.pinned;
            let stored = self.offline.snapshot(project, name, None).await.ok().flatten();
            let stored = stored.map(|snapshot| snapshot.columns).unwrap_or_default();
            columns.insert(dataset.pinned.clone(), stored.and(&dataset.columns));
        }
        let definitions = Definitions::new(closure.into_iter().map(Arc::new));
        MadeOf { definitions, columns, known: Mutex::default() }
    }

    /// The definitions that runs read or made, or that what they made is of.
    async fn definitions(&self, runs: &[Run]) -> HashMap<Pinned, Registered> {
        let items = runs.iter().flat_map(|run| run.inputs.iter().chain(&run.outputs));
        let named: HashSet<Pinned> = items.filter_map(definition).cloned().collect();
        let mut definitions = HashMap::new();
        for pinned in named {
            // One that is not there any more is told without what it says.
            if let Ok(registered) = self.catalog.pinned(&pinned).await {
                definitions.insert(pinned, registered);
            }
        }
        definitions
    }
}

/// Definitions and the columns of datasets, to bind them by.
struct MadeOf {
    definitions: Definitions,
    columns: HashMap<Pinned, Columns>,
    /// Many read one view: it is bound once.
    known: Mutex<HashMap<Pinned, Arc<Flows>>>,
}

impl Flowing for MadeOf {
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(of) {
            return Ok(known.clone());
        }
        let registered = self.definitions.get(of).ok_or_else(|| Error::internal(format!("{of} is not known")))?;
        let columns = |dataset: &Registered| self.columns.get(&dataset.pinned).cloned().unwrap_or_default();
        let flows = Arc::new(asof_query::flows(registered, &self.definitions, &columns)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone(), flows.clone());
        Ok(flows)
    }
}

/// Says nothing of any.
pub(crate) struct Silence;

impl Flowing for Silence {
    fn flows(&self, _: &Pinned) -> Result<Arc<Flows>> {
        Ok(Arc::default())
    }
}

/// The definition that an item is, or is of.
fn definition(item: &Item) -> Option<&Pinned> {
    match item {
        Item::Definition(pinned) | Item::Online { view: pinned, .. } => Some(pinned),
        Item::File { .. } | Item::Snapshot { .. } | Item::TrainingSet { .. } | Item::Model { .. } => None,
    }
}

impl Engine {
    /// Tells whoever listens.
    pub(crate) fn tell(&self, told: impl FnOnce() -> Told) {
        if let Some(listener) = &self.listener {
            listener.told(told());
        }
    }

    pub(crate) fn narrator(&self) -> Narrator {
        Narrator::new(self.catalog().clone(), self.offline().clone())
    }
}
