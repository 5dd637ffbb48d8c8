//! The graph in the shapes of Marquez: ours and what others told of as one, now and as of then.

use std::collections::HashMap;
use std::sync::Arc;

use asof_lineage::marquez::{Filter, Page, Sort, Tags, World, run};
use asof_lineage::openlineage::{Heard, Name, designs, out};
use asof_model::{Micros, Run};
use serde_json::{Value, json};

use crate::columns::Told;
use crate::tour::Tour;

const ALL: Page = Page { offset: 0, limit: 100 };

/// A task of somebody else's that lands the file which the tour ingests.
fn theirs() -> Vec<Value> {
    let columns = json!({"fields": {"delay": {"inputFields": [
        {"namespace": "https://api", "name": "flights", "field": "late_by",
         "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}]}},
        "dataset": [{"namespace": "https://api", "name": "flights", "field": "day",
         "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}]}]});
    let schema = json!({"fields": [{"name": "carrier", "type": "VARCHAR"}, {"name": "delay", "type": "DOUBLE"}]});
    let event = |micros: i64, state: &str| {
        json!({"eventTime": Micros(micros).to_string(), "eventType": state,
            "run": {"runId": "019cde00-0000-7000-8000-0000000000aa", "facets": {"nominalTime": {
                "nominalStartTime": "2026-01-01T00:00:00Z"}}},
            "job": {"namespace": "airflow", "name": "flights.land", "facets": {
                "documentation": {"description": "lands flights"}}},
            "inputs": [{"namespace": "https://api", "name": "flights"}],
            "outputs": [{"namespace": "s3a://b", "name": "flights.parquet/",
                "facets": {"schema": schema, "columnLineage": columns}}]})
    };
    vec![event(0, "START"), event(1, "COMPLETE")]
}

fn own_events(runs: &[Run]) -> Vec<Value> {
    let tour = Tour::new();
    let definitions: HashMap<_, _> =
        tour.definitions.iter().map(|known| (known.pinned.clone(), known.clone())).collect();
    let declared = designs::of(&tour.definitions, &|_, dataset| format!("/store/{dataset}"), &Told);
    let runs = runs
        .iter()
        .flat_map(|run| out::events(run, &definitions, &|dataset| format!("/store/{dataset}"), &Told).unwrap());
    declared.into_iter().chain(runs).collect()
}

fn world(at: Option<i64>) -> World {
    let at = at.map(Micros);
    let heard = |events: Vec<Value>| {
        let mut heard = Heard::new();
        events.iter().for_each(|event| _ = heard.hear(event).unwrap());
        Arc::new(heard.fold())
    };
    let runs: Vec<_> =
        Tour::new().runs.into_iter().filter(|run| at.is_none_or(|at| run.finished <= Some(at))).collect();
    let mut tags = Tags::default();
    let landed = || Name { namespace: "s3://b".into(), name: "flights.parquet".into() };
    tags.put(false, landed(), None, "raw".into());
    tags.put(false, landed(), Some("delay".into()), "target".into());
    World::of(vec![heard(theirs()), heard(own_events(&runs))], at, tags)
}

/// A line for each node of a graph, with what it comes from.
fn lines(graph: &Value) -> Vec<String> {
    let line = |node: &Value| {
        let from = node["inEdges"].as_array().unwrap().iter();
        // Columns have the other end in `destination`.
        let column = node["type"] == "DATASET_FIELD";
        let from = from.map(|edge| edge[if column { "destination" } else { "origin" }].as_str().unwrap());
        format!("{} <- {}", node["id"].as_str().unwrap(), from.collect::<Vec<_>>().join(", "))
    };
    graph["graph"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn a_task_of_others_and_a_training_set_of_ours_stand_in_one_graph() {
    // Before the ingest of another file: a job stands for the last of its runs.
    let world = world(Some(6));
    let node = world.node("dataset:asof://tour:training/delays").unwrap();
    insta::assert_snapshot!("marquez_lineage", lines(&world.lineage(node, 20)).join("\n"));
    // So many jobs far, in both directions.
    let near = lines(&world.lineage(world.node("dataset:s3://b:flights.parquet").unwrap(), 1));
    let expected = [
        "dataset:file:/store/flights <- job:asof://tour:ingest.flights",
        "dataset:https://api:flights <- ",
        "dataset:s3://b:flights.parquet <- job:airflow:flights.land",
        "job:airflow:flights.land <- dataset:https://api:flights",
        "job:asof://tour:ingest.flights <- dataset:s3://b:flights.parquet",
    ];
    assert_eq!(near, expected);
    // By another name, and with a version, which says nothing.
    for id in ["dataset:s3a://b:flights.parquet/", "dataset:s3://b:flights.parquet#1"] {
        assert_eq!(world.node(id).unwrap().id(), "dataset:s3://b:flights.parquet");
    }
    assert!(world.node("dataset:s3://b:none").is_none() && world.node("flights").is_none());
}

#[test]
fn as_of_a_moment_there_is_what_there_was() {
    let upstream = |at: i64| {
        let world = world(Some(at));
        let node = world.node("dataset:file:/store/flights")?;
        Some(lines(&world.lineage(node, 20)))
    };
    // What is declared is there from the beginning; the ingest ended at 3.
    assert!(!upstream(2).unwrap().iter().any(|line| line.contains("ingest.flights")));
    assert!(upstream(3).unwrap().contains(&"job:asof://tour:ingest.flights <- dataset:s3://b:flights.parquet".into()));
    let before = world(Some(-1));
    assert_eq!(before.namespaces(ALL)["totalCount"], 0);
}

#[test]
fn edges_are_those_that_held_then() {
    let told = |micros: i64, run: &str, reads: &str| {
        let columns = json!({"fields": {"y": {"inputFields": [{"namespace": "n", "name": reads, "field": "x"}]}}});
        json!({"eventTime": Micros(micros).to_string(), "eventType": "COMPLETE", "run": {"runId": run},
            "job": {"namespace": "n", "name": "j"}, "inputs": [{"namespace": "n", "name": reads}],
            "outputs": [{"namespace": "n", "name": "made", "facets": {"columnLineage": columns}}]})
    };
    let mut heard = Heard::new();
    [told(1, "r1", "old"), told(5, "r2", "new")].iter().for_each(|event| _ = heard.hear(event).unwrap());
    let external = Arc::new(heard.fold());
    for (at, reads) in [(Some(4), "old"), (Some(5), "new"), (None, "new")] {
        let world = World::of(vec![external.clone()], at.map(Micros), Tags::default());
        let node = world.node("dataset:n:made").unwrap();
        let graph = lines(&world.lineage(node, 20));
        assert_eq!(graph[0], "dataset:n:made <- job:n:j", "{at:?}");
        assert_eq!(graph[2], format!("job:n:j <- dataset:n:{reads}"), "{at:?}");
        let columns = lines(&world.column_lineage("datasetField:n:made:y", 20, false).unwrap());
        assert!(columns.contains(&format!("datasetField:n:made:y <- datasetField:n:{reads}:x")), "{columns:?}");
    }
}

#[test]
fn things_have_the_members_that_are_read() {
    let world = world(None);
    let landed = world.dataset("s3a://b", "flights.parquet/").unwrap();
    insta::assert_snapshot!("marquez_dataset", pretty(&world.dataset_shape(landed)));
    let job = world.job("airflow", "flights.land").unwrap();
    let run = run::of(&theirs()).unwrap();
    insta::assert_snapshot!("marquez_job", pretty(&world.job_shape(job, vec![run])));
    let version = world.version_shape(landed, &theirs()).unwrap();
    assert_eq!(version["createdByRun"]["id"], "019cde00-0000-7000-8000-0000000000aa");
    assert_eq!(version["createdAt"], Micros(1).to_string());
    // Without a version of its producer's it is called by the run, always the same.
    let id = version["version"].as_str().unwrap();
    assert_eq!((id.len(), id), (36, world.version_shape(landed, &theirs()).unwrap()["version"].as_str().unwrap()));
    assert!(world.version_shape(world.dataset("https://api", "flights").unwrap(), &theirs()).is_none());
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn a_run_stands_as_its_last_event_says() {
    let state = |states: &[&str]| {
        let events: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(second, state)| {
                json!({"eventTime": Micros(second as i64 * 1_000_000).to_string(), "eventType": state, "run": {"runId": "r"},
                    "job": {"namespace": "n", "name": "j"}})
            })
            .collect();
        let run = run::of(&events)?;
        Some((run["state"].as_str().unwrap().to_owned(), run["durationMs"].as_i64()))
    };
    let expect = |state: &str, millis| Some((state.to_owned(), millis));
    assert_eq!(state(&[]), None);
    assert_eq!(state(&["OTHER"]), expect("NEW", None));
    assert_eq!(state(&["START"]), expect("RUNNING", None));
    assert_eq!(state(&["START", "RUNNING", "COMPLETE"]), expect("COMPLETED", Some(2000)));
    assert_eq!(state(&["START", "FAIL"]), expect("FAILED", Some(1000)));
    assert_eq!(state(&["ABORT"]), expect("ABORTED", Some(0)));
}

#[test]
fn columns_lead_to_what_they_are_made_of() {
    let world = world(None);
    let all = |id: &str, downstream| world.column_lineage(id, 20, downstream).map(|graph| lines(&graph));
    let (delay, late) = ("datasetField:s3://b:flights.parquet:delay", "datasetField:https://api:flights:late_by");
    let day = "datasetField:https://api:flights:day";
    let expected = [format!("{day} <- "), format!("{late} <- "), format!("{delay} <- {day}, {late}")];
    assert_eq!(all(delay, false).unwrap(), expected);
    assert_eq!(all(late, false).unwrap(), [format!("{late} <- ")]);
    assert_eq!(all(late, true).unwrap(), [format!("{late} <- "), format!("{delay} <- {late}")]);
    // What concerns all columns concerns each, of a dataset and of what a job makes.
    let carrier = format!("datasetField:s3://b:flights.parquet:carrier <- {day}");
    for id in ["dataset:s3://b:flights.parquet", "job:airflow:flights.land"] {
        assert!(all(id, false).unwrap().contains(&carrier), "{id}");
    }
    assert_eq!(all("datasetField:s3://none:x:y", false), None);
    let graph = world.column_lineage(delay, 20, false).unwrap();
    let node = graph["graph"].as_array().unwrap().iter().find(|node| node["id"] == delay).unwrap();
    assert_eq!(
        (&node["data"]["fieldType"], &node["data"]["transformationDescription"]),
        (&json!("DOUBLE"), &json!("DIRECT, INDIRECT"))
    );
}

#[test]
fn lists_come_in_parts_and_names_are_found() {
    let world = world(None);
    let names = |page: Page| {
        let listed = world.list(true, Some("asof://tour"), page, |_| true);
        (listed.part.iter().map(|thing| thing.name.name.clone()).collect::<Vec<_>>(), listed.total)
    };
    let (all, total) = names(ALL);
    assert_eq!((all.len(), total), (total, total));
    assert_eq!(names(Page { offset: 2, limit: 2 }), (all[2..4].to_vec(), total));
    assert_eq!(names(Page { offset: 99, limit: 2 }), (vec![], total));
    let spaces = world.namespaces(ALL);
    let spaces: Vec<_> =
        spaces["namespaces"].as_array().unwrap().iter().map(|space| space["name"].as_str().unwrap()).collect();
    assert_eq!(spaces, ["airflow", "asof://tour", "file", "https://api", "s3://b"]);
    assert_eq!(world.namespace("airflow").unwrap()["isHidden"], false);
    assert!(world.source("airflow").is_none() && world.source("s3://b").is_some());
    let found = |text: &str, filter| {
        let found = world.search(text, filter, Sort::Name, 10);
        found["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["nodeId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("LAND", Filter::All), ["job:airflow:flights.land"]);
    assert_eq!(found("training", Filter::Datasets), ["dataset:asof://tour:training/delays"]);
    assert_eq!(found("training", Filter::Jobs), Vec::<String>::new());
}
