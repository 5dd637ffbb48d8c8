//! OpenLineage, out: a run of ours as the events that another tool would send of it.
//!
//! Two of each: that it began, and what became of it; one while it goes on. An apply tells besides what it declared
//! ([`super::designs`]). A job is a verb and what it makes (`materialize.carrier_delays`), so that one job stands for all runs of
//! it. Datasets are named by where they lie, as the standard has it; what lies nowhere that others could read (rows online, training
//! sets in the store) has the namespace of its project ([`super::places`]). A version is a facet and never part of a name.
//!
//! Deliberately not here: what a run read of definitions is the job's SQL and no dataset: which of them read which is said
//! once, where they are declared; and columns, until they are followed through definitions.

use std::collections::HashMap;

use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Definition, Micros, Name as ProjectName, Pinned, Registered, Run};
use serde_json::{Value, json};

use super::designs;
use super::event::{Facets, State};
use super::facets::{PARENT_RUN, PRODUCER, assertions, content_of, described, job_type, metrics, parent, put, sql};
use super::places::Places;

/// The standard of the event itself.
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The events of a run. `definitions` are those that it read or made, as far as they are known; `location` is where a dataset
/// lies.
pub fn events(
    run: &Run,
    definitions: &HashMap<Pinned, Registered>,
    location: &dyn Fn(&ProjectName) -> String,
) -> Vec<Value> {
    let place = |_: &ProjectName, dataset: &ProjectName| location(dataset);
    let out = Out { run, definitions, location: &place };
    let begins = out.event(run.started, State::Start, &[]);
    let state = match &run.outcome {
        Outcome::Running => return vec![begins],
        Outcome::Done => State::Complete,
        Outcome::Failed { .. } => State::Fail,
        Outcome::Aborted => State::Abort,
    };
    let ends = out.event(run.finished.unwrap_or(run.started), state, &run.outputs);
    let declared = run.outputs.iter().filter_map(|item| match item {
        Item::Definition(pinned) if run.verb == Verb::Apply => definitions.get(pinned),
        _ => None,
    });
    [begins, ends].into_iter().chain(designs::of(declared, &place)).collect()
}

/// The first of the events of a run, told when it begins.
pub fn begins(
    run: &Run,
    definitions: &HashMap<Pinned, Registered>,
    location: &dyn Fn(&ProjectName) -> String,
) -> Value {
    let place = |_: &ProjectName, dataset: &ProjectName| location(dataset);
    Out { run, definitions, location: &place }.event(run.started, State::Start, &[])
}

struct Out<'a> {
    run: &'a Run,
    definitions: &'a HashMap<Pinned, Registered>,
    location: &'a dyn Fn(&ProjectName, &ProjectName) -> String,
}

impl Out<'_> {
    fn event(&self, at: Micros, state: State, outputs: &[Item]) -> Value {
        let mut facets = Facets::new();
        let engine = json!({"name": "Asof", "version": self.run.engine, "openlineageAdapterVersion": self.run.engine});
        put(&mut facets, "processing_engine", "1-1-1/ProcessingEngineRunFacet", engine);
        if let (State::Fail, Outcome::Failed { error }) = (state, &self.run.outcome) {
            let message = json!({"message": error, "programmingLanguage": "SQL"});
            put(&mut facets, "errorMessage", "1-0-1/ErrorMessageRunFacet", message);
        }
        if let Some(facet) = self.run.notes.get(PARENT_RUN).and_then(|text| parent(text)) {
            put(&mut facets, "parent", "1-2-0/ParentRunFacet", facet);
        }
        // Files of definitions are no data.
        let inputs = self.run.inputs.iter().filter(|_| !self.run.verb.is_of_names());
        json!({
            "eventTime": at.to_string(), "eventType": state.as_str(), "producer": PRODUCER, "schemaURL": EVENT,
            "run": {"runId": self.run.id.to_string(), "facets": facets},
            "job": self.job(),
            "inputs": inputs.filter_map(|item| self.input(item, state)).collect::<Vec<_>>(),
            "outputs": outputs.iter().filter_map(|item| self.output(item)).collect::<Vec<_>>(),
        })
    }

    fn job(&self) -> Value {
        let subject = self.run.subject();
        let mut facets = Facets::new();
        job_type(&mut facets, self.run.verb.as_str());
        let of_subject = self.definitions.values().filter(|known| Some(&known.pinned.name) == subject);
        if let Some(newest) = of_subject.max_by_key(|known| known.pinned.version) {
            sql(&mut facets, &newest.definition);
        }
        json!({"namespace": self.places().namespace(), "name": self.run.job(), "facets": facets})
    }

    fn places(&self) -> Places<'_> {
        Places { project: &self.run.project, location: self.location }
    }

    fn input(&self, item: &Item, state: State) -> Option<Value> {
        let (mut dataset, _) = self.dataset(item)?;
        if let Item::File { bytes, .. } = item {
            let mut facets = Facets::new();
            put(&mut facets, "inputStatistics", "1-0-0/InputStatisticsInputDatasetFacet", json!({"size": bytes}));
            if state == State::Complete {
                self.checked(&mut facets);
            }
            dataset["inputFacets"] = Value::Object(facets);
        }
        Some(dataset)
    }

    fn output(&self, item: &Item) -> Option<Value> {
        let (mut dataset, rows) = self.dataset(item)?;
        // The note counts the one thing made.
        let noted = (self.run.outputs.len() == 1).then(|| self.run.notes.get("rows")?.parse().ok()).flatten();
        if let Some(rows) = rows.or(noted) {
            let mut facets = Facets::new();
            put(&mut facets, "outputStatistics", "1-0-2/OutputStatisticsOutputDatasetFacet", json!({"rowCount": rows}));
            dataset["outputFacets"] = Value::Object(facets);
        }
        Some(dataset)
    }

    /// What an ingest found of the rows that it let in: every one of them fulfils the dataset's checks.
    fn checked(&self, facets: &mut Facets) {
        if self.run.verb != Verb::Ingest || self.run.outputs.is_empty() {
            return;
        }
        let known = self.definitions.values().find_map(|known| match &known.definition {
            Definition::Dataset(dataset) => Some(dataset),
            _ => None,
        });
        known.iter().for_each(|dataset| assertions(facets, &dataset.checks));
        let files = self.run.inputs.iter().filter(|item| matches!(item, Item::File { .. })).count();
        if files == 1
            && let Some(rows) = self.run.notes.get("rows").and_then(|rows| rows.parse().ok())
        {
            metrics(facets, rows);
        }
    }

    /// A dataset, and how many rows it is said to have.
    fn dataset(&self, item: &Item) -> Option<(Value, Option<u64>)> {
        let places = self.places();
        let name = places.of(item)?;
        let (version, rows) = match item {
            Item::Definition(_) => return None,
            Item::File { digest, .. } => (digest.to_string(), None),
            Item::Snapshot { number, .. } => (number.to_string(), None),
            Item::TrainingSet { number, .. } => (number.to_string(), None),
            Item::Online { generation, rows, .. } => (generation.to_string(), Some(*rows)),
        };
        let mut facets = Facets::new();
        put(&mut facets, "version", "1-0-1/DatasetVersionDatasetFacet", json!({"datasetVersion": version}));
        if let Item::TrainingSet { content, .. } = item {
            content_of(&mut facets, content);
        }
        let known = self.definitions.values().filter(|known| Some(&known.pinned.name) == item.name());
        described(&mut facets, &name, known.max_by_key(|known| known.pinned.version));
        Some((json!({"namespace": name.namespace, "name": name.name, "facets": facets}), rows))
    }
}
