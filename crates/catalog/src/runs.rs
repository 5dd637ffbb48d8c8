//! Runs: the body as JSON, and an index of its items.

use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Micros, Name, Run, RunId};
use sqlx::{query, query_scalar};

use crate::error::{Error, Result};
use crate::jobs;
use crate::many;
use crate::store::Connection;

/// Which runs are wanted; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this verb.
    pub verb: Option<Verb>,
    /// That read or made something of this name.
    pub item: Option<Name>,
    /// That started then or later.
    pub since: Option<Micros>,
    /// At most so many.
    pub limit: Option<usize>,
}

pub(crate) fn from_body(body: &str) -> Result<Run> {
    serde_json::from_str(body).map_err(|e| Error::damaged("a run", format!("its body cannot be read: {e}")))
}

fn from_bodies(bodies: Vec<String>) -> Result<Vec<Run>> {
    bodies.iter().map(|body| from_body(body)).collect()
}

/// Writes a run over what was recorded under its id; what is done stays done.
pub(crate) async fn record(db: &mut Connection, run: &Run) -> Result<()> {
    let id = run.id.to_string();
    let state: Option<String> =
        query_scalar("SELECT state FROM run WHERE id = $1").bind(&id).fetch_optional(&mut *db).await?;
    if state.as_deref() == Some(Outcome::Done.as_str()) && run.outcome != Outcome::Done {
        return Err(Error::RunDone(run.id));
    }
    // Updated in place, not replaced, because the history of pointers refers to the row.
    query(
        "INSERT INTO run (id, project, verb, state, started, body, job, finished) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET project = excluded.project, verb = excluded.verb, state = excluded.state,
             started = excluded.started, body = excluded.body, finished = excluded.finished",
    )
    .bind(&id)
    .bind(run.project.as_str())
    .bind(run.verb.as_str())
    .bind(run.outcome.as_str())
    .bind(run.started.0)
    .bind(serde_json::to_string(run).expect("a run is plain data with text for keys"))
    .bind(run.job())
    .bind(jobs::finished(run))
    .execute(&mut *db)
    .await?;
    jobs::count(&mut *db, run, state.as_deref()).await?;
    query("DELETE FROM run_item WHERE run = $1").bind(&id).execute(&mut *db).await?;
    let inputs = run.inputs.iter().enumerate().map(|(position, item)| ("input", position, item));
    let outputs = run.outputs.iter().enumerate().map(|(position, item)| ("output", position, item));
    let items: Vec<_> = inputs.chain(outputs).collect();
    let into = "run_item (run, role, position, item, project, name, version, number, key)";
    many::insert(db, into, "", &items, |row, (role, position, item)| {
        let entry = Entry::of(&run.project, item);
        row.bind(id.clone())
            .bind(*role)
            .bind(whole(*position as u64))
            .bind(entry.item)
            .bind(entry.project.to_string())
            .bind(entry.name.map(Name::to_string))
            .bind(entry.version)
            .bind(entry.number)
            .bind(entry.key)
    })
    .await
}

/// What the index says about an item.
pub(crate) struct Entry<'a> {
    pub(crate) item: &'static str,
    pub(crate) project: &'a Name,
    pub(crate) name: Option<&'a Name>,
    pub(crate) version: Option<i64>,
    pub(crate) number: Option<i64>,
    /// The identity inside the project: what is the same thing has the same key. Sizes, times and digests of
    /// content belong to a thing and do not tell it from another.
    pub(crate) key: String,
}

impl<'a> Entry<'a> {
    pub(crate) fn of(project: &'a Name, item: &'a Item) -> Self {
        let entry = |item, project, name, version, number, key| Entry { item, project, name, version, number, key };
        match item {
            Item::File { digest, .. } => entry("file", project, None, None, None, format!("file:{}", digest.hex())),
            Item::Snapshot { dataset, number } => {
                let key = format!("snapshot:{dataset}@{number}");
                entry("snapshot", project, Some(dataset), None, Some(whole(number.0)), key)
            }
            Item::Definition(pinned) => {
                let key = format!("definition:{}", pinned.reference());
                entry("definition", &pinned.project, Some(&pinned.name), Some(pinned.version.0.into()), None, key)
            }
            Item::TrainingSet { name, number, .. } => {
                let key = format!("training_set:{name}@{number}");
                entry("training_set", project, Some(name), None, Some((*number).into()), key)
            }
            Item::Online { view, generation, .. } => {
                let key = format!("online:{}#{generation}", view.reference());
                let (version, number) = (Some(view.version.0.into()), Some(whole(*generation)));
                entry("online", &view.project, Some(&view.name), version, number, key)
            }
            // Its version is no number: the key alone has it.
            Item::Model { name, version } => {
                entry("model", project, Some(name), None, None, format!("model:{name}@{version}"))
            }
        }
    }
}

/// A count as the database stores it. None comes near the limit; one that did would sort last.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) async fn run(db: &mut Connection, id: RunId) -> Result<Option<Run>> {
    let body: Option<String> =
        query_scalar("SELECT body FROM run WHERE id = $1").bind(id.to_string()).fetch_optional(db).await?;
    body.map(|body| from_body(&body)).transpose()
}

pub(crate) async fn runs(db: &mut Connection, project: &Name, filter: &RunFilter) -> Result<Vec<Run>> {
    // Two statements, because each goes down another index.
    let statement = match filter.item {
        None => {
            "SELECT body FROM run
             WHERE project = $1 AND ($2 IS NULL OR verb = $2) AND started >= $3
             ORDER BY started DESC, id DESC LIMIT $4"
        }
        Some(_) => {
            "SELECT body FROM run
             WHERE project = $1 AND ($2 IS NULL OR verb = $2) AND started >= $3
               AND id IN (SELECT run FROM run_item WHERE project = $1 AND name = $5)
             ORDER BY started DESC, id DESC LIMIT $4"
        }
    };
    let bodies = query_scalar(statement)
        .bind(project.as_str())
        .bind(filter.verb.map(Verb::as_str))
        .bind(filter.since.map_or(i64::MIN, |since| since.0))
        .bind(filter.limit.map_or(i64::MAX, |limit| whole(limit as u64)))
        .bind(filter.item.as_ref().map(Name::as_str))
        .fetch_all(db)
        .await?;
    from_bodies(bodies)
}

pub(crate) async fn unfinished(db: &mut Connection, project: Option<&Name>) -> Result<Vec<Run>> {
    let bodies = query_scalar(
        "SELECT body FROM run WHERE state = 'running' AND ($1 IS NULL OR project = $1) ORDER BY started, id",
    )
    .bind(project.map(Name::as_str))
    .fetch_all(db)
    .await?;
    from_bodies(bodies)
}
