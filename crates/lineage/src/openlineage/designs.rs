//! What is declared, as the standard tells of it: a dataset as an event about a dataset, everything else as a job without a run,
//! with what it reads and what it makes.
//!
//! The job is the one whose runs make it later (`materialize.airport_weather`, `train.delays`); nothing makes a service but the
//! requests that it answers, so its job is `serve.departure_delay` and has no runs. An entity is neither.
//!
//! What columns are made of is known before anything was made, and is told with it; where it cannot be found out, nothing is said of it.

use asof_model::{Error, Kind, Name as ProjectName, Pinned, Registered};
use serde_json::{Value, json};

use super::event::Facets;
use super::facets::{PRODUCER, definition, described, documented, job_type, put, sql};
use super::out_columns;
use super::places::Places;
use crate::columns::Flowing;

/// The standard of the events themselves.
const EVENTS: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/";

/// An event for each of these definitions. `location` is where a project's dataset lies.
pub fn of<'a>(
    definitions: impl IntoIterator<Item = &'a Registered>,
    location: &dyn Fn(&ProjectName, &ProjectName) -> String,
    flowing: &dyn Flowing,
) -> Vec<Value> {
    definitions.into_iter().filter_map(|registered| design(registered, location, flowing)).collect()
}

/// The job that makes what a definition declares.
pub fn job(kind: Kind, name: &ProjectName) -> Option<String> {
    let verb = match kind {
        Kind::Dataset => "ingest",
        Kind::FeatureView => "materialize",
        Kind::FeatureService => "serve",
        Kind::TrainingSet => "train",
        Kind::Entity => return None,
    };
    Some(format!("{verb}.{name}"))
}

/// What a job of that name makes, if it is one that makes what a definition declares.
pub fn made_by(job: &str) -> Option<(Kind, ProjectName)> {
    let (_, name) = job.split_once('.')?;
    let name: ProjectName = name.parse().ok()?;
    let kinds = [Kind::Dataset, Kind::FeatureView, Kind::FeatureService, Kind::TrainingSet];
    kinds.into_iter().find(|kind| self::job(*kind, &name).as_deref() == Some(job)).map(|kind| (kind, name))
}

fn design(
    registered: &Registered,
    location: &dyn Fn(&ProjectName, &ProjectName) -> String,
    flowing: &dyn Flowing,
) -> Option<Value> {
    let Pinned { kind, project, name, .. } = &registered.pinned;
    let places = Places { project, location };
    let made = places.named(*kind, name)?;
    let mut facets = Facets::new();
    described(&mut facets, &made, Some(registered));
    definition(&mut facets, &registered.pinned);
    if let Some(columns) = columns(registered, location, flowing) {
        put(&mut facets, "columnLineage", out_columns::COLUMN_LINEAGE, columns);
    }
    let made = json!({"namespace": made.namespace, "name": made.name, "facets": facets});
    let event = |standard: &str| json!({"eventTime": registered.created.to_string(), "producer": PRODUCER, "schemaURL": format!("{EVENTS}{standard}")});
    if *kind == Kind::Dataset {
        let mut event = event("DatasetEvent");
        event["dataset"] = made;
        return Some(event);
    }
    let job = job(*kind, name)?;
    let mut facets = Facets::new();
    job_type(&mut facets, job.split('.').next().unwrap_or_default());
    sql(&mut facets, &registered.definition);
    definition(&mut facets, &registered.pinned);
    documented(&mut facets, &registered.definition, true);
    let reads = registered.inputs.iter().filter_map(|input| {
        let Pinned { kind, project, name, .. } = &input.pinned;
        let name = Places { project, location }.named(*kind, name)?;
        Some(json!({"namespace": name.namespace, "name": name.name}))
    });
    let mut event = event("JobEvent");
    event["job"] = json!({"namespace": places.namespace(), "name": job, "facets": facets});
    event["inputs"] = reads.collect();
    event["outputs"] = json!([made]);
    Some(event)
}

/// What the columns of what is declared are made of, of what it reads itself.
fn columns(
    registered: &Registered,
    location: &dyn Fn(&ProjectName, &ProjectName) -> String,
    flowing: &dyn Flowing,
) -> Option<Value> {
    if registered.pinned.kind == Kind::Dataset {
        return None;
    }
    let flows = flowing.flows(&registered.pinned).ok()?;
    let place = |read: &Pinned| {
        let named = Places { project: &read.project, location }.named(read.kind, &read.name);
        named.ok_or_else(|| Error::internal(format!("{read} has no place")))
    };
    out_columns::made_of(&out_columns::near(&flows), &place).ok().flatten()
}
