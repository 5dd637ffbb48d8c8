//! `asof serve`, and the verbs over the network.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command};

use serde_json::json;

use crate::flights::{Flights, LATER, ingested, project};
use crate::project::{Ended, Project};

/// A server over a project; ended when dropped.
pub(crate) struct Serving {
    child: Option<Child>,
    /// Read to its end when it ends.
    stdout: Option<BufReader<ChildStdout>>,
    /// Where it answers.
    pub(crate) url: String,
}

impl Serving {
    /// Starts it and waits until it listens.
    pub(crate) fn start(project: &Project) -> Self {
        let mut child = project.start(&["serve"]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some((_, url)) = line.trim().split_once(" on ") else {
            let _ = child.kill();
            panic!("asof serve said {line:?}: {:?}", child.wait_with_output());
        };
        Serving { url: url.to_owned(), child: Some(child), stdout: Some(stdout) }
    }

    /// How much processor time it has taken, in the ticks of the system; none where that cannot be read.
    pub(crate) fn processor_time(&self) -> Option<u64> {
        let id = self.child.as_ref()?.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Behind the name, which may hold anything, the first field is the third.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    }

    /// Kills it, as a machine that fails would.
    pub(crate) fn kill(mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Tells it to end; does not wait.
    pub(crate) fn terminate(&self) {
        signal(self.child.as_ref().unwrap(), "TERM");
    }

    /// Tells it to end and waits until it has.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Ended {
        let mut stdout = String::new();
        for line in self.stdout.take().unwrap().lines() {
            stdout.push_str(&line.unwrap());
        }
        let ended: Ended = self.child.take().unwrap().wait_with_output().unwrap().into();
        Ended { stdout, ..ended }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {}", child.id());
}

#[test]
fn the_whole_job_goes_over_the_network() {
    let flights = Flights::generate(100);
    let project = project(&flights);
    let server = Serving::start(&project);
    // From another folder, with no configuration: only files and the address.
    let client = tempfile::tempdir().unwrap();
    for file in ["flights.sql", "data/flights.csv", "data/weather.jsonl"] {
        let name = file.rsplit('/').next().unwrap();
        std::fs::copy(project.path().join(file), client.path().join(name)).unwrap();
    }
    let asof = |args: &[&str]| -> Ended {
        let mut command = crate::project::command(client.path(), args);
        command.env("ASOF_SERVER", &server.url).output().unwrap().into()
    };
    let json = |args: &[&str]| -> serde_json::Value {
        let ended = asof(&[args, &["--output", "json"]].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    assert_eq!(json(&["apply", "flights.sql"])["changes"].as_array().unwrap().len(), 8);
    assert_eq!(json(&["ingest", "flights", "fl*.csv"])["rows"], json!(100));
    assert_eq!(json(&["ingest", "flights", "flights.csv"])["snapshot"], json!(null));
    json(&["ingest", "weather", "weather.jsonl"]);
    assert_eq!(json(&["train", "delays", "--out", "out.csv"])["training_set"]["rows"], json!(100));
    assert_eq!(std::fs::read_to_string(client.path().join("out.csv")).unwrap().lines().count(), 101);
    json(&["materialize", "--at", LATER]);
    let got = json(&["get", "departure_delay@1", "origin=JFK", "tailnum=N7", "distance=1", "--at", LATER]);
    assert_eq!(got["service"]["name"], json!("departure_delay"));
    assert_eq!(json(&["rebuild", "delays", "--check"])["equal"], json!(true));
    let missing = asof(&["ingest", "flights", "nowhere.csv"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.starts_with("error[no_such_file]"), "{missing:?}");
    // The server has a folder of its own there as long as it lives.
    let left = std::fs::read_dir(project.path().join(".asof/tmp")).expect("a folder").flatten();
    assert_eq!(
        left.filter(|entry| entry.file_name().to_string_lossy().starts_with("upload-")).count(),
        0,
        "uploads stay behind"
    );
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_graceful_end_finishes_what_is_in_flight() {
    let flights = Flights::generate(3_000);
    let project = ingested(&flights);
    let server = Serving::start(&project);
    let training = project.start(&["train", "delays", "--out", "delays.csv", "--server", &server.url]);
    running(&project, &server.url, "train");
    server.terminate();
    let trained: Ended = training.wait_with_output().unwrap().into();
    // Built before the end; fetching the file is a call of its own, which may come too late.
    let ended = server.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let log = project.json(&["log", "--verb", "train"]);
    assert_eq!((log.as_array().unwrap().len(), log[0]["state"].as_str()), (1, Some("done")), "{trained:?}");
}

/// Waits until a run of this verb is on record.
fn running(project: &Project, url: &str, verb: &str) {
    for _ in 0..200 {
        let log = project.json(&["log", "--verb", verb, "--server", url]);
        if !log.as_array().unwrap().is_empty() {
            return;
        }
    }
    panic!("no run of {verb} begins");
}

#[test]
fn an_interrupted_verb_ends_and_leaves_nothing_half_done() {
    let flights = Flights::generate(3_000);
    let project = project(&flights);
    project.done(&["apply"]);
    let child = project.start(&["ingest", "flights", "data/flights.csv"]);
    signal(&child, "INT");
    let status = child.wait_with_output().unwrap().status;
    // Told before the handler stands, the signal ends the process; after, the process ends itself.
    assert!(matches!(status.code(), None | Some(0 | 130)), "{status:?}");
    project.done(&["ingest", "flights", "data/flights.csv"]);
    assert_eq!(project.json(&["show", "flights"])["snapshot"]["rows"], json!(3_000));
}
