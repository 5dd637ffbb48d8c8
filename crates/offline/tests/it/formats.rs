//! Every format, plain, gzipped and zipped, by name and by content, gives the same rows.

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use asof_offline::{Format, Ingested, Quiet};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;

use crate::world::{World, committed};

const CSV: &str = "ts,n,x,s\n2013-01-01T05:00:00Z,1,0.5,a\n2013-01-02 00:00,2,,\"b,\"\"c\"\"\"\n";
const JSON: &str = "{\"ts\":\"2013-01-01T05:00:00Z\",\"n\":1,\"x\":0.5,\"s\":\"a\"}\n\n{\"n\":2,\"ts\":\"2013-01-02\",\"s\":\"b,\\\"c\\\"\",\"x\":null}";
const EXPECTED: [&str; 2] = ["2013-01-01T05:00:00Z 1 0.5 a 1", "2013-01-02T00:00:00Z 2 - b,\"c\" 2"];

fn batch() -> RecordBatch {
    let ts = TimestampMicrosecondArray::from(vec![1_357_016_400_000_000, 1_357_084_800_000_000]);
    RecordBatch::try_from_iter([
        ("ts", Arc::new(ts) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![1, 2]))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("s", Arc::new(StringArray::from(vec!["a", "b,\"c\""]))),
    ])
    .unwrap()
}

fn parquet() -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch().schema(), None).unwrap();
    writer.write(&batch()).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_file() -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream() -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

async fn check(name: &str, bytes: &[u8]) {
    let world = World::new().await;
    committed(world.ingest_file(name, bytes).await);
    assert_eq!(world.rows().await, EXPECTED, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_and_compression() {
    let formats: [(&str, Vec<u8>); 5] = [
        ("csv", CSV.into()),
        ("jsonl", JSON.into()),
        ("parquet", parquet()),
        ("arrow", arrow_file()),
        ("arrows", arrow_stream()),
    ];
    for (extension, bytes) in &formats {
        check(&format!("a.{extension}"), bytes).await;
        check(&format!("a.{extension}.gz"), &gzip(bytes)).await;
        check("a.zip", &zip(&[(&format!("inner/a.{extension}"), bytes), ("README.md", b"read me")])).await;
        check("unnamed", bytes).await;
        check("unnamed_too", &gzip(bytes)).await;
    }
    check("a.tsv", CSV.replace("b,\"\"c\"\"", "b;\"\"c\"\"").replace(',', "\t").replace(';', ",").as_bytes()).await;
    check("a.zip", &zip(&[("a.csv.gz", &gzip(CSV.as_bytes()))])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_several_files_is_read_in_its_order() {
    let world = World::new().await;
    let archive = zip(&[
        ("b.csv", b"ts,n\n2013-01-01,1\n"),
        ("__MACOSX/b.csv", b"junk"),
        ("a.jsonl", b"{\"ts\":\"2013-01-02\",\"n\":2}"),
    ]);
    committed(world.ingest_file("all.zip", archive).await);
    assert_eq!(world.rows().await, ["2013-01-01T00:00:00Z 1 1", "2013-01-02T00:00:00Z 2 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn globs_are_expanded_in_the_order_of_names_and_urls_are_read() {
    let world = World::new().await;
    world.file("g2.csv", "ts,n\n2013-01-02,2\n");
    world.file("g1.csv", "ts,n\n2013-01-01,1\n");
    let three = world.file("three.csv", "ts,n\n2013-01-03,3\n");
    let glob = world.path("g*.csv");
    let ingested = world.ingest(&[glob.to_str().unwrap(), &format!("file://{three}")]).await.unwrap();
    assert_eq!(
        world.rows().await,
        ["2013-01-01T00:00:00Z 1 1", "2013-01-02T00:00:00Z 2 2", "2013-01-03T00:00:00Z 3 3"]
    );
    let Ingested::Committed { files, rows: 3, .. } = ingested else { panic!("{ingested:?}") };
    let ends: Vec<_> = files.iter().map(|f| (f.url.rsplit('/').next().unwrap(), f.rows)).collect();
    assert_eq!(ends, [("g1.csv", 1), ("g2.csv", 1), ("three.csv", 1)]);
    assert!(files[0].url.starts_with("file:///"), "{}", files[0].url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_may_be_said() {
    let mut world = World::new().await;
    world.options.format = Some(Format::Csv);
    committed(world.ingest_file("data.parquet", CSV).await);
    assert_eq!(world.rows().await, EXPECTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_fill_the_columns_that_files_lack() {
    let mut world = World::new().await;
    world.options.set = [("ts".to_owned(), "2013-01-01".to_owned()), ("year".to_owned(), "2013".to_owned())].into();
    committed(world.ingest_file("planes.csv", "tail\nN1\nN2\n").await);
    assert_eq!(world.rows().await, ["N1 2013-01-01T00:00:00Z 2013 1", "N2 2013-01-01T00:00:00Z 2013 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_are_what_the_caller_says() {
    let mut world = World::new().await;
    world.options.null = vec!["NA".into()];
    committed(world.ingest_file("a.csv", "ts,n,s\n2013-01-01,NA,\"NA\"\n2013-01-02,2,\"\"\n").await);
    assert_eq!(world.rows().await, ["2013-01-01T00:00:00Z - NA 1", "2013-01-02T00:00:00Z 2  2"]);
}

/// A store that is not on this machine: parts are staged and uploaded, plans find the store by its URL.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_is_as_good_as_a_folder() {
    let mut world = World::new().await;
    world.store = asof_offline::Store::open("memory:///root").await.unwrap();
    committed(world.ingest_file("a.csv", CSV).await);
    committed(world.ingest_file("b.csv", "ts,n\n2013-01-03,3\n").await);
    assert_eq!(world.rows().await[2], "2013-01-03T00:00:00Z 3 - - 3");
    world.snapshot().await.unwrap().verify_files(&Quiet).await.unwrap();
    let again = world.ingest(&[world.path("a.csv").to_str().unwrap()]).await.unwrap();
    assert!(matches!(again, Ingested::Unchanged { .. }), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_rows_is_a_snapshot_without_new_rows() {
    let mut world = World::new().await;
    world.declare("ts TIMESTAMP; n BIGINT");
    committed(world.ingest_file("a.csv", "ts,n\n").await);
    assert!(world.rows().await.is_empty());
    committed(world.ingest_file("b.csv", "ts,n\n2013-01-01,1\n").await);
    assert_eq!(world.rows().await, ["2013-01-01T00:00:00Z 1 1"]);
}
