//! The graph by the standard's names, for tools that read the API of Marquez: what is ours and what others told of as one.
//!
//! What is ours is told as it would be told to others: of each job the last run that is done, and what is declared. So a
//! question takes time in the number of jobs and definitions where something changed since the last one, and in what it gives where
//! nothing did; how many runs there are does not matter. The first question binds each definition once, to say what its columns are made of,
//! which is kept by version. Pages of runs, versions and events are read from indexes.
//!
//! As of a moment, everything is as it was then, but for what symlinks say, which is of now at all times.

mod events;
mod forget;
mod ours;
mod runs;
mod stats;
mod tags;
mod versions;

use std::sync::{Arc, Mutex, PoisonError};

pub use asof_lineage::marquez::{Filter, Page, Sort};
use asof_lineage::marquez::{Thing, World};
use asof_model::{Error, ErrorKind, Micros, Result};
use serde_json::{Value, json};

pub use forget::Forgotten;
pub(crate) use ours::Ours;
pub use stats::Counted;
pub use tags::TagOn;

use crate::Engine;
use ours::Owned;

/// A namespace and a name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A question about the graph by the standard's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphQuestion {
    /// All namespaces.
    Namespaces,
    /// One of them.
    Namespace(String),
    /// Where datasets lie.
    Sources,
    /// One of these.
    Source(String),
    /// Datasets of a namespace, or of all.
    Datasets(Option<String>),
    /// One of them.
    Dataset(Named),
    /// The versions of a dataset.
    Versions(Named),
    /// One of them.
    Version(Named, String),
    /// Jobs of a namespace, or of all; with words only those whose last run stands so (`COMPLETED`, …).
    Jobs(Option<String>, Vec<String>),
    /// One of them.
    Job(Named),
    /// The runs of a job.
    Runs(Named),
    /// The versions of a job.
    JobVersions(Named),
    /// One of them.
    JobVersion(Named, String),
    /// One run, of any job.
    Run(String),
    /// What is known of a run, or of its job (`run`, `job`).
    RunFacets(String, String),
    /// The graph around a node, so many jobs far.
    Lineage(String, u32),
    /// The columns around a node, so many steps far, and whether also those downstream.
    Columns(String, u32, bool),
    /// Names with a text in them.
    Search(String, Filter, Sort),
    /// Events of a namespace or of all, from a moment until just before another; whether the newest come first.
    Events(Option<String>, Option<Micros>, Option<Micros>, bool),
    /// All words that may be on things.
    Tags,
    /// How much there was, day by day of a week, or hour by hour of a day.
    Counts(Counted, bool),
}

/// What there is at a moment.
pub(crate) struct Seen {
    pub(crate) world: World,
    pub(crate) owned: Owned,
}

/// What was seen last, of now and of some moment, until something changes.
#[derive(Default)]
pub(crate) struct Worlds {
    ours: tokio::sync::Mutex<Ours>,
    now: Mutex<Option<(u64, Arc<Seen>)>>,
    then: Mutex<Option<(u64, Micros, Arc<Seen>)>>,
}

impl Engine {
    /// Answers a question over the graph by the standard's names, as JSON in the shapes of Marquez.
    ///
    /// # Errors
    /// `unknown_in_lineage`; `too_far_back`; `event_corrupt`.
    pub async fn standard(&self, asked: GraphQuestion, page: Page, at: Option<Micros>) -> Result<Value> {
        if let GraphQuestion::Events(namespace, after, before, newest_first) = asked {
            // What came since is read there.
            self.seen(None).await?;
            return self.events_page(namespace.as_deref(), after, before.or(at), newest_first, page).await;
        }
        if let GraphQuestion::Tags = asked {
            return self.tags().await;
        }
        let seen = self.seen(at).await?;
        let world = &seen.world;
        let dataset = |named: &Named| {
            let found = world.dataset(&named.namespace, &named.name);
            found.ok_or_else(|| unknown(&format!("no dataset `{}` in the namespace `{}`", named.name, named.namespace)))
        };
        let job = |named: &Named| {
            let found = world.job(&named.namespace, &named.name);
            found.ok_or_else(|| unknown(&format!("no job `{}` in the namespace `{}`", named.name, named.namespace)))
        };
        match asked {
            GraphQuestion::Namespaces => Ok(world.namespaces(page)),
            GraphQuestion::Namespace(name) => {
                world.namespace(&name).ok_or_else(|| unknown(&format!("nothing in a namespace `{name}`")))
            }
            GraphQuestion::Sources => Ok(world.sources(page)),
            GraphQuestion::Source(name) => {
                world.source(&name).ok_or_else(|| unknown(&format!("no dataset at `{name}`")))
            }
            GraphQuestion::Datasets(namespace) => {
                let listed = world.list(false, namespace.as_deref(), page, |_| true);
                let part: Vec<_> = listed.part.into_iter().map(|thing| world.dataset_shape(thing)).collect();
                Ok(json!({"totalCount": listed.total, "datasets": part}))
            }
            GraphQuestion::Dataset(named) => Ok(world.dataset_shape(dataset(&named)?)),
            GraphQuestion::Versions(named) => self.versions_page(&seen, dataset(&named)?, page, at).await,
            GraphQuestion::Version(named, version) => {
                let found = self.made_version(&seen, dataset(&named)?, &version, at).await?;
                found.ok_or_else(|| unknown(&format!("no version `{version}` of the dataset `{}`", named.name)))
            }
            GraphQuestion::Jobs(namespace, states) => {
                self.jobs_page(&seen, namespace.as_deref(), &states, page, at).await
            }
            GraphQuestion::Job(named) => {
                let job = job(&named)?;
                let latest = Page { offset: 0, limit: LATEST };
                let (runs, _) = self.runs_of(job, latest, at).await?;
                Ok(world.job_shape(job, runs))
            }
            GraphQuestion::Runs(named) => {
                let (runs, total) = self.runs_of(job(&named)?, page, at).await?;
                Ok(json!({"totalCount": total, "runs": runs}))
            }
            GraphQuestion::JobVersions(named) => self.job_versions_page(&seen, job(&named)?, page, at).await,
            GraphQuestion::JobVersion(named, version) => {
                let found = self.job_version(&seen, job(&named)?, &version, at).await?;
                found.ok_or_else(|| unknown(&format!("no version `{version}` of the job `{}`", named.name)))
            }
            GraphQuestion::Run(id) => self.run_shape(&id, at).await,
            GraphQuestion::RunFacets(id, of) => self.run_facets(&id, &of, at).await,
            GraphQuestion::Lineage(node, depth) => Ok(world.lineage(found(world, &node)?, depth)),
            GraphQuestion::Columns(node, depth, downstream) => {
                let graph = world.column_lineage(&node, depth, downstream);
                graph.ok_or_else(|| unknown(&format!("no node `{node}`")))
            }
            GraphQuestion::Search(text, filter, sort) => Ok(world.search(&text, filter, sort, page.limit)),
            GraphQuestion::Counts(counted, week) => self.counts(&seen, counted, week, at).await,
            GraphQuestion::Events(..) | GraphQuestion::Tags => Err(Error::internal("answered before")),
        }
    }

    /// The world at a moment, or now.
    pub(crate) async fn seen(&self, at: Option<Micros>) -> Result<Arc<Seen>> {
        // Before anything is read: what is written meanwhile makes this one too old.
        let changes = self.catalog().changes();
        let kept = match at {
            None => self.worlds.now.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|k| k.0 == changes),
            Some(at) => {
                let then = self.worlds.then.lock().unwrap_or_else(PoisonError::into_inner).clone();
                then.filter(|kept| (kept.0, kept.1) == (changes, at)).map(|(changes, _, seen)| (changes, seen))
            }
        };
        if let Some((_, seen)) = kept {
            return Ok(seen);
        }
        // Reading and folding take long where there is much; who is served does not wait for that.
        let engine = self.clone();
        let seen = self.workshop().run(async move { engine.looked_at(at).await.map(Arc::new) }).await?;
        match at {
            None => {
                *self.worlds.now.lock().unwrap_or_else(PoisonError::into_inner) = Some((changes, seen.clone()));
            }
            Some(at) => {
                *self.worlds.then.lock().unwrap_or_else(PoisonError::into_inner) = Some((changes, at, seen.clone()));
            }
        }
        Ok(seen)
    }
}

impl Engine {
    async fn looked_at(&self, at: Option<Micros>) -> Result<Seen> {
        let ((theirs, then), tags, told) = (self.external_then(at).await?, self.tagged().await?, self.ours(at).await?);
        let ours = Arc::new(told.heard.fold());
        let world = World::of(vec![theirs, ours], at, tags);
        // What is ours was told as of then.
        let world = match then {
            Some(then) => world.knowing(THEIRS, then),
            None => world,
        };
        Ok(Seen { world, owned: told.owned })
    }
}

impl Worlds {
    pub(crate) fn ours(&self) -> &tokio::sync::Mutex<Ours> {
        &self.ours
    }
}

/// The place of what others told among what is put together.
const THEIRS: u32 = 0;

/// How many runs are told with a job.
const LATEST: usize = 10;

fn found<'a>(world: &'a World, node: &str) -> Result<&'a Thing> {
    world.node(node).ok_or_else(|| unknown(&format!("no node `{node}`")))
}

pub(crate) fn unknown(what: &str) -> Error {
    let what: String = what.chars().filter(|c| !c.is_control()).take(400).collect();
    Error::new(ErrorKind::NotFound, "unknown_in_lineage", format!("there is {what} in the graph, as of the moment asked about"))
        .remedy("GET /api/v1/search?q=… finds names; namespaces and names are those of OpenLineage, each escaped as one part of the path")
}
