//! What is ours, as events: of each job the last run that is done, and the newest version of each definition.
//!
//! Kept between questions: a job is read again when one more of its runs is done, definitions when something was applied.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use asof_catalog::JobEntry;
use asof_lineage::columns::Flowing;
use asof_lineage::openlineage::{Heard, Name as Called, Places, designs};
use asof_model::{Kind, Micros, Name, Pinned, Registered, Result};
use asof_query::Definitions;
use serde_json::Value;

use crate::Engine;
use crate::lineage::columns::Declared;

/// Those of one run.
type Events = Arc<Vec<Value>>;

/// What was read.
#[derive(Default)]
pub(crate) struct Ours {
    /// By project: how often names were given other meanings, and what they mean.
    definitions: HashMap<Name, (u64, Arc<Meant>)>,
    /// By project and job: how many of its runs are done, and the events of the last of them.
    jobs: HashMap<(Name, String), (u64, Events)>,
}

/// What names mean.
pub(crate) struct Meant {
    /// The newest version of each definition.
    newest: Vec<Registered>,
    /// All, since these read others.
    all: Definitions,
}

/// What datasets of ours are called, and which they are.
pub(crate) type Owned = HashMap<Called, (Name, Kind, Name)>;

/// What is ours at a moment.
pub(crate) struct Told {
    pub(crate) heard: Heard,
    pub(crate) owned: Owned,
}

impl Engine {
    /// What is ours at a moment, or now.
    pub(crate) async fn ours(&self, at: Option<Micros>) -> Result<Told> {
        let mut told = Told { heard: Heard::new(), owned: Owned::new() };
        let mut kept = self.worlds.ours().lock().await;
        for project in self.catalog().projects().await? {
            let jobs = self.catalog().jobs(&project).await?;
            let definitions = self.declared(&mut kept, &project, &jobs, at).await?;
            self.declare(&mut told, &definitions).await?;
            for events in self.last_runs(&mut kept, &project, &jobs, at).await? {
                for event in events.iter() {
                    told.heard.hear(event)?;
                }
            }
        }
        Ok(told)
    }

    /// Adds what is declared, and what columns are made of by it.
    async fn declare(&self, told: &mut Told, definitions: &Meant) -> Result<()> {
        let Meant { newest, all } = definitions;
        let pinned = newest.iter().map(|registered| &registered.pinned);
        let datasets: Vec<Pinned> = pinned.filter(|of| of.kind == Kind::Dataset).cloned().collect();
        let location = |project: &Name, dataset: &Name| self.offline().location(project, dataset);
        for registered in newest {
            let Pinned { kind, project, name, .. } = &registered.pinned;
            let places = Places { project, location: &location };
            if let Some(called) = places.named(*kind, name) {
                told.owned.insert(called, (project.clone(), *kind, name.clone()));
            }
        }
        for event in self.designs(newest, all, &datasets).await? {
            told.heard.hear(&event)?;
        }
        Ok(())
    }

    /// What is declared, as events; `all` are the definitions among which it is found out what their columns are made of, `datasets`
    /// those of them of which it may matter what their tables have.
    pub(crate) async fn designs(
        &self,
        declared: &[Registered],
        all: &Definitions,
        datasets: &[Pinned],
    ) -> Result<Vec<Value>> {
        let flowing = Declared { engine: self, definitions: all };
        if declared.iter().any(|registered| flowing.flows(&registered.pinned).is_err()) {
            // Something may read a column that only a table has.
            let unknown = datasets.iter().filter(|dataset| !self.graphs.columns.is_looked_up(dataset));
            self.columns_of_tables(&unknown.cloned().collect::<Vec<_>>()).await?;
        }
        let location = |project: &Name, dataset: &Name| self.offline().location(project, dataset);
        Ok(designs::of(declared, &location, &flowing))
    }

    /// The newest version of each definition that there was at a moment.
    async fn declared(
        &self,
        kept: &mut Ours,
        project: &Name,
        jobs: &[JobEntry],
        at: Option<Micros>,
    ) -> Result<Arc<Meant>> {
        // Those that are about no single thing are about names.
        let applied = jobs.iter().filter(|job| !job.name.contains('.')).map(|job| job.done).sum();
        if at.is_none()
            && let Some((known, definitions)) = kept.definitions.get(project)
            && *known == applied
        {
            return Ok(definitions.clone());
        }
        // They come by name and version: of each name the last one stays.
        let whole = self.catalog().whole(project).await?.definitions;
        let there = whole.iter().filter(|version| at.is_none_or(|at| version.created <= at));
        let newest: BTreeMap<&Name, &Registered> = there.map(|version| (&version.pinned.name, version)).collect();
        let newest = newest.into_values().cloned().collect();
        let meant = Arc::new(Meant { newest, all: Definitions::new(whole.into_iter().map(Arc::new)) });
        if at.is_none() {
            kept.definitions.insert(project.clone(), (applied, meant.clone()));
        }
        Ok(meant)
    }

    /// The events of the last run of each job that is done.
    async fn last_runs(
        &self,
        kept: &mut Ours,
        project: &Name,
        jobs: &[JobEntry],
        at: Option<Micros>,
    ) -> Result<Vec<Arc<Vec<Value>>>> {
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            if job.done == 0 {
                continue;
            }
            let key = (project.clone(), job.name.clone());
            if at.is_none()
                && let Some((known, events)) = kept.jobs.get(&key)
                && *known == job.done
            {
                all.push(events.clone());
                continue;
            }
            let runs = self.catalog().last_done(project, &[job.name.as_str()], at).await?;
            let events = Arc::new(self.narrator().of_runs(&runs).await);
            if at.is_none() {
                kept.jobs.insert(key, (job.done, events.clone()));
            }
            all.push(events);
        }
        Ok(all)
    }
}
