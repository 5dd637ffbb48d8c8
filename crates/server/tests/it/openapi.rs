//! The document says of every reply and error what is in it, and nothing else.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use asof_proto::registry::v1::{Author, DeprecateRequest};
use serde_json::{Map, Value, json};

use crate::json::{AT_TEXT, served};
use crate::marquez::tell;
use crate::openlineage::{BATCH, EVENT, send};
use crate::socket::{ask, post};

/// Holds values against a document, and remembers which of its properties were seen.
struct Held {
    document: Value,
    seen: BTreeSet<String>,
}

impl Held {
    fn resolve<'a>(&'a self, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
        let Some(reference) = schema["$ref"].as_str() else { return (None, schema) };
        let found = self.document.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference} is not there"));
        (Some(reference), found)
    }

    /// `at` names the schema in messages and among what was seen.
    fn hold(&mut self, value: &Value, schema: &Value, at: &str) {
        let (reference, schema) = self.resolve(schema);
        let at = reference.map_or(at.to_owned(), |r| r.rsplit('/').next().unwrap_or_default().to_owned());
        let schema = schema.clone();
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let fits = types.is_empty() || types.contains(&kind) || (kind == "integer" && types.contains(&"number"));
        assert!(fits, "{at}: {value} is not {types:?}");
        if let Some(allowed) = schema["enum"].as_array() {
            assert!(allowed.contains(value), "{at}: {value} is not one of {allowed:?}");
            self.seen.insert(format!("{at} = {value}"));
        }
        if let Value::Array(items) = value {
            items.iter().for_each(|item| self.hold(item, &schema["items"], &at));
        }
        if let Value::Object(members) = value {
            self.hold_object(members, &schema, &at);
        }
    }

    fn hold_object(&mut self, members: &Map<String, Value>, schema: &Value, at: &str) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(members.contains_key(required), "{at}: `{required}` is not there");
        }
        for (name, value) in members {
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Object(any)) => self.hold(value, &Value::Object(any.clone()), at),
                (Value::Null, _) => panic!("{at}: `{name}` is not documented"),
                (known, _) => {
                    self.seen.insert(format!("{at}.{name}"));
                    self.hold(value, known, &format!("{at}.{name}"));
                }
            }
        }
    }

    /// What the document says there is.
    fn documented(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (name, schema) in self.document["components"]["schemas"].as_object().unwrap() {
            for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
                all.insert(format!("{name}.{property}"));
                let one_of = schema["enum"].as_array().or(schema["items"]["enum"].as_array());
                for value in one_of.into_iter().flatten() {
                    all.insert(format!("{name}.{property} = {value}"));
                }
            }
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_true() {
    let (fixture, address) = served().await;
    fixture.model().await;
    let author = Some(Author { who: String::new(), why: "for this test".into() });
    let deprecate = DeprecateRequest { reference: "shares".into(), author, ..DeprecateRequest::default() };
    fixture.registry().deprecate(deprecate).await.unwrap();
    let answer = ask(address, "GET /openapi.json HTTP/1.1", b"").await;
    assert_eq!((answer.status, answer.json()["openapi"].as_str()), (200, Some("3.1.0")));
    let mut held = Held { document: answer.json(), seen: BTreeSet::new() };
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let responses = held.document["paths"]["/v1/features"]["post"]["responses"].clone();

    let entities = json!([{"origin": "JFK", "parts": 4}, {"origin": "JFK", "parts": 0}, {"origin": "XXX", "parts": 1},
        {"origin": "EWR", "parts": 1}]);
    let all = json!({"service": "shares", "project": "flights", "environment": "dev", "entities": entities,
        "at": AT_TEXT, "event_times": true, "receipts": true, "row_errors": true});
    let columns = json!({"service": "departure_delay", "columns": {"origin": ["JFK"], "distance": [1]}});
    let by_model = json!({"model": "delay@7", "at": AT_TEXT, "entities": [{"origin": "JFK", "distance": 1}]});
    let refused = [
        json!({"service": "shares", "entities": 5}),
        json!({"service": "shares", "entities": [{"origin": "JFK", "parts": 0}]}),
        json!({"service": "none", "entities": []}),
        json!({"model": "delay@8", "entities": []}),
        json!({"model": "delay@7", "service": "shares", "entities": []}),
        json!({"entities": []}),
        json!({"service": "shares", "at": "2012-01-01T00:00:00Z", "entities": []}),
    ];
    for request in [all, columns, by_model].iter().chain(&refused) {
        let reply = post(address, &request.to_string()).await;
        let answered = reply.status == 200;
        held.hold(&reply.json(), &schema(if answered { "Reply" } else { "Failure" }), "");
        assert!(responses.get(reply.status.to_string()).is_some(), "{} is not documented", reply.status);
        if answered {
            held.hold(request, &schema("Request"), "");
        }
    }

    // Events of lineage.
    let event = json!({"eventTime": AT_TEXT, "dataset": {"namespace": "n", "name": "d"}});
    for (path, events, status) in [
        (EVENT, event.clone(), 201),
        (EVENT, json!({}), 400),
        (BATCH, json!([event]), 204),
        (BATCH, json!([event, 5]), 200),
        (BATCH, json!([{}]), 200),
    ] {
        held.hold(&events, &schema("Events"), "");
        let reply = send(address, path, "", events.to_string().as_bytes()).await;
        assert_eq!(reply.status, status, "{path} {events}");
        let responses = &held.document["paths"][path]["post"]["responses"];
        assert!(responses.get(reply.status.to_string()).is_some(), "{path}: {} is not documented", reply.status);
        match status {
            200 => held.hold(&reply.json(), &schema("Batch"), ""),
            400 => held.hold(&reply.json(), &schema("Failure"), ""),
            _ => assert_eq!(reply.body, b""),
        }
    }
    marquez(address, &mut held).await;
    assert_eq!(held.documented().difference(&held.seen).collect::<Vec<_>>(), Vec::<&String>::new(), "never seen");

    // A request takes what is documented and nothing else.
    let unknown = json!({"service": "shares", "entities": [], "entity": []});
    let reply = post(address, &unknown.to_string()).await;
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    let taken = message.split("expected one of ").nth(1).unwrap().split(", ");
    let taken: BTreeSet<_> = taken.map(|name| name.trim_matches('`').to_owned()).collect();
    let documented = held.document["components"]["schemas"]["Request"]["properties"].as_object().unwrap();
    assert_eq!(taken, documented.keys().cloned().collect());
}

/// Asks everything that reads the graph, of one in which everything occurs, and holds the answers to the document.
async fn marquez(address: SocketAddr, held: &mut Held) {
    tell(address).await;
    let streams = json!({"eventTime": "2026-01-01T00:00:05Z", "eventType": "RUNNING", "run": {"runId": "running"},
        "job": {"namespace": "airflow", "name": "part.of", "facets": {"jobType": {"processingType": "STREAMING"}}},
        "outputs": [{"namespace": "kafka://k:9092", "name": "topic", "facets": {"symlinks": {"identifiers": [
            {"namespace": "hive://m", "name": "t", "type": "TABLE"}]}}}]});
    let states = ["FAIL", "ABORT", "OTHER"].map(|state| {
        json!({"eventTime": "2026-01-01T00:00:06Z", "eventType": state, "run": {"runId": state},
            "job": {"namespace": "airflow", "name": "x"},
            "outputs": [{"namespace": "kafka://k:9092", "name": "topic"}]})
    });
    let written = json!({"eventTime": "2026-01-01T00:00:07Z", "eventType": "COMPLETE", "run": {"runId": "done"},
        "job": {"namespace": "airflow", "name": "y"}, "outputs": [{"namespace": "kafka://k:9092", "name": "topic"}]});
    for event in states.iter().chain([&streams, &written]) {
        assert_eq!(send(address, EVENT, "", event.to_string().as_bytes()).await.status, 201);
    }
    let dataset = "/namespaces/s3%3A%2F%2Flake/datasets/raw%2Ftransactions%20v1";
    let run = "019cde00-0000-7000-8000-000000000001";
    let node = "nodeId=dataset:s3://lake:raw/transactions%20v1";
    let asked = [
        ("put", "/tags/{tag}", "/tags/PII".to_owned()),
        ("post", "/namespaces/{namespace}/datasets/{dataset}/tags/{tag}", format!("{dataset}/tags/PII")),
        (
            "post",
            "/namespaces/{namespace}/datasets/{dataset}/fields/{field}/tags/{tag}",
            format!("{dataset}/fields/amount/tags/PII"),
        ),
        ("post", "/namespaces/{namespace}/jobs/{job}/tags/{tag}", "/namespaces/airflow/jobs/a.b/tags/PII".to_owned()),
        ("get", "/tags", "/tags".to_owned()),
        ("get", "/namespaces", "/namespaces".to_owned()),
        ("get", "/namespaces/{namespace}", "/namespaces/airflow".to_owned()),
        ("get", "/sources", "/sources".to_owned()),
        ("get", "/sources/{source}", "/sources/s3%3A%2F%2Flake".to_owned()),
        ("get", "/namespaces/{namespace}/datasets", "/namespaces/kafka%3A%2F%2Fk%3A9092/datasets".to_owned()),
        ("get", "/namespaces/{namespace}/datasets/{dataset}", dataset.to_owned()),
        ("get", "/namespaces/{namespace}/datasets/{dataset}/versions", format!("{dataset}/versions")),
        (
            "get",
            "/namespaces/{namespace}/datasets/{dataset}/versions",
            "/namespaces/hive%3A%2F%2Fm/datasets/t/versions".to_owned(),
        ),
        ("get", "/jobs", "/jobs".to_owned()),
        ("get", "/namespaces/{namespace}/jobs", "/namespaces/airflow/jobs".to_owned()),
        ("get", "/namespaces/{namespace}/jobs/{job}", "/namespaces/airflow/jobs/a.b".to_owned()),
        ("get", "/namespaces/{namespace}/jobs/{job}/runs", "/namespaces/airflow/jobs/x/runs".to_owned()),
        ("get", "/namespaces/{namespace}/jobs/{job}/versions", "/namespaces/airflow/jobs/a.b/versions".to_owned()),
        ("get", "/jobs/runs/{run}", format!("/jobs/runs/{run}")),
        ("get", "/jobs/runs/{run}/facets", format!("/jobs/runs/{run}/facets?type=job")),
        ("get", "/lineage", format!("/lineage?{node}")),
        ("get", "/column-lineage", format!("/column-lineage?{node}&withDownstream=true")),
        ("get", "/search", "/search?q=a".to_owned()),
        ("get", "/stats/lineage-events", "/stats/lineage-events?period=WEEK&timezone=Europe/Berlin".to_owned()),
        ("get", "/stats/jobs", "/stats/jobs?period=DAY".to_owned()),
        ("get", "/stats/datasets", "/stats/datasets".to_owned()),
        ("get", "/stats/sources", "/stats/sources".to_owned()),
        ("get", "/events", "/events".to_owned()),
        ("get", "/events/lineage", "/events/lineage?limit=1".to_owned()),
        ("get", "/events/{namespace}", "/events/airflow".to_owned()),
        ("delete", "/namespaces/{namespace}/datasets/{dataset}/tags/{tag}", format!("{dataset}/tags/PII")),
        (
            "delete",
            "/namespaces/{namespace}/datasets/{dataset}/fields/{field}/tags/{tag}",
            format!("{dataset}/fields/amount/tags/PII"),
        ),
        ("delete", "/namespaces/{namespace}/jobs/{job}/tags/{tag}", "/namespaces/airflow/jobs/a.b/tags/PII".to_owned()),
    ];
    let mut paths = BTreeSet::from([
        ("get", "/namespaces/{namespace}/datasets/{dataset}/versions/{version}"),
        ("get", "/namespaces/{namespace}/jobs/{job}/versions/{version}"),
    ]);
    for (method, path, asked) in &asked {
        let body = json!({"description": "about people"});
        held.hold(&body, &json!({"$ref": "#/components/schemas/TagMeaning"}), "");
        let body = if *method == "put" { body.to_string() } else { String::new() };
        let kind = if body.is_empty() { "" } else { "\r\ncontent-type: application/json" };
        let head = format!("{} /api/v1{asked} HTTP/1.1{kind}", method.to_uppercase());
        let answer = ask(address, &head, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{method} {asked}");
        let of = &held.document["paths"][format!("/api/v1{path}")][method]["responses"]["200"];
        let schema = of["content"]["application/json"]["schema"].clone();
        assert!(schema.is_object(), "{method} {path} is not documented");
        held.hold(&answer.json(), &schema, "");
        if path.ends_with("/versions") {
            let version = answer.json()["versions"][0]["version"].as_str().unwrap().to_owned();
            let one = ask(address, &format!("GET /api/v1{asked}/{version} HTTP/1.1"), b"").await;
            let of = if path.contains("/jobs/") { "JobVersion" } else { "Version" };
            held.hold(&one.json(), &json!({"$ref": format!("#/components/schemas/{of}")}), "");
        }
        paths.insert((method, path));
    }
    // And nothing else is there.
    let documented = held.document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let path = path.strip_prefix("/api/v1").filter(|path| !path.starts_with("/lineage/"));
        methods.as_object().unwrap().keys().filter_map(move |method| Some((method.as_str(), path?)))
    });
    let documented: BTreeSet<_> = documented.filter(|asked| *asked != ("post", "/lineage")).collect();
    assert_eq!(documented, paths);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_there_may_be_is_documented() {
    let (_fixture, address) = served().await;
    let document = ask(address, "GET /openapi.json HTTP/1.1", b"").await.json();
    use asof_model::{Error, ErrorKind::*};
    let errors = [Invalid, NotFound, Conflict, Precondition, Unavailable, Late, Unsupported, Corrupt, Internal];
    let errors = errors.map(|kind| Error::new(kind, "internal", "")).into_iter();
    let of_http = ["wrong_method", "wrong_content_type", "wrong_content_encoding", "body_too_large"];
    let errors = errors.chain(of_http.map(|code| Error::new(Invalid, code, "")));
    let failures: BTreeSet<_> = errors.map(|error| asof_server::codes::http(&error).as_str().to_owned()).collect();
    for (path, done) in [("/v1/features", &["200"][..]), (EVENT, &["200", "201"]), (BATCH, &["200", "204"])] {
        let responses = document["paths"][path]["post"]["responses"].as_object().unwrap();
        let all: BTreeSet<_> = failures.iter().cloned().chain(done.iter().map(|s| (*s).to_owned())).collect();
        assert_eq!(all, responses.keys().cloned().collect(), "{path}");
    }
}
