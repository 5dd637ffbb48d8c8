//! Runs, as people and programs read them.

use asof_proto::column::v1::Column;
use asof_proto::run::v1::item::Item;
use asof_proto::run::v1::{File, Run};
use serde_json::{Value, json};

use crate::moments::{moment, took};
use crate::pinned;
use crate::rows;
use crate::table::Table;

/// A run per line.
pub(crate) fn table(runs: &[Run]) -> Table {
    let mut table = Table::new(["STARTED", "VERB", "STATE", "TOOK", "MADE", "READ", "RUN"]);
    for run in runs {
        let made = if run.error.is_empty() { made(run) } else { first_line(&run.error) };
        table.row(vec![
            moment(run.started),
            run.verb.clone(),
            run.state.clone(),
            run.finished.map(|finished| took(run.started, finished)).unwrap_or_default(),
            made,
            read(run),
            run.id.clone(),
        ]);
    }
    table
}

/// A run per row.
pub(crate) fn columns(runs: &[Run]) -> Vec<Column> {
    let texts = |name: &str, text: &dyn Fn(&Run) -> String| {
        rows::texts(name, runs.iter().map(|run| Some(text(run)).filter(|t| !t.is_empty())).collect())
    };
    vec![
        texts("run", &|run| run.id.clone()),
        texts("project", &|run| run.project.clone()),
        texts("verb", &|run| run.verb.clone()),
        texts("state", &|run| run.state.clone()),
        rows::moments("started", runs.iter().map(|run| Some(run.started)).collect()),
        rows::moments("finished", runs.iter().map(|run| run.finished).collect()),
        texts("made", &made),
        texts("read", &read),
        texts("error", &|run| run.error.clone()),
        texts("engine", &|run| run.engine.clone()),
    ]
}

/// All of it.
pub(crate) fn json(run: &Run) -> Value {
    let items = |items: &[asof_proto::run::v1::Item]| {
        items.iter().filter_map(|i| i.item.as_ref()).map(item_json).collect::<Vec<_>>()
    };
    json!({
        "id": run.id,
        "project": run.project,
        "verb": run.verb,
        "state": run.state,
        "started": moment(run.started),
        "finished": run.finished.map(moment),
        "error": (!run.error.is_empty()).then_some(&run.error),
        "inputs": items(&run.inputs),
        "outputs": items(&run.outputs),
        "notes": run.notes,
        "engine": run.engine,
    })
}

/// A file from outside.
pub(crate) fn file_json(file: &File) -> Value {
    json!({ "url": file.url, "digest": file.digest, "bytes": file.bytes })
}

fn item_json(item: &Item) -> Value {
    match item {
        Item::File(file) => json!({ "file": file_json(file) }),
        Item::Snapshot(snapshot) => json!({ "snapshot": { "dataset": snapshot.dataset, "number": snapshot.number } }),
        Item::Definition(definition) => json!({ "definition": pinned::json(definition) }),
        Item::TrainingSet(set) => {
            json!({ "training_set": { "name": set.name, "number": set.number, "content": set.content } })
        }
        Item::Model(model) => json!({ "model": { "name": model.name, "version": model.version } }),
        Item::Online(online) => json!({ "online": {
            "view": pinned::json_option(online.view.as_ref()),
            "generation": online.generation,
            "rows": online.rows,
            "at": moment(online.at),
        } }),
    }
}

fn made(run: &Run) -> String {
    run.outputs.iter().filter_map(|i| i.item.as_ref()).map(item_text).collect::<Vec<_>>().join(", ")
}

/// Data first: what was read of definitions follows from what was made.
fn read(run: &Run) -> String {
    let data = run.inputs.iter().filter_map(|i| i.item.as_ref()).filter(|i| !matches!(i, Item::Definition(_)));
    data.map(item_text).collect::<Vec<_>>().join(", ")
}

fn item_text(item: &Item) -> String {
    match item {
        Item::File(file) => file.url.rsplit('/').next().unwrap_or_default().to_owned(),
        Item::Snapshot(snapshot) => format!("{}@{}", snapshot.dataset, snapshot.number),
        Item::Definition(definition) => pinned::reference(definition),
        Item::TrainingSet(set) => format!("{}@{}", set.name, set.number),
        Item::Model(model) => format!("{}@{}", model.name, model.version),
        Item::Online(online) => {
            let view = online.view.as_ref().map(pinned::reference).unwrap_or_default();
            format!("{view} online ({} keys)", online.rows)
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use asof_proto::run::v1 as wire;

    use super::*;

    #[test]
    fn a_run_says_what_it_read_and_made() {
        let item = |item: Item| wire::Item { item: Some(item) };
        let run = Run {
            inputs: vec![
                item(Item::Definition(Default::default())),
                item(Item::File(File { url: "file:///a/b.csv".into(), ..File::default() })),
            ],
            outputs: vec![item(Item::Snapshot(wire::Snapshot { dataset: "flights".into(), number: 3 }))],
            ..Run::default()
        };
        assert_eq!((read(&run).as_str(), made(&run).as_str()), ("b.csv", "flights@3"));
    }
}
