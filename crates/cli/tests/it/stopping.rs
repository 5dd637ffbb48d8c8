//! SIGINT and SIGTERM in the middle of long work: it ends within a second, says so, and leaves nothing behind.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::flights::{DEFINITIONS, Flights};
use crate::project::{Ended, Project};
use crate::serving::{Serving, signal};

/// A training set that takes seconds: two views whose rows cost much to compute, over many rows. No batch of them takes
/// a second: the engine computes an expression over a whole batch before it looks up.
const SLOW: &str = "
CREATE FEATURE VIEW slow_planes ENTITY plane TIMESTAMP arrived_at
AS SELECT tailnum, arrived_at,
          levenshtein(repeat(tailnum || origin, 5), repeat(origin || carrier, 5)) AS distance_of_names
   FROM flights;

CREATE FEATURE VIEW slow_carriers ENTITY carrier TIMESTAMP arrived_at
AS SELECT carrier, arrived_at,
          levenshtein(repeat(carrier || origin, 5), repeat(origin || tailnum, 5)) AS other_distance
   FROM flights;

CREATE ENTITY carrier KEY (carrier VARCHAR);
CREATE FEATURE SERVICE slow AS SELECT distance_of_names, other_distance FROM slow_planes, slow_carriers;
CREATE TRAINING SET slow_set FEATURES slow TIMESTAMP sched_dep
AS SELECT flight_id, tailnum, carrier, sched_dep FROM flights;
";

/// Rows of it: undisturbed, it takes some seconds on any machine.
const ROWS: usize = 250_000;

/// What a loaded machine may add to the second that it may take.
const SLACK: Duration = Duration::from_secs(3);

fn slow_project() -> Project {
    let flights = Flights::generate(ROWS);
    let project = Project::new();
    project.write("flights.sql", format!("{DEFINITIONS}{SLOW}"));
    project.write("data/flights.csv", flights.csv(0..flights.count()));
    project.write("data/weather.jsonl", flights.weather_json());
    project.done(&["apply"]);
    project.done(&["ingest", "flights", "data/flights.csv"]);
    project.done(&["ingest", "weather", "data/weather.jsonl"]);
    std::fs::create_dir(project.path().join("temporary")).unwrap();
    project
}

/// Starts a verb whose temporary files go to a folder of the project's.
fn start(project: &Project, args: &[&str]) -> Child {
    let mut command = project.command(args);
    command.env("TMPDIR", project.path().join("temporary"));
    // However many processors there are, it is to take a while.
    command.env("ASOF_OFFLINE_THREADS", "2");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits; nothing else is there to be waited for.
fn wait(time: Duration) {
    let (_keep, never) = channel::<()>();
    assert_eq!(never.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}

/// Sends a signal; how the process ended, and after how long.
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "how long it takes is what is tested")]
fn stopped(child: Child, name: &str) -> (Ended, Duration) {
    let began = Instant::now();
    signal(&child, name);
    let ended = child.wait_with_output().unwrap();
    let took = began.elapsed();
    println!("SIG{name}: ended after {took:?}");
    (ended.into(), took)
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        found.push(path.display().to_string());
        if path.is_dir() {
            found.extend(files(&path));
        }
    }
    found
}

/// Neither files of a training set, nor temporary ones anywhere.
fn nothing_is_left(project: &Project) {
    let path = project.path();
    assert_eq!(files(&path.join(".asof/training/flights/slow_set")), [] as [String; 0]);
    assert_eq!(files(&path.join(".asof/tmp")), [] as [String; 0]);
    assert_eq!(files(&path.join("temporary")), [] as [String; 0]);
}

fn train_runs(project: &Project) -> Vec<Value> {
    project.json(&["log", "--verb", "train"]).as_array().unwrap().clone()
}

#[test]
fn a_training_run_ends_within_a_second_and_leaves_nothing() {
    let project = slow_project();
    let mut longest = Duration::ZERO;
    for (round, (name, code, after)) in
        [("INT", 130, 300), ("INT", 130, 600), ("TERM", 143, 900)].into_iter().enumerate()
    {
        let child = start(&project, &["train", "slow_set"]);
        wait(Duration::from_millis(after));
        let (ended, took) = stopped(child, name);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.stderr.starts_with("interrupted"), "{ended:?}");
        assert!(took < Duration::from_secs(1) + SLACK, "it took {took:?}");
        longest = longest.max(took);
        nothing_is_left(&project);
        let runs = train_runs(&project);
        assert!(runs.len() <= round + 1, "{runs:?}");
        for run in &runs {
            assert_eq!((&run["state"], &run["outputs"]), (&json!("aborted"), &json!([])), "{run}");
            // By the process itself, and not by the next one that came along, unless one took all the time that it is given.
            assert!(
                run["notes"]["recovered"] == Value::Null || longest > Duration::from_millis(700),
                "{took:?}: {run}"
            );
        }
    }
    assert!(!train_runs(&project).is_empty(), "no run was under way when the signals came");
    let trained = project.json(&["train", "slow_set"]);
    assert_eq!((&trained["built"], &trained["training_set"]["number"]), (&json!(true), &json!(1)));
    assert_eq!(trained["training_set"]["rows"], json!(ROWS));
}

#[test]
fn a_client_that_goes_away_stops_the_servers_work() {
    let project = slow_project();
    let server = Serving::start(&project);
    let child = start(&project, &["train", "slow_set", "--server", &server.url]);
    let state = || {
        let log = project.json(&["log", "--verb", "train", "--server", &server.url]);
        log[0]["state"].as_str().map(str::to_owned)
    };
    while state().as_deref() != Some("running") {}
    wait(Duration::from_millis(300));
    let (ended, took) = stopped(child, "INT");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(took < Duration::from_secs(1) + SLACK, "it took {took:?}");
    // However long it takes a loaded machine to see it: a run that nobody stopped would be done.
    let left = std::iter::repeat_with(state).find(|state| state.as_deref() != Some("running")).flatten();
    assert_eq!(left.as_deref(), Some("aborted"), "the run went on");
    wait(Duration::from_secs(1));
    let before = server.processor_time();
    wait(Duration::from_millis(500));
    let spent = server.processor_time().zip(before).map(|(after, before)| after - before);
    assert!(spent.is_none_or(|ticks| ticks < 15), "the server goes on working: {spent:?} ticks in half a second");
    // The server has folders of its own there as long as it lives.
    let temporary = files(&project.path().join(".asof/tmp"));
    assert!(temporary.iter().all(|path| Path::new(path).is_dir()), "{temporary:?}");
    assert_eq!(files(&project.path().join(".asof/training/flights/slow_set")), [] as [String; 0]);
    // And it lives on.
    let trained = project.json(&["train", "delays", "--server", &server.url]);
    assert_eq!(trained["training_set"]["rows"], json!(ROWS));
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn an_interrupted_ingest_leaves_no_files() {
    let flights = Flights::generate(ROWS);
    let project = Project::new();
    project.write("flights.sql", DEFINITIONS);
    project.write("data/flights.csv", flights.csv(0..flights.count()));
    project.done(&["apply"]);
    std::fs::create_dir(project.path().join("temporary")).unwrap();
    for after in [150, 300, 450, 600] {
        let child = start(&project, &["ingest", "flights", "data/flights.csv"]);
        wait(Duration::from_millis(after));
        let (ended, _) = stopped(child, "INT");
        if ended.code == Some(0) {
            break;
        }
        assert!(matches!(ended.code, Some(130) | None), "{ended:?}");
        let data = files(&project.path().join(".asof/datasets"));
        if data.iter().any(|name| name.ends_with(".json")) {
            // It had been committed when the word came: then it is whole, and on record as done.
            let log = project.json(&["log", "flights"]);
            assert!(
                log.as_array().unwrap().iter().any(|run| run["verb"] == "ingest" && run["state"] == "done"),
                "{log}"
            );
            assert!(after > 150, "the first word came long before the end");
            break;
        }
        assert!(!data.iter().any(|name| name.ends_with(".parquet")), "{data:?}");
        assert_eq!(files(&project.path().join(".asof/tmp")), [] as [String; 0]);
        assert_eq!(files(&project.path().join("temporary")), [] as [String; 0]);
    }
    project.done(&["ingest", "flights", "data/flights.csv"]);
    assert_eq!(project.json(&["show", "flights"])["snapshot"]["rows"], json!(ROWS));
}
