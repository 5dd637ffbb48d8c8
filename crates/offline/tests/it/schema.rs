//! Which columns a dataset has, and how files that differ are read.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, TimestampNanosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use asof_model::SnapshotNumber;
use asof_offline::Ingested;
use parquet::arrow::ArrowWriter;

use crate::world::{World, columns, committed, name, query};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_ingest_fixes_the_types_and_later_ones_add_columns() {
    let world = World::new().await;
    assert!(world.snapshot().await.is_none());
    committed(world.ingest_file("a.csv", "ts,n,x\n2013-01-01,1,2\n2013-01-02,2,2.5\n").await);
    assert_eq!(world.snapshot().await.unwrap().columns, columns("ts TIMESTAMP; n BIGINT; x DOUBLE"));
    // `1` would be a BIGINT on its own, `007` a VARCHAR.
    let ingested = world.ingest_file("b.csv", "n,ts,x,code\n3,2013-01-03,1,007\n").await.unwrap();
    let Ingested::Committed { added_columns, .. } = ingested else { panic!("{ingested:?}") };
    assert_eq!(added_columns, columns("code VARCHAR").0);
    committed(world.ingest_file("c.csv", "ts,n\n2013-01-04,4\n").await);
    let snapshot = world.snapshot().await.unwrap();
    assert_eq!(snapshot.columns, columns("ts TIMESTAMP; n BIGINT; x DOUBLE; code VARCHAR"));
    assert_eq!(
        query(&snapshot, "SELECT n, x, code, _seq FROM d ORDER BY _seq").await,
        ["1 2.0 - 1", "2 2.5 - 2", "3 1.0 007 3", "4 - - 4"]
    );
    // The snapshots before are as they were.
    let first = world.store.snapshot(&name("p"), &name("d"), Some(SnapshotNumber(0))).await.unwrap().unwrap();
    assert_eq!((first.columns.clone(), first.rows), (columns("ts TIMESTAMP; n BIGINT; x DOUBLE"), 2));
    assert_eq!(query(&first, "SELECT n FROM d ORDER BY n").await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_has_exactly_the_normal_types() {
    let mut world = World::new().await;
    world.declare("ts TIMESTAMP; s VARCHAR; l BIGINT[]; m DECIMAL(10,2); d DATE; b BOOLEAN NOT NULL; t TINYINT");
    let line = r#"{"ts":"2013-01-01T00:00:00Z","s":"a","l":[1,null],"m":1.25,"d":"2013-01-01","b":true,"t":1}"#;
    committed(world.ingest_file("a.jsonl", line).await);
    let snapshot = world.snapshot().await.unwrap();
    assert_eq!(Some(&snapshot.columns), world.dataset.columns.as_ref());
    let provider = snapshot.provider().unwrap();
    let mut expected: Vec<_> = snapshot.columns.to_arrow().fields().iter().cloned().collect();
    expected.push(Arc::new(arrow::datatypes::Field::new("_seq", DataType::Int64, false)));
    assert_eq!(provider.schema().fields().iter().cloned().collect::<Vec<_>>(), expected);
    // And so have the batches.
    let context = datafusion::prelude::SessionContext::new();
    let batches = context.read_table(provider).unwrap().collect().await.unwrap();
    let types =
        |schema: &arrow::datatypes::Schema| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
    assert_eq!(types(&batches[0].schema()), types(&arrow::datatypes::Schema::new(expected)));
    assert_eq!(world.rows().await, ["2013-01-01T00:00:00Z a [1, ] 1.25 2013-01-01 true 1 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_declared_later_is_added() {
    let mut world = World::new().await;
    world.declare("ts TIMESTAMP; n BIGINT");
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    world.declare("ts TIMESTAMP; n BIGINT; x DOUBLE");
    committed(world.ingest_file("b.csv", "ts,n\n2013-01-02,2\n").await);
    committed(world.ingest_file("c.csv", "ts,n,x\n2013-01-03,3,0.5\n").await);
    assert_eq!(world.snapshot().await.unwrap().columns, columns("ts TIMESTAMP; n BIGINT; x DOUBLE"));
    let rows = query(&world.snapshot().await.unwrap(), "SELECT n, x FROM d WHERE n > 1 ORDER BY n").await;
    assert_eq!(rows, ["2 -", "3 0.5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_times_and_narrow_numbers_become_the_dataset_s() {
    let world = World::new().await;
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    let nanos = TimestampNanosecondArray::from(vec![-1, 2000]);
    let batch = RecordBatch::try_from_iter([
        ("n", Arc::new(Int32Array::from(vec![2, 3])) as ArrayRef),
        ("ts", Arc::new(nanos)),
    ])
    .unwrap();
    assert_eq!(batch.schema().field(1).data_type(), &DataType::Timestamp(TimeUnit::Nanosecond, None));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let ingested = world.ingest_file("b.parquet", writer.into_inner().unwrap()).await.unwrap();
    assert!(matches!(ingested, Ingested::Committed { lost_precision: 1, rows: 2, .. }), "{ingested:?}");
    let rows = world.rows().await;
    assert_eq!(rows[1..], ["1969-12-31T23:59:59.999999Z 2 2", "1970-01-01T00:00:00.000002Z 3 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_names_are_kept() {
    let world = World::new().await;
    committed(world.ingest_file("a.csv", "ts,Flight No,größe\n2013-01-01,7,2.5\n").await);
    let snapshot = world.snapshot().await.unwrap();
    assert_eq!(query(&snapshot, r#"SELECT "Flight No", "größe" FROM d"#).await, ["7 2.5"]);
}
