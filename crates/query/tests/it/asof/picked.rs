//! Features that are picked from the pages of their columns, against the same rows in memory.

use std::sync::Arc;

use asof_query::asof::{KnownMoment, ViewSide, asof_join};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlan;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::files::{Files, with_files, written};
use super::{Ask, Cut, batch, collect, session, spine_rows, table};

/// How a file is written.
#[derive(Clone, Copy, Debug)]
struct Written {
    files: Files,
    second_version: bool,
    dictionary: bool,
    page_index: bool,
    compression: Compression,
}

fn how() -> impl Strategy<Value = Written> {
    let compression = prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::LZ4_RAW),
        Just(Compression::ZSTD(ZstdLevel::default()))
    ];
    let sizes = (1..500usize, 1..300usize, 1..70usize);
    (sizes, any::<bool>(), any::<bool>(), any::<bool>(), compression).prop_map(
        |((rows_per_file, rows_per_group, rows_per_page), second_version, dictionary, page_index, compression)| {
            Written {
                files: Files { rows_per_file, rows_per_group, rows_per_page },
                second_version,
                dictionary,
                page_index,
                compression,
            }
        },
    )
}

fn properties(how: Written) -> WriterProperties {
    let version = if how.second_version { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let statistics = if how.page_index { EnabledStatistics::Page } else { EnabledStatistics::None };
    WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(how.dictionary)
        .set_compression(how.compression)
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(!how.page_index)
        .set_max_row_group_row_count(Some(how.files.rows_per_group))
        .set_data_page_row_count_limit(how.files.rows_per_page)
        .set_write_batch_size(how.files.rows_per_page)
        .build()
}

/// A column of every type that is picked, and two that the engine reads.
fn rows(values: &[(i64, i64, Option<i32>)]) -> RecordBatch {
    let all = || values.iter().map(|(_, _, value)| *value);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new(Int64Array::from_iter_values(values.iter().map(|(key, _, _)| *key)))),
        ("ts", Arc::new(TimestampMicrosecondArray::from_iter_values(values.iter().map(|(_, ts, _)| *ts)))),
        ("double", Arc::new(all().map(|v| v.map(|v| f64::from(v) / 7.0)).collect::<Float64Array>())),
        ("text", Arc::new(all().map(|v| v.map(|v| format!("{v}"))).collect::<StringArray>())),
        ("single", Arc::new(all().map(|v| v.map(|v| v as f32 / 3.0)).collect::<Float32Array>())),
        ("long", Arc::new(all().map(|v| v.map(|v| i64::from(v) << 20)).collect::<Int64Array>())),
        ("int", Arc::new(all().collect::<Int32Array>())),
        ("yes", Arc::new(all().map(|v| v.map(|v| v % 2 == 0)).collect::<BooleanArray>())),
        ("day", Arc::new(all().collect::<Date32Array>())),
        (
            "moment",
            Arc::new(all().map(|v| v.map(i64::from)).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        ),
        ("never", Arc::new(Float64Array::from(vec![None; values.len()]))),
        ("always", Arc::new(Float64Array::from_iter_values(values.iter().map(|(_, ts, _)| *ts as f64)))),
    ];
    batch(columns)
}

fn side_of(plan: LogicalPlan) -> ViewSide {
    let column = |name: &str| Column::from_name(name);
    let features = ["double", "text", "single", "long", "int", "yes", "day", "moment", "never", "always"];
    ViewSide {
        alias: "v".to_owned(),
        plan,
        on: vec![(column("number"), column("number"))],
        timestamp: column("ts"),
        known: None,
        superseded: None,
        seq: None,
        unique: true,
        ttl: None,
        features: features.map(column).to_vec(),
        windows: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_picked_is_what_was_written(
        values in proptest::collection::btree_map((0..4i64, 0..400i64), proptest::option::weighted(0.8, -50..50i32), 1..600),
        asks in proptest::collection::vec((0..5i64, -5..405i64), 1..60),
        how in how(),
        by_time in any::<bool>(),
        partitions in 1..=4usize,
    ) {
        let mut values: Vec<_> = values.into_iter().map(|((key, ts), value)| (key, ts, value)).collect();
        if by_time {
            values.sort_by_key(|(_, ts, _)| *ts);
        }
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key: (None, Some(key)), t }).collect();
        let cut = Cut { rows_per_batch: 64, partitions, batch_size: 64, refused: None };
        let join = |session, plan| {
            let spine = table("spine", spine_rows(&asks), Cut { partitions: 1, ..cut });
            let plan = asof_join(spine, Column::from_name("t"), vec![side_of(plan)], KnownMoment::EventTime);
            collect(session, plan.expect("a join")).expect("the join runs")
        };
        let kept = join(session(cut), table("facts", rows(&values), cut));
        let picked = join(with_files(cut), written(&rows(&values), how.files, properties(how)));
        prop_assert_eq!(picked, kept);
    }
}
