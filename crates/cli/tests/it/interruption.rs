//! `kill -9` in the middle, at many moments: the state before or the state after, and a retry that doubles and
//! loses nothing.

use std::process::Child;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::environments::ask_only;
use crate::flights::{DEFINITIONS, Flights, LATER, ingested, project};
use crate::project::Project;

/// When to kill, in parts of the time that the verb takes undisturbed.
const MOMENTS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.85, 0.97];

/// Rows of one ingestion: enough that it takes a while.
const ROWS: usize = 20_000;

/// How long a verb takes when nobody disturbs it.
#[expect(clippy::disallowed_methods, reason = "a measurement for the schedule of kills, and no part of any result")]
fn undisturbed(project: &Project, args: &[&str]) -> Duration {
    let start = Instant::now();
    project.done(args);
    start.elapsed()
}

/// Kills a verb after a while, unless it ended before; whether it was killed.
fn kill_after(mut child: Child, patience: Duration) -> bool {
    let (tell, told) = channel::<()>();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        drop(tell);
    });
    let alive = told.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    reader.join().unwrap();
    alive && status.code().is_none()
}

/// Starts the verb once for each of [`MOMENTS`] and kills it there; then runs it to its end, and asks `whole`.
fn survives(project: &Project, took: Duration, args: impl Fn(usize) -> Vec<String>, whole: impl Fn(usize, &Value)) {
    let mut killed = 0;
    for (round, part) in MOMENTS.into_iter().enumerate() {
        let args = args(round);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        killed += usize::from(kill_after(project.start(&args), took.mul_f64(part)));
        let retried = project.json(&args);
        settled(project);
        whole(round, &retried);
    }
    // The later moments miss where the machine has less else to do than when it was measured.
    assert!(killed >= 2, "only {killed} were killed in time");
}

/// No run is left open, and none made what another made.
fn settled(project: &Project) {
    let log = project.json(&["log", "--limit", "0"]);
    let runs = log.as_array().unwrap();
    assert!(runs.iter().all(|r| r["state"] == "done" || r["state"] == "aborted"), "{log}");
    let mut made: Vec<_> = runs
        .iter()
        .filter(|r| r["verb"] != "apply" && r["verb"] != "promote")
        .flat_map(|r| r["outputs"].as_array().unwrap())
        .map(Value::to_string)
        .collect();
    made.sort();
    let count = made.len();
    made.dedup();
    assert_eq!(made.len(), count, "something was made twice: {log}");
}

/// How many commits the Delta log of a dataset holds.
fn commits(project: &Project, dataset: &str) -> usize {
    let log = project.path().join(format!(".asof/datasets/flights/{dataset}/_delta_log"));
    let names = std::fs::read_dir(log).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.len() == 25 && name.ends_with(".json")).count()
}

#[test]
fn ingest_survives_kill_9() {
    let rounds = MOMENTS.len() + 1;
    let flights = Flights::generate(ROWS * rounds);
    let project = project(&flights);
    for round in 0..rounds {
        project.write(&format!("data/part{round}.csv"), flights.csv(round * ROWS..(round + 1) * ROWS));
    }
    project.done(&["apply"]);
    let took = undisturbed(&project, &["ingest", "flights", &format!("data/part{}.csv", MOMENTS.len())]);
    let before = commits(&project, "flights");
    let args = |round: usize| vec!["ingest".to_owned(), "flights".to_owned(), format!("data/part{round}.csv")];
    survives(&project, took, args, |round, _| {
        let rows = project.json(&["show", "flights"])["snapshot"]["rows"].clone();
        assert_eq!(rows, json!(ROWS * (round + 2)), "rows are doubled or lost");
        assert_eq!(commits(&project, "flights"), before + round + 1, "commits are doubled or lost");
    });
}

#[test]
fn train_survives_kill_9() {
    let flights = Flights::generate(ROWS);
    let project = project(&flights);
    project.done(&["apply"]);
    project.done(&["ingest", "flights", "data/flights.csv"]);
    project.done(&["ingest", "weather", "data/weather.jsonl"]);
    let took = undisturbed(&project, &["train", "delays"]);
    let content = project.json(&["train", "delays"])["training_set"]["content"].clone();
    // Another option is another set; as every flight is known by then, with the same rows.
    let args = |round: usize| {
        ["train", "delays", "--known-at", &format!("2014-01-{:02}", round + 1)].map(str::to_owned).into()
    };
    survives(&project, took, args, |round, trained| {
        let set = &trained["training_set"];
        assert_eq!((&set["rows"], &set["content"]), (&json!(ROWS), &content));
        assert_eq!(set["number"], json!(round + 2), "numbers are skipped or reused");
    });
    assert_eq!(project.json(&["rebuild", "delays@3", "--check"])["equal"], json!(true));
}

#[test]
fn materialize_survives_kill_9() {
    let flights = Flights::generate(ROWS);
    let project = project(&flights);
    project.done(&["apply"]);
    project.done(&["ingest", "flights", "data/flights.csv"]);
    project.done(&["ingest", "weather", "data/weather.jsonl"]);
    let took = undisturbed(&project, &["materialize", "plane_history", "airport_weather", "--at", LATER]);
    let at = |round: usize| format!("2013-02-{:02}T00:00:00Z", round + 3);
    let args = |round: usize| {
        ["materialize", "plane_history", "airport_weather", "--at", &at(round)].map(str::to_owned).into()
    };
    survives(&project, took, args, |round, online| {
        let rows: Vec<_> =
            online["views"].as_array().unwrap().iter().map(|v| (v["rows"].as_u64(), v["at"].as_str())).collect();
        let at = at(round);
        assert_eq!(rows, [(Some(flights.planes() as u64), Some(at.as_str())), (Some(3), Some(at.as_str()))]);
        let got = project.json(&["get", "departure_delay", "origin=JFK", "tailnum=N7", "distance=1", "--at", &at]);
        assert_eq!(got["entities"][0]["features"][1]["status"], json!("present"), "{got}");
    });
}

#[test]
fn a_removal_that_is_killed_takes_nothing_that_is_needed() {
    let flights = Flights::generate(60);
    let project = crate::flights::ingested(&flights);
    project.done(&["train", "delays"]);
    // Old snapshots whose files nothing needs.
    let litter = |round: usize| {
        for part in [2 * round, 2 * round + 1] {
            project.write("more.csv", flights.csv(3 * part..3 * part + 3));
            project.done(&["ingest", "flights", "more.csv"]);
        }
        project.done(&["gc", "--compact", "--apply"]);
    };
    let gc = ["gc", "--apply", "--older-than", "0s"];
    litter(MOMENTS.len());
    let took = undisturbed(&project, &gc);
    let args = |round| {
        litter(round);
        gc.map(str::to_owned).to_vec()
    };
    survives(&project, took, args, |round, _| {
        project.done(&["rebuild", "delays@1", "--check"]);
        let shown = project.json(&["show", "flights"]);
        assert_eq!(shown["snapshot"]["rows"], json!(60 + 6 * (round + 2)));
        let files = shown["snapshot"]["files"].as_array().unwrap();
        let table = project.path().join(".asof/datasets/flights/flights");
        assert!(files.iter().all(|file| table.join(file["path"].as_str().unwrap()).exists()), "{shown}");
        assert_eq!(project.json(&gc)["removals"], json!([]));
    });
}

/// At which moments a promote is killed: many, since what counts is one short transaction.
const KILLS: u32 = 16;

#[test]
fn promote_survives_kill_9() {
    let project = ingested(&Flights::generate(60));
    ask_only(&project, "prod", "\"online\"");
    project.done(&["materialize", "--at", LATER]);
    project.write("flights.sql", DEFINITIONS.replace("'3 hours'", "'6 hours'"));
    project.done(&["apply"]);
    project.done(&["materialize", "--at", LATER]);
    let mut took = undisturbed(&project, &["promote", "departure_delay@1", "--to", "prod"]);
    let mut killed = 0;
    for round in 0..KILLS {
        let version = 2 - u64::from(round % 2);
        let promote = ["promote", &format!("departure_delay@{version}"), "--to", "prod"];
        let moment = took.mul_f64((f64::from(round) + 0.5) / f64::from(KILLS));
        killed += u32::from(kill_after(project.start(&promote), moment));
        settled(&project);
        let whole = |expected: Option<u64>| {
            let listed = project.json(&["ls", "--env", "prod"]);
            let at = |of: &str| {
                let listed = listed.as_array().unwrap().iter();
                let found = listed.filter(|l| l["current"] == true).find(|l| l["definition"]["name"] == of);
                found.unwrap()["definition"]["version"].as_u64()
            };
            assert_eq!(at("departure_delay"), at("airport_weather"), "in round {round} one went without the other");
            assert!(expected.is_none() || at("departure_delay") == expected);
            let last = &project.json(&["log", "departure_delay@prod"])[0];
            assert_eq!(last["to"].as_u64(), at("departure_delay"), "the history leads elsewhere");
            at("departure_delay")
        };
        let moved = whole(None) == Some(version);
        let now = undisturbed(&project, &promote);
        if !moved {
            // It may be quicker than the first time: then the moments come earlier.
            took = took.min(now);
        }
        whole(Some(version));
    }
    assert!(killed >= KILLS / 4, "only {killed} were killed in time");
}
