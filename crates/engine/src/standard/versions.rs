//! Versions of jobs.
//!
//! A job that makes what a definition declares has the versions of the definition. What any other job is, is what it reads and writes: while the
//! runs of it that are done say the same, it is one version. Of ours, the newest runs are looked through.

use asof_lineage::marquez::{JobVersion, Page, Thing, run};
use asof_lineage::openlineage::{Facets, Name as Called, designs};
use asof_model::run::Run;
use asof_model::{Kind, Micros, Name, Registered, Result};
use serde_json::{Value, json};

use super::Seen;
use super::runs::{made_by, part, project_of};
use crate::Engine;
use crate::telling::Silence;

/// How many runs of a job of ours are looked through.
const MOST_LOOKED_AT: usize = 100;

impl Engine {
    pub(super) async fn job_versions_page(
        &self,
        seen: &Seen,
        job: &Thing,
        page: Page,
        at: Option<Micros>,
    ) -> Result<Value> {
        let (versions, total) = self.job_versions(seen, job, page, at, None).await?;
        Ok(json!({"totalCount": total, "versions": versions}))
    }

    pub(super) async fn job_version(
        &self,
        seen: &Seen,
        job: &Thing,
        version: &str,
        at: Option<Micros>,
    ) -> Result<Option<Value>> {
        let whole = Page { offset: 0, limit: usize::MAX };
        Ok(self.job_versions(seen, job, whole, at, Some(version)).await?.0.pop())
    }

    /// Versions of a job, newest first, and how many there are; or one by what it is called.
    async fn job_versions(
        &self,
        seen: &Seen,
        job: &Thing,
        page: Page,
        at: Option<Micros>,
        wanted: Option<&str>,
    ) -> Result<(Vec<Value>, usize)> {
        let is_wanted = |id: &str| wanted.is_none_or(|wanted| wanted == id);
        let mut shapes = Vec::new();
        if let Some(project) = project_of(job) {
            let looked_at = part(Page { offset: 0, limit: MOST_LOOKED_AT }, at);
            let runs = self.catalog().runs_of_job(&project, &job.name.name, looked_at).await?;
            let declared = self.declared_versions(&project, &job.name.name, at).await?;
            if !declared.is_empty() {
                let kept = declared.iter().filter(|version| is_wanted(&version.pinned.version.to_string()));
                for version in kept.skip(page.offset).take(page.limit) {
                    shapes.push(self.declared_version(seen, job, version, &runs, at).await?);
                }
                return Ok((shapes, declared.len()));
            }
            if !runs.is_empty() {
                let versions = self.own_versions(&runs, at).await?;
                let kept = versions.iter().filter(|(version, ..)| is_wanted(&version.id));
                for (version, facets, run) in kept.skip(page.offset).take(page.limit) {
                    shapes.push(seen.world.job_version_shape(job, version, Some(run.clone()), facets.clone()));
                }
                return Ok((shapes, versions.len()));
            }
        }
        let told = self.heard(|heard| heard.versions_of(&job.name, at)).await?;
        let kept = told.iter().filter(|version| is_wanted(&version.id));
        for version in kept.skip(page.offset).take(page.limit) {
            let Some(newest) = version.runs.first() else { continue };
            let events = self.texts(newest).await?;
            let facets = run::facets(&events, "job");
            shapes.push(seen.world.job_version_shape(job, &version.into(), run::of(&events), facets));
        }
        Ok((shapes, told.len()))
    }

    /// The versions of the definition whose job it is, newest first.
    async fn declared_versions(&self, project: &Name, job: &str, at: Option<Micros>) -> Result<Vec<Registered>> {
        let Some((kind, name)) = designs::made_by(job) else { return Ok(Vec::new()) };
        let mut versions = self.catalog().versions(project, &name).await?;
        versions.retain(|version| version.pinned.kind == kind && at.is_none_or(|at| version.created <= at));
        versions.reverse();
        Ok(versions)
    }

    async fn declared_version(
        &self,
        seen: &Seen,
        job: &Thing,
        version: &Registered,
        runs: &[Run],
        at: Option<Micros>,
    ) -> Result<Value> {
        let location = |project: &Name, dataset: &Name| self.offline().location(project, dataset);
        let told = designs::of([version], &location, &Silence).pop().unwrap_or_default();
        let named = |one: &Value| Some(Called::of_dataset(one.get("namespace")?.as_str()?, one.get("name")?.as_str()?));
        let all = |member: &str| {
            let members = told.get(member).and_then(Value::as_array).into_iter().flatten();
            members.filter_map(named).collect::<Vec<_>>()
        };
        let outputs = match version.pinned.kind {
            // It is told of without a job.
            Kind::Dataset => told.get("dataset").and_then(named).into_iter().collect(),
            _ => all("outputs"),
        };
        let facets = told.pointer("/job/facets").and_then(Value::as_object).cloned().unwrap_or_else(Facets::new);
        let (id, created, inputs) = (version.pinned.version.to_string(), version.created, all("inputs"));
        let run = match runs.iter().find(|run| made_by(run) == Some(&version.pinned)) {
            Some(run) => self.own_shape(run, at).await?,
            None => None,
        };
        Ok(seen.world.job_version_shape(job, &JobVersion { id, created, inputs, outputs }, run, facets))
    }

    /// The versions that runs of ours are of, newest first, each with what is known of it and the last run.
    async fn own_versions(&self, runs: &[Run], at: Option<Micros>) -> Result<Vec<(JobVersion, Facets, Value)>> {
        let mut versions: Vec<(JobVersion, Facets, Value)> = Vec::new();
        for run in runs {
            let events = self.own_events(run, at).await?;
            let (Some(told), Some(shape)) = (run::job_version(&events), run::of(&events)) else { continue };
            match versions.iter_mut().find(|(known, ..)| known.id == told.id) {
                Some((known, ..)) => known.created = known.created.min(told.first),
                None => versions.push(((&told).into(), run::facets(&events, "job"), shape)),
            }
        }
        Ok(versions)
    }
}
