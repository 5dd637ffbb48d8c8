//! What is refused, and that the reason arrives whole.

use std::time::Duration;

use asof_proto::column::v1::Column;
use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Int64s, Nulls, Strings};
use asof_proto::error::v1::Errors;
use asof_proto::jobs::v1::TrainRequest;
use asof_proto::object::v1::Scope;
use asof_proto::registry::v1::{ListRequest, ShowRequest};
use asof_proto::serving::v1::GetFeaturesRequest;
use asof_server::open;
use prost::Message;
use tonic::Code;

use crate::fixture::{Fixture, codes, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_file_arrives_with_its_place() {
    let fixture = Fixture::new().await;
    let text = "CREATE ENTITY airport KEY (origin VARCHAR);\nCREATE FEATURE VIEW v ENTITY airprt TIMESTAMP t AS SELECT 1 AS a;";
    let status = fixture.apply(text).await.unwrap_err();
    let errors = Errors::decode(status.details()).unwrap().errors;
    let place = errors[0].place.as_ref().unwrap();
    assert_eq!((place.file.as_str(), place.line), ("definitions.sql", 2));
    assert!(place.text.starts_with("CREATE FEATURE VIEW v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_stable_codes() {
    let fixture = Fixture::filled().await;
    let show = |reference: &str| ShowRequest { scope: None, reference: reference.into() };
    let status = fixture.registry().show(show("wether")).await.unwrap_err();
    assert_eq!(codes(&status), (Code::NotFound, "unknown_name".into()));
    let status = fixture.registry().show(show("not a reference")).await.unwrap_err();
    assert_eq!(codes(&status), (Code::InvalidArgument, "invalid_reference".into()));

    let scope = Some(Scope { environment: "production".into(), ..Scope::default() });
    let status = fixture.registry().list(ListRequest { scope, ..ListRequest::default() }).await.unwrap_err();
    assert_eq!(codes(&status), (Code::NotFound, "unknown_environment".into()));
    let status = fixture.registry().list(ListRequest { kind: 77, ..ListRequest::default() }).await.unwrap_err();
    assert_eq!(codes(&status), (Code::InvalidArgument, "invalid_request".into()));

    let get = |values| {
        let columns = vec![Column { name: "origin".into(), values: Some(values), ..Column::default() }];
        GetFeaturesRequest { service: "departure_delay".into(), columns, ..GetFeaturesRequest::default() }
    };
    let check = async |values, expected: (Code, &str)| {
        let status = fixture.serving().get_features(get(values)).await.unwrap_err();
        assert_eq!(codes(&status), (expected.0, expected.1.into()));
    };
    check(Values::Nulls(Nulls { count: u32::MAX }), (Code::InvalidArgument, "too_many_entities")).await;
    check(Values::Int64s(Int64s { values: vec![1] }), (Code::InvalidArgument, "wrong_type")).await;
    check(Values::Strings(Strings { values: vec!["JFK".into()] }), (Code::InvalidArgument, "missing_column")).await;

    let status = fixture.upload("weather", "bad.csv", "origin,time_hour,temp\nJFK,2013-01-01T10:00:00Z,warm\n").await;
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    // The file is called as its sender called it, not as the server did.
    assert!(status.message().contains("bad.csv") && !status.message().contains("tmp"), "{}", status.message());
    assert!(fixture.holds_no_uploads(), "uploads stay behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_open_in_one_place() {
    let fixture = Fixture::new().await;
    let error = open(&config(fixture.folder.path()), "train", Duration::from_millis(120)).await.err().unwrap();
    let holder = format!("is held by process {} (asof test)", std::process::id());
    assert_eq!(error.code(), "store_held");
    assert!(error.message().contains(&holder), "{error}");
    let Fixture { folder, opened, channel, .. } = fixture;
    drop((channel, opened));
    // The embedded server holds the engine until it has seen that nobody is connected any more.
    let reopened = async {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            match open(&config(folder.path()), "train", Duration::ZERO).await {
                Err(error) if error.code() == "store_held" => {}
                opened => return opened.map(drop),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reopened).await.expect("it is let go").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_memory_has_its_code() {
    let fixture = Fixture::with(|config| config.offline.memory = 1).await;
    fixture.fill().await;
    let request = TrainRequest { name: "delays".into(), ..TrainRequest::default() };
    let mut events = fixture.jobs().train(request).await.unwrap().into_inner();
    let status = loop {
        match events.message().await {
            Ok(event) => assert!(event.is_some(), "the run was done with one byte of memory"),
            Err(status) => break status,
        }
    };
    assert_eq!(codes(&status), (Code::FailedPrecondition, "out_of_memory".into()));
    assert!(status.message().starts_with("not enough memory: offline work may take 1 B of memory"), "{status}");
}
