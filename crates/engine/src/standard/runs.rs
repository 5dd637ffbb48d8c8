//! Jobs with their runs, and the versions of datasets with the runs that made them: pages, read from indexes.
//!
//! A job in the namespace of a project that is here is ours, whoever else tells of it: its runs are those that were recorded.

use asof_catalog::Page as Part;
use asof_lineage::marquez::{Page, Thing, run};
use asof_lineage::openlineage::{Facets, State, ToldRun, designs};
use asof_model::run::{Item, Outcome, Run};
use asof_model::{Kind, Micros, Name, Pinned, Result, RunId};
use serde_json::{Value, json};

use super::{Seen, unknown};
use crate::Engine;
use crate::run::as_of;

/// How far versions are counted.
const MOST_COUNTED: u64 = 100_000;

/// How many versions are looked through for one.
const MOST_LOOKED_AT: usize = 10_000;

/// The definition by which a run made what it declares.
pub(super) fn made_by(run: &Run) -> Option<&Pinned> {
    let (kind, name) = designs::made_by(&run.job())?;
    run.inputs.iter().find_map(|item| match item {
        Item::Definition(pinned) if pinned.kind == kind && pinned.name == name => Some(pinned),
        _ => None,
    })
}

pub(super) fn part(page: Page, at: Option<Micros>) -> Part {
    Part { offset: page.offset as u64, limit: page.limit as u64, at }
}

/// The project whose job this is, if it is one of ours.
pub(super) fn project_of(thing: &Thing) -> Option<Name> {
    thing.name.namespace.strip_prefix("asof://").and_then(|project| project.parse().ok())
}

impl Engine {
    /// Runs of a job in their shape, newest first, and how many there are.
    pub(super) async fn runs_of(&self, job: &Thing, page: Page, at: Option<Micros>) -> Result<(Vec<Value>, u64)> {
        if let Some(project) = project_of(job) {
            let total = self.catalog().runs_of_job_counted(&project, &job.name.name).await?;
            if total > 0 {
                let runs = self.catalog().runs_of_job(&project, &job.name.name, part(page, at)).await?;
                return Ok((self.own_shapes(&runs, at).await?, total));
            }
        }
        let told = self.heard(|heard| heard.runs_of(&job.name, at)).await?;
        let mut shapes = Vec::new();
        for run in told.iter().skip(page.offset).take(page.limit) {
            shapes.extend(run::of(&self.texts(run).await?));
        }
        Ok((shapes, told.len() as u64))
    }

    async fn own_shapes(&self, runs: &[Run], at: Option<Micros>) -> Result<Vec<Value>> {
        let mut shapes = Vec::with_capacity(runs.len());
        for run in runs {
            shapes.extend(self.own_shape(run, at).await?);
        }
        Ok(shapes)
    }

    pub(super) async fn own_shape(&self, run: &Run, at: Option<Micros>) -> Result<Option<Value>> {
        let version = made_by(run).map(|pinned| pinned.version.to_string());
        Ok(run::of(&self.own_events(run, at).await?).map(|shape| run::with_version(shape, version.as_deref())))
    }

    /// The events of a run of ours that had happened at a moment. What it declares is no part of it.
    pub(super) async fn own_events(&self, run: &Run, at: Option<Micros>) -> Result<Vec<Value>> {
        Ok(self.narrator().of_runs(&[as_of(run.clone(), at)]).await)
    }

    /// The events of a run of somebody else's, as they came.
    pub(super) async fn texts(&self, run: &ToldRun) -> Result<Vec<Value>> {
        let kept = self.catalog().events_of(&run.events).await?;
        Ok(kept.iter().filter_map(|event| serde_json::from_str(&event.body).ok()).collect())
    }

    /// A run of ours by its id.
    async fn own_run(&self, id: &str, at: Option<Micros>) -> Result<Option<Run>> {
        let Ok(run) = id.parse::<RunId>() else { return Ok(None) };
        Ok(self.catalog().run(run).await?.filter(|run| at.is_none_or(|at| run.started <= at)))
    }

    /// The events of a run by its id, ours or another's.
    async fn run_events(&self, id: &str, at: Option<Micros>) -> Result<Vec<Value>> {
        if let Some(run) = self.own_run(id, at).await? {
            return self.own_events(&run, at).await;
        }
        let told = self.heard(|heard| heard.run(id, at)).await?;
        match told {
            Some(run) => self.texts(&run).await,
            None => Err(unknown(&format!("no run `{id}`"))),
        }
    }

    pub(super) async fn run_shape(&self, id: &str, at: Option<Micros>) -> Result<Value> {
        let shape = match self.own_run(id, at).await? {
            Some(run) => self.own_shape(&run, at).await?,
            None => run::of(&self.run_events(id, at).await?),
        };
        shape.ok_or_else(|| unknown(&format!("no run `{id}`")))
    }

    pub(super) async fn run_facets(&self, id: &str, of: &str, at: Option<Micros>) -> Result<Value> {
        let events = self.run_events(id, at).await?;
        Ok(json!({"runId": id, "facets": run::facets(&events, of)}))
    }

    pub(super) async fn jobs_page(
        &self,
        seen: &Seen,
        namespace: Option<&str>,
        states: &[String],
        page: Page,
        at: Option<Micros>,
    ) -> Result<Value> {
        let mut wanted = std::collections::HashSet::new();
        if !states.is_empty() {
            wanted = self.standing(seen, namespace, states, at).await?;
        }
        let fits = |thing: &Thing| states.is_empty() || wanted.contains(&thing.name);
        let listed = seen.world.list(true, namespace, page, fits);
        let mut jobs = Vec::with_capacity(listed.part.len());
        for job in listed.part {
            let (runs, _) = self.runs_of(job, Page { offset: 0, limit: 1 }, at).await?;
            jobs.push(seen.world.job_shape(job, runs));
        }
        Ok(json!({"totalCount": listed.total, "jobs": jobs}))
    }

    /// The jobs whose last run stands in one of these ways.
    async fn standing(
        &self,
        seen: &Seen,
        namespace: Option<&str>,
        states: &[String],
        at: Option<Micros>,
    ) -> Result<std::collections::HashSet<asof_lineage::openlineage::Name>> {
        let theirs = self.heard(|heard| heard.states(at)).await?;
        let mut fit = std::collections::HashSet::new();
        let every = Page { offset: 0, limit: usize::MAX };
        for job in seen.world.list(true, namespace, every, |_| true).part {
            let own = match project_of(job) {
                Some(project) => {
                    let last = part(Page { offset: 0, limit: 1 }, at);
                    self.catalog().runs_of_job(&project, &job.name.name, last).await?.pop()
                }
                None => None,
            };
            let word = match own {
                Some(run) => match run.outcome {
                    Outcome::Running => "RUNNING",
                    Outcome::Done => "COMPLETED",
                    Outcome::Failed { .. } => "FAILED",
                    Outcome::Aborted => "ABORTED",
                },
                None => match theirs.get(&job.name) {
                    Some(State::Start | State::Running) => "RUNNING",
                    Some(State::Complete) => "COMPLETED",
                    Some(State::Fail) => "FAILED",
                    Some(State::Abort) => "ABORTED",
                    Some(State::Other) => "NEW",
                    None => continue,
                },
            };
            if states.iter().any(|state| state.eq_ignore_ascii_case(word)) {
                fit.insert(job.name.clone());
            }
        }
        Ok(fit)
    }

    pub(super) async fn versions_page(
        &self,
        seen: &Seen,
        dataset: &Thing,
        page: Page,
        at: Option<Micros>,
    ) -> Result<Value> {
        let (versions, total) = self.versions_of(seen, dataset, page, at).await?;
        Ok(json!({"totalCount": total, "versions": versions}))
    }

    /// A version by what it is called: that which is looked for is nearly always among the newest.
    pub(super) async fn made_version(
        &self,
        seen: &Seen,
        dataset: &Thing,
        version: &str,
        at: Option<Micros>,
    ) -> Result<Option<Value>> {
        let mut page = Page { offset: 0, limit: 100 };
        while page.offset < MOST_LOOKED_AT {
            let (versions, _) = self.versions_of(seen, dataset, page, at).await?;
            let last = versions.len() < page.limit;
            let found = versions.into_iter().find(|known| known["version"] == version);
            if found.is_some() || last {
                return Ok(found);
            }
            page.offset += page.limit;
        }
        Ok(None)
    }

    /// Versions of a dataset, newest first, and how many there are: first those that runs of ours made, then those of others.
    async fn versions_of(
        &self,
        seen: &Seen,
        dataset: &Thing,
        page: Page,
        at: Option<Micros>,
    ) -> Result<(Vec<Value>, u64)> {
        let names: Vec<_> = dataset.also.iter().chain([&dataset.name]).cloned().collect();
        let owned = names.iter().find_map(|name| seen.owned.get(name));
        let (mut versions, mut total) = (Vec::new(), 0);
        if let Some((project, kind, name)) = owned {
            let item = match kind {
                Kind::Dataset => Some("snapshot"),
                Kind::TrainingSet => Some("training_set"),
                Kind::FeatureView => Some("online"),
                Kind::FeatureService | Kind::Entity => None,
            };
            // What nothing has made yet has the versions that it was declared in.
            let first = part(Page { offset: 0, limit: 1 }, at);
            let item = match item {
                Some(item) if !self.catalog().made(project, item, name, first).await?.is_empty() => Some(item),
                _ => None,
            };
            match item {
                Some(item) => {
                    total = self.catalog().made_counted(project, item, name, MOST_COUNTED).await?;
                    for product in self.catalog().made(project, item, name, part(page, at)).await? {
                        let events = self.own_events(&product.run, None).await?;
                        versions.extend(seen.world.version_shape(dataset, &events));
                    }
                }
                None => {
                    let mut declared = self.catalog().versions(project, name).await?;
                    declared.retain(|version| at.is_none_or(|at| version.created <= at));
                    total = declared.len() as u64;
                    let shown = declared.iter().rev().skip(page.offset).take(page.limit);
                    versions.extend(shown.map(|known| {
                        let created = known.created.to_string().into();
                        seen.world.version_of(dataset, known.pinned.version.to_string(), created, Facets::new(), None)
                    }));
                }
            }
        }
        let theirs: Vec<ToldRun> = match owned {
            // Told to us by ourselves.
            Some(_) => Vec::new(),
            None => self.heard(|heard| heard.writers(&names, at)).await?,
        };
        for run in theirs.iter().skip(page.offset).take(page.limit) {
            versions.extend(seen.world.version_shape(dataset, &self.texts(run).await?));
        }
        Ok((versions, total + theirs.len() as u64))
    }
}
