//! Joins on disk: the same answers to the bit, within the memory given, and nothing left behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asof_model::Micros;
use asof_query::asof::{AsofJoinExec, KnownMoment, ViewSide, asof_join};
use asof_query::windows::Frame;
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, SchemaRef, UInt32Type};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{JoinType, LogicalPlan, LogicalPlanBuilder, cast as cast_expr, col};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use proptest::prelude::*;

use super::files::{Files, files, with_files};
use super::memory::{Refused, limited, refusing, within};
use super::oracle::{cut, key, oracle, rule, view};
use super::windows::{calls, rows};
use super::{
    Answer, Ask, Cut, Declared, Fact, PLAIN, RUNTIME, WHOLE, batch, fact_rows, moments, run_sides, session, side,
    spine_rows, table,
};

/// A spine of many keys and moments, and facts of the same keys; some of both have no key.
fn many(asks: i64, facts: i64, keys: i64) -> (Vec<Ask>, Vec<Fact>) {
    let key = |n: i64| {
        let number = (n * 7919) % keys;
        (["a", "b", "c"].get((number % 4) as usize).copied(), Some(number))
    };
    let asks = (0..asks).map(|n| Ask { key: key(n), t: (n * 104_729) % 5_000 }).collect();
    let fact = |n: i64| Fact {
        key: key(n * 31),
        ts: Some((n * 15_485_863) % 5_000),
        known: Some((n * 15_485_863) % 5_000 + n % 50),
        superseded: (n % 5 == 0).then_some((n * 15_485_863) % 5_000 + 100),
        seq: n,
        value: Some(n % 3),
    };
    (asks, (0..facts).map(fact).collect())
}

const EVERYTHING: Declared = Declared { ttl: Some(400), known: true, superseded: true, seq: true };
const SMALL: Cut = Cut { rows_per_batch: 256, partitions: 2, batch_size: 256, ..WHOLE };

/// Two views of one key, one of another, one of them with windows.
fn joined(asks: &[Ask], facts: &[Fact], source: impl Fn(&RecordBatch) -> LogicalPlan) -> LogicalPlan {
    let frame = |width| Frame::Range { width: Micros(width), hop: Micros(7) };
    let windows = [frame(50), frame(1_000), Frame::Rows(3)].map(|frame| calls(frame, false)).concat();
    let facts = rows(facts);
    let by_number = ViewSide {
        on: vec![(Column::from_name("number"), Column::from_name("number"))],
        ..side("number", source(&facts), PLAIN)
    };
    let sides = vec![
        ViewSide { windows, ..side("windows", source(&facts), EVERYTHING) },
        by_number,
        side("plain", source(&facts), Declared { seq: false, ..PLAIN }),
    ];
    let spine = table("spine", spine_rows(asks), Cut { partitions: 1, ..SMALL });
    asof_join(spine, Column::from_name("t"), sides, KnownMoment::EventTime).expect("a join")
}

struct Run {
    rows: RecordBatch,
    plan: Arc<dyn ExecutionPlan>,
}

impl Run {
    fn of(session: &SessionState, plan: &LogicalPlan) -> Result<Self, DataFusionError> {
        RUNTIME.block_on(async {
            let plan = session.create_physical_plan(plan).await?;
            let batches = datafusion::physical_plan::collect(Arc::clone(&plan), session.task_ctx()).await?;
            Ok(Run { rows: concat_batches(&plan.schema(), &batches)?, plan })
        })
    }

    fn count(&self, name: &str) -> usize {
        let metrics = join_in(&self.plan).metrics().expect("metrics");
        metrics.sum(|metric| metric.value().name() == name).map_or(0, |value| value.as_usize())
    }
}

pub(super) fn join_in(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    let mut node = plan;
    while node.downcast_ref::<AsofJoinExec>().is_none() {
        node = node.children().into_iter().next().expect("a join below");
    }
    node
}

/// A spine whose own plan is refused memory after its first batch, and then looks as if it had ended.
#[derive(Debug)]
struct RefusedSpine(RecordBatch);

impl PartitionStream for RefusedSpine {
    fn schema(&self) -> &SchemaRef {
        self.0.schema_ref()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let refusal = DataFusionError::ResourcesExhausted("a sort of the spine".to_owned());
        let batches = futures::stream::iter([Ok(self.0.clone()), Err(refusal)]);
        Box::pin(RecordBatchStreamAdapter::new(self.0.schema(), batches))
    }
}

/// What a plan could not read is not less to read.
#[test]
fn a_spine_that_fails_for_want_of_memory_is_an_error() {
    let (asks, facts) = many(100, 100, 10);
    let rows = spine_rows(&asks);
    let spine = StreamingTable::try_new(rows.schema(), vec![Arc::new(RefusedSpine(rows))]).expect("a table");
    let spine = LogicalPlanBuilder::scan("spine", provider_as_source(Arc::new(spine)), None);
    let spine = spine.and_then(LogicalPlanBuilder::build).expect("a scan");
    let view = side("v", table("facts", fact_rows(&facts), SMALL), PLAIN);
    let plan = asof_join(spine, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect("a join");
    let error = Run::of(&session(SMALL), &plan).err().expect("an error and not some rows");
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
}

/// Forty thousand spine rows take some forty megabytes with their windows, and have a tenth of it.
#[test]
fn a_spine_beyond_memory_is_joined_within_it() {
    let (asks, facts) = many(20_000, 30_000, 3_000);
    let stored = Files { rows_per_file: 10_000, rows_per_group: 2_000, rows_per_page: 500 };
    for from_files in [false, true] {
        let plan = joined(&asks, &facts, |rows| match from_files {
            false => table("facts", rows.clone(), SMALL),
            true => files(rows, stored),
        });
        let whole = Run::of(&with_files(SMALL), &plan).expect("no limit");
        assert_eq!((whole.count("spill_count"), whole.count("spilled_bytes")), (0, 0));
        for limit in [2 << 20, 4 << 20] {
            let session = limited(limit, DiskManagerMode::OsTmpDirectory);
            let parts = Run::of(&with_store(session), &plan).expect("fits on disk");
            assert_eq!(parts.rows, whole.rows);
            assert!(parts.count("spill_count") > 10 && parts.count("spilled_bytes") > 1 << 20);
            assert!(parts.count("spilled_rows") > 3 * 20_000);
            assert_eq!((parts.count("spine_rows"), parts.count("output_rows")), (20_000, 20_000));
        }
    }
}

/// The store of files that the tests share.
fn with_store(session: SessionState) -> SessionState {
    super::files::register(&session);
    session
}

/// All spine rows have one key, so that dealing them out does not help; they are taken in several goes.
#[test]
fn one_hot_key_is_joined_within_memory() {
    let key = (Some("a"), Some(1));
    let asks: Vec<_> = (0..20_000).map(|n| Ask { key, t: (n * 104_729) % 30_011 }).collect();
    let fact = |n| Fact { key, ts: Some((n * 7) % 30_011), known: None, superseded: None, seq: n, value: Some(n % 3) };
    let facts: Vec<_> = (0..20_000).map(fact).collect();
    let plan = joined(&asks, &facts, |rows| table("facts", rows.clone(), SMALL));
    let whole = Run::of(&session(SMALL), &plan).expect("no limit");
    let parts = Run::of(&limited(2 << 20, DiskManagerMode::OsTmpDirectory), &plan).expect("fits on disk");
    assert_eq!(parts.rows, whole.rows);
    assert!(parts.count("spill_count") > 0);
}

/// A view beyond memory streams through.
#[test]
fn a_view_beyond_memory_does_not_spill() {
    let (_, facts) = many(0, 60_000, 100);
    let (asks, _) = many(100, 0, 100);
    let spine = table("spine", spine_rows(&asks), Cut { partitions: 1, ..SMALL });
    let view = side("v", table("facts", fact_rows(&facts), SMALL), PLAIN);
    let plan = asof_join(spine, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect("a join");
    let found = Run::of(&limited(300 << 10, DiskManagerMode::OsTmpDirectory), &plan).expect("fits");
    assert_eq!((found.count("spill_count"), found.rows.num_rows()), (0, 100));
}

/// Where no division helps, it is said which memory was refused.
#[test]
fn too_little_memory_for_one_row_is_an_error() {
    let (asks, facts) = many(1_000, 1_000, 100);
    let plan = joined(&asks, &facts, |rows| table("facts", rows.clone(), SMALL));
    let error = Run::of(&limited(700, DiskManagerMode::OsTmpDirectory), &plan).err().expect("does not fit");
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert!(error.to_string().contains("AsofJoinExec["), "{error}");
}

fn entries(folder: &Path) -> usize {
    let below = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        if path.is_dir() { entries(&path) } else { 1 }
    };
    std::fs::read_dir(folder).map_or(0, |all| all.map(below).sum())
}

fn in_folder(folder: &Path, memory: usize, disk: u64) -> (Arc<RuntimeEnv>, SessionState) {
    let mode = DiskManagerMode::Directories(vec![folder.to_owned()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(disk))
        .build_arc()
        .expect("a runtime");
    let session = within(Arc::clone(&runtime), SMALL);
    (runtime, session)
}

/// Tasks that were stopped let go of their files when they are next looked at.
fn check_clean(folder: &Path, runtime: &Arc<RuntimeEnv>) {
    RUNTIME.block_on(async {
        let patience = tokio::time::timeout(Duration::from_secs(30), async {
            while entries(folder) > 0 || runtime.memory_pool.reserved() > 0 {
                tokio::task::yield_now().await;
            }
        });
        let _ = patience.await;
    });
    assert_eq!((entries(folder), runtime.disk_manager.used_disk_space()), (0, 0));
    assert_eq!(runtime.memory_pool.reserved(), 0, "memory is given back");
}

#[test]
fn nothing_is_left_behind() {
    let (asks, facts) = many(20_000, 20_000, 3_000);
    let plan = joined(&asks, &facts, |rows| table("facts", rows.clone(), SMALL));
    let folder = tempfile::tempdir().expect("a folder");

    let (runtime, session) = in_folder(folder.path(), 2 << 20, 1 << 30);
    let run = Run::of(&session, &plan).expect("fits on disk");
    assert!(run.count("spill_count") > 0);
    check_clean(folder.path(), &runtime);

    // Enough disk for the spine, not for everything.
    for disk in [1 << 10, 900 << 10, 4 << 20] {
        let (runtime, session) = in_folder(folder.path(), 2 << 20, disk);
        let error = Run::of(&session, &plan).err().expect("no room");
        assert!(error.to_string().contains("max_temp_directory_size"), "{error}");
        check_clean(folder.path(), &runtime);
    }

    let (runtime, session) = in_folder(folder.path(), 2 << 20, 1 << 30);
    RUNTIME.block_on(async {
        let plan = session.create_physical_plan(&plan).await.expect("a plan");
        let mut rows = execute_stream(plan, session.task_ctx()).expect("starts");
        assert_eq!(rows.next().await.expect("a batch").expect("rows").num_rows(), 256);
        assert!(entries(folder.path()) > 0, "half way there are files");
    });
    check_clean(folder.path(), &runtime);

    // Stopped while it is still at work.
    for patience in [5, 50, 200] {
        let (runtime, session) = in_folder(folder.path(), 2 << 20, 1 << 30);
        RUNTIME.block_on(async {
            let plan = session.create_physical_plan(&plan).await.expect("a plan");
            let mut rows = execute_stream(plan, session.task_ctx()).expect("starts");
            let _ = tokio::time::timeout(Duration::from_millis(patience), rows.next()).await;
        });
        check_clean(folder.path(), &runtime);
    }
}

/// Without a disk to spill to, too little memory is the error it was.
#[test]
fn without_a_disk_nothing_spills() {
    let (asks, facts) = many(20_000, 20, 3_000);
    let plan = joined(&asks, &facts, |rows| table("facts", rows.clone(), SMALL));
    let error = Run::of(&limited(1 << 20, DiskManagerMode::Disabled), &plan).err().expect("does not fit");
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert!(error.to_string().contains("AsofJoinExec["), "{error}");
}

/// Every kind of key, the spine's often narrower than the view's: on disk as in memory.
#[test]
fn every_kind_of_key_is_dealt_out() {
    use DataType::{Binary, BinaryView, Boolean, Date32, Int8, Int16, Int32, Int64, LargeBinary, LargeUtf8};
    use DataType::{UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View};
    let kinds = [
        (Int8, Int64),
        (UInt8, Int16),
        (UInt16, UInt64),
        (Int32, UInt32),
        (Int64, Int8),
        (Utf8, Utf8View),
        (LargeUtf8, Utf8),
        (Utf8View, LargeUtf8),
        (Boolean, Boolean),
        (Date32, Date32),
        (Binary, BinaryView),
        (LargeBinary, Binary),
    ];
    let numbers = |count: i64, step: i64| (0..count).map(move |n| (n % 11 != 0).then_some((n * step) % 100));
    let keys = |count, step, kind: &DataType| -> ArrayRef {
        let numbers = numbers(count, step);
        let texts = || -> ArrayRef {
            Arc::new(numbers.clone().map(|n| n.map(|n| format!("key {n}"))).collect::<StringArray>())
        };
        let from: ArrayRef = match kind {
            Utf8 | Utf8View | LargeUtf8 | Binary | BinaryView | LargeBinary => texts(),
            Boolean => Arc::new(numbers.map(|n| n.map(|n| n % 2)).collect::<Int64Array>()),
            Date32 => cast(&numbers.collect::<Int64Array>(), &Int32).expect("days"),
            _ => Arc::new(numbers.collect::<Int64Array>()),
        };
        cast(&from, kind).expect("keys")
    };
    let times = |count: i64, step: i64| moments((0..count).map(move |n| Some((n * step) % 1_000)));
    for (left, right) in kinds {
        let spine = batch(vec![("k", keys(2_000, 3, &left)), ("t", times(2_000, 17))]);
        let values: ArrayRef = Arc::new((0..2_000).collect::<Int64Array>());
        let facts = batch(vec![("key", keys(2_000, 7, &right)), ("ts", times(2_000, 29)), ("value", values)]);
        let view = ViewSide {
            on: vec![(Column::from_name("k"), Column::from_name("key"))],
            seq: None,
            features: vec![Column::from_name("value")],
            ..side("v", table("facts", facts, SMALL), PLAIN)
        };
        let spine = table("spine", spine, Cut { partitions: 1, ..SMALL });
        let plan = asof_join(spine, Column::from_name("t"), vec![view], KnownMoment::EventTime).expect("a join");
        let whole = Run::of(&session(SMALL), &plan).expect("no limit");
        let runtime = refusing(Refused { first: 3, then: 1_000_000, said: 1 << 14 });
        let parts = Run::of(&within(runtime, SMALL), &plan).expect("fits on disk");
        assert_eq!(parts.rows, whole.rows, "{left} and {right}");
        assert!(parts.count("spill_count") > 0 && whole.rows.column(2).null_count() < 1_500, "{left} and {right}");
    }
}

/// A view of SQL that joins and groups: per key and moment the greatest value, of names that another table has.
pub(super) fn grouped(facts: &[Fact], cut: Cut) -> LogicalPlan {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "z"]));
    let names = LogicalPlanBuilder::from(table("names", batch(vec![("label", names)]), Cut { partitions: 1, ..cut }));
    let names = names.build().expect("a plan");
    LogicalPlanBuilder::from(table("facts", fact_rows(facts), cut))
        .join(names, JoinType::Inner, (vec!["name"], vec!["label"]), None)
        .and_then(|p| p.aggregate(["name", "number", "ts"].map(col), [max(col("value")).alias("value")]))
        .and_then(|p| {
            let extra = cast_expr(col("value"), DataType::Utf8).alias("extra");
            p.project(["name", "number", "ts", "value"].map(col).into_iter().chain([extra]))
        })
        .and_then(|p| p.build())
        .expect("a view")
}

fn sorted_by_id(rows: &RecordBatch) -> Vec<RecordBatch> {
    let ids = rows.column_by_name("id").expect("id").as_primitive::<UInt32Type>();
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_by_key(|row| ids.value(*row));
    order.into_iter().map(|row| rows.slice(row, 1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn views_that_join_and_group_answer_as_the_oracle_does(
        asks in proptest::collection::vec((key(), -4..16i64), 0..40),
        (facts, _) in view(),
        ttl in proptest::option::of(1..8i64),
        rule in rule(),
        cut in cut(),
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key, t }).collect();
        let declared = Declared { ttl, seq: false, ..PLAIN };
        let view = side("v", grouped(&facts, cut), declared);
        let found: Vec<Answer> = run_sides(&asks, vec![view], rule, cut, session(cut)).remove(0);
        let expected: Vec<_> = asks.iter().map(|ask| oracle(ask, &facts, declared, rule)).collect();
        prop_assert_eq!(found, expected);
    }

    /// Partitioned by key and put together again, a join has the rows that it has as a whole.
    #[test]
    fn partitions_by_key_have_the_rows_of_the_whole(
        asks in proptest::collection::vec((key(), -4..16i64), 0..40),
        views in proptest::collection::vec(view(), 1..4),
        joins in any::<bool>(),
        rule in rule(),
        partitions in 1..=8usize,
        cut in cut(),
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key, t }).collect();
        let mut sides: Vec<_> = views
            .iter()
            .enumerate()
            .map(|(n, (facts, declared))| side(&format!("v{n}"), table("facts", fact_rows(facts), cut), *declared))
            .collect();
        if joins {
            sides.push(side("grouped", grouped(&views[0].0, cut), Declared { seq: false, ..PLAIN }));
            // A part of the key is all that the views have in common then.
            sides[0].on.remove(0);
        }
        let spine = table("spine", spine_rows(&asks), Cut { partitions: 1, ..cut });
        let plan = asof_join(spine, Column::from_name("t"), sides, rule).expect("a join");
        let whole = Run::of(&session(Cut { refused: None, ..cut }), &plan).expect("no limit");
        let session = session(cut);
        let rows = RUNTIME.block_on(async {
            let plan = session.create_physical_plan(&plan).await?;
            let join = join_in(&plan).downcast_ref::<AsofJoinExec>().expect("a join");
            let by_key: Arc<dyn ExecutionPlan> = Arc::new(join.by_key(partitions)?);
            assert_eq!(by_key.properties().output_partitioning().partition_count(), partitions);
            let batches = datafusion::physical_plan::collect_partitioned(Arc::clone(&by_key), session.task_ctx()).await?;
            concat_batches(&by_key.schema(), batches.iter().flatten()).map_err(DataFusionError::from)
        });
        prop_assert_eq!(sorted_by_id(&rows.expect("the partitions run")), sorted_by_id(&whole.rows));
    }
}
