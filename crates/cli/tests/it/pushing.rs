//! `asof push`, and what is left of pushes when the server is killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asof_proto::column::v1 as column;
use asof_proto::column::v1::column::Values;
use asof_proto::push::v1::PushRequest;
use asof_proto::push::v1::push_service_client::PushServiceClient;
use serde_json::json;
use tonic::transport::Endpoint;

use crate::project::{Project, said};
use crate::serving::Serving;

const TICKS: &str = "
    CREATE DATASET ticks (sensor BIGINT, n BIGINT, at TIMESTAMP) TIMESTAMP at;
    CREATE ENTITY sensor KEY (sensor BIGINT);
    CREATE FEATURE VIEW newest ENTITY sensor TIMESTAMP at AS SELECT sensor, at, n FROM ticks;
    CREATE FEATURE VIEW busiest ENTITY sensor TIMESTAMP at AS SELECT sensor, at, max(n) AS most FROM ticks GROUP BY 1, 2;
    CREATE FEATURE SERVICE state AS SELECT newest.n FROM newest;
    CREATE FEATURE SERVICE both AS SELECT newest.n, most FROM newest, busiest;
    CREATE TRAINING SET everything FEATURES state TIMESTAMP at AS SELECT sensor, n AS sent, at FROM ticks;
";

fn project() -> Project {
    let project = Project::new();
    let settings = project.read("asof.toml") + "\n[push]\nevery = \"20ms\"\n";
    project.write("asof.toml", settings);
    project.write("ticks.sql", TICKS);
    project.done(&["apply"]);
    project
}

#[test]
fn what_is_pushed_is_served_and_trained_on() {
    let project = project();
    let push = |args: &[&str]| project.done(&[&["push", "ticks"], args].concat());
    push(&["sensor=1", "n=1", "at=2024-01-01T00:00:01Z"]);
    project.done(&["materialize"]);
    let second = ["sensor=1", "n=2", "at=2024-01-01T00:00:02Z", "--key", "second"];
    let once = push(&second);
    let twice = push(&second);
    project.write("rows.jsonl", "{\"sensor\": 2, \"n\": 3, \"at\": \"2024-01-01T00:00:03Z\"}\n{\"sensor\": 2, \"n\": 4, \"at\": \"2024-01-01T00:00:02Z\"}\n");
    let file = push(&["--file", "rows.jsonl"]);
    said("push", [once, twice, file].map(|text| project.scrub(&text)).join("\n"));
    let newest = |sensor: &str| project.json(&["get", "state", sensor])["entities"][0]["features"][0]["value"].clone();
    assert_eq!(
        (newest("sensor=1"), newest("sensor=2")),
        (json!(2), json!(3)),
        "{}",
        project.done(&["get", "state", "sensor=1", "--output", "json"])
    );
    let pushed = project.json(&["push", "ticks", "sensor=1", "n=9", "at=2023-01-01T00:00:00Z"]);
    assert_eq!((&pushed["rows"], &pushed["last"], &pushed["repeated"]), (&json!(1), &json!(5), &json!(0)));
    assert_eq!(pushed["followed"][0]["name"], json!("newest"));
    assert_eq!(project.json(&["train", "everything"])["training_set"]["rows"], json!(5));
    for (name, args) in [
        ("push_unknown_column", &["push", "ticks", "sensr=1", "at=2024-01-01"][..]),
        ("push_wrong_type", &["push", "ticks", "sensor=one", "at=2024-01-01"]),
        ("push_from_the_future", &["push", "ticks", "sensor=1", "at=2999-01-01"]),
        ("push_without_time", &["push", "ticks", "sensor=1"]),
        ("push_key_reused", &["push", "ticks", "sensor=1", "at=2024-01-01", "--key", "second"]),
        ("push_to_a_view", &["push", "newest", "sensor=1"]),
    ] {
        said(name, scrubbed_now(&project.refused(1, args)));
    }
}

/// A server reads from memory what it published or found, pushed rows win over that, and it can be told not to.
#[test]
fn a_server_reads_from_memory_and_what_is_pushed_wins() {
    let project = project();
    let server = Serving::start(&project);
    let to = ["--server", server.url.as_str()];
    let done = |args: &[&str]| project.done(&[args, &to].concat());
    let copied = |url: &str| {
        let shown = project.json(&["show", "newest", "--server", url]);
        shown["online"]["copied"].as_u64().unwrap()
    };
    let newest = |url: &str, sensor: &str| {
        let got = project.json(&["get", "state", sensor, "--server", url]);
        got["entities"][0]["features"][0]["value"].clone()
    };
    done(&["push", "ticks", "sensor=1", "n=1", "at=2024-01-01T00:00:01Z"]);
    done(&["materialize"]);
    assert!(copied(&server.url) > 0);
    done(&["push", "ticks", "sensor=1", "n=2", "at=2024-01-01T00:00:02Z"]);
    done(&["push", "ticks", "sensor=2", "n=3", "at=2024-01-01T00:00:02Z"]);
    assert_eq!((newest(&server.url, "sensor=1"), newest(&server.url, "sensor=2")), (json!(2), json!(3)));
    server.stop();

    let server = Serving::start(&project);
    while copied(&server.url) == 0 {}
    assert_eq!((newest(&server.url, "sensor=1"), newest(&server.url, "sensor=2")), (json!(2), json!(3)));
    server.stop();

    project.write("asof.toml", format!("{}\n[online]\nmemory = 0\n", project.read("asof.toml")));
    let server = Serving::start(&project);
    assert_eq!((newest(&server.url, "sensor=2"), copied(&server.url)), (json!(3), 0));
}

/// A row that cannot be answered spoils the others, unless that is not wanted.
#[test]
fn a_row_in_error_is_answered_apart_where_that_is_asked_for() {
    let project = project();
    let shares =
        "CREATE FEATURE SERVICE shares REQUEST (parts BIGINT) AS SELECT newest.n / parts AS share FROM newest;";
    project.write("shares.sql", shares);
    project.done(&["apply"]);
    project.done(&["push", "ticks", "sensor=1", "n=6", "at=2024-01-01T00:00:01Z"]);
    project.done(&["materialize", "newest", "--at", "2024-01-01T00:00:01Z"]);
    project.write(
        "asked.jsonl",
        "{\"sensor\": 1, \"parts\": 2}\n{\"sensor\": 1, \"parts\": 0}\n{\"sensor\": 1, \"parts\": 3}\n",
    );
    let get = ["get", "shares", "--file", "asked.jsonl", "--at", "2024-01-01T00:00:02Z"];
    let refused = project.refused(1, &get);
    assert!(refused.contains("error[cannot_compute]: row 1: "), "{refused}");
    said("row_errors", project.done(&[&get[..], &["--row-errors"]].concat()));
    let entities = project.json(&[&get[..], &["--row-errors"]].concat())["entities"].clone();
    let (value, error) =
        (|n: usize| entities[n]["features"][0]["value"].clone(), |n: usize| entities[n]["error"]["code"].clone());
    assert_eq!([value(0), value(1), value(2)], [json!(3), json!(null), json!(2)]);
    assert_eq!([error(0), error(1), error(2)], [json!(null), json!("cannot_compute"), json!(null)]);
}

/// A damaged online store is refused, and built again from the tables, with what was pushed and not yet in them.
#[test]
fn a_damaged_store_is_rebuilt() {
    let project = project();
    let push = |args: &[&str]| project.done(&[&["push", "ticks"], args].concat());
    push(&["sensor=1", "n=1", "at=2024-01-01T00:00:01Z"]);
    project.done(&["materialize"]);
    push(&["sensor=1", "n=2", "at=2024-01-01T00:00:02Z", "--key", "second"]);
    let db = project.path().join(".asof/online/db");
    let tables = std::fs::read_dir(&db).unwrap().map(|entry| entry.unwrap().path());
    for table in tables.filter(|path| path.extension().is_some_and(|extension| extension == "sst")) {
        let bytes = std::fs::read(&table).unwrap();
        // A table file says what family it is of.
        if bytes.windows(4).any(|word| word == b"rows") {
            std::fs::write(&table, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let refused = project.refused(1, &["get", "state", "sensor=1"]);
    assert!(refused.contains("online_damaged") && refused.contains("asof materialize --rebuild"), "{refused}");
    said("rebuilt", project.scrub(&project.done(&["materialize", "--rebuild", "--at", "2024-02-01T00:00:00Z"])));
    let newest = || project.json(&["get", "state", "sensor=1"])["entities"][0]["features"][0]["value"].clone();
    assert_eq!(newest(), json!(2));
    // The same push again counts once, as before.
    let again = project.json(&["push", "ticks", "sensor=1", "n=2", "at=2024-01-01T00:00:02Z", "--key", "second"]);
    assert_eq!(again["repeated"], json!(1));
    let rebuilt = project.json(&["materialize", "--rebuild"]);
    assert_eq!(rebuilt["set_aside"]["rows"], json!(0));
    assert_eq!(newest(), json!(2));
    said("rebuild_of_a_server", project.refused(2, &["materialize", "--rebuild", "--server", "http://127.0.0.1:1"]));
}

/// What a message says of the machine's clock is another moment each time.
fn scrubbed_now(text: &str) -> String {
    match text.split_once("it is ") {
        Some((before, after)) => format!("{before}it is NOW {}", after.split_once(' ').map_or("", |(_, rest)| rest)),
        None => text.to_owned(),
    }
}

/// What clients were told: the numbers of acknowledged pushes, by sensor.
type Acknowledged = Arc<Mutex<BTreeMap<i64, Vec<i64>>>>;

/// Pushes until the server is gone, each row under its key; a row of which nothing is known is pushed again first.
async fn client(url: String, sensor: i64, next: i64, acknowledged: Acknowledged, rounds: Arc<AtomicBool>) -> i64 {
    let channel = Endpoint::from_shared(url).unwrap().connect_lazy();
    let mut client = PushServiceClient::new(channel);
    let mut n = next;
    loop {
        let one = |name: &str, values| column::Column { name: name.into(), values: Some(values), ..Default::default() };
        let columns = vec![
            one("sensor", Values::Int64s(column::Int64s { values: vec![sensor] })),
            one("n", Values::Int64s(column::Int64s { values: vec![n] })),
            // Out of order: every third row is late.
            one("at", Values::Timestamps(column::Int64s { values: vec![moment(n)] })),
        ];
        let request = PushRequest { dataset: "ticks".into(), columns, key: format!("{sensor}-{n}"), scope: None };
        match client.push(request).await {
            Ok(_) => {
                acknowledged.lock().unwrap().entry(sensor).or_default().push(n);
                n += 1;
                rounds.store(true, Ordering::Relaxed);
            }
            Err(_) => return n,
        }
    }
}

fn moment(n: i64) -> i64 {
    1_700_000_000_000_000 + if n % 3 == 0 { n - 50 } else { n } * 1_000
}

/// The n that is the newest of those up to `last`.
fn newest(all: impl Iterator<Item = i64>) -> Option<i64> {
    all.max_by_key(|n| (moment(*n), *n))
}

#[test]
fn no_acknowledged_row_is_lost_or_doubled_by_kills() {
    const CLIENTS: i64 = 4;
    const ROUNDS: u64 = 10;
    let project = project();
    project.done(&["push", "ticks", "sensor=0", "n=0", "at=2023-01-01T00:00:00Z"]);
    project.done(&["materialize", "newest"]);
    let acknowledged = Acknowledged::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut next = vec![1; CLIENTS as usize];
    for round in 0..ROUNDS {
        let server = Serving::start(&project);
        let going = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|sensor| {
                let (acknowledged, going) = (acknowledged.clone(), going.clone());
                runtime.spawn(client(server.url.clone(), sensor, next[sensor as usize], acknowledged, going))
            })
            .collect();
        // Now and then a view is being published when the server goes.
        let publishing = (round % 2 == 0).then(|| {
            let mut command = project.command(&["materialize", "newest"]);
            let quiet = std::process::Stdio::null;
            command.env("ASOF_SERVER", &server.url).stdout(quiet()).stderr(quiet()).spawn().unwrap()
        });
        while !going.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        // Another moment each time, whatever is under way by then.
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        let _ = wait.recv_timeout(Duration::from_millis(30 + 37 * round));
        server.kill();
        for (sensor, client) in clients.into_iter().enumerate() {
            next[sensor] = runtime.block_on(client).unwrap();
        }
        if let Some(mut publishing) = publishing {
            let _ = publishing.wait();
        }
        // What was acknowledged is online at once. A row whose reply was lost may be there too.
        let known = acknowledged.lock().unwrap().clone();
        for sensor in 0..CLIENTS {
            let got = project.json(&["get", "state", &format!("sensor={sensor}")]);
            let found = got["entities"][0]["features"][0]["value"].as_i64();
            let sent = known.get(&sensor).cloned().unwrap_or_default();
            let certain = newest(sent.iter().copied());
            let perhaps = newest(sent.into_iter().chain([next[sensor as usize]]));
            assert!(
                found == certain || found == perhaps || certain.is_none(),
                "round {round}: {found:?} of {certain:?}"
            );
        }
    }
    let known = acknowledged.lock().unwrap().clone();
    project.done(&["train", "everything", "--out", "all.csv"]);
    let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for line in project.read("all.csv").lines().skip(1) {
        let mut fields = line.split(',').map(|field| field.parse::<i64>());
        let (Some(Ok(sensor)), Some(Ok(n))) = (fields.next(), fields.next()) else { panic!("{line}") };
        if n > 0 {
            found.entry(sensor).or_default().push(n);
        }
    }
    for (sensor, sent) in &known {
        let rows = found.get_mut(sensor).unwrap();
        rows.sort_unstable();
        let last = next[*sensor as usize];
        // The one row whose reply was lost in the last round may be there.
        rows.retain(|n| *n < last);
        assert_eq!(rows, sent, "sensor {sensor}");
    }
    assert!(known.values().map(Vec::len).sum::<usize>() > 100, "hardly anything was pushed: {known:?}");
}
