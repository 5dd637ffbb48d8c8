//! Telling others of runs as they happen: who listens is told at once and waits for nothing; what there is to tell is put into
//! words later, by a [`Narrator`] of its own.

use std::collections::{HashMap, HashSet};

use asof_catalog::Catalog;
use asof_lineage::openlineage::out;
use asof_model::run::Item;
use asof_model::{Pinned, Registered, Run};
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

    /// All events of runs, run by run.
    pub(crate) async fn of(&self, runs: &[Run]) -> Vec<Value> {
        let definitions = self.definitions(runs).await;
        let location = |run: &Run| {
            let (offline, project) = (self.offline.clone(), run.project.clone());
            move |dataset: &asof_model::Name| offline.location(&project, dataset)
        };
        runs.iter().flat_map(|run| out::events(run, &definitions, &location(run))).collect()
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

/// The definition that an item is, or is of.
fn definition(item: &Item) -> Option<&Pinned> {
    match item {
        Item::Definition(pinned) | Item::Online { view: pinned, .. } => Some(pinned),
        Item::File { .. } | Item::Snapshot { .. } | Item::TrainingSet { .. } => None,
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
