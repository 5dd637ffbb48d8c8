//! What the join refuses, how it is planned, and what it takes.

use std::sync::Arc;

use asof_model::Error;
use asof_query::asof::{KnownMoment, ViewSide, asof_join};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, UInt8Type, UInt32Type};
use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col, lit};

use super::memory::limited;
use super::{Ask, Cut, Fact, PLAIN, WHOLE, batch, collect, fact_rows, session, side, spine_rows, table};

fn one_key(alias: &str, plan: LogicalPlan) -> ViewSide {
    let column = |name: &str| Column::from_name(name);
    ViewSide {
        alias: alias.to_owned(),
        plan,
        on: vec![(column("k"), column("key"))],
        timestamp: column("ts"),
        known: None,
        superseded: None,
        seq: None,
        unique: false,
        ttl: None,
        features: vec![column("value")],
        windows: Vec::new(),
    }
}

fn keyed(keys: ArrayRef, times: ArrayRef, values: Vec<i64>) -> LogicalPlan {
    table("facts", batch(vec![("key", keys), ("ts", times), ("value", Arc::new(Int64Array::from(values)))]), WHOLE)
}

fn spine(keys: ArrayRef, times: ArrayRef) -> LogicalPlan {
    table("spine", batch(vec![("k", keys), ("t", times)]), WHOLE)
}

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn nanos(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(values.to_vec()))
}

fn check_refused(spine: LogicalPlan, view: ViewSide, code: &str, message: &str) {
    let error = asof_join(spine, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect_err("refused");
    assert_eq!((error.code(), error.message()), (code, message));
}

#[test]
fn keys_of_different_types_are_refused() {
    let strings: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    check_refused(
        spine(strings, nanos(&[0])),
        one_key("v", keyed(ints(&[1]), nanos(&[0]), vec![1])),
        "key_type",
        "`v.key` is BIGINT and `k` is VARCHAR: they cannot be compared as keys",
    );
    check_refused(
        spine(floats.clone(), nanos(&[0])),
        one_key("v", keyed(floats, nanos(&[0]), vec![1])),
        "key_type",
        "`v.key` is DOUBLE and `k` is DOUBLE: they cannot be compared as keys",
    );
}

#[test]
fn a_moment_that_is_not_one_is_refused() {
    check_refused(
        spine(ints(&[1]), ints(&[0])),
        one_key("v", keyed(ints(&[1]), nanos(&[0]), vec![1])),
        "column_type",
        "`spine.t` is BIGINT, not a timestamp or a date",
    );
}

#[test]
fn names_that_cannot_be_told_apart_are_refused() {
    let unqualified =
        LogicalPlanBuilder::from(spine(ints(&[1]), nanos(&[0]))).project([col("k"), col("t"), lit(1).alias("value")]);
    let error = asof_join(
        unqualified.and_then(|p| p.build()).expect("a plan"),
        Column::from_name("t"),
        vec![one_key("v", keyed(ints(&[1]), nanos(&[0]), vec![1]))],
        KnownMoment::EventTime,
    );
    assert_eq!(error.expect_err("refused").code(), "ambiguous_column");
}

fn ours(error: DataFusionError) -> Option<Error> {
    let DataFusionError::External(inner) = error else { return None };
    inner.downcast().ok().map(|ours| *ours)
}

#[test]
fn a_null_moment_in_the_spine_names_its_row() {
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(0), Some(1), None]));
    let plan = asof_join(
        spine(ints(&[1, 2, 3]), times),
        Column::from_name("t"),
        vec![one_key("v", keyed(ints(&[1]), nanos(&[0]), vec![1]))],
        KnownMoment::EventTime,
    );
    for batch_size in [1, 2, 8192] {
        let error = collect(session(Cut { batch_size, ..WHOLE }), plan.clone().expect("a join")).expect_err("refused");
        assert_eq!(ours(error).expect("one of ours").message(), "row 3 of the spine has no `t`");
    }
}

#[test]
fn units_are_unified_by_flooring_and_dates_are_midnights() {
    let day = 86_400_000_000_000;
    // In microseconds the view's rows lie at -1 and at a day's beginning.
    let view = keyed(ints(&[1, 2]), nanos(&[-1, day]), vec![10, 20]);
    let plan = asof_join(
        spine(ints(&[1, 1, 2, 2]), nanos(&[-1_001, -1_000, day - 1, day])),
        Column::from_name("t"),
        vec![one_key("v", view.clone())],
        KnownMoment::EventTime,
    );
    let rows = collect(session(WHOLE), plan.expect("a join")).expect("runs");
    assert_eq!(
        rows[0].column(2).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [None, Some(10), None, Some(20)]
    );

    let dates: ArrayRef = Arc::new(Date32Array::from(vec![0, 1]));
    let plan = asof_join(
        spine(ints(&[2, 2]), dates),
        Column::from_name("t"),
        vec![one_key("v", view)],
        KnownMoment::EventTime,
    );
    let rows = collect(session(WHOLE), plan.expect("a join")).expect("runs");
    assert_eq!(rows[0].column(2).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(20)]);
}

const KEY: super::Key = (Some("a"), Some(1));

fn facts(n: i64) -> Vec<Fact> {
    (0..n).map(|i| Fact { key: KEY, ts: Some(i), known: None, superseded: None, seq: i, value: Some(i) }).collect()
}

fn optimized(plan: LogicalPlan) -> String {
    session(WHOLE).optimize(&plan).expect("optimizes").display_indent().to_string()
}

#[test]
fn unused_columns_are_not_read_unless_they_decide_ties() {
    let join = |seq: bool| {
        let view = side("v", table("facts", fact_rows(&facts(3)), WHOLE), super::Declared { seq, ..PLAIN });
        let spine = table("spine", spine_rows(&[Ask { key: KEY, t: 1 }]), WHOLE);
        let join = asof_join(spine, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect("a join");
        LogicalPlanBuilder::from(join).project([col("v.value")]).and_then(|p| p.build()).expect("a plan")
    };
    let with_seq = optimized(join(true));
    assert!(with_seq.contains("TableScan: facts projection=[name, number, ts, _seq, value]"), "{with_seq}");
    assert!(with_seq.contains("TableScan: spine projection=[name, number, t]"), "{with_seq}");
    let without = optimized(join(false));
    assert!(without.contains("TableScan: facts projection=[name, number, ts, value, extra]"), "{without}");
    for plan in [join(true), join(false)] {
        let rows = collect(session(WHOLE), plan).expect("runs");
        assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().values(), &[1]);
    }
}

#[test]
fn a_filter_on_the_output_stays_above_the_join() {
    let view = side("v", table("facts", fact_rows(&facts(9)), WHOLE), PLAIN);
    let spine = table("spine", spine_rows(&[Ask { key: KEY, t: 4 }, Ask { key: KEY, t: 6 }]), WHOLE);
    let join = asof_join(spine, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect("a join");
    let plan =
        LogicalPlanBuilder::from(join).filter(col("v.value").lt(lit(6i64))).and_then(|p| p.build()).expect("a plan");
    let rows = collect(session(WHOLE), plan).expect("runs");
    // Pushed into the view it would give the second row the value 5.
    let ids: Vec<u32> = rows.iter().flat_map(|b| b.column(3).as_primitive::<UInt32Type>().values().to_vec()).collect();
    assert_eq!(ids, [0]);
}

/// However many partitions the session likes, the spine comes out in the order its own plan gives it.
#[test]
fn the_spine_keeps_its_order_through_filters_sorts_and_partitions() {
    let asks: Vec<_> = (0..500).map(|i| Ask { key: KEY, t: i }).collect();
    let ids = |plan: LogicalPlan, cut: Cut| -> Vec<u32> {
        let view = side("v", table("facts", fact_rows(&facts(3)), cut), PLAIN);
        let join = asof_join(plan, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect("a join");
        let rows = collect(session(cut), join).expect("runs");
        rows.iter()
            .flat_map(|b| b.column_by_name("id").expect("id").as_primitive::<UInt32Type>().values().to_vec())
            .collect()
    };
    for partitions in [1, 2, 8] {
        let cut = Cut { rows_per_batch: 7, partitions, batch_size: 16, ..WHOLE };
        let one = Cut { partitions: 1, ..cut };
        let filtered = |cut| {
            LogicalPlanBuilder::from(table("spine", spine_rows(&asks), cut))
                .filter(col("id").gt_eq(lit(100u32)))
                .expect("a plan")
        };
        assert_eq!(ids(filtered(one).build().expect("a plan"), cut), (100..500).collect::<Vec<_>>());
        let sorted = filtered(cut).sort([col("id").sort(false, true)]).and_then(|p| p.build()).expect("a plan");
        assert_eq!(ids(sorted, cut), (100..500).rev().collect::<Vec<_>>());
        // Several partitions follow one another, where a node needs all of them too.
        let several = || table("spine", spine_rows(&asks), cut);
        let expected: Vec<_> =
            (0..partitions).flat_map(|p| (0..500u32).filter(move |i| (*i as usize / 7) % partitions == p)).collect();
        assert_eq!(ids(several(), cut), expected);
        let distinct = LogicalPlanBuilder::from(several()).distinct().and_then(|p| p.build()).expect("a plan");
        assert_eq!(ids(distinct, cut), expected);
    }
}

/// One fact in 256 is of a key that the spine asks for, each of another; all are 1 kB wide.
fn wide(asks: i64, facts: i64, cut: Cut) -> LogicalPlan {
    let text: StringArray = (0..facts).map(|i| Some(format!("{i:01000}"))).collect();
    let key = |i: i64| (Some("a"), Some(if i % 256 == 0 { i / 256 } else { -1 }));
    let facts: Vec<_> = self::facts(facts).into_iter().map(|f| Fact { key: key(f.seq), ..f }).collect();
    let rows = fact_rows(&facts);
    let mut columns = rows.columns().to_vec();
    columns[7] = Arc::new(text);
    let rows = RecordBatch::try_new(rows.schema(), columns).expect("a batch");
    let asks: Vec<_> = (0..asks).map(|i| Ask { key: (Some("a"), Some(i)), t: facts.len() as i64 }).collect();
    let view = side("v", table("facts", rows, cut), PLAIN);
    asof_join(table("spine", spine_rows(&asks), WHOLE), Column::from_name("t"), vec![view], KnownMoment::EventTime)
        .expect("a join")
}

/// Every batch of the view has one row that wins to the end, so no batch can simply be dropped.
#[test]
fn memory_follows_the_spine_and_not_the_view() {
    let cut = Cut { rows_per_batch: 256, partitions: 2, batch_size: 256, ..WHOLE };
    // 20 MB of view, 2 MB of memory.
    let rows = collect(limited(2 << 20, DiskManagerMode::Disabled), wide(80, 80 * 256, cut)).expect("fits");
    let expected: Vec<_> = (0..80).map(|n| n * 256).collect();
    assert_eq!(rows[0].column(4).as_primitive::<Int64Type>().values(), &expected);
    assert!(rows[0].column(7).as_primitive::<UInt8Type>().values().iter().all(|s| *s == 0));
}

#[test]
fn too_little_memory_is_an_error() {
    let cut = Cut { rows_per_batch: 256, partitions: 2, batch_size: 256, ..WHOLE };
    let error = collect(limited(1 << 20, DiskManagerMode::Disabled), wide(40_000, 10, cut)).expect_err("does not fit");
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert!(error.to_string().contains("AsofJoinExec["), "{error}");
}
