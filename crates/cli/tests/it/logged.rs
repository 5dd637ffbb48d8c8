//! What a server answers is logged, and verified while it runs and when it has ended.

use serde_json::json;

use crate::flights::{Flights, ingested};
use crate::project::said;
use crate::serving::Serving;

#[test]
fn what_a_server_answered_is_verified_later() {
    let project = ingested(&Flights::generate(500));
    let settings = project.read("asof.toml") + "\n[serving_log]\nevery = 2\n";
    project.write("asof.toml", settings);
    // It is not online until its time has come, and training knows it from then on.
    let flight = r#"{"flight_id": 9000, "tailnum": "N1", "arrived_at": "2050-01-01T00:00:00Z", "arr_delay": 1}"#;
    project.write("data/future.jsonl", flight);
    project.done(&["ingest", "flights", "data/future.jsonl"]);
    project.done(&["materialize"]);
    assert!(project.refused(1, &["verify", "departure_delay", "--log"]).contains("nothing_to_compare"));
    let server = Serving::start(&project);
    let get = |plane: &str| {
        let plane = format!("tailnum={plane}");
        project.done(&["get", "departure_delay", "origin=JFK", &plane, "distance=1400", "--server", &server.url]);
    };
    (0..5).for_each(|n| get(&format!("N{n}")));
    let push = |plane: &str, id: &str| {
        let (id, plane) = (format!("flight_id={id}"), format!("tailnum={plane}"));
        let landed = "arrived_at=2013-12-01T00:00:00Z";
        project.done(&["push", "flights", &id, &plane, landed, "arr_delay=7", "--server", &server.url]);
    };
    push("N1", "9001");
    (0..5).for_each(|n| get(&format!("N{n}")));
    // Of ten requests five; what waits is written for whoever asks.
    let verify = ["verify", "departure_delay@1", "--log"];
    let compared = project.json(&[&verify[..], &["--server", &server.url]].concat());
    let logged = json!({ "found": 5, "compared": 5, "moving": 0, "apart": {}, "dropped": 0 });
    assert_eq!((&compared["logged"], &compared["differing"], &compared["rows"]), (&logged, &json!(0), &json!(5)));
    push("N1", "9002");
    (0..2).for_each(|n| get(&format!("N{n}")));
    let later = ["get", "departure_delay", "origin=JFK", "tailnum=N1", "distance=1", "--at", "2051-01-01"];
    project.done(&[&later[..], &["--server", &server.url]].concat());
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Another process; single verbs log nothing.
    project.done(&["materialize"]);
    project.done(&["get", "departure_delay", "origin=JFK", "tailnum=N1", "distance=1400"]);
    said("verify_log", project.scrub(&project.done(&verify)));
    assert_eq!(project.json(&verify)["logged"]["found"], json!(7));
    let since = ["--since", "2999-01-01"];
    assert!(project.refused(1, &[&verify[..], &since].concat()).contains("nothing_to_compare"));
    project.refused(2, &["verify", "departure_delay", "--since", "2013-01-01"]);
    // Any reader of Delta tables finds it.
    assert!(project.path().join(".asof/serving_log/flights/_delta_log/00000000000000000000.json").is_file());
}
