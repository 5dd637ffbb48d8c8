//! Materializations that are killed: no event is lost to a window, or in it twice.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::project::Project;

const TICKS: &str = "
    CREATE DATASET ticks (sensor BIGINT, n BIGINT, at TIMESTAMP) TIMESTAMP at;
    CREATE ENTITY sensor KEY (sensor BIGINT);
    CREATE FEATURE VIEW counted ENTITY sensor TIMESTAMP at
        AS SELECT sensor, at, n, count(*) OVER () AS events, sum(n) OVER () AS total FROM ticks;
    CREATE FEATURE SERVICE state AS SELECT n, events, total FROM counted;
";

fn features(project: &Project) -> Vec<Value> {
    let got = project.json(&["get", "state", "sensor=1"]);
    got["entities"][0]["features"].as_array().unwrap().iter().map(|feature| feature["value"].clone()).collect()
}

#[test]
fn no_event_is_lost_or_doubled_by_killed_increments() {
    let project = Project::new();
    project.write("ticks.sql", TICKS);
    project.done(&["apply"]);
    let mut events = 0;
    let (mut killed, mut increments) = (0, 0);
    for round in 0..14_u64 {
        let rows = (0..40).map(|n| format!("1,{n},2024-01-01T00:{round:02}:{:02}Z\n", n % 60)).collect::<String>();
        project.write("ticks.csv", format!("sensor,n,at\n{rows}"));
        project.done(&["ingest", "ticks", "ticks.csv"]);
        project.done(&["push", "ticks", "sensor=1", "n=1", &format!("at=2024-01-01T01:{round:02}:00Z")]);
        events += 41;
        if round == 0 {
            project.done(&["materialize"]);
            continue;
        }
        let mut running =
            project.command(&["materialize"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        let _ = wait.recv_timeout(Duration::from_millis(10 + 17 * round));
        let done = running.try_wait().unwrap().is_some();
        running.kill().unwrap();
        running.wait().unwrap();
        killed += u64::from(!done);
        // Old or new, never a mixture: what one window has, the other has.
        let seen = features(&project);
        let (counted, total) = (seen[1].as_i64().unwrap(), seen[2].as_i64().unwrap());
        // Each round has 40 events that add up to 780, and one of 1 that was pushed.
        let ingested = (counted - (round as i64 + 1)) / 40;
        assert_eq!(total, ingested * 780 + round as i64 + 1, "{counted} events in round {round}");
        if round % 3 == 0 {
            let report = project.json(&["materialize"]);
            increments += u64::from(report["views"][0]["increment"].is_object());
            assert_eq!(features(&project)[1], json!(events), "after round {round}: {report}");
        }
    }
    assert!(killed > 2, "{killed} killed only");
    assert!(increments > 2, "{increments} increments only");
    project.done(&["materialize"]);
    let added = features(&project);
    assert_eq!(added[1], json!(events));
    let report = project.json(&["materialize", "--full"]);
    assert_eq!(
        (&report["views"][0]["whole"], &report["views"][0]["read"]),
        (&json!("it was asked for"), &json!(events))
    );
    assert_eq!(features(&project), added);
}
