//! OpenLineage events, as clients send them over HTTP, and the one graph they make with what is ours.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;

use asof_model::Micros;
use asof_proto::jobs::v1::{TrainRequest, train_event};
use asof_proto::lineage::v1::{Direction, LineageRequest, Rendering};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::fixture::{FLIGHTS, Fixture, WEATHER, header, ingested};
use crate::socket::{Answer, ask, serve};

pub(crate) const EVENT: &str = "/api/v1/lineage";
pub(crate) const BATCH: &str = "/api/v1/lineage/batch";

/// What unmodified clients sent, a body a line.
const CLIENTS: [&str; 4] = [
    include_str!("../../../lineage/tests/it/fixtures/airflow_postgres.jsonl"),
    include_str!("../../../lineage/tests/it/fixtures/airflow_sqlite.jsonl"),
    include_str!("../../../lineage/tests/it/fixtures/python_client.jsonl"),
    include_str!("../../../lineage/tests/it/fixtures/rust_client.jsonl"),
];

/// Sends a body; `headers` are further ones, each with its end of line before it.
pub(crate) async fn send(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Answer {
    ask(address, &format!("POST {path} HTTP/1.1\r\ncontent-type: application/json{headers}"), body).await
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn served(fixture: &Fixture) -> SocketAddr {
    let (address, end, _) = serve(fixture, &fixture.config).await;
    // It ends with the test.
    std::mem::forget(end);
    address
}

async fn lineage(fixture: &Fixture, request: LineageRequest) -> String {
    fixture.lineage().lineage(request).await.unwrap().into_inner().text
}

fn about(reference: &str) -> LineageRequest {
    LineageRequest { reference: reference.into(), ..LineageRequest::default() }
}

/// The answers to questions about what the clients told of.
async fn answers(fixture: &Fixture) -> Vec<String> {
    let mut answers = Vec::new();
    for reference in [
        "s3a://lake/raw/transactions/",
        "file:///srv/demo/data/user_spend_7d.parquet",
        "postgres://127.0.0.1:5544/fs.public.user_spend",
        "fs-df/tx",
        "job:airflow-demo:fs_demo.land_raw",
    ] {
        for rendering in [Rendering::Tree, Rendering::Json, Rendering::Mermaid] {
            answers.push(lineage(fixture, LineageRequest { rendering: rendering.into(), ..about(reference) }).await);
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_send_is_one_graph_in_any_order_and_however_often() {
    let bodies: Vec<&str> = CLIENTS.iter().flat_map(|requests| requests.lines()).collect();
    let gzip = "\r\ncontent-encoding: gzip";
    let replay = async |address, bodies: &[&str]| {
        for (n, body) in bodies.iter().enumerate() {
            let (path, status) = if body.starts_with('[') { (BATCH, 204) } else { (EVENT, 201) };
            // Clients do both.
            let answer = match n % 2 {
                0 => send(address, path, gzip, &packed(body.as_bytes())).await,
                _ => send(address, path, "", body.as_bytes()).await,
            };
            assert_eq!((answer.status, answer.body.as_slice()), (status, &b""[..]), "{body}");
        }
    };
    let fixture = Fixture::new().await;
    let address = served(&fixture).await;
    replay(address, &bodies).await;
    let expected = answers(&fixture).await;
    insta::assert_snapshot!(expected.iter().step_by(3).map(String::as_str).collect::<Vec<_>>().join("\n----\n"));
    replay(address, &bodies).await;
    assert_eq!(answers(&fixture).await, expected);

    // Elsewhere the other way round, asked in between, and all as one array.
    let other = Fixture::new().await;
    let address = served(&other).await;
    let backwards: Vec<&str> = bodies.iter().rev().copied().collect();
    let (first, second) = backwards.split_at(bodies.len() / 2);
    replay(address, first).await;
    let _ = other.lineage().lineage(about("fs-df/tx")).await;
    let all: Vec<Value> = second.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let all = all.into_iter().flat_map(|body| match body {
        Value::Array(events) => events,
        event => vec![event],
    });
    let all = Value::Array(all.collect());
    assert_eq!(send(address, BATCH, gzip, &packed(all.to_string().as_bytes())).await.status, 204);
    assert_eq!(answers(&other).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_others_and_a_training_set_of_ours_stand_in_one_graph() {
    let fixture = Fixture::new().await;
    let address = served(&fixture).await;
    fixture.apply(crate::fixture::DEFINITIONS).await.unwrap();
    let file = fixture.folder.path().join("weather.csv");
    std::fs::write(&file, WEATHER).unwrap();
    let place = file.to_str().unwrap();
    let request = futures::stream::iter([header("weather", &[place])]);
    ingested(fixture.jobs().ingest(request).await.unwrap().into_inner()).await.unwrap();
    fixture.upload("flights", "flights.csv", FLIGHTS).await.unwrap();
    let train = TrainRequest { name: "delays".into(), ..TrainRequest::default() };
    let mut events = fixture.jobs().train(train).await.unwrap().into_inner();
    while let Some(event) = events.next().await {
        if let Some(train_event::Event::Result(result)) = event.unwrap().event {
            assert!(result.built);
        }
    }
    // Before anybody told of it, it is a file.
    let before = lineage(&fixture, about(place)).await;
    assert!(before.contains("weather.csv (file, "), "{before}");

    let event = |second: u32, run: &str, state: &str, inputs: Value| {
        json!({"eventTime": format!("2026-01-01T00:00:0{second}"), "eventType": state, "run": {"runId": run},
            "job": {"namespace": "airflow", "name": "weather.land"}, "inputs": inputs,
            "outputs": [{"namespace": "file://", "name": place}]})
    };
    let api = |name: &str| json!([{"namespace": "https://api", "name": name}]);
    for (second, run, state, inputs) in
        [(1, "r1", "COMPLETE", api("old")), (3, "r2", "COMPLETE", api("new")), (5, "r3", "FAIL", json!([]))]
    {
        let reply = send(address, EVENT, "", event(second, run, state, inputs).to_string().as_bytes()).await;
        assert_eq!(reply.status, 201);
    }
    let upstream = |reference: &str| LineageRequest { direction: Direction::Upstream.into(), ..about(reference) };
    let downstream = |reference: &str| LineageRequest { direction: Direction::Downstream.into(), ..about(reference) };
    // From the training set back to what the task reads, in one line of descent.
    let shown = lineage(&fixture, upstream("delays@1")).await;
    let begins = |line: &str| line.find(|c: char| c.is_ascii_alphanumeric());
    let indented = |what: &&str| shown.lines().find(|line| line.contains(*what)).and_then(begins);
    let descent = ["delays@1 (built", "weather@0 (snapshot", place, "weather.land (job of airflow)", "https://api/new"];
    let depths: Vec<_> =
        descent.iter().map(|what| indented(what).unwrap_or_else(|| panic!("{what}: {shown}"))).collect();
    assert!(depths.is_sorted_by(|a, b| a < b), "{depths:?}\n{shown}");
    assert!(!shown.contains("https://api/old"), "{shown}");
    // And from there to the training set.
    let shown = lineage(&fixture, downstream("https://api/new")).await;
    assert!(
        shown.contains("weather.land (job of airflow)") && shown.contains("delays@1 (built training set"),
        "{shown}"
    );
    // By both names, it is one thing.
    let by_name = lineage(&fixture, about(&format!("dataset:file:{place}"))).await;
    assert_eq!(by_name, lineage(&fixture, about(place)).await);

    // As of then.
    let at = |second: i64| Some(1_767_225_600_000_000 + second * 1_000_000);
    let then = lineage(&fixture, LineageRequest { at: at(2), ..upstream(place) }).await;
    assert!(then.contains("https://api/old") && !then.contains("https://api/new"), "{then}");
    let never = lineage(&fixture, LineageRequest { at: at(0), ..upstream(place) }).await;
    assert_eq!(never.lines().count(), 1, "{never}");

    // A way, and nothing beside it.
    let way = LineageRequest { toward: "https://api/new".into(), ..upstream("delays@1") };
    let way = lineage(&fixture, way).await;
    assert!(way.contains("weather.land") && way.contains("https://api/new"), "{way}");
    assert!(!way.contains("flights.csv"), "{way}");

    // The answer as events, sent elsewhere: there it stands in one graph, too, and only what it is about.
    let told = async |request: LineageRequest| {
        let request = LineageRequest { rendering: Rendering::Openlineage.into(), ..request };
        let lines = lineage(&fixture, request).await;
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let jobs = |events: &[Value]| -> BTreeSet<String> {
        let named = events.iter().filter_map(|event| event["job"]["name"].as_str());
        named.map(str::to_owned).collect()
    };
    let events = told(upstream("delays@1")).await;
    let times: Vec<_> =
        events.iter().map(|event| event["eventTime"].as_str().unwrap().parse::<Micros>().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let mut expected = BTreeSet::from(
        [
            "ingest.flights",
            "ingest.weather",
            "materialize.airport_weather",
            "serve.departure_delay",
            "train.delays",
            "weather.land",
        ]
        .map(str::to_owned),
    );
    assert_eq!(jobs(&events), expected);
    let elsewhere = Fixture::new().await;
    let other = served(&elsewhere).await;
    assert_eq!(send(other, BATCH, "", json!(events).to_string().as_bytes()).await.status, 204);
    let shown = lineage(&elsewhere, downstream("https://api/new")).await;
    for job in ["weather.land", "ingest.weather", "train.delays"] {
        assert!(shown.contains(&format!("{job} (job of ")), "{shown}");
    }
    assert!(lineage(&elsewhere, upstream("job:asof://flights:train.delays")).await.contains("https://api/new"));
    // As of then, only what had happened; of a column what it is made of, and nobody told of columns of the file.
    assert_eq!(told(LineageRequest { at: at(2), ..upstream(place) }).await.len(), 1);
    assert!(expected.remove("weather.land"));
    assert_eq!(jobs(&told(upstream("delays.temp")).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_with_what_to_change() {
    let fixture = Fixture::new().await;
    let address = served(&fixture).await;
    let check = async |path: &str, headers: &str, body: &[u8], status: u16, code: &str| {
        let answer = send(address, path, headers, body).await;
        assert_eq!(
            answer.refusal(),
            (status, code.to_owned()),
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(80)])
        );
    };
    check(EVENT, "", b"", 400, "invalid_json").await;
    check(EVENT, "", b"{", 400, "invalid_json").await;
    check(BATCH, "", b"[{},", 400, "invalid_json").await;
    check(EVENT, "", b"{}", 400, "invalid_event").await;
    check(EVENT, "", br#"{"eventTime": "2026-01-01T00:00:00Z"}"#, 400, "invalid_event").await;
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    check(EVENT, "", deep.as_bytes(), 400, "invalid_event").await;
    check(EVENT, "\r\ncontent-encoding: br", b"{}", 415, "wrong_content_encoding").await;
    check(EVENT, "\r\ncontent-encoding: gzip", b"{}", 400, "body_cut_short").await;
    let max = fixture.config.server.max_message;
    check(EVENT, "", &vec![b' '; max + 1], 413, "body_too_large").await;
    let bomb = packed(&vec![b' '; 4 * max]);
    assert!(bomb.len() < max / 10);
    check(EVENT, "\r\ncontent-encoding: gzip", &bomb, 413, "body_too_large").await;
    let answer = ask(address, &format!("POST {EVENT} HTTP/1.1"), b"{}").await;
    assert_eq!(answer.refusal(), (415, "wrong_content_type".into()));
    let answer = ask(address, &format!("GET {BATCH} HTTP/1.1"), b"").await;
    assert_eq!(answer.refusal(), (405, "wrong_method".into()));

    // Nobody told of anything.
    let unknown = fixture.lineage().lineage(about("s3://lake/raw")).await.unwrap_err();
    assert_eq!(crate::fixture::codes(&unknown), (tonic::Code::NotFound, "unknown_outside".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_the_bad_ones_are_told_and_the_others_kept() {
    let fixture = Fixture::new().await;
    let address = served(&fixture).await;
    let event = |name: &str| {
        json!({"eventTime": "2026-01-01T00:00:00Z", "job": {"namespace": "n", "name": name},
        "inputs": [{"namespace": "n", "name": format!("in_{name}")}]})
    };
    let batch = json!([event("a"), {}, event("b"), {"eventTime": "soon"}, event("a")]);
    for path in [EVENT, BATCH] {
        let answer = send(address, path, "", batch.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200);
        let told = answer.json();
        let summary = json!({"received": 5, "successful": 3, "failed": 2, "retriable": 0, "non_retriable": 2});
        assert_eq!((&told["status"], &told["summary"]), (&json!("partial_success"), &summary));
        let failed: Vec<_> =
            told["failed_events"].as_array().unwrap().iter().map(|f| (&f["index"], &f["code"])).collect();
        assert_eq!(failed, [(&json!(1), &json!("invalid_event")), (&json!(3), &json!("invalid_event"))]);
    }
    let shown = lineage(&fixture, about("n/in_b")).await;
    assert!(shown.contains("b (job of n)"), "{shown}");
    assert_eq!(send(address, BATCH, "", b"[]").await.status, 204);
}
