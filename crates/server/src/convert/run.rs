//! Runs and what they read and made.

use asof_model::Run;
use asof_model::run::{Item, Outcome};
use asof_proto::run::v1 as wire;

use super::object::from_pinned;

pub(crate) fn from_run(run: &Run) -> wire::Run {
    wire::Run {
        id: run.id.to_string(),
        project: run.project.to_string(),
        verb: run.verb.as_str().to_owned(),
        started: run.started.0,
        finished: run.finished.map(|m| m.0),
        state: run.outcome.as_str().to_owned(),
        error: match &run.outcome {
            Outcome::Failed { error } => error.clone(),
            Outcome::Running | Outcome::Done | Outcome::Aborted => String::new(),
        },
        inputs: run.inputs.iter().map(from_item).collect(),
        outputs: run.outputs.iter().map(from_item).collect(),
        notes: run.notes.clone(),
        engine: run.engine.clone(),
    }
}

fn from_item(item: &Item) -> wire::Item {
    use wire::item::Item as To;
    let item = match item {
        Item::File { url, digest, bytes } => {
            To::File(wire::File { url: url.clone(), digest: digest.to_string(), bytes: *bytes })
        }
        Item::Snapshot { dataset, number } => {
            To::Snapshot(wire::Snapshot { dataset: dataset.to_string(), number: number.0 })
        }
        Item::Definition(pinned) => To::Definition(from_pinned(pinned)),
        Item::TrainingSet { name, number, content } => {
            To::TrainingSet(wire::TrainingSet { name: name.to_string(), number: *number, content: content.to_string() })
        }
        Item::Model { name, version } => {
            To::Model(wire::Model { name: name.to_string(), version: version.to_string() })
        }
        Item::Online { view, generation, rows, at } => {
            To::Online(wire::Online { view: Some(from_pinned(view)), generation: *generation, rows: *rows, at: at.0 })
        }
    };
    wire::Item { item: Some(item) }
}
