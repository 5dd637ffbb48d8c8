//! Events of our own runs leave as they happen, whatever becomes of them there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asof_proto::jobs::v1::job_service_client::JobServiceClient;
use asof_proto::jobs::v1::{TrainRequest, train_event};
use asof_proto::model::v1::RegisterRequest;
use asof_proto::registry::v1::{Author, DeprecateRequest};
use asof_server::{Delivered, PARENT_RUN};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;

use crate::fixture::Fixture;
use crate::marquez::get;
use crate::openlineage::{BATCH, send};
use crate::socket::serve;

const LONG: Duration = Duration::from_secs(30);

/// A sink that answers with these statuses first, and then with 201; and the heads and bodies that it took.
struct Sink {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    refused: Arc<Mutex<usize>>,
}

impl Sink {
    async fn answering(mut first: Vec<u16>) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, refused) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (took, said_no) = (taken.clone(), refused.clone());
        first.reverse();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap() <= 2 {
                        break;
                    }
                    if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                let status = first.pop().unwrap_or(201);
                if status == 201 {
                    took.lock().unwrap().push((head, serde_json::from_slice(&body).unwrap()));
                } else {
                    *said_no.lock().unwrap() += 1;
                }
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Sink { address, taken, refused }
    }

    fn events(&self) -> Vec<Value> {
        self.taken.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }
}

/// A store whose runs are told of there.
async fn telling(url: &str, retry_for: Duration, queue: usize) -> Fixture {
    Fixture::with(|config| {
        config.openlineage.url = url.to_owned();
        config.openlineage.api_key = "secret".to_owned();
        (config.openlineage.retry_for, config.openlineage.queue) = (retry_for, queue);
    })
    .await
}

async fn train(fixture: &Fixture, request: impl tonic::IntoRequest<TrainRequest>) {
    let mut events = JobServiceClient::new(fixture.channel.clone()).train(request).await.unwrap().into_inner();
    while let Some(event) = events.next().await {
        if let Some(train_event::Event::Result(_)) = event.unwrap().event {
            return;
        }
    }
    panic!("no result");
}

fn delays() -> TrainRequest {
    TrainRequest { name: "delays".into(), ..TrainRequest::default() }
}

/// Job and state of each, in order; what is declared has no state.
fn told(events: &[Value]) -> Vec<String> {
    let shown = events.iter().map(|event| {
        let what = event.pointer("/job/name").or(event.pointer("/dataset/name")).and_then(Value::as_str).unwrap();
        let what = what.rsplit('/').next().unwrap();
        format!("{what} {}", event["eventType"].as_str().unwrap_or("declared"))
    });
    shown.collect()
}

const EXPECTED: [&str; 13] = [
    "apply START",
    "apply COMPLETE",
    "weather declared",
    "flights declared",
    "materialize.airport_weather declared",
    "serve.departure_delay declared",
    "train.delays declared",
    "ingest.weather START",
    "ingest.weather COMPLETE",
    "ingest.flights START",
    "ingest.flights COMPLETE",
    "train.delays START",
    "train.delays COMPLETE",
];

#[tokio::test(flavor = "multi_thread")]
async fn events_leave_in_order_though_there_are_failures() {
    let sink = Sink::answering(vec![503, 500, 429, 201, 503]).await;
    let fixture = telling(&format!("http://{}", sink.address), LONG, 100).await;
    fixture.fill().await;
    train(&fixture, delays()).await;
    let delivered = fixture.opened.ending().told(LONG).await;
    assert_eq!((delivered, *sink.refused.lock().unwrap()), (Delivered { sent: 13, lost: 0 }, 4));
    let mut seen = told(&sink.events());
    // The declared stand in the order in which they were applied.
    seen[2..7].sort();
    let mut expected = EXPECTED.map(str::to_owned);
    expected[2..7].sort();
    assert_eq!(seen, expected);
    let heads: Vec<String> = sink.taken.lock().unwrap().iter().map(|(head, _)| head.to_ascii_lowercase()).collect();
    assert!(
        heads
            .iter()
            .all(|head| head.starts_with("post /api/v1/lineage ") && head.contains("authorization: bearer secret"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_not_sent_again() {
    let sink = Sink::answering(vec![400, 401]).await;
    let fixture = telling(&format!("http://{}/", sink.address), LONG, 100).await;
    fixture.fill().await;
    assert_eq!(fixture.opened.ending().told(LONG).await, Delivered { sent: 9, lost: 2 });
    assert_eq!(*sink.refused.lock().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_listens_slows_nothing_and_is_told_of() {
    // A port where nobody is.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fixture = telling(&format!("http://{free}"), LONG, 2).await;
    fixture.fill().await;
    train(&fixture, delays()).await;
    let delivered = fixture.opened.ending().told(Duration::from_millis(1)).await;
    // Of seven things that happened one is being sent, two wait, and the others were dropped: all of them are counted.
    assert_eq!((delivered.sent, delivered.lost), (0, 7));
    let given_up = telling(&format!("http://{free}"), Duration::ZERO, 100).await;
    given_up.fill().await;
    assert_eq!(given_up.opened.ending().told(LONG).await, Delivered { sent: 0, lost: 11 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_a_line_for_each_and_another_store_makes_the_same_graph_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/events.jsonl");
    let fixture = telling(&format!("file:{}", file.display()), LONG, 100).await;
    fixture.fill().await;
    train(&fixture, delays()).await;
    assert_eq!(fixture.opened.ending().told(LONG).await, Delivered { sent: 13, lost: 0 });
    let lines = std::fs::read_to_string(&file).unwrap();
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 13);

    let other = Fixture::new().await;
    let (ours, _end, _) = serve(&fixture, &fixture.config).await;
    let (theirs, _end, _) = serve(&other, &other.config).await;
    assert_eq!(send(theirs, BATCH, "", Value::Array(events).to_string().as_bytes()).await.status, 204);
    let graph = async |address, node: &str| {
        let graph = get(address, &format!("/api/v1/lineage?nodeId={node}")).await.json();
        let nodes = graph["graph"].as_array().unwrap().clone().into_iter();
        nodes.map(|node| json!([node["id"], node["inEdges"], node["outEdges"]])).collect::<Vec<_>>()
    };
    for node in ["dataset:asof://flights:training/delays", "job:asof://flights:serve.departure_delay"] {
        let expected = graph(ours, node).await;
        assert!(expected.len() > 6, "{expected:?}");
        assert_eq!(graph(theirs, node).await, expected, "{node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_part_of_another_says_so() {
    let sink = Sink::answering(vec![]).await;
    let fixture = telling(&format!("http://{}", sink.address), LONG, 100).await;
    fixture.fill().await;
    let parent = "airflow/flights.train/019cde00-0000-7000-8000-000000000001";
    let with = |text: &str| {
        let mut request = Request::new(delays());
        request.metadata_mut().insert(PARENT_RUN, AsciiMetadataValue::try_from(text).unwrap());
        request
    };
    train(&fixture, with(parent)).await;
    fixture.opened.ending().told(LONG).await;
    let events = sink.events();
    let (last, before) = events.split_last().unwrap();
    assert_eq!(last["run"]["facets"]["parent"]["job"], json!({"namespace": "airflow", "name": "flights.train"}));
    assert_eq!(before.last().unwrap()["run"]["facets"]["parent"], last["run"]["facets"]["parent"]);
    // Those before it are part of nothing.
    assert!(before.iter().rev().skip(1).all(|event| event.pointer("/run/facets/parent").is_none()));
    let refused = fixture.jobs().train(with("airflow")).await.unwrap_err();
    assert_eq!(crate::fixture::codes(&refused).1, "invalid_parent_run");

    // What is done at one stroke is told, too, and part of what its caller says.
    let register = RegisterRequest {
        name: "delay".into(),
        version: "7".into(),
        trained_on: "delays@1".into(),
        ..RegisterRequest::default()
    };
    let mut register = Request::new(register);
    register.metadata_mut().insert(PARENT_RUN, AsciiMetadataValue::try_from(parent).unwrap());
    fixture.models().register(register).await.unwrap();
    let author = Some(Author { who: "ada".into(), why: "it is old".into() });
    let deprecate = DeprecateRequest { reference: "departure_delay".into(), author, ..DeprecateRequest::default() };
    fixture.registry().deprecate(deprecate).await.unwrap();
    fixture.opened.ending().told(LONG).await;
    let events = sink.events();
    let registered = events.iter().filter(|event| event["job"]["name"] == "register.delay");
    let registered: Vec<_> = registered
        .map(|event| (event["eventType"].as_str().unwrap(), event.pointer("/run/facets/parent").is_some()))
        .collect();
    assert_eq!(registered, [("START", true), ("COMPLETE", true)]);
    let deprecated =
        events.iter().filter(|event| event["job"]["name"].as_str().is_some_and(|job| job.starts_with("deprecate")));
    assert_eq!(deprecated.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_its_reason() {
    let sink = Sink::answering(vec![]).await;
    let fixture = telling(&format!("http://{}", sink.address), LONG, 100).await;
    fixture.apply(crate::fixture::DEFINITIONS).await.unwrap();
    fixture.upload("weather", "weather.csv", "origin,time_hour,temp\nJFK,not a time,1\n").await.unwrap_err();
    fixture.opened.ending().told(LONG).await;
    let events = sink.events();
    let failed = events.last().unwrap();
    assert_eq!((&failed["eventType"], &failed["job"]["name"]), (&json!("FAIL"), &json!("ingest.weather")));
    let why = failed["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(why.contains("not a time"), "{why}");
    assert_eq!(failed["outputs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_is_refused_at_the_start() {
    for url in ["ftp://h/x", "http://", "https:"] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = crate::fixture::config(folder.path());
        config.openlineage.url = url.to_owned();
        let refused = asof_server::open(&config, "test", Duration::ZERO).await.map(drop).unwrap_err();
        assert_eq!(refused.code(), "invalid_config", "{url}");
    }
}
