//! Runs by the job that they are runs of, newest first, without reading any other run.

use asof_model::run::Outcome;
use asof_model::{Micros, Name, Run};
use sqlx::{query, query_as, query_scalar};

use crate::Catalog;
use crate::error::{Error, Result};
use crate::runs::from_body;
use crate::store::Connection;

/// A job: a verb and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEntry {
    /// As [`Run::job`] names it.
    pub name: String,
    /// How many runs of it there are.
    pub runs: u64,
    /// How many of them are done.
    pub done: u64,
    /// When one began first.
    pub since: Micros,
}

/// What a run made of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Which output of the run it is.
    pub position: usize,
    /// The run.
    pub run: Run,
}

/// Counts a run; `before` is how it stood, none if it was not there.
pub(crate) async fn count(db: &mut Connection, run: &Run, before: Option<&str>) -> Result<()> {
    let new = i64::from(before.is_none());
    let done = i64::from(run.outcome == Outcome::Done && before != Some(Outcome::Done.as_str()));
    if (new, done) == (0, 0) {
        return Ok(());
    }
    query(
        "INSERT INTO job (project, name, runs, done, since) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (project, name) DO UPDATE SET runs = job.runs + excluded.runs, done = job.done + excluded.done",
    )
    .bind(run.project.as_str())
    .bind(run.job())
    .bind(new)
    .bind(done)
    .bind(run.started.0)
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn projects(db: &mut Connection) -> Result<Vec<Name>> {
    let texts: Vec<String> =
        query_scalar("SELECT project FROM name UNION SELECT project FROM job ORDER BY 1").fetch_all(db).await?;
    let named = |text: String| text.parse().map_err(|e: asof_model::Error| Error::damaged("a project", e.message()));
    texts.into_iter().map(named).collect()
}

pub(crate) async fn jobs(db: &mut Connection, project: &Name) -> Result<Vec<JobEntry>> {
    let rows: Vec<(String, i64, i64, i64)> =
        query_as("SELECT name, runs, done, since FROM job WHERE project = $1 ORDER BY name")
            .bind(project.as_str())
            .fetch_all(db)
            .await?;
    let entries = rows.into_iter().map(|(name, runs, done, since)| JobEntry {
        name,
        runs: counted(runs),
        done: counted(done),
        since: Micros(since),
    });
    Ok(entries.collect())
}

/// How many runs of a job there are.
pub(crate) async fn runs_counted(db: &mut Connection, project: &Name, job: &str) -> Result<u64> {
    let runs: Option<i64> = query_scalar("SELECT runs FROM job WHERE project = $1 AND name = $2")
        .bind(project.as_str())
        .bind(job)
        .fetch_optional(db)
        .await?;
    Ok(counted(runs.unwrap_or_default()))
}

pub(crate) async fn runs_of(db: &mut Connection, project: &Name, job: &str, page: Page) -> Result<Vec<Run>> {
    let bodies: Vec<String> = query_scalar(
        "SELECT body FROM run WHERE project = $1 AND job = $2 AND started <= $3
         ORDER BY started DESC, id DESC LIMIT $4 OFFSET $5",
    )
    .bind(project.as_str())
    .bind(job)
    .bind(page.until())
    .bind(page.limit())
    .bind(page.offset())
    .fetch_all(db)
    .await?;
    bodies.iter().map(|body| from_body(body)).collect()
}

/// The last run of a job that was done by a moment.
pub(crate) async fn last_done(
    db: &mut Connection,
    project: &Name,
    job: &str,
    at: Option<Micros>,
) -> Result<Option<Run>> {
    let body: Option<String> = query_scalar(
        "SELECT body FROM run WHERE project = $1 AND job = $2 AND state = 'done' AND finished <= $3
         ORDER BY finished DESC, id DESC LIMIT 1",
    )
    .bind(project.as_str())
    .bind(job)
    .bind(at.map_or(i64::MAX, |at| at.0))
    .fetch_optional(db)
    .await?;
    body.map(|body| from_body(&body)).transpose()
}

/// Runs of a project that began from one moment until just before another.
pub(crate) async fn runs_between(
    db: &mut Connection,
    project: &Name,
    from: Micros,
    page: Page,
    newest_first: bool,
) -> Result<Vec<Run>> {
    let statement = if newest_first {
        "SELECT body FROM run WHERE project = $1 AND started >= $2 AND started <= $3
         ORDER BY started DESC, id DESC LIMIT $4 OFFSET $5"
    } else {
        "SELECT body FROM run WHERE project = $1 AND started >= $2 AND started <= $3
         ORDER BY started, id LIMIT $4 OFFSET $5"
    };
    let bodies: Vec<String> = query_scalar(statement)
        .bind(project.as_str())
        .bind(from.0)
        .bind(page.until())
        .bind(page.limit())
        .bind(page.offset())
        .fetch_all(db)
        .await?;
    bodies.iter().map(|body| from_body(body)).collect()
}

/// How many these are, counted up to a limit.
pub(crate) async fn counted_between(
    db: &mut Connection,
    project: &Name,
    from: Micros,
    until: Micros,
    most: u64,
) -> Result<u64> {
    let runs: i64 = query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM run WHERE project = $1 AND started >= $2 AND started <= $3 LIMIT $4) AS page",
    )
    .bind(project.as_str())
    .bind(from.0)
    .bind(until.0)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_one(db)
    .await?;
    Ok(counted(runs))
}

/// What was made of a name, newest first: snapshots, training sets, or a view's rows online.
pub(crate) async fn made(
    db: &mut Connection,
    project: &Name,
    item: &str,
    name: &Name,
    page: Page,
) -> Result<Vec<Product>> {
    let rows: Vec<(i64, String)> = query_as(
        "SELECT i.position, r.body FROM run_item i JOIN run r ON r.id = i.run
         WHERE i.project = $1 AND i.item = $2 AND i.name = $3 AND i.role = 'output' AND r.state = 'done'
           AND r.finished <= $4
         ORDER BY i.version DESC, i.number DESC LIMIT $5 OFFSET $6",
    )
    .bind(project.as_str())
    .bind(item)
    .bind(name.as_str())
    .bind(page.until())
    .bind(page.limit())
    .bind(page.offset())
    .fetch_all(db)
    .await?;
    let product = |(position, body): (i64, String)| {
        Ok(Product { position: usize::try_from(position).unwrap_or(usize::MAX), run: from_body(&body)? })
    };
    rows.into_iter().map(product).collect()
}

/// How many these are, counted up to a limit.
pub(crate) async fn made_counted(
    db: &mut Connection,
    project: &Name,
    item: &str,
    name: &Name,
    most: u64,
) -> Result<u64> {
    let made: i64 = query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM run_item
         WHERE project = $1 AND item = $2 AND name = $3 AND role = 'output' LIMIT $4) AS page",
    )
    .bind(project.as_str())
    .bind(item)
    .bind(name.as_str())
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_one(db)
    .await?;
    Ok(counted(made))
}

/// How many of the last runs began in which slot of time, and how they stand.
pub(crate) async fn by_slot(
    db: &mut Connection,
    project: &Name,
    from: Micros,
    width: i64,
    most: u64,
) -> Result<Vec<(i64, String, u64)>> {
    let rows: Vec<(i64, String, i64)> = query_as(
        "SELECT (started - $2) / $3 AS slot, state, count(*) FROM
             (SELECT started, state FROM run WHERE project = $1 AND started >= $2 ORDER BY started DESC LIMIT $4) AS last
         GROUP BY slot, state ORDER BY slot, state",
    )
    .bind(project.as_str())
    .bind(from.0)
    .bind(width)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(slot, state, runs)| (slot, state, counted(runs))).collect())
}

fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A part of a long list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// After so many,
    pub offset: u64,
    /// so many.
    pub limit: u64,
    /// Of what there was at a moment; of all without one.
    pub at: Option<Micros>,
}

impl Page {
    fn until(self) -> i64 {
        self.at.map_or(i64::MAX, |at| at.0)
    }

    fn limit(self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }

    fn offset(self) -> i64 {
        i64::try_from(self.offset).unwrap_or(i64::MAX)
    }
}

/// Of a run that is done, when; the index of those that are done goes by it.
pub(crate) fn finished(run: &Run) -> Option<i64> {
    match run.outcome {
        Outcome::Running => None,
        _ => Some(run.finished.unwrap_or(run.started).0),
    }
}

/// Runs by their jobs. Each question reads what it gives, whatever else there is.
impl Catalog {
    /// All projects that anything was declared or done in, by name.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn projects(&self) -> asof_model::Result<Vec<Name>> {
        Ok(projects(&mut *self.store.read().await?).await?)
    }

    /// The jobs of a project, by name.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn jobs(&self, project: &Name) -> asof_model::Result<Vec<JobEntry>> {
        Ok(jobs(&mut *self.store.read().await?, project).await?)
    }

    /// Runs of a job, newest first; with a moment those that had begun then.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn runs_of_job(&self, project: &Name, job: &str, page: Page) -> asof_model::Result<Vec<Run>> {
        Ok(runs_of(&mut *self.store.read().await?, project, job, page).await?)
    }

    /// How many runs of a job there are.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn runs_of_job_counted(&self, project: &Name, job: &str) -> asof_model::Result<u64> {
        Ok(runs_counted(&mut *self.store.read().await?, project, job).await?)
    }

    /// Of each of these jobs the last run that was done by a moment, or is by now.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn last_done(&self, project: &Name, jobs: &[&str], at: Option<Micros>) -> asof_model::Result<Vec<Run>> {
        let mut db = self.store.read().await?;
        let mut runs = Vec::with_capacity(jobs.len());
        for job in jobs {
            runs.extend(last_done(&mut db, project, job, at).await?);
        }
        Ok(runs)
    }

    /// Runs of a project that began at one moment or later, and with a moment in the page at that or sooner, in the order in
    /// which they began.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn runs_between(
        &self,
        project: &Name,
        from: Micros,
        page: Page,
        newest_first: bool,
    ) -> asof_model::Result<Vec<Run>> {
        Ok(runs_between(&mut *self.store.read().await?, project, from, page, newest_first).await?)
    }

    /// How many began between two moments, these included; no more than `most` are counted.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn runs_between_counted(
        &self,
        project: &Name,
        from: Micros,
        until: Micros,
        most: u64,
    ) -> asof_model::Result<u64> {
        Ok(counted_between(&mut *self.store.read().await?, project, from, until, most).await?)
    }

    /// How many of the last runs since a moment began in which slot of time of that width, from 0, and how they stand.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn runs_by_slot(
        &self,
        project: &Name,
        from: Micros,
        width: i64,
        most: u64,
    ) -> asof_model::Result<Vec<(i64, String, u64)>> {
        Ok(by_slot(&mut *self.store.read().await?, project, from, width, most).await?)
    }

    /// What runs made of a name, newest first: of an item's kind, as `snapshot`, `training_set` and `online`.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn made(&self, project: &Name, item: &str, name: &Name, page: Page) -> asof_model::Result<Vec<Product>> {
        Ok(made(&mut *self.store.read().await?, project, item, name, page).await?)
    }

    /// How many these are; no more than `most` are counted.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn made_counted(&self, project: &Name, item: &str, name: &Name, most: u64) -> asof_model::Result<u64> {
        Ok(made_counted(&mut *self.store.read().await?, project, item, name, most).await?)
    }
}
