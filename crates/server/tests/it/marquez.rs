//! The graph in the API of Marquez: the calls of its client, what is ours and what others told of as one, as of then.

use std::net::SocketAddr;

use asof_proto::jobs::v1::{TrainRequest, train_event};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::openlineage::{EVENT, send};
use crate::socket::{Answer, ask, serve};

/// What marquez-python 0.50.0 asks, a request a line.
const CALLS: &str = include_str!("fixtures/marquez_client.jsonl");

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1"), b"").await
}

async fn found(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// A store with a training set, served.
pub(crate) async fn trained() -> (Fixture, SocketAddr) {
    let fixture = Fixture::filled().await;
    let train = TrainRequest { name: "delays".into(), ..TrainRequest::default() };
    let mut events = fixture.jobs().train(train).await.unwrap().into_inner();
    while let Some(event) = events.next().await {
        if let Some(train_event::Event::Result(result)) = event.unwrap().event {
            assert!(result.built);
        }
    }
    let (address, end, _) = serve(&fixture, &fixture.config).await;
    // It ends with the test.
    std::mem::forget(end);
    (fixture, address)
}

/// A task of somebody else's that lands a dataset with a column.
pub(crate) fn landed(second: u32, state: &str, reads: &str) -> Value {
    let columns = json!({"fields": {"amount": {"inputFields": [
        {"namespace": "postgres://h:5432", "name": reads, "field": "cents",
         "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}]}}});
    let schema = json!({"fields": [{"name": "amount", "type": "DOUBLE", "description": "in dollars"}]});
    json!({"eventTime": format!("2026-01-01T00:00:0{second}Z"), "eventType": state, "producer": "https://airflow",
        "run": {"runId": format!("019cde00-0000-7000-8000-00000000000{}", second / 2),
            "facets": {"nominalTime": {"nominalStartTime": "2026-01-01T00:00:00Z"}}},
        "job": {"namespace": "airflow", "name": "a.b", "facets": {"documentation": {"description": "lands transactions"}}},
        "inputs": [{"namespace": "postgres://h:5432", "name": reads}],
        "outputs": [{"namespace": "s3://lake", "name": "raw/transactions v1", "facets": {"schema": schema, "columnLineage": columns}}]})
}

/// Two runs of it, the later one of which reads another table.
pub(crate) async fn tell(address: SocketAddr) {
    for (second, state, reads) in
        [(0, "START", "db.old"), (1, "COMPLETE", "db.old"), (2, "START", "db.new"), (3, "COMPLETE", "db.new")]
    {
        let reply = send(address, EVENT, "", landed(second, state, reads).to_string().as_bytes()).await;
        assert_eq!(reply.status, 201);
    }
}

const DATASET: &str = "/api/v1/namespaces/s3%3A%2F%2Flake/datasets/raw%2Ftransactions%20v1";

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_its_client_are_answered() {
    let (_fixture, address) = trained().await;
    tell(address).await;
    let known: Value = found(address, &format!("{DATASET}/versions")).await["versions"][0]["version"].clone();
    for line in CALLS.lines() {
        let call: Value = serde_json::from_str(line).unwrap();
        let (method, mut path) = (call["method"].as_str().unwrap(), call["path"].as_str().unwrap().to_owned());
        // Of this job and dataset, and of a run and a version that are here.
        let anything = "7a8c0a0e-3f0e-3c6e-9c5c-7a1b1b1b1b1b";
        path = path.replace(&format!("versions/{anything}"), &format!("versions/{}", known.as_str().unwrap()));
        path = path.replace(anything, "019cde00-0000-7000-8000-000000000001");
        path = path.replace("s3%3A%2F%2Flake/jobs", "airflow/jobs");
        let body = match &call["body"] {
            Value::Null => String::new(),
            body if body.get("_raw").is_some() => String::new(),
            body => body.to_string(),
        };
        let kind = if body.is_empty() { "" } else { "\r\ncontent-type: application/json" };
        let answer = ask(address, &format!("{method} {path} HTTP/1.1{kind}"), body.as_bytes()).await;
        if method == "PUT" && path.contains("/namespaces/") {
            assert_eq!(answer.refusal(), (405, "read_only_lineage".to_owned()), "{path}");
            continue;
        }
        assert_eq!(answer.status, 200, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
        assert!(answer.json().is_object(), "{method} {path}");
    }
    // The words that it put on things.
    let dataset = found(address, DATASET).await;
    assert_eq!((&dataset["tags"], &dataset["description"]), (&json!(["PII"]), &Value::Null));
    let tags = found(address, "/api/v1/tags").await;
    assert_eq!(tags, json!({"tags": [{"name": "PII", "description": "x"}]}));
    let gone = ask(address, &format!("DELETE {DATASET}/tags/PII HTTP/1.1"), b"").await;
    assert_eq!((gone.status, &gone.json()["tags"]), (200, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ours_is_there_by_the_standards_names() {
    let (fixture, address) = trained().await;
    let jobs = found(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs").await;
    let names: Vec<_> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    let expected = [
        "apply",
        "ingest.flights",
        "ingest.weather",
        "materialize.airport_weather",
        "serve.departure_delay",
        "train.delays",
    ];
    assert_eq!((names.as_slice(), &jobs["totalCount"]), (&expected[..], &json!(6)));
    let train = found(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/train.delays").await;
    assert_eq!(train["latestRun"]["state"], "COMPLETED");
    assert_eq!(train["outputs"], json!([{"namespace": "asof://flights", "name": "training/delays"}]));
    let runs = found(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/train.delays/runs?limit=1").await;
    assert_eq!((&runs["totalCount"], &runs["runs"][0]["id"]), (&json!(1), &train["latestRun"]["id"]));
    let run = found(address, &format!("/api/v1/jobs/runs/{}", train["latestRun"]["id"].as_str().unwrap())).await;
    assert_eq!(run["outputDatasetVersions"][0]["datasetVersionId"]["version"], "1");
    let facets = found(address, &format!("/api/v1/jobs/runs/{}/facets?type=job", run["id"].as_str().unwrap())).await;
    assert!(facets["facets"]["sql"]["query"].as_str().unwrap().contains("FROM flights"));

    // A dataset has a version for each snapshot, and a service one for each of its own.
    let table = fixture.folder.path().join(".asof/datasets/flights/weather");
    let escaped = table.to_str().unwrap().replace('/', "%2F");
    let versions = found(address, &format!("/api/v1/namespaces/file/datasets/{escaped}/versions")).await;
    assert_eq!((&versions["totalCount"], &versions["versions"][0]["version"]), (&json!(1), &json!("0")));
    assert_eq!(versions["versions"][0]["createdByRun"]["jobVersion"]["name"], "ingest.weather");
    let one = found(address, &format!("/api/v1/namespaces/file/datasets/{escaped}/versions/0")).await;
    assert_eq!(one, versions["versions"][0]);
    let service = "/api/v1/namespaces/asof%3A%2F%2Fflights/datasets/services%2Fdeparture_delay/versions";
    assert_eq!(found(address, service).await["versions"][0]["version"], "1");
    let none = get(address, &format!("/api/v1/namespaces/file/datasets/{escaped}/versions/2")).await;
    assert_eq!(none.refusal(), (404, "unknown_in_lineage".to_owned()));

    // A job that makes what is declared has the versions of that.
    let versions = found(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/train.delays/versions").await;
    let version = &versions["versions"][0];
    assert_eq!((&versions["totalCount"], &version["version"]), (&json!(1), &json!("1")));
    assert_eq!((&version["latestRun"]["id"], &version["latestRun"]["jobVersion"]), (&run["id"], &version["id"]));
    assert_eq!((&run["jobVersion"], &train["currentVersion"]), (&version["id"], &json!("1")));
    assert!(version["inputs"].to_string().contains("services/departure_delay"), "{version}");
    assert!(version["facets"]["sql"]["query"].as_str().unwrap().contains("FROM flights"));
    let path = "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/train.delays/versions/1";
    assert_eq!(found(address, path).await, *version);
    let none = get(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/train.delays/versions/2").await;
    assert_eq!(none.refusal(), (404, "unknown_in_lineage".to_owned()));
    // Any other is what it reads and writes.
    let applied = found(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/apply/versions").await;
    assert_eq!((&applied["totalCount"], &applied["versions"][0]["outputs"]), (&json!(1), &json!([])));

    // From the file that was sent to the training set, without a version in any name.
    let graph = found(address, "/api/v1/lineage?nodeId=dataset:asof://flights:training/delays&depth=9").await;
    let ids: Vec<_> = graph["graph"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    for id in [
        "job:asof://flights:ingest.weather",
        &format!("dataset:file:{}", table.display()),
        "dataset:asof://flights:online/airport_weather",
        "dataset:asof://flights:services/departure_delay",
        "job:asof://flights:train.delays",
    ] {
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
    assert!(ids.iter().all(|id| !id.contains('@') && !id.contains('#')), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_and_never_made_has_its_columns() {
    let fixture = Fixture::filled().await;
    let (address, end, _) = serve(&fixture, &fixture.config).await;
    std::mem::forget(end);
    let ids = async |node: &str| {
        let graph = found(address, &format!("/api/v1/column-lineage?nodeId={node}")).await;
        let nodes: Vec<Value> = graph["graph"].as_array().unwrap().clone();
        nodes.into_iter().map(|node| (node["id"].as_str().unwrap().to_owned(), node)).collect::<Vec<_>>()
    };
    let table = fixture.folder.path().join(".asof/datasets/flights/weather");
    let source = |column: &str| format!("datasetField:file:{}:{column}", table.display());
    let made = "datasetField:asof://flights:online/airport_weather:temp";
    let view = ids(made).await;
    assert!(view.iter().any(|(id, _)| *id == source("temp")), "{view:?}");
    // It is that of the definition.
    let (_, node) = view.iter().find(|(id, _)| id == made).unwrap();
    assert_eq!(node["data"]["datasetVersion"], "1");
    // And what reads it goes through it.
    let service = ids("dataset:asof://flights:services/departure_delay").await;
    for id in [made, &source("temp")] {
        assert!(service.iter().any(|(known, _)| known == id), "{id} is not in {service:?}");
    }
    let path = "/api/v1/namespaces/asof%3A%2F%2Fflights/datasets/online%2Fairport_weather";
    let view = found(address, path).await;
    assert_eq!(view["currentVersion"], "1");
    assert!(view["columnLineage"].to_string().contains("temp"), "{view}");
    let versions = found(address, &format!("{path}/versions")).await;
    assert_eq!((&versions["totalCount"], &versions["versions"][0]["version"]), (&json!(1), &json!("1")));
    // Nothing but what is declared is read: the graph of jobs is what it was.
    let service = found(address, "/api/v1/namespaces/asof%3A%2F%2Fflights/jobs/serve.departure_delay").await;
    assert_eq!(service["inputs"], json!([{"namespace": "asof://flights", "name": "online/airport_weather"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_and_versions_of_others_have_a_history() {
    let (_fixture, address) = trained().await;
    tell(address).await;
    let mut later = landed(5, "COMPLETE", "db.new");
    later["outputs"][0]["facets"]["schema"]["fields"][0]["type"] = json!("DECIMAL(18, 2)");
    later["job"]["facets"]["documentation"]["description"] = json!("lands exact transactions");
    assert_eq!(send(address, EVENT, "", later.to_string().as_bytes()).await.status, 201);
    let then = async |at: &str| {
        let dataset = found(address, &format!("{DATASET}{at}")).await;
        let job = found(address, &format!("/api/v1/namespaces/airflow/jobs/a.b{at}")).await;
        (dataset["fields"][0]["type"].clone(), job["description"].clone())
    };
    assert_eq!(then("?asOf=2026-01-01T00:00:04Z").await, (json!("DOUBLE"), json!("lands transactions")));
    let exact = (json!("DECIMAL(18, 2)"), json!("lands exact transactions"));
    assert_eq!(then("?asOf=2026-01-01T00:00:05Z").await, exact);
    assert_eq!(then("").await, exact);

    let path = "/api/v1/namespaces/airflow/jobs/a.b/versions";
    let versions = found(address, path).await;
    let reads: Vec<_> =
        versions["versions"].as_array().unwrap().iter().map(|one| one["inputs"][0]["name"].clone()).collect();
    assert_eq!((reads, &versions["totalCount"]), (vec![json!("db.new"), json!("db.old")], &json!(2)));
    let (new, old) = (&versions["versions"][0], &versions["versions"][1]);
    assert_eq!(
        (&new["createdAt"], &old["createdAt"]),
        (&json!("2026-01-01T00:00:03Z"), &json!("2026-01-01T00:00:01Z"))
    );
    assert_eq!(new["latestRun"]["jobVersion"], new["id"]);
    assert_eq!(found(address, "/api/v1/namespaces/airflow/jobs/a.b").await["currentVersion"], new["version"]);
    assert_eq!(found(address, &format!("{path}/{}", old["version"].as_str().unwrap())).await, *old);
    let before = found(address, &format!("{path}?asOf=2026-01-01T00:00:02Z")).await;
    assert_eq!(before["versions"], json!([old]));
    assert_eq!(found(address, &format!("{path}?limit=1&offset=1")).await["versions"], json!([old]));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_of_a_moment_it_is_the_graph_of_then() {
    let (_fixture, address) = trained().await;
    tell(address).await;
    let node = "nodeId=dataset:s3://lake:raw/transactions+v1";
    let reads = async |at: &str| {
        let graph = found(address, &format!("/api/v1/lineage?{node}{at}")).await;
        let has = |table: &str| {
            let id = json!(format!("dataset:postgres://h:5432:{table}"));
            graph["graph"].as_array().unwrap().iter().any(|node| node["id"] == id)
        };
        (has("db.old"), has("db.new"))
    };
    assert_eq!(reads("").await, (false, true));
    assert_eq!(reads("&asOf=2026-01-01T00:00:01Z").await, (true, false));
    // While the later run went on, both held.
    assert_eq!(reads("&asOf=2026-01-01T00:00:02Z").await, (true, true));
    let columns = async |at: &str| found(address, &format!("/api/v1/column-lineage?{node}{at}")).await.to_string();
    assert!(columns("").await.contains("db.new:cents") && !columns("").await.contains("db.old"));
    assert!(columns("&asOf=2026-01-01T00:00:01Z").await.contains("db.old:cents"));
    let before = get(address, &format!("/api/v1/lineage?{node}&asOf=2025-12-31")).await;
    assert_eq!(before.refusal(), (404, "unknown_in_lineage".to_owned()));
    let spaces = found(address, "/api/v1/namespaces?asOf=2026-01-01T00:00:03Z").await.to_string();
    assert!(spaces.contains("airflow") && !spaces.contains("asof://flights"), "{spaces}");
    let runs = "/api/v1/namespaces/airflow/jobs/a.b/runs";
    let states = async |at: &str| {
        let runs = found(address, &format!("{runs}{at}")).await;
        runs["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states("").await, ["COMPLETED", "COMPLETED"]);
    assert_eq!(states("?asOf=2026-01-01T00:00:02Z").await, ["RUNNING", "COMPLETED"]);
    let jobs =
        async |state: &str| found(address, &format!("/api/v1/jobs?lastRunStates={state}")).await["totalCount"].clone();
    assert_eq!((jobs("COMPLETED").await, jobs("FAILED").await), (json!(5), json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_pages_by_when_they_happened() {
    let (_fixture, address) = trained().await;
    tell(address).await;
    let times = async |query: &str| {
        let page = found(address, &format!("/api/v1/events/lineage?{query}")).await;
        let events = page["events"].as_array().unwrap().iter();
        let times: Vec<_> = events.map(|event| event["eventTime"].as_str().unwrap()[17..19].to_owned()).collect();
        (times, page["totalCount"].as_u64().unwrap())
    };
    let january = "after=2026-01-01T00:00:00Z&before=2026-01-02T00:00:00Z";
    assert_eq!(times(january).await, (["03", "02", "01", "00"].map(String::from).into(), 4));
    assert_eq!(
        times(&format!("{january}&sortDirection=asc&limit=2&offset=1")).await,
        (["01", "02"].map(String::from).into(), 4)
    );
    let half = "after=2026-01-01T00:00:01Z&before=2026-01-01T00:00:03Z";
    assert_eq!(times(half).await, (["02", "01"].map(String::from).into(), 2));
    // What is ours comes with it, the newest first; every page, and all of them once.
    let (all, total) = times("").await;
    assert_eq!((all.len() as u64, total), (total, 4 + 2 * 4));
    let mut paged = Vec::new();
    for offset in 0..total {
        paged.extend(times(&format!("limit=1&offset={offset}")).await.0);
    }
    assert_eq!(paged, all);
    let of = found(address, "/api/v1/events/airflow").await;
    assert_eq!(of["totalCount"], 4);
    let far = get(address, "/api/v1/events?offset=200000").await;
    assert_eq!(far.refusal(), (400, "too_far_back".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let (_fixture, address) = trained().await;
    let check = async |request: &str, status: u16, code: &str| {
        let answer = ask(address, &format!("{request} HTTP/1.1"), b"").await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{request}");
    };
    check("GET /api/v1/namespaces/none", 404, "unknown_in_lineage").await;
    check("GET /api/v1/namespaces/none/datasets/x", 404, "unknown_in_lineage").await;
    check("GET /api/v1/namespaces/none/jobs/x/runs", 404, "unknown_in_lineage").await;
    check("GET /api/v1/jobs/runs/none", 404, "unknown_in_lineage").await;
    check("GET /api/v1/jobs/runs/019cde00-0000-7000-8000-000000000001", 404, "unknown_in_lineage").await;
    check("GET /api/v1/lineage", 400, "invalid_question").await;
    check("GET /api/v1/lineage?nodeId=dataset:a:b&depth=-1", 400, "invalid_question").await;
    check("GET /api/v1/namespaces?limit=1001", 400, "invalid_question").await;
    check("GET /api/v1/namespaces?asOf=yesterday", 400, "invalid_question").await;
    check("GET /api/v1/search?q=x&filter=tables", 400, "invalid_question").await;
    check("GET /api/v1/namespaces/%ff", 400, "invalid_question").await;
    check("GET /api/v1/nothing", 404, "unknown_path").await;
    check("POST /api/v1/search?q=x", 405, "wrong_method").await;
    check("PUT /api/v1/namespaces/x", 405, "read_only_lineage").await;
    check("DELETE /api/v1/namespaces/x/jobs/y", 405, "read_only_lineage").await;
    check("POST /api/v1/namespaces/x/jobs/y/runs", 405, "read_only_lineage").await;
    check("POST /api/v1/jobs/runs/x/start", 405, "read_only_lineage").await;
    check("POST /api/v1/namespaces/none/datasets/x/tags/PII", 404, "unknown_in_lineage").await;
    check("GET /api/v1/namespaces/none/datasets/x/tags/PII", 405, "wrong_method").await;
    check("PUT /api/v1/tags/PII", 415, "wrong_content_type").await;
    check(&format!("POST /api/v1/namespaces/x/datasets/y/tags/{}", "x".repeat(300)), 400, "invalid_tag").await;
    let foreign = "POST /api/v1/namespaces/x/datasets/y/tags/PII HTTP/1.1\r\norigin: https://elsewhere";
    assert_eq!(ask(address, foreign, b"").await.refusal(), (403, "other_site".to_owned()));
}
