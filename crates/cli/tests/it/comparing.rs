//! Whether what is served is what training gives, as a user asks.

use serde_json::json;

use crate::flights::{Flights, ingested};
use crate::project::said;

#[test]
fn what_is_served_is_held_against_training() {
    let project = ingested(&Flights::generate(500));
    project.done(&["materialize", "--at", "2013-01-20"]);
    said("verify_equal", project.scrub(&project.done(&["verify", "departure_delay@1"])));
    // With a training set there are its rows to ask about, too.
    project.done(&["train", "delays"]);
    let compared = project.json(&["verify", "departure_delay@1", "--samples", "200", "--seed", "3"]);
    assert_eq!((&compared["differing"], &compared["failed"]), (&json!(0), &json!(0)));
    assert_eq!((&compared["at"], &compared["mismatches"]), (&json!("2013-01-20T00:00:00Z"), &json!([])));
    assert!(compared["rows"].as_u64().unwrap() > 100, "{compared}");
    assert_eq!(compared["snapshots"].as_object().unwrap().keys().collect::<Vec<_>>(), ["flights", "weather"]);
    let run = &project.json(&["log", "--verb", "verify", "--limit", "1"])[0];
    assert_eq!((&run["id"], &run["notes"]["differing"]), (&compared["run"], &json!("0")));
}

#[test]
fn what_is_behind_is_found() {
    let project = ingested(&Flights::generate(500));
    project.done(&["materialize", "--at", "2013-01-20"]);
    // Planes land meanwhile, and only the weather is brought up to date.
    project.done(&["materialize", "airport_weather", "--at", "2013-01-20 08:00"]);
    let verify = ["verify", "departure_delay", "--samples", "200"];
    let ended = project.asof(&verify);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    said("verify_differs", project.scrub(&ended.stdout));
    let ended = project.asof(&[&verify[..], &["--output", "json"]].concat());
    let compared: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let mismatch = &compared["mismatches"][0];
    assert_eq!((ended.code, &mismatch["feature"]), (Some(1), &json!("last_arr_delay")));
    assert_eq!(mismatch["served"]["status"], json!("present"));
    assert!(mismatch["served"]["value"].is_number() && mismatch["served"] != mismatch["trained"], "{mismatch}");
    let receipt = &mismatch["receipts"][0];
    assert_eq!((&receipt["alias"], &receipt["view"]["name"]), (&json!("plane_history"), &json!("plane_history")));
    assert!(receipt["event_time"].as_str().unwrap() < "2013-01-20" && receipt["run"].is_string(), "{receipt}");
    assert!(mismatch["request"]["tailnum"].as_str().unwrap().starts_with('N'), "{mismatch}");
    // A moment that is not held is not asked about.
    assert!(project.refused(1, &["verify", "departure_delay", "--at", "2013-01-19"]).contains("moment_not_held"));
    assert!(project.refused(1, &["verify", "delays"]).contains("wrong_kind"));
}
