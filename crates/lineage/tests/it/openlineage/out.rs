//! Runs of ours, as others read them.

use std::collections::HashMap;

use asof_lineage::openlineage::{PARENT_RUN, out};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Micros, Run};
use serde_json::{Value, json};

use super::{folded, holding};
use crate::columns::Told;
use crate::tour::{Tour, file, run, snapshot};

fn events(run: &Run) -> Vec<Value> {
    let tour = Tour::new();
    let definitions: HashMap<_, _> = tour.definitions.into_iter().map(|known| (known.pinned.clone(), known)).collect();
    out::events(run, &definitions, &|dataset| format!("/store/datasets/tour/{dataset}"), &Told).unwrap()
}

#[test]
fn a_run_is_two_events_that_name_what_lies_where() {
    let all: Vec<Value> = Tour::new().runs.iter().flat_map(events).collect();
    insta::assert_snapshot!("out_ingest", serde_json::to_string_pretty(&events(&Tour::new().runs[1])).unwrap());
    let begun = all.iter().filter(|event| event["eventType"] == "START");
    let jobs: Vec<_> = begun.map(|event| event["job"]["name"].as_str().unwrap().to_owned()).collect();
    let expected =
        ["apply", "ingest.flights", "ingest.weather", "train.delays", "materialize.carrier_delays", "ingest.flights"];
    assert_eq!(jobs, expected);
    // Without what is declared.
    let all: Vec<Value> = all.into_iter().filter(|event| event.get("run").is_some()).collect();
    assert_eq!(
        holding(&folded(&all), None),
        [
            "asof://tour/uploads/late.csv > [asof://tour/ingest.flights]",
            "asof://tour/uploads/weather.csv > [asof://tour/ingest.weather]",
            "file:///store/datasets/tour/flights > [asof://tour/materialize.carrier_delays]",
            "file:///store/datasets/tour/flights > [asof://tour/train.delays]",
            "file:///store/datasets/tour/weather > [asof://tour/train.delays]",
            "[asof://tour/ingest.flights] > file:///store/datasets/tour/flights",
            "[asof://tour/ingest.weather] > file:///store/datasets/tour/weather",
            "[asof://tour/materialize.carrier_delays] > asof://tour/online/carrier_delays",
            "[asof://tour/train.delays] > asof://tour/training/delays",
        ]
    );
}

#[test]
fn what_is_declared_is_told_of_the_jobs_that_make_it() {
    let declared: Vec<Value> = events(&Tour::new().runs[0]).split_off(2);
    assert!(declared.iter().all(|event| event.get("run").is_none() && event.get("eventType").is_none()));
    let datasets: Vec<_> = declared.iter().filter_map(|event| event["dataset"]["name"].as_str()).collect();
    assert_eq!(datasets, ["/store/datasets/tour/flights", "/store/datasets/tour/weather"]);
    assert_eq!(
        holding(&folded(&declared), None),
        [
            "asof://tour/online/airport_weather > [asof://tour/serve.departure_delay]",
            "asof://tour/online/carrier_delays > [asof://tour/serve.departure_delay]",
            "asof://tour/services/departure_delay > [asof://tour/train.delays]",
            "file:///store/datasets/tour/flights > [asof://tour/materialize.carrier_delays]",
            "file:///store/datasets/tour/flights > [asof://tour/train.delays]",
            "file:///store/datasets/tour/weather > [asof://tour/materialize.airport_weather]",
            "[asof://tour/materialize.airport_weather] > asof://tour/online/airport_weather",
            "[asof://tour/materialize.carrier_delays] > asof://tour/online/carrier_delays",
            "[asof://tour/serve.departure_delay] > asof://tour/services/departure_delay",
            "[asof://tour/train.delays] > asof://tour/training/delays",
        ]
    );
}

#[test]
fn what_columns_are_made_of_is_told_before_anything_is_made() {
    let declared: Vec<Value> = events(&Tour::new().runs[0]).split_off(2);
    let folded = folded(&declared);
    let named = |place: u32| folded.datasets()[place as usize].name.name.clone();
    let mut all: Vec<_> = (folded.columns().iter())
        .filter(|flow| flow.into.as_deref().is_some_and(|into| into.starts_with("mean_delay") || into == "temp"))
        .map(|flow| {
            format!("{}.{} > {}.{}", named(flow.from), flow.field, named(flow.to), flow.into.as_deref().unwrap())
        })
        .collect();
    all.sort();
    // A step at a time, as it is declared.
    let service = "services/departure_delay";
    let expected = |line: &str| assert!(all.iter().any(|known| known == line), "{line} is not in {all:#?}");
    expected("/store/datasets/tour/weather.temp > online/airport_weather.temp");
    expected(&format!("online/airport_weather.temp > {service}.temp"));
    expected("/store/datasets/tour/flights.arr_delay > online/carrier_delays.mean_delay_7d");
    let version = |event: &Value| event.pointer("/outputs/0/facets/asof_definition/reference").cloned();
    let references: Vec<_> = declared.iter().filter_map(version).collect();
    assert!(references.contains(&json!("asof://tour/feature_view/carrier_delays@2")), "{references:?}");
}

#[test]
fn a_run_that_somebody_elses_run_started_says_so() {
    let parent = "airflow/flights.load/019cde00-0000-7000-8000-000000000001";
    let mut begun = run(1, Verb::Ingest, vec![file("s3://b/x.csv")], vec![snapshot("flights", 1)], 7);
    begun.notes.insert(PARENT_RUN.to_owned(), parent.to_owned());
    for event in events(&begun) {
        let facet = &event["run"]["facets"]["parent"];
        assert_eq!(facet["job"], json!({"namespace": "airflow", "name": "flights.load"}));
        assert_eq!(facet["run"]["runId"], "019cde00-0000-7000-8000-000000000001");
    }
}

#[test]
fn what_becomes_of_a_run_is_told_as_the_standard_has_it() {
    let ended = |outcome: Outcome| {
        let inputs = vec![file("s3a://b/x%20y.csv")];
        let run = Run { outcome, ..run(1, Verb::Ingest, inputs, vec![snapshot("flights", 1)], 7) };
        let events = events(&run);
        let states: Vec<_> = events.iter().map(|event| event["eventType"].as_str().unwrap().to_owned()).collect();
        (states, events.last().unwrap().clone())
    };
    let (states, done) = ended(Outcome::Done);
    assert_eq!(states, ["START", "COMPLETE"]);
    assert_eq!(done["eventTime"], Micros(2).to_string());
    assert_eq!((&done["inputs"][0]["namespace"], &done["inputs"][0]["name"]), (&"s3://b".into(), &"x y.csv".into()));
    assert_eq!(done["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 7);
    let (states, failed) = ended(Outcome::Failed { error: "no room".into() });
    assert_eq!(states, ["START", "FAIL"]);
    assert_eq!(failed["run"]["facets"]["errorMessage"]["message"], "no room");
    assert_eq!(ended(Outcome::Aborted).0, ["START", "ABORT"]);
    assert_eq!(ended(Outcome::Running).0, ["START"]);
}

#[test]
fn no_version_is_in_a_name() {
    for number in [1, 2] {
        let online = match &Tour::new().runs[4].outputs[0] {
            Item::Online { view, rows, at, .. } => {
                Item::Online { view: view.clone(), generation: number, rows: *rows, at: *at }
            }
            other => other.clone(),
        };
        let ended = events(&run(9, Verb::Materialize, vec![snapshot("flights", number)], vec![online], 16));
        assert_eq!(ended[1]["inputs"][0]["name"], "/store/datasets/tour/flights");
        assert_eq!(ended[1]["outputs"][0]["name"], "online/carrier_delays");
        assert_eq!(ended[1]["outputs"][0]["facets"]["version"]["datasetVersion"], number.to_string());
    }
}

#[test]
fn what_columns_are_made_of_is_told_down_to_datasets() {
    let facet = |run: usize| events(&Tour::new().runs[run])[1]["outputs"][0]["facets"]["columnLineage"].clone();
    let trained = facet(3);
    assert_eq!(
        trained["fields"]["late"]["inputFields"],
        serde_json::json!([{"namespace": "file", "name": "/store/datasets/tour/flights", "field": "arr_delay",
            "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}])
    );
    let of = |facet: &Value, column: &str| -> Vec<String> {
        let inputs = facet["fields"][column]["inputFields"].as_array().unwrap().iter();
        inputs
            .map(|input| format!("{} {}", input["name"].as_str().unwrap(), input["field"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(
        of(&trained, "temp"),
        [
            "/store/datasets/tour/flights origin",
            "/store/datasets/tour/flights sched_dep",
            "/store/datasets/tour/weather observed_at",
            "/store/datasets/tour/weather origin",
            "/store/datasets/tour/weather temp",
            "/store/datasets/tour/weather wind_speed",
        ]
    );
    assert_eq!(trained["dataset"][0]["field"], "cancelled");
    assert_eq!(trained["dataset"][0]["transformations"][0]["subtype"], "FILTER");
    assert_eq!(
        trained["_schemaURL"].as_str().map(|url| url.ends_with("#/$defs/ColumnLineageDatasetFacet")),
        Some(true)
    );
    assert_eq!(of(&facet(4), "mean_delay_7d").len(), 3);
    // What is told is understood again.
    let told = folded(&events(&Tour::new().runs[3]));
    assert!(told.columns().iter().any(|flow| flow.field == "arr_delay" && flow.into.as_deref() == Some("late")));
    assert!(told.columns().iter().any(|flow| flow.field == "cancelled" && flow.into.is_none()));
}
