//! Bad input: what the user reads, word for word.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;

use crate::flights::{DEFINITIONS, Flights, LATER, ingested, project};
use crate::project::{Project, said};

/// A project of the usual definitions, applied, with the usual data.
fn ready() -> Project {
    ingested(&Flights::generate(20))
}

/// The usual definitions with one change refused when applied: what it says, and that nothing was applied.
fn refused_definition(from: &str, to: &str) -> String {
    let project = project(&Flights::generate(5));
    assert!(DEFINITIONS.contains(from), "{from}");
    project.write("flights.sql", DEFINITIONS.replacen(from, to, 1));
    let planned = project.refused(1, &["plan"]);
    assert_eq!(project.refused(1, &["apply"]), planned, "plan and apply say the same");
    assert_eq!(project.json(&["ls"]).as_array().unwrap().len(), 0, "all or nothing");
    planned
}

#[test]
fn an_unknown_column_is_shown_at_its_place() {
    said(
        "unknown_column",
        refused_definition("observed_at, temp, wind_speed FROM", "observed_at, tmp, wind_speed FROM"),
    );
}

#[test]
fn a_key_of_another_type_is_shown_at_its_place() {
    said("wrong_type", refused_definition("KEY (tailnum VARCHAR)", "KEY (tailnum BIGINT)"));
}

#[test]
fn a_cycle_between_views_is_shown_whole() {
    let cycle = "\
CREATE FEATURE VIEW a ENTITY plane TIMESTAMP arrived_at AS SELECT tailnum, arrived_at, x FROM b;
CREATE FEATURE VIEW b ENTITY plane TIMESTAMP arrived_at AS SELECT tailnum, arrived_at, x FROM a;
CREATE FEATURE SERVICE";
    said("cycle", refused_definition("CREATE FEATURE SERVICE", cycle));
}

#[test]
fn an_unknown_reference_suggests_the_nearest() {
    said("unknown_reference_in_a_definition", refused_definition("plane_history;", "plane_histroy;"));
    let project = ready();
    said("unknown_reference", project.refused(1, &["show", "plane_histroy"]));
    said("unknown_version", project.refused(1, &["get", "departure_delay@7", "origin=JFK"]));
    said("not_a_reference", project.refused(1, &["show", "a@b@c"]));
}

#[test]
fn a_version_of_another_kind_says_what_it_is() {
    let project = ready();
    said("wrong_kind", project.refused(1, &["get", "plane_history@1", "tailnum=N1"]));
    said("wrong_kind_of_training_set", project.refused(1, &["train", "departure_delay"]));
    said("wrong_kind_in_a_definition", refused_definition("FEATURES departure_delay", "FEATURES plane_history"));
}

/// What ingesting a file says, and that the dataset is as it was.
fn refused_file(name: &str, content: &[u8]) -> String {
    let project = ready();
    project.write(name, content);
    let before = project.json(&["show", "flights"])["snapshot"].clone();
    let text = project.refused(1, &["ingest", "flights", name]);
    assert_eq!(project.json(&["show", "flights"])["snapshot"], before, "nothing is committed");
    let newest = &project.json(&["log", "--limit", "1"])[0];
    assert_eq!((newest["verb"].as_str(), newest["state"].as_str()), (Some("ingest"), Some("failed")));
    text
}

#[test]
fn a_csv_row_with_too_few_fields_is_named() {
    let csv = format!("{}99,UA,N1\n", Flights::generate(3).csv(0..3));
    said("too_few_fields", refused_file("short.csv", csv.as_bytes()));
}

#[test]
fn a_value_of_another_type_is_named_with_row_and_column() {
    let csv = Flights::generate(3).csv(0..3).replacen("\n2,", "\ntwo,", 1);
    said("wrong_type_in_csv", refused_file("typed.csv", csv.as_bytes()));
}

#[test]
fn a_row_that_fails_a_check_is_named() {
    let csv = "flight_id,carrier,tailnum,origin,distance,sched_dep,arrived_at,arr_delay\n7,UA,N1,JFK,100,2013-01-01,2013-01-01,-500\n";
    said("check_failed", refused_file("insane.csv", csv.as_bytes()));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let project = ready();
    said("no_such_file", project.refused(1, &["ingest", "flights", "nowhere.csv"]));
    said("no_such_definitions", project.refused(1, &["plan", "nowhere"]));
}

#[test]
fn parquet_that_is_damaged_is_refused() {
    said("not_parquet", refused_file("not.parquet", b"PAR1 this is not Parquet"));
    let whole = parquet();
    said("truncated_parquet", refused_file("half.parquet", &whole[..whole.len() / 2]));
}

/// One flight as a Parquet file.
fn parquet() -> Vec<u8> {
    let text = |text: &str| Arc::new(StringArray::from(vec![text; 500])) as ArrayRef;
    let moment = || Arc::new(TimestampMicrosecondArray::from(vec![0; 500]).with_timezone("UTC")) as ArrayRef;
    let number = || Arc::new(Float64Array::from(vec![1.0; 500])) as ArrayRef;
    let columns = [
        ("flight_id", Arc::new(Int64Array::from((0..500).collect::<Vec<_>>())) as ArrayRef),
        ("carrier", text("UA")),
        ("tailnum", text("N1")),
        ("origin", text("JFK")),
        ("distance", number()),
        ("sched_dep", moment()),
        ("arrived_at", moment()),
        ("arr_delay", number()),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_request_that_does_not_fit_the_service_says_what_it_takes() {
    let project = ready();
    said("not_materialized", project.refused(1, &["get", "departure_delay", "origin=JFK", "tailnum=N1", "distance=1"]));
    project.done(&["materialize", "--at", LATER]);
    let get = |pairs: &[&str]| project.refused(1, &[&["get", "departure_delay"], pairs].concat());
    said("missing_key", get(&["origin=JFK", "distance=1"]));
    said("missing_parameter", get(&["origin=JFK", "tailnum=N1"]));
    said("unknown_key", get(&["orgin=JFK", "tailnum=N1", "distance=1"]));
    said("not_a_double", get(&["origin=JFK", "tailnum=N1", "distance=abc"]));
    said("before_what_is_held", get(&["origin=JFK", "tailnum=N1", "distance=1", "--at", "2013-01-01"]));
}

#[test]
fn what_needs_data_says_so_first() {
    let project = project(&Flights::generate(5));
    project.done(&["apply"]);
    said("nothing_ingested", project.refused(1, &["train", "delays"]));
    said("not_built", project.refused(1, &["rebuild", "delays@1", "--check"]));
}

#[test]
fn a_configuration_that_is_wrong_is_named() {
    let project = Project::new();
    said("no_configuration", project.refused(1, &["ls", "--config", "other.toml"]));
    project.write("asof.toml", "[project]\nnmae = \"x\"\n");
    said("unknown_setting", project.refused(1, &["ls"]));
    let empty = Project::new();
    said("no_definitions", empty.refused(1, &["plan"]));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let text = Project::new().refused(1, &["ls", "--server", "http://127.0.0.1:1"]);
    said("unreachable_server", text);
}
