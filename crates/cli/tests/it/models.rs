//! From a training set to a model that is served, as a user does it; and from one deployment to another.

use serde_json::{Value, json};

use crate::flights::{DEFINITIONS, Flights, LATER, ingested};
use crate::project::{Project, said};
use crate::serving::Serving;

/// Before the rows that are online.
const EARLIER: &str = "2013-01-19T00:00:00Z";

const REGISTER: [&str; 8] =
    ["model", "register", "delay", "2026-11-01-a", "--trained-on", "delays@1", "--uri", "s3://models/delay/1"];

/// The usual project with a model, and a service that went on since.
fn with_a_model() -> Project {
    let project = ingested(&Flights::generate(60));
    project.done(&["train", "delays"]);
    project.done(&["materialize", "--at", LATER]);
    project.done(&REGISTER);
    project.write(
        "flights.sql",
        DEFINITIONS.replace("last_arr_delay > 15 AND distance", "last_arr_delay > 20 AND distance"),
    );
    project.done(&["apply"]);
    project
}

#[test]
fn a_model_is_served_what_it_was_trained_on() {
    let project = ingested(&Flights::generate(60));
    let trained = project.json(&["train", "delays"]);
    let digest = trained["training_set"]["digest"].as_str().unwrap();
    assert!(digest.len() <= 36 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    said("model_registered", project.scrub(&project.done(&REGISTER)));
    said("model_registered_again", project.scrub(&project.done(&REGISTER)));
    project.done(&["materialize", "--at", LATER]);

    let project = with_a_model();
    project.done(&["train", "delays"]);
    let mut other = REGISTER;
    other[5] = "delays@2";
    said("model_exists", project.refused(1, &other));
    other[3] = "a b";
    assert!(project.refused(2, &other).contains("is not the version of a model"));
    said("unknown_model", project.refused(1, &["get", "--model", "delay@7", "origin=JFK"]));
    let listed = project.json(&["model", "ls"]);
    assert_eq!((&listed[0]["name"], &listed[0]["version"]), (&json!("delay"), &json!("2026-11-01-a")));
    assert_eq!(project.json(&["model", "ls", "other"]), json!([]));
    let shown = project.json(&["model", "show", "delay@2026-11-01-a"]);
    let names: Vec<_> = shown["features"].as_array().unwrap().iter().map(|f| f["name"].clone()).collect();
    assert_eq!(names, ["temp", "last_arr_delay", "risky"]);
    assert_eq!(shown["offline"], json!([]));

    let entity = ["origin=JFK", "tailnum=N7", "distance=1", "--at", LATER];
    let server = Serving::start(&project);
    let there = ["--server", server.url.as_str()];
    let by_model = project.json(&[&["get", "--model", "delay@2026-11-01-a"], &entity[..], &there[..]].concat());
    assert_eq!(by_model["service"]["version"], json!(1));
    let current = project.json(&[&["get", "departure_delay"], &entity[..], &there[..]].concat());
    assert_eq!(current["service"]["version"], json!(2));
    let exact = project.json(&[&["get", "departure_delay@1"], &entity[..], &there[..]].concat());
    assert_eq!(by_model, exact);
    let both = project.asof(&[&["get", "departure_delay", "--model", "delay@2026-11-01-a"], &entity[..]].concat());
    assert_eq!(both.code, Some(2), "{both:?}");

    // And told where it comes from, online and at a moment that is not there any more, as of its own service version.
    for at in [LATER, EARLIER] {
        let entity = ["origin=JFK", "tailnum=N7", "distance=1", "--at", at];
        let explain = |what: &[&str]| project.json(&[&["explain"], what, &entity[..], &there[..]].concat());
        let mut by_model = explain(&["--model", "delay@2026-11-01-a"]);
        assert_eq!((&by_model["service"]["version"], &by_model["model"]), (&json!(1), &json!("delay@2026-11-01-a")));
        by_model.as_object_mut().unwrap().remove("model");
        assert_eq!(by_model, explain(&["departure_delay@1"]));
        assert_eq!(by_model["source"], json!(if at == LATER { "online" } else { "snapshots" }));
    }
    let shown = project.done(&[&["explain", "--model", "delay@2026-11-01-a"], &entity[..], &there[..]].concat());
    assert!(shown.starts_with("model delay@2026-11-01-a: feature service departure_delay@1 at "), "{shown}");
    for wrong in [&["departure_delay"][..], &["--row", "1"]] {
        let asked = project.asof(&[&["explain", "--model", "delay@2026-11-01-a"], wrong].concat());
        assert_eq!(asked.code, Some(2), "{asked:?}");
    }
    let none = project.refused(1, &[&["explain", "--model", "delay@8", "origin=JFK"], &there[..]].concat());
    assert!(none.contains("unknown_model"), "{none}");
    assert_eq!(server.stop().code, Some(0));

    let upstream = project.json(&["lineage", "delay@2026-11-01-a", "--upstream"]);
    let kinds: Vec<_> = upstream["nodes"].as_array().unwrap().iter().map(|node| node["kind"].clone()).collect();
    assert!(kinds.contains(&json!("file")) && kinds.contains(&json!("built_training_set")), "{kinds:?}");
    let downstream = project.done(&["lineage", "flights", "--downstream"]);
    assert!(downstream.contains("delay@2026-11-01-a (model)"), "{downstream}");
    let log = project.json(&["log", "--verb", "register"]);
    assert_eq!(log[0]["outputs"], json!([{ "model": { "name": "delay", "version": "2026-11-01-a" } }]));
}

#[test]
fn a_view_that_is_not_online_says_which_version_to_bring_there() {
    let project = ingested(&Flights::generate(60));
    project.done(&["train", "delays"]);
    project.done(&REGISTER);
    let entity = ["origin=JFK", "tailnum=N7", "distance=1"];
    let get = [&["get", "--model", "delay@2026-11-01-a"], &entity[..]].concat();
    said("model_not_online", project.refused(1, &get));
    let shown = project.json(&["model", "show", "delay@2026-11-01-a"]);
    assert_eq!(shown["offline"].as_array().unwrap().len(), 2);
}

#[test]
fn definitions_and_manifests_go_from_one_deployment_to_another() {
    let from = with_a_model();
    let export = ["export", "delays@1", "--to", "delays.asof.json", "--with-training-sets"];
    said("exported", from.scrub(&from.done(&export)));
    assert!(from.refused(1, &export).contains("File exists"), "a file that is there is not replaced");
    let to = Project::new();
    let bundle = from.read("delays.asof.json");
    to.write("delays.asof.json", &bundle);
    to.write("torn.json", &bundle[..bundle.len() / 3]);
    said("import_torn", to.refused(1, &["import", "torn.json"]));
    let dry = to.done(&["import", "delays.asof.json", "--dry-run"]);
    assert!(dry.ends_with("nothing was changed\n"), "{dry}");
    said("imported", to.scrub(&to.done(&["import", "delays.asof.json", "--by", "ada"])));
    let again = to.done(&["import", "delays.asof.json"]);
    assert!(again.ends_with("nothing to do: all of it is here\n"), "{again}");
    let missing = to.refused(1, &["rebuild", "delays@1", "--check"]);
    assert!(missing.contains("snapshots_missing") && missing.contains("flights@0 with the content "), "{missing}");
    to.done(&["promote", "departure_delay@1", "--to", "prod", "--skip-gates", "--why", "arrived"]);
    let shown = |project: &Project, reference: &str| project.json(&["show", reference])["definition"]["digest"].clone();
    assert_eq!(shown(&to, "departure_delay@prod"), shown(&from, "departure_delay@1"));
    // The graph here knows what it was built from there.
    to.done(&REGISTER);
    let upstream = to.done(&["lineage", "delay@2026-11-01-a", "--upstream"]);
    assert!(
        upstream.contains("delays@1 (built training set") && upstream.contains("flights@0 (snapshot"),
        "{upstream}"
    );

    let other = Project::new();
    other.write("flights.sql", DEFINITIONS.replace("'3 hours'", "'9 hours'"));
    other.done(&["apply"]);
    other.write("delays.asof.json", &bundle);
    let dry = other.asof(&["import", "delays.asof.json", "--dry-run"]);
    assert_eq!(dry.code, Some(1), "{dry:?}");
    said("import_conflict", other.refused(1, &["import", "delays.asof.json"]));
    let elsewhere = other.refused(1, &["import", "delays.asof.json", "--project", "else"]);
    assert!(elsewhere.contains("error[not_of_this_project]"), "{elsewhere}");
}

#[test]
fn gc_removes_what_nothing_needs_and_says_why_the_rest_is_kept() {
    let flights = Flights::generate(60);
    let project = ingested(&flights);
    project.done(&["train", "delays"]);
    for part in 0..3 {
        // New content of known rows.
        project.write("more.csv", flights.csv(part * 10..(part + 1) * 10));
        project.done(&["ingest", "flights", "more.csv"]);
    }
    let all = ["gc", "--older-than", "0s"];
    said("gc_nothing", project.scrub(&project.done(&all)));
    let compacted = project.json(&["gc", "--compact", "--apply"]);
    assert_eq!(compacted["removals"], json!([]), "what was the newest until now is kept: {compacted}");
    assert_eq!(compacted["compacted"][0]["to"], json!(4), "{compacted}");
    let told = project.json(&all);
    assert_eq!(told["run"], Value::Null);
    let removals = &told["removals"];
    assert_eq!((removals.as_array().unwrap().len(), &removals[0]["what"]), (1, &json!("flights@1…3")), "{told}");
    let done = project.json(&[&all[..], &["--apply"]].concat());
    assert_eq!(&done["removals"], removals);
    assert!(done["run"].is_string());
    project.done(&["rebuild", "delays@1", "--check"]);
    said("snapshot_gone", scrub_moment(&project.refused(1, &["show", "flights@2"])));
    let rows = project.json(&["show", "flights@4"])["snapshot"]["rows"].clone();
    assert_eq!(rows, json!(90));
    assert!(project.refused(2, &["gc", "--older-than", "soon"]).contains("write a whole number and its unit"));
}

/// Without the moment of today.
fn scrub_moment(text: &str) -> String {
    let (before, after) = text.split_once(" removed files of it at ").unwrap();
    let (_, after) = after.split_once(" (run").unwrap();
    format!("{before} removed files of it at <moment> (run{after}")
}
