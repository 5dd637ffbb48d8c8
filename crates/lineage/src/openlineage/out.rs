//! OpenLineage, out: a run of ours as the events that another tool would send of it.
//!
//! Two of each: that it began, and what became of it; one while it goes on. A job is a verb and what it makes
//! (`materialize.carrier_delays`), so that one job stands for all runs of it. Datasets are named by where they lie, as the
//! standard has it; what lies nowhere that others could read (rows online, training sets in the store) has the namespace of its
//! project. A version is a facet and never part of a name.
//!
//! What the columns of something made are made of is told down to datasets ([`super::out_columns`]), for what the run read: `flowing`
//! says it of definitions.
//!
//! Deliberately not here: definitions are no datasets, so what a run read of them is the job's SQL and nothing else.

use std::collections::HashMap;

use asof_model::run::{Item, Outcome};
use asof_model::{Definition, Kind, Micros, Name as ProjectName, Pinned, Registered, Result, Run};
use serde_json::{Value, json};

use super::event::{Facets, State};
use super::naming::Name;
use super::out_columns;
use crate::columns::{Flowing, flat};

/// Who says so, as a URI.
const PRODUCER: &str = concat!("urn:asof:", env!("CARGO_PKG_VERSION"));

/// The standard of the event itself.
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The events of a run. `definitions` are those that it read or made, as far as they are known; `location` is where a dataset
/// lies.
///
/// # Errors
/// Those of [`Flowing::flows`].
pub fn events(
    run: &Run,
    definitions: &HashMap<Pinned, Registered>,
    location: &dyn Fn(&ProjectName) -> String,
    flowing: &dyn Flowing,
) -> Result<Vec<Value>> {
    let out = Out { run, definitions, location, flowing };
    let begins = out.event(run.started, State::Start, &[])?;
    let state = match &run.outcome {
        Outcome::Running => return Ok(vec![begins]),
        Outcome::Done => State::Complete,
        Outcome::Failed { .. } => State::Fail,
        Outcome::Aborted => State::Abort,
    };
    let ends = out.event(run.finished.unwrap_or(run.started), state, &run.outputs)?;
    Ok(vec![begins, ends])
}

struct Out<'a> {
    run: &'a Run,
    definitions: &'a HashMap<Pinned, Registered>,
    location: &'a dyn Fn(&ProjectName) -> String,
    flowing: &'a dyn Flowing,
}

impl Out<'_> {
    fn event(&self, at: Micros, state: State, outputs: &[Item]) -> Result<Value> {
        let mut facets = Facets::new();
        let engine = json!({"name": "Asof", "version": self.run.engine, "openlineageAdapterVersion": self.run.engine});
        put(&mut facets, "processing_engine", "1-1-1/ProcessingEngineRunFacet", engine);
        if let (State::Fail, Outcome::Failed { error }) = (state, &self.run.outcome) {
            let message = json!({"message": error, "programmingLanguage": "SQL"});
            put(&mut facets, "errorMessage", "1-0-1/ErrorMessageRunFacet", message);
        }
        // Files of definitions are no data.
        let inputs = self.run.inputs.iter().filter(|_| !self.run.verb.is_of_names());
        let outputs = outputs.iter().filter_map(|item| self.output(item).transpose()).collect::<Result<Vec<_>>>()?;
        Ok(json!({
            "eventTime": at.to_string(), "eventType": state.as_str(), "producer": PRODUCER, "schemaURL": EVENT,
            "run": {"runId": self.run.id.to_string(), "facets": facets},
            "job": self.job(),
            "inputs": inputs.filter_map(|item| self.input(item)).collect::<Vec<_>>(),
            "outputs": outputs,
        }))
    }

    fn job(&self) -> Value {
        let subject = self.subject();
        let verb = self.run.verb.as_str();
        let mut facets = Facets::new();
        let kind = json!({"processingType": "BATCH", "integration": "ASOF", "jobType": verb.to_ascii_uppercase()});
        put(&mut facets, "jobType", "2-0-4/JobTypeJobFacet", kind);
        let of_subject = self.definitions.values().filter(|known| Some(&known.pinned.name) == subject);
        let newest = of_subject.max_by_key(|known| known.pinned.version);
        let query = newest.and_then(|known| match &known.definition {
            Definition::FeatureView(view) => Some(&view.query),
            Definition::FeatureService(service) => Some(&service.query),
            Definition::TrainingSet(set) => Some(&set.query),
            Definition::Dataset(_) | Definition::Entity(_) => None,
        });
        if let Some(query) = query {
            put(&mut facets, "sql", "1-1-0/SQLJobFacet", json!({"query": query, "dialect": "datafusion"}));
        }
        let name = subject.map_or_else(|| verb.to_owned(), |subject| format!("{verb}.{subject}"));
        json!({"namespace": self.namespace(), "name": name, "facets": facets})
    }

    /// What the run is about: what it makes, or else the definition that it was given last.
    fn subject(&self) -> Option<&ProjectName> {
        let name = |item| match item {
            &Item::File { .. } => None,
            Item::Snapshot { dataset, .. } => Some(dataset),
            Item::Definition(pinned) | Item::Online { view: pinned, .. } => Some(&pinned.name),
            Item::TrainingSet { name, .. } | Item::Model { name, .. } => Some(name),
        };
        match self.run.outputs.as_slice() {
            // An apply makes many things at once.
            [Item::Definition(_), ..] => None,
            [first, ..] => name(first),
            [] => self.run.inputs.iter().rev().find_map(name),
        }
    }

    fn namespace(&self) -> String {
        format!("asof://{}", self.run.project)
    }

    fn input(&self, item: &Item) -> Option<Value> {
        let (mut dataset, _) = self.dataset(item)?;
        if let Item::File { bytes, .. } = item {
            let mut facets = Facets::new();
            put(&mut facets, "inputStatistics", "1-0-0/InputStatisticsInputDatasetFacet", json!({"size": bytes}));
            dataset["inputFacets"] = Value::Object(facets);
        }
        Some(dataset)
    }

    fn output(&self, item: &Item) -> Result<Option<Value>> {
        let Some((mut dataset, rows)) = self.dataset(item) else { return Ok(None) };
        if let Some(columns) = self.columns(item)?
            && let Some(facets) = dataset["facets"].as_object_mut()
        {
            put(facets, "columnLineage", out_columns::COLUMN_LINEAGE, columns);
        }
        // The note counts the one thing made.
        let noted = (self.run.outputs.len() == 1).then(|| self.run.notes.get("rows")?.parse().ok()).flatten();
        if let Some(rows) = rows.or(noted) {
            let mut facets = Facets::new();
            put(&mut facets, "outputStatistics", "1-0-2/OutputStatisticsOutputDatasetFacet", json!({"rowCount": rows}));
            dataset["outputFacets"] = Value::Object(facets);
        }
        Ok(Some(dataset))
    }

    /// What the columns of something made are made of.
    fn columns(&self, item: &Item) -> Result<Option<Value>> {
        let place = |dataset: &ProjectName| Ok(self.placed(&(self.location)(dataset), format!("datasets/{dataset}")));
        match item {
            Item::Online { view, .. } => out_columns::made_of(&flat(self.flowing, view)?, &place),
            Item::TrainingSet { name, .. } => {
                // The definition that it was built of is among what was read.
                let of = self.run.inputs.iter().find_map(|item| match item {
                    Item::Definition(pinned) if pinned.kind == Kind::TrainingSet && pinned.name == *name => {
                        Some(pinned)
                    }
                    _ => None,
                });
                of.map_or(Ok(None), |of| out_columns::made_of(&flat(self.flowing, of)?, &place))
            }
            Item::Snapshot { dataset, .. } => {
                let known = self.definitions.values().filter(|known| known.pinned.name == *dataset);
                let Some(known) = known.max_by_key(|known| known.pinned.version) else { return Ok(None) };
                let files = self.run.inputs.iter().filter_map(|item| match item {
                    Item::File { url, .. } => Some(self.placed(url, format!("uploads/{url}"))),
                    _ => None,
                });
                Ok(out_columns::read_from(&known.columns, &files.collect::<Vec<_>>()))
            }
            Item::Definition(_) | Item::File { .. } => Ok(None),
        }
    }

    fn own(&self, name: String) -> Name {
        Name { namespace: self.namespace(), name }
    }

    /// What lies at a place that others can read is called by it.
    fn placed(&self, url: &str, name: String) -> Name {
        Name::of_recorded(url).last().unwrap_or_else(|| self.own(name))
    }

    /// A dataset, and how many rows it is said to have.
    fn dataset(&self, item: &Item) -> Option<(Value, Option<u64>)> {
        let (name, version, of, rows) = match item {
            Item::Definition(_) => return None,
            Item::File { url, digest, .. } => {
                (self.placed(url, format!("uploads/{url}")), digest.to_string(), None, None)
            }
            Item::Snapshot { dataset, number } => {
                let name = self.placed(&(self.location)(dataset), format!("datasets/{dataset}"));
                (name, number.to_string(), Some(dataset), None)
            }
            Item::TrainingSet { name, number, .. } => {
                (self.own(format!("training/{name}")), number.to_string(), Some(name), None)
            }
            Item::Model { name, version } => (own(format!("models/{name}")), version.to_string(), None, None),
            Item::Online { view, generation, rows, .. } => {
                (self.own(format!("online/{}", view.name)), generation.to_string(), Some(&view.name), Some(*rows))
            }
        };
        let mut facets = Facets::new();
        put(&mut facets, "version", "1-0-1/DatasetVersionDatasetFacet", json!({"datasetVersion": version}));
        let known = self.definitions.values().filter(|known| Some(&known.pinned.name) == of);
        let columns = known.max_by_key(|known| known.pinned.version).map(|known| &known.columns);
        if let Some(columns) = columns.filter(|columns| !columns.0.is_empty()) {
            put(&mut facets, "schema", out_columns::SCHEMA, out_columns::schema(columns));
        }
        Some((json!({"namespace": name.namespace, "name": name.name, "facets": facets}), rows))
    }
}

/// Adds a facet with who says so and by which standard, whose name ends in the facet's type.
fn put(facets: &mut Facets, name: &str, standard: &str, mut facet: Value) {
    let kind = standard.rsplit('/').next().unwrap_or(standard);
    facet["_producer"] = PRODUCER.into();
    facet["_schemaURL"] = format!("https://openlineage.io/spec/facets/{standard}.json#/$defs/{kind}").into();
    facets.insert(name.to_owned(), facet);
}
