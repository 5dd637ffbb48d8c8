//! Views that tell the future, as a user finds them out.

use serde_json::json;

use crate::flights::{DEFINITIONS, Flights, ingested};
use crate::project::{Project, said};

/// The usual flights with a view per day, stamped as it is told here.
fn daily(stamp: &str) -> String {
    format!(
        "{DEFINITIONS}
CREATE ENTITY carrier KEY (carrier VARCHAR);
CREATE FEATURE VIEW daily_delays ENTITY carrier TIMESTAMP day
AS SELECT carrier, {stamp} AS day, max(arr_delay) AS worst_delay FROM flights GROUP BY carrier, {stamp};
"
    )
}

const START_OF_DAY: &str = "date_trunc('day', arrived_at)";
const END_OF_DAY: &str = "date_trunc('day', arrived_at) + INTERVAL '1 day'";

/// The usual project, and on top of it a view that leaks, in a file and not applied.
fn with_a_leak() -> Project {
    let project = ingested(&Flights::generate(2_000));
    project.write("flights.sql", daily(START_OF_DAY));
    project
}

#[test]
fn a_leak_is_shown_with_an_example_and_its_cause() {
    let project = with_a_leak();
    project.done(&["apply"]);
    let ended = project.asof(&["verify", "daily_delays", "--leakage"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    said("verify_leak", project.scrub(&ended.stdout));

    let ended = project.asof(&["verify", "daily_delays", "--leakage", "--output", "json"]);
    assert_eq!(ended.code, Some(1));
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let view = &document["views"][0];
    assert_eq!((&view["finding"], &view["view"]["name"]), (&json!("leak"), &json!("daily_delays")));
    assert_eq!(view["moments"].as_array().unwrap().len(), 8);
    let leak = &view["leak"];
    assert_eq!(leak["features"], json!(["worst_delay"]));
    let (all, cut) = (&leak["example"]["with_all"]["worst_delay"], &leak["example"]["cut_off"]["worst_delay"]);
    assert!(all.as_f64().unwrap() > cut.as_f64().unwrap(), "{leak}");
    assert!(leak["causes"][0].as_str().unwrap().contains("rounded down"), "{leak}");

    // It is on record.
    let run = &project.json(&["log", "--verb", "verify", "--limit", "1"])[0];
    assert_eq!((&run["id"], &run["state"], &run["notes"]["leaks"]), (&document["run"], &json!("done"), &json!("1")));
}

#[test]
fn a_service_is_checked_with_all_its_views() {
    let project = ingested(&Flights::generate(500));
    said("verify_clean", project.scrub(&project.done(&["verify", "departure_delay@1", "--leakage", "--samples", "4"])));
    let at = ["--at", "2013-01-10", "--at", "2013-01-11 12:00"];
    let checked = project.json(&[&["verify", "plane_history", "--leakage"], &at[..]].concat());
    let view = &checked["views"][0];
    assert_eq!((&view["finding"], &view["leak"], &view["rows"]), (&json!("clean"), &json!(null), &json!(500)));
    assert_eq!(view["moments"], json!(["2013-01-10T00:00:00Z", "2013-01-11T12:00:00Z"]));
}

#[test]
fn a_leak_keeps_apply_from_happening() {
    let project = with_a_leak();
    let planned = project.asof(&["plan", "--check-leakage"]);
    assert_eq!(planned.code, Some(1), "{planned:?}");
    let applied = project.asof(&["apply", "--check-leakage"]);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(1), ""), "{applied:?}");
    said("apply_leak", project.scrub(&applied.stdout));
    assert!(project.refused(1, &["show", "daily_delays"]).contains("unknown_name"), "nothing was applied");

    project.write("flights.sql", daily(END_OF_DAY));
    assert_eq!(project.json(&["plan", "--check-leakage"])["refused"], json!(false));
    let applied = project.json(&["apply", "--check-leakage"]);
    assert_eq!((&applied["refused"], &applied["views"][0]["finding"]), (&json!(false), &json!("clean")));
    project.done(&["show", "daily_delays"]);
}

#[test]
fn where_there_is_no_data_yet_apply_says_that_it_has_not_checked() {
    let project = Project::new();
    project.write("flights.sql", daily(START_OF_DAY));
    let applied = project.done(&["apply", "--check-leakage"]);
    assert!(applied.contains("daily_delays@1: not checked: dataset `flights` has no data yet"), "{applied}");
    said("verify_without_data", project.refused(1, &["verify", "daily_delays", "--leakage"]));
    let mistaken = project.refused(1, &["verify", "delays", "--leakage"]);
    assert!(mistaken.contains("delays@1 is a training set, not a feature view or a feature service"), "{mistaken}");
}
