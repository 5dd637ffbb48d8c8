//! Features over plain HTTP, as JSON.

use std::net::SocketAddr;
use std::time::Duration;

use asof_proto::jobs::v1::MaterializeRequest;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::Fixture;
use crate::socket::{ask, connect, post, serve};

/// 2013-01-01T11:30:00Z.
pub(crate) const AT: i64 = 1_357_039_800_000_000;
pub(crate) const AT_TEXT: &str = "2013-01-01T11:30:00Z";

/// Services that give back what they are given, and one whose feature cannot always be computed.
const MORE: &str = "
    CREATE FEATURE SERVICE echo REQUEST (flag BOOLEAN, tiny TINYINT, big BIGINT, single REAL, twice DOUBLE,
        exact DECIMAL(20,3), word VARCHAR, raw BINARY, day DATE, moment TIMESTAMP, items BIGINT[])
    AS SELECT temp, flag AS flag_, tiny AS tiny_, big AS big_, single AS single_, twice AS twice_, exact AS exact_,
        word AS word_, raw AS raw_, day AS day_, moment AS moment_, items AS items_ FROM airport_weather;
    CREATE FEATURE SERVICE shares REQUEST (parts BIGINT) AS SELECT temp, 100 / parts AS share FROM airport_weather;
";

/// A store that serves, on a socket.
pub(crate) async fn served() -> (Fixture, SocketAddr) {
    let fixture = Fixture::filled().await;
    fixture.apply(MORE).await.unwrap();
    let materialize = MaterializeRequest { at: Some(AT), ..MaterializeRequest::default() };
    let mut events = fixture.jobs().materialize(materialize).await.unwrap().into_inner();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
    let (address, end, _) = serve(&fixture, &fixture.config).await;
    // It ends with the test.
    std::mem::forget(end);
    (fixture, address)
}

fn entity(changes: Value) -> Value {
    let mut entity = json!({
        "origin": "JFK", "flag": null, "tiny": null, "big": null, "single": null, "twice": null, "exact": null,
        "word": null, "raw": null, "day": null, "moment": null, "items": null,
    });
    for (name, value) in changes.as_object().unwrap() {
        entity[name] = value.clone();
    }
    entity
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_ask_gives_the_same_answer() {
    let (_fixture, address) = served().await;
    let by_row = json!({"service": "departure_delay@1", "at": AT_TEXT, "entities": [
        {"origin": "JFK", "distance": 1400}, {"distance": 1e3, "origin": "EWR"}, {"origin": "XXX", "distance": null}]});
    let reply = post(address, &by_row.to_string()).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
    let features = json!({
        "temp": {"type": "DOUBLE", "values": [2.5, null, null], "statuses": ["present", "null", "missing"]},
        "risky": {"type": "BOOLEAN", "values": [false, false, null], "statuses": ["present", "present", "missing"]},
    });
    let told = reply.json();
    assert_eq!((&told["features"], &told["at"]), (&features, &json!(AT_TEXT)));
    assert_eq!((&told["service"]["name"], &told["service"]["version"]), (&json!("departure_delay"), &json!(1)));
    // In the order of the service, for those who read in order.
    let text = String::from_utf8(reply.body.clone()).unwrap();
    assert!(text.find("\"temp\"") < text.find("\"risky\""), "{text}");

    let by_column = json!({"service": "departure_delay", "at": AT_TEXT, "environment": "dev", "project": "flights",
        "columns": {"distance": [1400, 1000, null], "origin": ["JFK", "EWR", "XXX"]}});
    assert_eq!(post(address, &by_column.to_string()).await.json(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_exact_both_ways() {
    let (_fixture, address) = served().await;
    let check = async |name: &str, given: Value, expected: Value| {
        let entity = entity(json!({ name: given }));
        let request = json!({"service": "echo", "at": AT_TEXT, "entities": [entity]});
        let reply = post(address, &request.to_string()).await.json();
        let values = &reply["features"][format!("{name}_")]["values"];
        assert_eq!(*values, json!([expected]), "{name} {given}: {reply}");
    };
    check("flag", json!(true), json!(true)).await;
    check("tiny", json!(-128), json!(-128)).await;
    check("tiny", json!("7"), json!(7)).await;
    // What a double holds is a number, and what it does not hold a text.
    check("big", json!(1_i64 << 53), json!(1_i64 << 53)).await;
    check("big", json!((1_i64 << 53) + 1), json!("9007199254740993")).await;
    check("big", json!("-9223372036854775808"), json!("-9223372036854775808")).await;
    check("single", json!(0.1), json!(0.1)).await;
    check("single", json!("-Infinity"), json!("-Infinity")).await;
    check("twice", json!(0.1), json!(0.1)).await;
    check("twice", json!(5e-324), json!(5e-324)).await;
    check("twice", json!(-0.0), json!(-0.0)).await;
    check("twice", json!("NaN"), json!("NaN")).await;
    check("twice", json!(u64::MAX), json!(1.844_674_407_370_955_2e19)).await;
    check("exact", json!("12345678901234567.125"), json!("12345678901234567.125")).await;
    check("exact", json!(-3), json!("-3.000")).await;
    check("word", json!("ä\"\\\n\u{1}"), json!("ä\"\\\n\u{1}")).await;
    check("raw", json!("3q2+7w=="), json!("3q2+7w==")).await;
    check("day", json!("1969-12-31"), json!("1969-12-31")).await;
    check("moment", json!("2013-01-01T01:00:00.000001+01:00"), json!("2013-01-01T00:00:00.000001Z")).await;
    check("items", json!([1, null, "9007199254740993"]), json!([1, null, "9007199254740993"])).await;
    check("items", json!([]), json!([])).await;
    check("items", json!(null), json!(null)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_names_row_and_column() {
    let (_fixture, address) = served().await;
    let check = async |name: &str, given: Value, says: &str| {
        let entities = [entity(json!({})), entity(json!({ name: given }))];
        let request = json!({"service": "echo", "at": AT_TEXT, "entities": entities});
        let reply = post(address, &request.to_string()).await;
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!((reply.refusal(), message.as_str()), ((400, "wrong_type".into()), says));
    };
    check("flag", json!("true"), "row 1: `flag` must be BOOLEAN, not the text `true`").await;
    check("tiny", json!(300), "row 1: `tiny` must be TINYINT, not 300").await;
    check("big", json!(1.0), "row 1: `big` must be BIGINT, not the number 1.0").await;
    check("big", json!(1_u64 << 63), "row 1: `big` must be BIGINT, not the number 9.223372036854776e18").await;
    check("single", json!(1e300), "row 1: `single` must be REAL, not the number 1e300").await;
    check("twice", json!("nan"), "row 1: `twice` must be DOUBLE, not the text `nan`").await;
    check("exact", json!(0.1), "row 1: `exact` must be DECIMAL(20,3), not the number 0.1").await;
    check("exact", json!("0.1234"), "row 1: `exact` must be DECIMAL(20,3), not the text `0.1234`").await;
    check("word", json!(5), "row 1: `word` must be VARCHAR, not 5").await;
    check("raw", json!("€"), "row 1: `raw` must be BINARY, not the text `€`").await;
    check("day", json!("2013-02-30"), "row 1: `day` must be DATE, not the text `2013-02-30`").await;
    check("day", json!("2013-02-03T04:05:06Z"), "row 1: `day` must be DATE, not the text `2013-02-03T04:05:06Z`").await;
    check("moment", json!("soon"), "row 1: `moment` must be TIMESTAMP, not the text `soon`").await;
    check("items", json!([1, 2, "x"]), "row 1: `items` must be BIGINT, not the text `x`").await;
    check("items", json!(1), "row 1: `items` must be BIGINT[], not 1").await;
    check("origin", json!(true), "row 1: `origin` must be VARCHAR, not true").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_with_what_to_change() {
    let (_fixture, address) = served().await;
    let check = async |body: &str, status: u16, code: &str, says: &str| {
        let reply = post(address, body).await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{body}");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.contains(says), "{text}");
    };
    let with = |rest: &str| format!("{{\"service\": \"departure_delay\", \"at\": \"{AT_TEXT}\", {rest}}}");
    check("", 400, "invalid_json", "EOF").await;
    check("{\"service\":\n 3}", 400, "invalid_json", "\"line\":2").await;
    check("[1]", 400, "invalid_json", "expected").await;
    check(&with("\"entitys\": []"), 400, "invalid_json", "unknown field `entitys`").await;
    check(&with("\"entities\": [{\"origin\": {}}]"), 400, "invalid_json", "expected a value: a number").await;
    check(&with("\"entities\": [[1]]"), 400, "invalid_json", "an object with a member per key").await;
    let deep = format!("\"entities\": [{{\"origin\": {}1{}}}]", "[".repeat(4_000), "]".repeat(4_000));
    check(&with(&deep), 400, "invalid_json", "recursion limit").await;
    check(&with("\"receipts\": true"), 400, "entities_or_columns", "give one of the two").await;
    check(&with("\"entities\": [], \"columns\": {}"), 400, "entities_or_columns", "give one of the two").await;
    check(&with("\"entities\": [{\"origin\": \"JFK\"}]"), 400, "missing_column", "row 0: `distance` is missing").await;
    check(&with("\"columns\": {\"origin\": [\"JFK\"]}"), 400, "missing_column", "`distance` is missing").await;
    let unknown = "\"entities\": [{\"origin\": \"JFK\", \"distanc\": 1, \"distance\": 1}]";
    check(&with(unknown), 404, "unknown_column", "did you mean `distance`?").await;
    let twice = "\"entities\": [{\"origin\": \"JFK\", \"distance\": 1, \"distance\": 2}]";
    check(&with(twice), 400, "duplicate_column", "row 0: `distance` is given twice").await;
    let uneven = "\"columns\": {\"origin\": [\"JFK\"], \"distance\": [1, 2]}";
    check(&with(uneven), 400, "invalid_column", "`distance` has 2 values where the first has 1").await;
    let many = format!("\"entities\": [{{}}{}]", ",{}".repeat(10_000));
    check(&with(&many), 400, "too_many_entities", "10001 entities").await;
    check("{\"service\": \"departure_delai\", \"entities\": []}", 404, "unknown_name", "departure_delay").await;
    check("{\"service\": \"departure_delay@9\", \"entities\": []}", 404, "unknown_version", "departure_delay").await;
    check("{\"service\": \"no name\", \"entities\": []}", 400, "invalid_reference", "no name").await;
    check("{\"service\": \"echo\", \"environment\": \"prd\", \"entities\": []}", 404, "unknown_environment", "prod")
        .await;
    check("{\"service\": \"echo\", \"at\": \"noon\", \"entities\": []}", 400, "invalid_time", "`noon`").await;
    let early = "{\"service\": \"departure_delay\", \"at\": \"2012-01-01T00:00:00Z\", \"entities\": []}";
    check(early, 409, "moment_not_held", "asof materialize").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entities_are_an_answer_too() {
    let (_fixture, address) = served().await;
    let reply = post(address, "{\"service\": \"departure_delay\", \"entities\": []}").await;
    assert_eq!(reply.json()["features"]["temp"], json!({"type": "DOUBLE", "values": [], "statuses": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_answered_apart_where_the_request_asks_for_it() {
    let (_fixture, address) = served().await;
    let entities = json!([
        {"origin": "JFK", "parts": 4}, {"origin": "JFK", "parts": 0}, {"origin": 7, "parts": 4}, {"origin": "JFK"},
        {"origin": "EWR", "parts": 5}
    ]);
    let ask = |apart: bool| json!({"service": "shares", "at": AT_TEXT, "entities": entities, "row_errors": apart});
    let reply = post(address, &ask(false).to_string()).await;
    assert_eq!(reply.refusal(), (400, "wrong_type".into()));

    let reply = post(address, &ask(true).to_string()).await.json();
    let statuses = ["present", "failed", "failed", "failed", "null"];
    assert_eq!(reply["features"]["temp"]["values"], json!([2.5, null, null, null, null]));
    assert_eq!(reply["features"]["temp"]["statuses"], json!(statuses));
    assert_eq!(reply["features"]["share"]["values"], json!([25, null, null, null, 20]));
    let errors = reply["errors"].as_array().unwrap().iter();
    let errors: Vec<_> = errors.map(|e| (e["row"].as_u64().unwrap(), e["code"].as_str().unwrap())).collect();
    assert_eq!(errors, [(1, "cannot_compute"), (2, "wrong_type"), (3, "missing_column")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_itself_is_answered_in_json() {
    let (fixture, address) = served().await;
    let json_type = "content-type: application/json; charset=utf-8";
    let check = async |head: &str, body: &[u8], status: u16, code: &str| {
        let answer = ask(address, head, body).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{head}");
        answer
    };
    check("GET /v1/feature HTTP/1.1", b"", 404, "unknown_path").await;
    check("GET / HTTP/1.1", b"", 404, "unknown_path").await;
    let answer = check("GET /v1/features HTTP/1.1", b"", 405, "wrong_method").await;
    assert!(answer.head.contains("allow: POST"), "{}", answer.head);
    check("POST /openapi.json HTTP/1.1", b"{}", 405, "wrong_method").await;
    check("POST /v1/features HTTP/1.1", b"{}", 415, "wrong_content_type").await;
    check("POST /v1/features HTTP/1.1\r\ncontent-type: text/plain", b"{}", 415, "wrong_content_type").await;
    let large = vec![b' '; fixture.config.server.max_message + 1];
    let head = format!("POST /v1/features HTTP/1.1\r\n{json_type}");
    check(&head, &large, 413, "body_too_large").await;
    let reply = ask(address, &head, b"{\"service\": \"departure_delay\", \"entities\": []}").await;
    assert_eq!(reply.status, 200);

    // A method of gRPC that is not there is a matter of gRPC.
    let answer = ask(address, "POST /asof.none.v1.None/Get HTTP/1.1\r\ncontent-type: application/grpc", b"").await;
    assert!(answer.head.contains("grpc-status: 12") && answer.status == 200, "{}", answer.head);
    // And HTTP/2 is served on the same port.
    assert!(
        asof_proto::serving::v1::serving_service_client::ServingServiceClient::new(connect(address).await)
            .describe(asof_proto::serving::v1::DescribeRequest { service: "echo".into(), ..Default::default() })
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_given_up() {
    let fixture = Fixture::with(|config| config.server.request_timeout = Duration::from_millis(100)).await;
    let (address, _end, _) = serve(&fixture, &fixture.config).await;
    for said in [&b""[..], b"PRI * HTTP"] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(said).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(10), silent.read(&mut [0])).await;
        assert_eq!(closed.expect("it is closed").unwrap_or(0), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let fixture = Fixture::with(|config| config.server.request_timeout = Duration::from_millis(100)).await;
    let (address, _end, _) = serve(&fixture, &fixture.config).await;
    let check = async |head: &str, expected: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("{head}\r\nhost: asof\r\nconnection: close\r\ncontent-length: 10\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = String::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut read)).await;
        ended.expect("it is answered").unwrap();
        assert!(read.contains(expected), "{read}");
    };
    let json = "POST /v1/features HTTP/1.1\r\ncontent-type: application/json";
    check(json, "\"code\":\"deadline_exceeded\"").await;
    check(&format!("{json}\r\nasof-timeout-ms: 20"), "not answered within 20ms").await;
    let rpc = "POST /asof.serving.v1.ServingService/GetFeatures HTTP/1.1\r\ncontent-type: application/grpc";
    check(&format!("{rpc}\r\ngrpc-timeout: 20m"), "grpc-status: 4").await;
    check(rpc, "grpc-message: the%20call%20was%20not%20answered%20within%20100ms").await;
}
