//! OpenLineage, out: a run of ours as the events that another tool would send of it.
//!
//! Two of each: that it began, and what became of it; one while it goes on. An apply and an import tell besides what they declare
//! ([`super::designs`]). A job is a verb and what it makes (`materialize.carrier_delays`), so that one job stands for all runs of
//! it. Datasets are named by where they lie, as the standard has it; what lies nowhere that others could read (rows online, training
//! sets in the store) has the namespace of its project ([`super::places`]). A version is a facet and never part of a name.
//!
//! What the columns of something made are made of is told down to datasets ([`super::out_columns`]), for what the run read: `flowing`
//! says it of definitions.
//!
//! Deliberately not here: what a run read of definitions is the job's SQL and no dataset: which of them read which is said
//! once, where they are declared.

use std::collections::HashMap;

use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Definition, Error, Kind, Micros, Name as ProjectName, Pinned, Registered, Result, Run};
use serde_json::{Value, json};

use super::designs;
use super::event::{Facets, State};
use super::facets::{PARENT_RUN, PRODUCER, assertions, content_of, described, job_type, metrics, parent, put, sql};
use super::out_columns;
use super::places::Places;
use crate::columns::{Flowing, flat};

/// The standard of the event itself.
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The events of a run, and of what it declares. `definitions` are those that it read or made, as far as they are known; `location` is
/// where a dataset lies.
///
/// # Errors
/// Those of [`Flowing::flows`].
pub fn events(
    run: &Run,
    definitions: &HashMap<Pinned, Registered>,
    location: &dyn Fn(&ProjectName) -> String,
    flowing: &dyn Flowing,
) -> Result<Vec<Value>> {
    let mut events = of_run(run, definitions, location, flowing)?;
    if !declares(run) || run.outcome == Outcome::Running {
        return Ok(events);
    }
    let declared = run.outputs.iter().filter_map(|item| match item {
        Item::Definition(pinned) => definitions.get(pinned),
        _ => None,
    });
    let place = |_: &ProjectName, dataset: &ProjectName| location(dataset);
    events.extend(designs::of(declared, &place, flowing));
    Ok(events)
}

/// Whether a run says what names mean for the first time.
pub fn declares(run: &Run) -> bool {
    matches!(run.verb, Verb::Apply | Verb::Import)
}

/// The events of a run alone: that it began, and what became of it.
///
/// # Errors
/// Those of [`Flowing::flows`].
pub fn of_run(
    run: &Run,
    definitions: &HashMap<Pinned, Registered>,
    location: &dyn Fn(&ProjectName) -> String,
    flowing: &dyn Flowing,
) -> Result<Vec<Value>> {
    let place = |_: &ProjectName, dataset: &ProjectName| location(dataset);
    let out = Out { run, definitions, location: &place, flowing };
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
    location: &'a dyn Fn(&ProjectName, &ProjectName) -> String,
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
        if let Some(facet) = self.run.notes.get(PARENT_RUN).and_then(|text| parent(text)) {
            put(&mut facets, "parent", "1-2-0/ParentRunFacet", facet);
        }
        // Files of definitions are no data.
        let inputs = self.run.inputs.iter().filter(|_| !self.run.verb.is_of_names());
        let outputs = outputs.iter().filter_map(|item| self.output(item).transpose()).collect::<Result<Vec<_>>>()?;
        Ok(json!({
            "eventTime": at.to_string(), "eventType": state.as_str(), "producer": PRODUCER, "schemaURL": EVENT,
            "run": {"runId": self.run.id.to_string(), "facets": facets},
            "job": self.job(),
            "inputs": inputs.filter_map(|item| self.input(item, state)).collect::<Vec<_>>(),
            "outputs": outputs,
        }))
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
        let places = self.places();
        let place = |read: &Pinned| {
            let named = places.named(read.kind, &read.name);
            named.ok_or_else(|| Error::internal(format!("{read} has no place")))
        };
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
                let files = self.run.inputs.iter().filter(|item| matches!(item, Item::File { .. }));
                let files: Vec<_> = files.filter_map(|file| places.of(file)).collect();
                Ok(out_columns::read_from(&known.columns, &files))
            }
            Item::Definition(_) | Item::File { .. } | Item::Model { .. } => Ok(None),
        }
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
            Item::Model { version, .. } => (version.to_string(), None),
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
