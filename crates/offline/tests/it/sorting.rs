//! Data files are sorted by (cluster columns, timestamp, number), also where the rows do not fit into memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;

use crate::world::{World, committed, query};

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sorted_with_little_memory() {
    let mut world = World::new().await;
    world.dataset.cluster_by = vec!["carrier".into()];
    world.memory_limit = 1;
    let rows = 120_000;
    let mut csv = String::from("ts,carrier,filler\n");
    for i in 0..rows {
        let (second, carrier) = ((i * 7919) % 86_400, (i * 31) % 17);
        let time = format!("2013-01-01T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
        csv += &format!("{time},C{carrier},{:0>64}\n", i * 104_729);
    }
    committed(world.ingest_file("a.csv", csv).await);
    let snapshot = world.snapshot().await.unwrap();
    assert_eq!((snapshot.rows, snapshot.files.len()), (rows, 1));
    let file = std::fs::File::open(world.table().join(&snapshot.files[0].path)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let column = reader.metadata().row_group(0).column(0);
    assert_eq!(column.compression(), Compression::LZ4_RAW);
    let mut last = (String::new(), i64::MIN, i64::MIN);
    let mut sum = 0;
    for batch in reader.build().unwrap() {
        use arrow::array::AsArray as _;
        use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
        let batch = batch.unwrap();
        let (ts, seq) =
            (batch["ts"].as_primitive::<TimestampMicrosecondType>(), batch["_seq"].as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let next = (batch["carrier"].as_string::<i32>().value(row).to_owned(), ts.value(row), seq.value(row));
            assert!(last < next, "{last:?} {next:?}");
            sum += next.2;
            last = next;
        }
    }
    assert_eq!(sum, (rows * (rows + 1) / 2) as i64);
    let counted = query(&snapshot, "SELECT count(*), count(distinct filler) FROM d WHERE carrier >= 'C0'").await;
    assert_eq!(counted, [format!("{rows} {rows}")]);
}

/// A producer may put everything into one batch; what is sorted is counted in small pieces all the same.
#[tokio::test(flavor = "multi_thread")]
async fn one_large_batch_of_arrow_needs_no_more_memory() {
    let mut world = World::new().await;
    world.memory_limit = 1;
    let rows: i64 = 60_000;
    let ts = TimestampMicrosecondArray::from_iter_values((0..rows).rev());
    let texts = StringArray::from_iter_values((0..rows).map(|i| format!("{:0>200}", i * 104_729)));
    let batch = RecordBatch::try_from_iter([("ts", Arc::new(ts) as ArrayRef), ("s", Arc::new(texts))]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    committed(world.ingest_file("a.arrows", writer.into_inner().unwrap()).await);
    let rows = query(&world.snapshot().await.unwrap(), "SELECT count(*), min(_seq), max(_seq) FROM d").await;
    assert_eq!(rows, ["60000 1 60000"]);
}
