//! Rows in error, and replies without names and types, over gRPC.

use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Column, Doubles, Int64s, Strings};
use asof_proto::error::v1::Errors;
use asof_proto::serving::v1::{DescribeRequest, GetFeaturesRequest, GetFeaturesResponse, Status};
use prost::Message;
use tonic::Code;

use crate::fixture::{Fixture, codes};
use crate::json::{AT, served};

fn column(name: &str, r#type: &str, values: Values) -> Column {
    Column { name: name.into(), r#type: r#type.into(), values: Some(values), ..Column::default() }
}

fn ints(values: &[i64]) -> Values {
    Values::Int64s(Int64s { values: values.into() })
}

pub(crate) fn texts(values: &[&str]) -> Values {
    Values::Strings(Strings { values: values.iter().map(|v| (*v).to_owned()).collect() })
}

/// A request for what cannot be computed where `parts` is 0.
pub(crate) fn shares(parts: Column) -> GetFeaturesRequest {
    let Some(Values::Int64s(ints)) = &parts.values else { panic!("integers") };
    let origins = texts(&vec!["JFK"; ints.values.len()]);
    GetFeaturesRequest {
        service: "shares".into(),
        columns: vec![column("origin", "", origins), parts],
        at: Some(AT),
        ..GetFeaturesRequest::default()
    }
}

pub(crate) fn parts(values: &[i64]) -> Column {
    column("parts", "", ints(values))
}

async fn get(fixture: &Fixture, request: GetFeaturesRequest) -> Result<GetFeaturesResponse, tonic::Status> {
    fixture.serving().get_features(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_fails_the_whole_and_is_named() {
    let (fixture, _) = served().await;
    let check = async |parts: Column, code: &str, says: &str| {
        let status = get(&fixture, shares(parts)).await.unwrap_err();
        assert_eq!(codes(&status), (Code::InvalidArgument, code.into()));
        assert!(status.message().starts_with(says), "{}", status.message());
    };
    check(parts(&[1, 2, 4, 0, 5, 0]), "cannot_compute", "row 3: a value cannot be computed").await;
    check(parts(&[0]), "cannot_compute", "row 0: ").await;
    let narrow = column("parts", "TINYINT", ints(&[1, 300]));
    check(narrow, "invalid_column", "row 1: column `parts` has 300, which no TINYINT holds").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_beyond_the_declared_type_names_its_row() {
    let (fixture, _) = served().await;
    let columns = ["flag", "single", "twice", "exact", "word", "raw", "day", "moment", "items"];
    let nulls = columns.map(|name| column(name, "", Values::Nulls(asof_proto::column::v1::Nulls { count: 2 })));
    let mut columns = vec![
        column("origin", "", texts(&["JFK", "JFK"])),
        column("tiny", "", ints(&[127, 128])),
        column("big", "", ints(&[1, 2])),
    ];
    columns.extend(nulls);
    let request = GetFeaturesRequest { service: "echo".into(), columns, at: Some(AT), ..GetFeaturesRequest::default() };
    let status = get(&fixture, request.clone()).await.unwrap_err();
    assert_eq!(codes(&status), (Code::InvalidArgument, "wrong_type".into()));
    assert_eq!(status.message(), "row 1: `tiny` must be TINYINT, which 128 is not");

    let reply = get(&fixture, GetFeaturesRequest { row_errors: true, ..request }).await.unwrap();
    let big = reply.features.iter().find(|f| f.values.as_ref().is_some_and(|v| v.name == "big_")).unwrap();
    assert_eq!(big.statuses, [Status::Present as u8, Status::Failed as u8]);
    assert_eq!(reply.errors[0].row, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_answered_apart_where_asked_for() {
    let (fixture, _) = served().await;
    // Every other row is bad, in one batch larger than a few halvings.
    let values: Vec<i64> = (0..999).map(|row| if row % 2 == 0 { 1 + row } else { 0 }).collect();
    let alone = values.iter().map(|parts| if *parts == 0 { None } else { Some(100 / parts) });
    let request = GetFeaturesRequest { row_errors: true, ..shares(parts(&values)) };
    let reply = get(&fixture, request).await.unwrap();
    let [temp, share] = reply.features.as_slice() else { panic!("two features") };
    let column = share.values.as_ref().unwrap();
    let Some(Values::Int64s(found)) = &column.values else { panic!("integers") };
    let is_valid = |row: usize| column.validity[row / 8] >> (row % 8) & 1 == 1;
    let found: Vec<_> = found.values.iter().enumerate().map(|(row, v)| is_valid(row).then_some(*v)).collect();
    assert_eq!(found, alone.clone().collect::<Vec<_>>());
    let status = |value: Option<i64>| if value.is_some() { Status::Present as u8 } else { Status::Failed as u8 };
    let statuses: Vec<_> = alone.map(status).collect();
    assert_eq!((&share.statuses, &temp.statuses), (&statuses, &statuses));
    let rows: Vec<_> = reply.errors.iter().map(|e| e.row).collect();
    assert_eq!(rows, (1..999).step_by(2).collect::<Vec<_>>());
    let error = reply.errors[0].error.as_ref().unwrap();
    assert_eq!(error.code, "cannot_compute");
    assert!(error.message.starts_with("row 1: ") && !error.remedy.is_empty(), "{error:?}");

    // What is wrong with the request as a whole still fails it.
    let mut request = GetFeaturesRequest { row_errors: true, ..shares(parts(&[1])) };
    request.columns.pop();
    assert_eq!(codes(&get(&fixture, request).await.unwrap_err()).1, "missing_column");
    // And nothing else changes.
    let plain = get(&fixture, shares(parts(&[1, 2]))).await.unwrap();
    let apart = get(&fixture, GetFeaturesRequest { row_errors: true, ..shares(parts(&[1, 2])) }).await.unwrap();
    assert_eq!(plain, apart);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_types_may_be_left_out_of_a_pinned_versions_reply() {
    let (fixture, _) = served().await;
    let describe = DescribeRequest { service: "shares@1".into(), ..DescribeRequest::default() };
    let described = fixture.serving().describe(describe).await.unwrap().into_inner();
    let ask = async |service: &str, omit_schema: bool| {
        let request = GetFeaturesRequest { service: service.into(), omit_schema, ..shares(parts(&[4])) };
        get(&fixture, GetFeaturesRequest { event_times: true, ..request }).await
    };
    let digest = format!("shares@{}", &described.service.as_ref().unwrap().digest[..20]);
    for service in ["shares@1", &digest] {
        let full = ask(service, false).await.unwrap();
        let mut bare = ask(service, true).await.unwrap();
        assert_eq!(bare.service, described.service);
        assert!(bare.encoded_len() < full.encoded_len());
        let columns = bare.features.iter_mut().filter_map(|f| f.values.as_mut());
        for (column, known) in columns.zip(&described.features) {
            assert_eq!((column.name.as_str(), column.r#type.as_str()), ("", ""));
            (column.name, column.r#type) = (known.name.clone(), known.r#type.clone());
        }
        let times = bare.views[0].event_times.as_mut().unwrap();
        (times.name, times.r#type) = ("event_time".into(), "TIMESTAMP".into());
        assert_eq!(bare, full);
    }
    for service in ["shares", "shares@dev", "shares@latest"] {
        let status = ask(service, true).await.unwrap_err();
        assert_eq!(codes(&status), (Code::InvalidArgument, "not_pinned".into()));
        let errors = Errors::decode(status.details()).unwrap().errors;
        assert_eq!(errors[0].remedy, "ask for a version, as shares@3, or leave omit_schema out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_of_a_bad_row_is_null_even_if_it_is_a_constant() {
    let (fixture, _) = served().await;
    let constant = "CREATE FEATURE SERVICE constant REQUEST (parts BIGINT, distance DOUBLE)
        AS SELECT 1 AS one, 100 / parts AS share, distance AS far FROM airport_weather;";
    fixture.apply(constant).await.unwrap();
    let mut request = GetFeaturesRequest { row_errors: true, service: "constant".into(), ..shares(parts(&[0, 5])) };
    request.columns.push(column("distance", "", Values::Doubles(Doubles { values: vec![1.0, 2.0] })));
    let reply = get(&fixture, request).await.unwrap();
    for feature in &reply.features {
        assert_eq!(feature.statuses, [Status::Failed as u8, Status::Present as u8]);
        assert_eq!(feature.values.as_ref().unwrap().validity, [0b10]);
    }
}
