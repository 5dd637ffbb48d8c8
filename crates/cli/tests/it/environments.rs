//! From dev to prod and back, as a user does it.

use serde_json::{Value, json};

use crate::flights::{DEFINITIONS, Flights, LATER, ingested};
use crate::project::{Ended, Project, said};
use crate::serving::Serving;

/// Has an environment ask only these built-in gates: what the tests ingest is years old, and so never fresh.
pub(crate) fn ask_only(project: &Project, environment: &str, gates: &str) {
    let settings = project.read("asof.toml");
    project.write("asof.toml", format!("{settings}\n[environment.{environment}]\nbuilt_in = [{gates}]\n"));
}

/// The usual project with everything online, its first version in prod, and a second one applied.
fn with_two_versions() -> Project {
    let project = ingested(&Flights::generate(60));
    ask_only(&project, "prod", "\"online\"");
    project.done(&["materialize", "--at", LATER]);
    let promoted = project.done(&["promote", "departure_delay", "--to", "prod", "--by", "ada", "--why", "the first"]);
    said("promoted", project.scrub(&promoted));
    project.write("flights.sql", DEFINITIONS.replace("'3 hours'", "'6 hours'"));
    project.done(&["apply", "--by", "bob", "--why", "weather counts longer"]);
    project
}

/// The version that prod serves.
fn served(project: &Project, more: &[&str]) -> Value {
    let get = ["get", "departure_delay", "--env", "prod", "origin=JFK", "tailnum=N7", "distance=1", "--at", LATER];
    project.json(&[&get[..], more].concat())["service"]["version"].clone()
}

#[test]
fn a_version_goes_to_prod_and_back() {
    let project = with_two_versions();
    let promote = ["promote", "departure_delay", "--to", "prod"];
    said("gate_refused", project.refused(1, &promote));
    let dry: Ended = project.asof(&[&promote[..], &["--dry-run"]].concat());
    assert_eq!((dry.code, dry.stderr.as_str()), (Some(1), ""), "{dry:?}");
    said("promote_dry_run", project.scrub(&dry.stdout));
    assert_eq!(served(&project, &[]), json!(1));

    project.done(&["materialize", "--at", LATER]);
    let promoted: Ended =
        project.command(&[&promote[..], &["--output", "json"]].concat()).env("USER", "grace").output().unwrap().into();
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let promoted: Value = serde_json::from_str(&promoted.stdout).unwrap();
    let moves: Vec<_> = promoted["moves"].as_array().unwrap().iter().collect();
    assert_eq!(moves.len(), 2, "{promoted}");
    assert_eq!((&moves[1]["definition"]["name"], &moves[1]["from"]), (&json!("departure_delay"), &json!(1)));
    assert_eq!((&promoted["environment"], &promoted["refusals"]), (&json!("prod"), &json!([])));
    assert_eq!(served(&project, &[]), json!(2));
    said("promote_again", project.done(&promote));

    let back = project.done(&["rollback", "departure_delay", "--in", "prod", "--by", "ada", "--why", "too warm"]);
    said("rolled_back", project.scrub(&back));
    assert_eq!(served(&project, &[]), json!(1));
    said("nothing_before", project.refused(1, &["rollback", "departure_delay", "--in", "prod"]));

    let moves = project.json(&["log", "departure_delay@prod"]);
    let told: Vec<_> =
        moves.as_array().unwrap().iter().map(|m| json!([m["verb"], m["to"], m["who"], m["why"]])).collect();
    let expected = [
        json!(["rollback", 1, "ada", "too warm"]),
        json!(["promote", 2, "grace", null]),
        json!(["promote", 1, "ada", "the first"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(moves[1]["run"], promoted["run"]);
    // Of the environment as a whole it is what moved beside it, too; of its runs the run.
    assert!(project.json(&["log", "--env", "prod"]).as_array().unwrap().len() > 3);
    assert_eq!(project.json(&["log", "--env", "prod", "--limit", "1"]).as_array().unwrap().len(), 1);
    let applied = &project.json(&["log", "airport_weather@dev"])[0];
    assert_eq!((&applied["verb"], &applied["who"]), (&json!("apply"), &json!("bob")));
    let run = &project.json(&["log", "--verb", "rollback"])[0];
    assert_eq!((&run["id"], &run["notes"]["environment"]), (&moves[0]["run"], &json!("prod")));

    // What prod was at a moment.
    for (place, version) in [(2, 1), (1, 2), (0, 1)] {
        let at = moves[place]["at"].as_str().unwrap();
        let listed = project.json(&["ls", "services", "--env", "prod", "--at", at]);
        assert_eq!(listed[0]["definition"]["version"], json!(version), "{at}: {listed}");
    }
    assert_eq!(project.json(&["ls", "--env", "prod", "--at", "2013-01-01"]), json!([]));
}

#[test]
fn what_differs_is_told_by_its_clauses() {
    let project = with_two_versions();
    said("diff_environments", project.done(&["diff", "prod", "dev"]));
    said("diff_versions", project.done(&["diff", "airport_weather@2", "airport_weather@prod"]));
    said("diff_nothing", project.done(&["diff", "prod", "prod", "--exit-code"]));
    let differs = project.asof(&["diff", "prod", "dev", "--exit-code", "--output", "json"]);
    assert_eq!(differs.code, Some(1), "{differs:?}");
    let differs: Value = serde_json::from_str(&differs.stdout).unwrap();
    let effects: Vec<_> = differs["changes"].as_array().unwrap().iter().map(|c| c["effect"].clone()).collect();
    assert_eq!(effects, [json!("versioned"), json!("versioned"), json!("created")]);
}

#[test]
fn what_cannot_be_promoted_says_why() {
    let project = with_two_versions();
    let refused = |args: &[&str]| project.refused(1, &[&["promote"], args].concat());
    said("promote_to_nowhere", refused(&["departure_delay", "--to", "prd"]));
    said("promote_a_snapshot", refused(&["flights@1", "--to", "prod"]));
    said("promote_backwards", refused(&["departure_delay@prod", "--to", "dev"]));
    said("promote_unknown_version", refused(&["departure_delay@9", "--to", "prod"]));
}

#[test]
fn a_running_server_follows_at_once() {
    let project = with_two_versions();
    project.done(&["materialize", "--at", LATER]);
    let server = Serving::start(&project);
    let there = ["--server", &server.url];
    for _ in 0..3 {
        assert_eq!(served(&project, &there), json!(1));
        project.done(&["promote", "departure_delay", "--to", "prod", "--server", &server.url]);
        assert_eq!(served(&project, &there), json!(2));
        project.done(&["rollback", "departure_delay", "--in", "prod", "--server", &server.url]);
    }
    assert_eq!(served(&project, &there), json!(1));
    // Two at once: each is whole, and who comes too late is told.
    let promote =
        |version: &str| project.start(&["promote", version, "--to", "prod", "--server", &server.url, "--by", "ada"]);
    let both = [promote("departure_delay@1"), promote("departure_delay@2")];
    for ended in both.map(|child| Ended::from(child.wait_with_output().unwrap())) {
        assert!(ended.code == Some(0) || ended.stderr.starts_with("error[pointer_moved]"), "{ended:?}");
    }
    let listed = project.json(&["ls", "--env", "prod", "--server", &server.url]);
    let version = |of: &str| {
        let listed = listed.as_array().unwrap().iter().find(|l| l["definition"]["name"] == of).unwrap();
        listed["definition"]["version"].clone()
    };
    assert_eq!(version("departure_delay"), version("airport_weather"));
    assert_eq!(served(&project, &there), version("departure_delay"));
    assert_eq!(server.stop().code, Some(0));
}
