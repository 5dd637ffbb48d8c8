//! The main job, end to end: apply, ingest, train, materialize, get, explain, and what is recorded of it.

use serde_json::{Value, json};

use crate::flights::{Flights, LATER, ingested, project};
use crate::project::said;

#[test]
fn applying_twice_changes_nothing() {
    let project = project(&Flights::generate(10));
    let plan = project.json(&["plan"]);
    assert_eq!(plan["changes"].as_array().unwrap().len(), 8);
    assert!(plan["changes"].as_array().unwrap().iter().all(|c| c["effect"] == "created"));
    let online = plan["online"].as_array().unwrap().iter();
    let online: Vec<_> = online.map(|view| (&view["view"]["name"], &view["materialized"], &view["dataset"])).collect();
    let increments = json!("increments");
    let expected = [("airport_weather", "weather"), ("plane_history", "flights")].map(|(v, d)| (json!(v), json!(d)));
    assert_eq!(online, expected.iter().map(|(view, dataset)| (view, &increments, dataset)).collect::<Vec<_>>());
    said("plan", project.scrub(&project.done(&["plan"])));
    assert_eq!(project.asof(&["plan", "--exit-code"]).code, Some(3));
    said("apply", project.scrub(&project.done(&["apply"])));
    said("apply_again", project.scrub(&project.done(&["apply", "flights.sql"])));
    assert_eq!(project.asof(&["plan", "--exit-code"]).code, Some(0));
    assert_eq!(project.json(&["log"]).as_array().unwrap().len(), 1);

    let changed =
        project.read("flights.sql").replace("'3 hours'", "'6 hours'").replace("owner = 'ops'", "owner = 'bi'");
    project.write("flights.sql", changed);
    said("apply_changed", project.scrub(&project.done(&["apply"])));
}

#[test]
fn what_is_trained_is_what_was_known_then() {
    let flights = Flights::generate(400);
    let project = ingested(&flights);
    let trained = project.json(&["train", "delays", "--out", "delays.csv"]);
    assert_eq!((&trained["built"], &trained["training_set"]["rows"]), (&json!(true), &json!(flights.count())));
    let text = project.read("delays.csv");
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(
        header,
        ["flight_id", "origin", "tailnum", "distance", "sched_dep", "late", "temp", "last_arr_delay", "risky"]
    );
    let rows: Vec<_> =
        lines.map(|l| l.split(',').collect::<Vec<_>>()).map(|c| format!("{},{},{}", c[0], c[6], c[7])).collect();
    assert_eq!(rows, flights.expected());

    // Again, from the same inputs: the same set, and a file that is there is replaced.
    let again = project.json(&["train", "delays", "--out", "delays.csv"]);
    assert_eq!(again["built"], json!(false));
    assert_eq!(again["training_set"]["content"], trained["training_set"]["content"]);
    assert_eq!(project.read("delays.csv"), text);
    for file in ["delays.parquet", "delays.arrow"] {
        project.done(&["train", "delays", "--out", file]);
        assert!(project.path().join(file).metadata().unwrap().len() > 0);
    }
    let left = std::fs::read_dir(project.path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0, "temporary files stay behind");

    let rebuilt = project.json(&["rebuild", "delays@1", "--check"]);
    assert_eq!(rebuilt["equal"], json!(true));
    assert_eq!(rebuilt["content"], trained["training_set"]["content"]);
}

#[test]
fn rows_keep_their_order_over_many_batches() {
    let flights = Flights::generate(20_000);
    let project = ingested(&flights);
    // Another moment is another set, so that each is computed.
    for day in 1..=8 {
        let day = format!("2014-01-{day:02}");
        project.done(&["train", "delays", "--known-at", &day, "--out", "delays.csv"]);
        let text = project.read("delays.csv");
        let ids: Vec<_> = text.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect();
        assert!(ids == flights.landed(), "as of {day} the rows of the spine change places");
    }
}

#[test]
fn the_same_content_twice_is_ingested_once() {
    let flights = Flights::generate(50);
    let project = project(&flights);
    project.done(&["apply"]);
    let first = project.json(&["ingest", "flights", "data/flights.csv"]);
    assert_eq!((&first["rows"], &first["files"]), (&json!(50), &json!(1)));
    project.write("data/copy.csv", project.read("data/flights.csv"));
    let again = project.json(&["ingest", "flights", "data/copy.csv"]);
    assert_eq!(
        (&again["snapshot"], &again["skipped"][0]["url"].as_str().map(|u| u.ends_with("copy.csv"))),
        (&Value::Null, &Some(true))
    );
    assert_eq!(project.json(&["show", "flights"])["snapshot"]["rows"], json!(50));
    said("ingest_again", project.scrub(&project.done(&["ingest", "flights", "data/*.csv"])));
}

#[test]
fn what_is_served_is_typed_dated_and_can_be_explained() {
    let flights = Flights::generate(200);
    let project = ingested(&flights);
    let online = project.json(&["materialize", "--at", LATER]);
    let rows: Vec<_> = online["views"].as_array().unwrap().iter().map(|v| (&v["view"]["name"], &v["rows"])).collect();
    assert_eq!(rows, [(&json!("airport_weather"), &json!(3)), (&json!("plane_history"), &json!(flights.planes()))]);

    let entity = ["origin=JFK", "tailnum=N7", "distance=1400"];
    let get =
        |more: &'static [&'static str]| [&["get", "departure_delay@1"], &entity[..], &["--at", LATER], more].concat();
    said("get", project.scrub(&project.done(&get(&[]))));
    let reply = project.json(&get(&["--event-times", "--receipts"]));
    let features = reply["entities"][0]["features"].as_array().unwrap();
    let statuses: Vec<_> =
        features.iter().map(|f| (f["name"].as_str().unwrap(), f["status"].as_str().unwrap())).collect();
    assert_eq!(statuses, [("temp", "expired"), ("last_arr_delay", "present"), ("risky", "present")]);
    assert_eq!(features[1]["views"], json!(["plane_history"]));
    let views = reply["entities"][0]["views"].as_array().unwrap();
    assert!(views.iter().all(|v| v["event_time"].is_string() && v["run"].is_string()), "{views:?}");
    let missing =
        project.json(&["get", "departure_delay", "origin=JFK", "tailnum=nobody", "distance:=null", "--at", LATER]);
    assert_eq!(missing["entities"][0]["features"][1]["status"], json!("missing"));

    project.write("rows.jsonl", "{\"origin\":\"JFK\",\"tailnum\":\"N7\"}\n{\"origin\":\"LGA\",\"tailnum\":null}\n");
    let many = ["get", "departure_delay", "distance=100", "--file", "rows.jsonl", "--at", LATER, "--output", "csv"];
    let csv = project.done(&many);
    assert_eq!(
        csv.lines().next(),
        Some("origin,tailnum,distance,temp,last_arr_delay,risky,temp__status,last_arr_delay__status,risky__status")
    );
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.lines().nth(2).unwrap().contains("missing"), "{csv}");

    let explain =
        project.json(&["explain", "departure_delay", "origin=JFK", "tailnum=N7", "distance=1400", "--at", LATER]);
    let origin = explain["origins"].as_array().unwrap().iter().find(|o| o["alias"] == "plane_history").unwrap();
    assert_eq!(origin["snapshots"][0]["dataset"], json!("flights"));
    assert!(origin["snapshots"][0]["files"][0]["url"].as_str().unwrap().ends_with("/data/flights.csv"));
    assert_eq!(origin["run"]["verb"], json!("materialize"));
    said(
        "explain",
        project.scrub(&project.done(&[&["explain", "departure_delay"], &entity[..], &["--at", LATER]].concat())),
    );
    // Long before what is online, and a row of a training set.
    let before = [&["explain", "departure_delay"], &entity[..], &["--at", "2013-01-20T12:00:00Z"]].concat();
    said("explain_past", project.scrub(&project.done(&before)));
    project.done(&["train", "delays"]);
    said("explain_row", project.scrub(&project.done(&["explain", "delays@1", "--row", "100"])));
    let row = project.json(&["explain", "delays@1", "--row", "100"]);
    assert_eq!((&row["source"], &row["training_set"]["same"]), (&json!("training_set"), &json!(true)));
    let planes = row["origins"].as_array().unwrap().iter().find(|o| o["alias"] == "plane_history").unwrap();
    assert_eq!(planes["contributed"][0]["snapshots"], json!([{ "dataset": "flights", "number": 0, "rows": 1 }]));
    said("explain_no_row", project.refused(1, &["explain", "delays@1", "--row", "200"]));
}

#[test]
fn everything_done_is_recorded() {
    let flights = Flights::generate(50);
    let project = ingested(&flights);
    project.done(&["train", "delays"]);
    project.done(&["materialize", "plane_history", "--at", LATER]);
    let log = project.json(&["log"]);
    let verbs: Vec<_> =
        log.as_array().unwrap().iter().map(|r| (r["verb"].as_str().unwrap(), r["state"].as_str().unwrap())).collect();
    assert_eq!(
        verbs,
        [("materialize", "done"), ("train", "done"), ("ingest", "done"), ("ingest", "done"), ("apply", "done")]
    );
    assert_eq!(project.json(&["log", "--verb", "ingest", "--limit", "1"]).as_array().unwrap().len(), 1);
    assert_eq!(project.json(&["log", "delays"]).as_array().unwrap().iter().filter(|r| r["verb"] == "train").count(), 1);

    let listed = project.json(&["ls"]);
    let named: Vec<_> = listed.as_array().unwrap().iter().map(|l| l["definition"]["name"].as_str().unwrap()).collect();
    assert_eq!(named.len(), 8, "{named:?}");
    assert_eq!(project.json(&["ls", "datasets"]).as_array().unwrap().len(), 2);
    let csv = project.done(&["ls", "views", "--output", "csv"]);
    assert!(csv.starts_with("kind,project,name,version,"), "{csv}");

    let shown = project.json(&["show", "flights"]);
    assert_eq!((&shown["snapshot"]["rows"], &shown["definition"]["kind"]), (&json!(50), &json!("dataset")));
    assert_eq!(project.json(&["show", "delays@1"])["training_set"]["rows"], json!(50));
    let text = project.done(&["show", "delays@1"]);
    assert!(text.contains(", as known at each row's own time\n"), "{text}");
    let text = project.done(&["show", "airport_weather"]);
    assert!(text.contains("TTL 3 hours"), "{text}");

    said("lineage", project.scrub(&project.done(&["lineage", "departure_delay", "--upstream"])));
    assert!(project.done(&["lineage", "flights", "--output", "mermaid"]).contains("flowchart"));
    assert!(project.json(&["lineage", "flights", "--downstream"]).is_object());
    let told = project.done(&["lineage", "delays@1", "--upstream", "--output", "openlineage"]);
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states = |job: &str| {
        let of_it = events.iter().filter(|event| event["job"]["name"] == job);
        of_it.map(|event| event["eventType"].as_str().unwrap_or("declared")).collect::<Vec<_>>()
    };
    assert_eq!(states("train.delays"), ["declared", "START", "COMPLETE"]);
    assert_eq!(states("serve.departure_delay"), ["declared"]);
    // Nobody's events tell of an entity.
    assert_eq!(project.done(&["lineage", "airport", "--upstream", "--output", "openlineage"]), "");
}

#[test]
fn a_project_is_found_from_below_and_named_from_elsewhere() {
    let project = project(&Flights::generate(10));
    std::fs::create_dir_all(project.path().join("deep/down")).unwrap();
    let below = crate::project::command(&project.path().join("deep/down"), &["apply"]).output().unwrap();
    assert!(below.status.success(), "{}", String::from_utf8_lossy(&below.stderr));
    let config = project.path().join("asof.toml").display().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    let listed =
        crate::project::command(elsewhere.path(), &["ls", "--config", &config, "--output", "json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 8);
}
