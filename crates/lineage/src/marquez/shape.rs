//! Single things in their shapes.

use std::collections::{BTreeMap, BTreeSet};

use asof_model::Micros;
use serde_json::{Value, json};

use super::world::{Thing, World};
use crate::openlineage::{DEFINITION, Facets, Name, Times, ToldVersion};

/// A namespace and a name, as a member.
pub(super) fn id(name: &Name) -> Value {
    json!({"namespace": name.namespace, "name": name.name})
}

pub(super) fn first(times: Option<Times>) -> Value {
    times.map_or(Value::Null, |times| times.first.to_string().into())
}

pub(super) fn last(times: Option<Times>) -> Value {
    times.map_or(Value::Null, |times| times.last.to_string().into())
}

/// What is called the version of a dataset: of what it holds, or, while nothing made it, of what it is declared as.
pub(super) fn current_version(facets: &Facets) -> Option<Value> {
    let text = |facet: &str, member: &str| facets.get(facet).and_then(|facet| facet.get(member)).cloned();
    text("version", "datasetVersion").or_else(|| text(DEFINITION, "version"))
}

/// A version of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobVersion {
    /// What it is called.
    pub id: String,
    /// Since when it is there.
    pub created: Micros,
    /// What it reads.
    pub inputs: Vec<Name>,
    /// What it writes.
    pub outputs: Vec<Name>,
}

impl From<&ToldVersion> for JobVersion {
    fn from(told: &ToldVersion) -> JobVersion {
        let ToldVersion { id, inputs, outputs, first, .. } = told.clone();
        JobVersion { id, created: first, inputs, outputs }
    }
}

impl World {
    /// A dataset.
    pub fn dataset_shape(&self, thing: &Thing) -> Value {
        let facets = self.facets(thing);
        let text = |facet: &str, member: &str| facets.get(facet).and_then(|facet| facet.get(member)).cloned();
        let kind = match thing.name.namespace.split("://").next() {
            Some("kafka" | "pulsar" | "kinesis") => "STREAM",
            _ => "DB_TABLE",
        };
        let lifecycle = text("lifecycleStateChange", "lifecycleStateChange");
        json!({
            "id": id(&thing.name), "type": kind, "name": thing.name.name, "physicalName": thing.name.name,
            "createdAt": first(thing.times), "updatedAt": last(thing.times), "namespace": thing.name.namespace,
            "sourceName": text("dataSource", "name").unwrap_or_else(|| thing.name.namespace.clone().into()),
            "fields": self.fields(thing, facets.get("schema")),
            "tags": self.tags.of(thing, None),
            "lastModifiedAt": last(thing.times),
            "lastLifecycleState": lifecycle.clone(),
            "description": text("documentation", "description"),
            "currentVersion": current_version(&facets),
            "columnLineage": self.column_inputs(thing),
            "alsoKnownAs": thing.also.iter().map(id).collect::<Vec<_>>(),
            "deleted": lifecycle == Some("DROP".into()),
            "facets": facets,
        })
    }

    /// The columns that a `schema` facet tells of.
    pub(super) fn fields(&self, thing: &Thing, schema: Option<&Value>) -> Vec<Value> {
        let fields = schema.and_then(|schema| schema.get("fields")).and_then(Value::as_array).into_iter().flatten();
        let named = fields.filter_map(|field| Some((field.get("name")?.as_str()?, field)));
        let shaped = named.map(|(name, field)| {
            json!({"name": name, "type": field.get("type").cloned().unwrap_or(Value::Null),
                "tags": self.tags.of(thing, Some(name)),
                "description": field.get("description").cloned().unwrap_or(Value::Null)})
        });
        shaped.collect()
    }

    /// A job, with its runs of late, newest first.
    pub fn job_shape(&self, thing: &Thing, runs: Vec<Value>) -> Value {
        let facets = self.facets(thing);
        let member = |facet: &str, member: &str| facets.get(facet).and_then(|facet| facet.get(member)).cloned();
        let streams = member("jobType", "processingType").is_some_and(|kind| kind == "STREAMING");
        let parent = self.parents(thing).into_iter().next().map(|parent| parent.name.clone());
        let simple = parent.as_ref().and_then(|parent| thing.name.name.strip_prefix(parent.as_str()));
        let simple = simple.and_then(|rest| rest.strip_prefix('.')).unwrap_or(&thing.name.name);
        let done = runs.iter().map(|run| run["jobVersion"]["version"].clone()).find(|version| !version.is_null());
        // What nobody ran is what it is declared as.
        let version = done.or_else(|| member(DEFINITION, "version"));
        let ids = |numbers: &std::collections::BTreeSet<u32>| {
            let things = numbers.iter().map(|number| &self.things[*number as usize]);
            things.filter(|thing| !thing.is_job).map(|thing| id(&thing.name)).collect::<Vec<_>>()
        };
        json!({
            "id": id(&thing.name), "type": if streams { "STREAM" } else { "BATCH" }, "name": thing.name.name,
            "simpleName": simple, "parentJobName": parent, "parentJobUuid": null,
            "createdAt": first(thing.times), "updatedAt": last(thing.times), "namespace": thing.name.namespace,
            "inputs": ids(&thing.upstream), "outputs": ids(&thing.downstream),
            "location": member("sourceCodeLocation", "url"),
            "description": member("documentation", "description"),
            "latestRun": runs.first().cloned(), "latestRuns": runs,
            "tags": self.tags.of(thing, None), "labels": [], "currentVersion": version,
            "facets": facets,
        })
    }

    /// A version of a job: what it is called, since when it is there, what it reads and writes, the last run that it had, and
    /// what is known of it.
    pub fn job_version_shape(&self, thing: &Thing, version: &JobVersion, run: Option<Value>, facets: Facets) -> Value {
        let called = |names: &[Name]| {
            // As the graph calls them.
            let known =
                names.iter().map(|name| self.dataset(&name.namespace, &name.name).map_or(name, |thing| &thing.name));
            known.collect::<BTreeSet<_>>().into_iter().map(id).collect::<Vec<_>>()
        };
        let location = facets.get("sourceCodeLocation").and_then(|facet| facet.get("url")).cloned();
        json!({
            "id": {"namespace": thing.name.namespace, "name": thing.name.name, "version": version.id},
            "name": thing.name.name, "version": version.id, "namespace": thing.name.namespace,
            "createdAt": version.created.to_string(),
            "inputs": called(&version.inputs), "outputs": called(&version.outputs),
            "location": location, "context": {}, "latestRun": run, "facets": facets,
        })
    }

    /// A thing inside a graph.
    pub(super) fn thing_shape(&self, thing: &Thing) -> Value {
        if thing.is_job { self.job_shape(thing, Vec::new()) } else { self.dataset_shape(thing) }
    }

    /// All namespaces that were told of, with the times of what is in them.
    pub(super) fn spaces(&self, datasets_only: bool) -> BTreeMap<&str, Option<Times>> {
        let mut spaces: BTreeMap<&str, Option<Times>> = BTreeMap::new();
        let things = self.things.iter().filter(|thing| thing.is_there(self.at) && !(datasets_only && thing.is_job));
        for thing in things {
            let known = spaces.entry(&thing.name.namespace).or_default();
            *known = match (*known, thing.times) {
                (Some(known), Some(times)) => Some(known.and(times)),
                (known, times) => known.or(times),
            };
        }
        spaces
    }

    pub(super) fn namespace_shape(name: &str, times: Option<Times>) -> Value {
        json!({"name": name, "createdAt": first(times), "updatedAt": last(times), "ownerName": "", "description": null,
            "isHidden": false})
    }

    pub(super) fn source_shape(name: &str, times: Option<Times>) -> Value {
        let kind = name.split(':').next().unwrap_or(name).to_ascii_uppercase();
        json!({"type": kind, "name": name, "createdAt": first(times), "updatedAt": last(times), "connectionUrl": name,
            "description": null})
    }
}
