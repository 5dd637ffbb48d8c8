//! Graphs that were asked for, kept until something changes.
//!
//! What others told of is read from the catalog once; after that, only what came since. It is folded again when something
//! came. A project's graph is drawn again when anything was written to the catalog. So a question about a graph that did not
//! change costs what it reaches, and nothing is done before somebody asks.
//!
//! Holds in memory what all events say, but not their text, and the graph of each project that was asked about, with its definitions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use asof_catalog::RunFilter;
use asof_lineage::Graph;
use asof_lineage::openlineage::{External, Heard, Then};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Error, ErrorKind, Kind, Micros, Name, Pinned, Registered, Result, Run};
use asof_offline::Manifest;
use asof_query::Definitions;

use crate::Engine;

/// How many events are read at once.
const PAGE: u32 = 1_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Graphs {
    heard: tokio::sync::Mutex<Ear>,
    /// By project, with the number of changes after which it was drawn.
    kept: Mutex<HashMap<Name, (u64, Arc<Drawn>)>>,
    /// What columns are made of.
    pub(crate) columns: crate::lineage::columns::Kept,
}

/// A project's graph, and the definitions that are in it.
pub(crate) struct Drawn {
    pub(crate) graph: Graph,
    pub(crate) definitions: Definitions,
    /// Those of them that are datasets.
    pub(crate) datasets: Vec<Pinned>,
    /// The runs that built training sets in other deployments; no record of them is here.
    pub(crate) elsewhere: Vec<Run>,
}

/// What was heard, up to which event, and what that comes to.
#[derive(Default)]
struct Ear {
    heard: Heard,
    last: i64,
    folded: Option<Arc<External>>,
    /// When each event happened, and its number; in order up to that many.
    order: Vec<Event>,
    sorted: usize,
}

/// Where an event stands among all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) time: Micros,
    pub(crate) number: i64,
    /// The namespace of its job, or of its dataset.
    pub(crate) namespace: Arc<str>,
}

impl Engine {
    /// The graph of a project, and of what others told of.
    pub(crate) async fn graph(&self, project: &Name) -> Result<Arc<Drawn>> {
        // Before anything is read: what is written meanwhile makes this one too old.
        let changes = self.catalog().changes();
        let kept = self.graphs.kept.lock().unwrap_or_else(PoisonError::into_inner).get(project).cloned();
        if let Some((since, graph)) = kept
            && since == changes
        {
            return Ok(graph);
        }
        let (engine, of) = (self.clone(), project.clone());
        let graph = self.workshop().run(async move { engine.drawn(&of).await.map(Arc::new) }).await?;
        let mut kept = self.graphs.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(project.clone(), (changes, graph.clone()));
        Ok(graph)
    }

    async fn drawn(&self, project: &Name) -> Result<Drawn> {
        let definitions = self.catalog().whole(project).await?.definitions;
        let mut runs = self.catalog().runs(project, RunFilter::default()).await?;
        let mut elsewhere = Vec::new();
        for manifest in self.catalog().imported_manifests(project).await? {
            elsewhere.push(built_elsewhere(crate::train::imported(&manifest.name, manifest.number, &manifest.body)?));
        }
        runs.extend_from_slice(&elsewhere);
        let mut graph = Graph::with(&definitions, &runs, &*self.external().await?);
        let deprecations = self.deprecations(project).await?;
        for pinned in definitions.iter().map(|registered| &registered.pinned) {
            if let Some(remark) = deprecations.of(pinned) {
                graph.remark(pinned.clone(), format!("deprecated: {}", remark.why));
            }
        }
        let is_dataset = |definition: &&Registered| definition.pinned.kind == Kind::Dataset;
        let datasets = definitions.iter().filter(is_dataset).map(|definition| definition.pinned.clone()).collect();
        let definitions = Definitions::new(definitions.into_iter().map(Arc::new));
        Ok(Drawn { graph, definitions, datasets, elsewhere })
    }

    /// What others told of.
    pub(crate) async fn external(&self) -> Result<Arc<External>> {
        Ok(self.external_then(None).await?.0)
    }

    /// What others told of; with a moment, also what was known then.
    pub(crate) async fn external_then(&self, at: Option<Micros>) -> Result<(Arc<External>, Option<Then>)> {
        let mut ear = self.listen().await?;
        let Ear { heard, folded, .. } = &mut *ear;
        let external = folded.get_or_insert_with(|| Arc::new(heard.fold())).clone();
        Ok((external, at.map(|at| heard.then(at))))
    }

    /// Asks about the events that others sent.
    pub(crate) async fn heard<T>(&self, ask: impl FnOnce(&Heard) -> T) -> Result<T> {
        Ok(ask(&self.listen().await?.heard))
    }

    /// Asks about the order in which they happened.
    pub(crate) async fn told<T>(&self, ask: impl FnOnce(&[Event]) -> T) -> Result<T> {
        let mut ear = self.listen().await?;
        if ear.sorted < ear.order.len() {
            ear.order.sort_unstable();
            ear.sorted = ear.order.len();
        }
        Ok(ask(&ear.order))
    }

    /// Forgets what was read: some of it is not there any more.
    pub(crate) async fn hear_anew(&self) {
        *self.graphs.heard.lock().await = Ear::default();
    }

    /// Reads what came since the last time.
    async fn listen(&self) -> Result<tokio::sync::MutexGuard<'_, Ear>> {
        let mut ear = self.graphs.heard.lock().await;
        loop {
            let page = self.catalog().events_after(ear.last, PAGE).await?;
            if page.is_empty() {
                break;
            }
            ear.folded = None;
            for (number, event) in page {
                let value = serde_json::from_str(&event.body).map_err(|e| damaged(number, &e.to_string()))?;
                let placed = placed(number, &value);
                let heard = ear.heard.hear(&value)?;
                if heard != event.digest {
                    return Err(damaged(number, "it is not the one of its digest"));
                }
                ear.order.extend(placed);
                ear.last = number;
            }
        }
        Ok(ear)
    }
}

/// The run that built a training set in another deployment, as far as its manifest tells.
fn built_elsewhere(manifest: Manifest) -> Run {
    let definitions = manifest.closure.into_iter().map(Item::Definition);
    let snapshots = manifest.inputs.into_iter().map(|i| Item::Snapshot { dataset: i.dataset, number: i.number });
    let (name, number, content) = (manifest.name, manifest.number, manifest.content);
    Run {
        id: manifest.run,
        project: manifest.project,
        verb: Verb::Train,
        started: manifest.created,
        finished: Some(manifest.created),
        outcome: Outcome::Done,
        inputs: definitions.chain(snapshots).collect(),
        outputs: vec![Item::TrainingSet { name, number, content }],
        notes: [("rows".to_owned(), manifest.rows.to_string())].into(),
        engine: manifest.engine,
    }
}

/// Where an event stands.
fn placed(number: i64, value: &serde_json::Value) -> Option<Event> {
    let text = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_str);
    let time = text("/eventTime")?.parse().ok()?;
    let namespace = text("/job/namespace").or_else(|| text("/dataset/namespace"))?.into();
    Some(Event { time, number, namespace })
}

fn damaged(number: i64, why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "event_corrupt", format!("event {number} of other tools cannot be read: {why}"))
        .remedy("restore catalog.db from a backup")
}
