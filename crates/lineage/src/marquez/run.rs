//! Runs, and the versions of datasets that they made and of jobs that they are of, from the events that tell of them.
//!
//! What a job reads and writes, as a run that is done says it, is the job's version. Who knows better, since the job is made by a definition, says
//! so ([`with_version`]).

use asof_model::{Digest, Micros};
use serde_json::{Map, Value, json};

use super::world::{Thing, World};
use crate::openlineage::{Facets, Heard, Name, ToldVersion, canonical};

/// A run from its events, in the order in which they happened; none where there are none.
pub fn of(events: &[Value]) -> Option<Value> {
    let (first, last) = (events.first()?, events.last()?);
    let time = |event: &Value| -> Option<Micros> { event.get("eventTime")?.as_str()?.parse().ok() };
    let state = |event: &Value| event.get("eventType").and_then(Value::as_str).unwrap_or("OTHER").to_ascii_uppercase();
    let begun = events.iter().find(|event| state(event) == "START").or(Some(first)).and_then(time);
    let ended = events.iter().rev().find(|event| matches!(state(event).as_str(), "COMPLETE" | "FAIL" | "ABORT"));
    let word = match ended.map(state).as_deref() {
        Some("COMPLETE") => "COMPLETED",
        Some("FAIL") => "FAILED",
        Some("ABORT") => "ABORTED",
        _ if events.iter().any(|event| matches!(state(event).as_str(), "START" | "RUNNING")) => "RUNNING",
        _ => "NEW",
    };
    let ended = ended.and_then(time);
    let facets = facets(events, "run");
    let nominal = |member: &str| facets.get("nominalTime").and_then(|facet| facet.get(member)).cloned();
    let id = first.pointer("/run/runId")?.clone();
    let duration = begun.zip(ended).map(|(begun, ended)| (ended.0 - begun.0).max(0) / 1000);
    let moment = |moment: Option<Micros>| moment.map(|moment| moment.to_string());
    let job = first.get("job");
    let name = |member: &str| job.and_then(|job| job.get(member)).cloned();
    Some(json!({
        "id": id, "createdAt": moment(time(first)), "updatedAt": moment(time(last)),
        "nominalStartTime": nominal("nominalStartTime"), "nominalEndTime": nominal("nominalEndTime"),
        "state": word, "startedAt": moment(begun), "endedAt": moment(ended), "durationMs": duration, "args": {},
        "jobVersion": {"namespace": name("namespace"), "name": name("name"), "version": job_version(events).map(|version| version.id)},
        "inputDatasetVersions": versions(events, "inputs", &id),
        "outputDatasetVersions": versions(events, "outputs", &id),
        "facets": facets,
    }))
}

/// A run in its shape, with the version of its job.
pub fn with_version(mut run: Value, version: Option<&str>) -> Value {
    if let (Some(version), Some(of)) = (version, run.get_mut("jobVersion")) {
        of["version"] = version.into();
    }
    run
}

/// The version of its job that a run is, from its events; none of one that is not done.
pub fn job_version(events: &[Value]) -> Option<ToldVersion> {
    let mut heard = Heard::new();
    for event in events {
        heard.hear(event).ok()?;
    }
    let part = |member: &str| events.first()?.get("job")?.get(member)?.as_str();
    let job = Name { namespace: part("namespace")?.to_owned(), name: part("name")?.to_owned() };
    heard.versions_of(&job, None).pop()
}

/// The facets of the run, or of its job: the newest of each name.
pub fn facets(events: &[Value], of: &str) -> Facets {
    let mut all = Facets::new();
    for facets in events.iter().filter_map(|event| event.get(of)?.get("facets")?.as_object()) {
        all.extend(facets.iter().map(|(name, facet)| (name.clone(), facet.clone())));
    }
    all
}

/// The datasets that a run read or wrote, each once, with what was told of it last.
fn datasets(events: &[Value], member: &str) -> Vec<(Name, Facets)> {
    let mut all: Vec<(Name, Facets)> = Vec::new();
    for dataset in events.iter().filter_map(|event| event.get(member)?.as_array()).flatten() {
        let part = |name: &str| dataset.get(name).and_then(Value::as_str);
        let (Some(namespace), Some(name)) = (part("namespace"), part("name")) else { continue };
        let name = Name::of_dataset(namespace, name);
        let place = all.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            all.push((name, Facets::new()));
            all.len() - 1
        });
        for facets in
            ["facets", "inputFacets", "outputFacets"].iter().filter_map(|facets| dataset.get(facets)?.as_object())
        {
            all[place].1.extend(facets.iter().map(|(name, facet)| (name.clone(), facet.clone())));
        }
    }
    all
}

fn versions(events: &[Value], member: &str, run: &Value) -> Vec<Value> {
    let run = run.as_str().unwrap_or_default();
    let shaped = datasets(events, member).into_iter().map(|(name, facets)| {
        // What a run reads it did not make: which version that was, only its producer can say.
        let version = if member == "outputs" { Some(version(&name, &facets, run)) } else { told_version(&facets) };
        json!({"datasetVersionId": {"namespace": name.namespace, "name": name.name, "version": version}, "facets": facets})
    });
    shaped.collect()
}

fn told_version(facets: &Facets) -> Option<String> {
    facets.get("version")?.get("datasetVersion")?.as_str().map(str::to_owned)
}

/// What a version of a dataset is called: as its producer calls it, or else by the run that made it.
fn version(name: &Name, facets: &Facets, run: &str) -> String {
    if let Some(told) = told_version(facets) {
        return told;
    }
    let digest = Digest::of(format!("{}\n{}\n{run}", name.namespace, name.name).as_bytes());
    canonical::identifier(&digest)
}

impl World {
    /// The version of a dataset that a run made, from the run's events; none where it made none.
    pub fn version_shape(&self, thing: &Thing, events: &[Value]) -> Option<Value> {
        let mut made = datasets(events, "outputs").into_iter();
        let (name, facets) = made.find(|(name, _)| *name == thing.name || thing.also.contains(name))?;
        let run = of(events)?;
        let version = version(&name, &facets, run["id"].as_str().unwrap_or_default());
        Some(self.version_of(thing, version, run["endedAt"].clone(), facets, Some(run)))
    }

    /// A version of a dataset that nothing made: one of its definition.
    pub fn version_of(
        &self,
        thing: &Thing,
        version: String,
        created: Value,
        facets: Facets,
        run: Option<Value>,
    ) -> Value {
        let mut shape = match self.dataset_shape(thing) {
            Value::Object(shape) => shape,
            _ => Map::new(),
        };
        for member in ["updatedAt", "lastLifecycleState", "currentVersion", "columnLineage", "deleted", "alsoKnownAs"] {
            shape.remove(member);
        }
        let lifecycle = facets.get("lifecycleStateChange").and_then(|facet| facet.get("lifecycleStateChange")).cloned();
        if facets.contains_key("schema") {
            shape.insert("fields".to_owned(), self.fields(thing, facets.get("schema")).into());
        }
        shape.insert(
            "id".to_owned(),
            json!({"namespace": thing.name.namespace, "name": thing.name.name, "version": version}),
        );
        shape.insert("version".to_owned(), version.into());
        shape.insert("createdAt".to_owned(), created.clone());
        shape.insert("lastModifiedAt".to_owned(), created);
        shape.insert("lifecycleState".to_owned(), lifecycle.unwrap_or(Value::Null));
        shape.insert("currentSchemaVersion".to_owned(), Value::Null);
        shape.insert("createdByRun".to_owned(), run.unwrap_or(Value::Null));
        shape.insert("facets".to_owned(), Value::Object(facets));
        Value::Object(shape)
    }
}
