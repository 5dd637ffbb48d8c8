//! Several processes over one store.

use std::process::Child;

use serde_json::json;

use crate::flights::{Flights, project};
use crate::project::{Ended, Project, said};
use crate::serving::Serving;

fn ended(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

/// After any number of applies of the usual definitions there is one of each, and one run made them.
fn applied_once(asof: &dyn Fn(&[&str]) -> serde_json::Value) {
    let listed = asof(&["ls"]);
    let versions: Vec<_> = listed.as_array().unwrap().iter().map(|l| l["definition"]["version"].as_u64()).collect();
    assert_eq!(versions, [Some(1); 8]);
    let runs = asof(&["log", "--verb", "apply", "--limit", "0"]);
    let done: Vec<_> = runs.as_array().unwrap().iter().filter(|r| r["state"] == "done").collect();
    assert_eq!(done.len(), 1, "{runs}");
    assert_eq!(done[0]["outputs"].as_array().unwrap().len(), 8);
}

#[test]
fn two_applies_at_once_are_one() {
    let project = project(&Flights::generate(5));
    let both = [project.start(&["apply"]), project.start(&["apply"])].map(ended);
    // The second waits for the first, and finds nothing left to do.
    assert!(both.iter().all(|e| e.code == Some(0)), "{both:?}");
    applied_once(&|args| project.json(args));
}

#[test]
fn two_applies_at_once_through_a_server_are_one() {
    let project = project(&Flights::generate(5));
    let server = Serving::start(&project);
    let apply = || project.start(&["apply", "--server", &server.url]);
    let all = [apply(), apply(), apply(), apply()].map(ended);
    assert!(all.iter().any(|e| e.code == Some(0)), "{all:?}");
    for refused in all.iter().filter(|e| e.code != Some(0)) {
        assert!(refused.stderr.starts_with("error[concurrent_apply]"), "{refused:?}");
    }
    applied_once(&|args| project.json(&[args, &["--server", &server.url]].concat()));
}

#[test]
fn a_store_that_is_held_says_by_whom_and_how_to_reach_it() {
    let project = Project::new();
    let server = Serving::start(&project);
    let held = project.refused(1, &["ls"]);
    said("store_held", &held);
    assert_eq!(project.refused(1, &["serve"]), held, "who was refused leaves no trace");
    let answered = project.json(&["ls", "--server", &server.url]);
    assert_eq!(answered, json!([]));
    assert_eq!(server.stop().code, Some(0));
    project.done(&["ls"]);
}
