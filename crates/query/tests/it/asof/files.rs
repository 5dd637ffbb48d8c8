//! Views that are Parquet files, read in two passes, and keys of every kind.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use asof_query::asof::{AsofJoinExec, KnownMoment, ViewSide, asof_join};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Column;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::provider_as_source;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::memory::InMemory;
use datafusion::object_store::{ObjectStore, ObjectStoreExt, path::Path};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::{ExecutionPlan, collect};
use proptest::prelude::*;
use tempfile::TempDir;

use super::oracle::{cut, key, oracle, rule, view};
use super::{
    Answer, Ask, Cut, Declared, Fact, PLAIN, RUNTIME, WHOLE, fact_rows, run_sides, session, side, spine_rows, table,
};

static MEMORY: LazyLock<Arc<dyn ObjectStore>> = LazyLock::new(|| Arc::new(InMemory::new()));
static DISK: LazyLock<(TempDir, Arc<dyn ObjectStore>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalFileSystem::new_with_prefix(folder.path()).expect("a store");
    (folder, Arc::new(store))
});
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// How rows are cut into files, row groups and pages: never of any consequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    pub(super) rows_per_file: usize,
    pub(super) rows_per_group: usize,
    pub(super) rows_per_page: usize,
}

pub(super) fn with_files(cut: Cut) -> SessionState {
    let session = session(cut);
    register(&session);
    session
}

pub(super) fn register(session: &SessionState) {
    for (url, store) in [("memory://files", MEMORY.clone()), ("disk://files", DISK.1.clone())] {
        let url = ObjectStoreUrl::parse(url).expect("a URL");
        session.runtime_env().register_object_store(url.as_ref(), store);
    }
}

fn properties(cut: Files) -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(cut.rows_per_group))
        .set_data_page_row_count_limit(cut.rows_per_page)
        .set_write_batch_size(cut.rows_per_page)
        .build()
}

fn write(store: &dyn ObjectStore, folder: u32, number: usize, rows: &RecordBatch, properties: WriterProperties) {
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).expect("a writer");
    writer.write(rows).expect("rows");
    let bytes = writer.into_inner().expect("a file");
    let path = Path::from(format!("{folder}/{number:08}.parquet"));
    RUNTIME.block_on(store.put(&path, bytes.into())).expect("room");
}

fn listing(place: &str, folder: u32, schema: SchemaRef) -> LogicalPlan {
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("parquet");
    let url = ListingTableUrl::parse(format!("{place}/{folder}/")).expect("a folder");
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    let source = provider_as_source(Arc::new(ListingTable::try_new(config).expect("a table")));
    LogicalPlanBuilder::scan("facts", source, None).and_then(|p| p.build()).expect("a scan")
}

/// A table of Parquet files.
pub(super) fn files(rows: &RecordBatch, files: Files) -> LogicalPlan {
    written(rows, files, properties(files))
}

/// The same, written in some way.
pub(super) fn written(rows: &RecordBatch, files: Files, properties: WriterProperties) -> LogicalPlan {
    let folder = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let (place, store) = files.place();
    for start in (0..rows.num_rows()).step_by(files.rows_per_file) {
        let rows = rows.slice(start, files.rows_per_file.min(rows.num_rows() - start));
        write(store.as_ref(), folder, start, &rows, properties.clone());
    }
    listing(place, folder, rows.schema())
}

/// Which columns are the key.
#[derive(Clone, Copy, Debug)]
enum By {
    Both,
    Name,
    /// Numbers this far apart.
    Number(i64),
}

impl Files {
    /// Where they lie, which is of no consequence either: half of all cuts are on disk, where they are read in another way.
    fn place(self) -> (&'static str, Arc<dyn ObjectStore>) {
        match self.rows_per_group % 2 {
            0 => ("memory://files", MEMORY.clone()),
            _ => ("disk://files", DISK.1.clone()),
        }
    }
}

impl By {
    /// A key of which only the compared part is left.
    fn part(self, key: super::Key) -> super::Key {
        match self {
            By::Both => key,
            By::Name => (key.0, Some(0)),
            By::Number(stride) => (Some("a"), key.1.map(|n| n * stride)),
        }
    }

    fn side(self, plan: LogicalPlan, declared: Declared) -> ViewSide {
        let mut side = side("v", plan, declared);
        let column = match self {
            By::Both => return side,
            By::Name => "name",
            By::Number(_) => "number",
        };
        side.on = vec![(Column::from_name(column), Column::from_name(column))];
        side
    }
}

/// The view: every other row of the files is one that it filters out, though it would win; a feature is computed.
fn filtered(facts: &[Fact], cut: Files) -> LogicalPlan {
    let decoys = facts.iter().flat_map(|fact| [Fact { value: Some(-7), seq: fact.seq + 1_000, ..*fact }, *fact]);
    let doubled = fact_rows(&decoys.collect::<Vec<_>>());
    let kept = col("value").is_null().or(col("value").not_eq(lit(-7_i64)));
    let columns = ["name", "number", "ts", "known", "_superseded", "_seq", "extra"].map(col);
    LogicalPlanBuilder::from(files(&doubled, cut))
        .filter(kept)
        .and_then(|p| p.project(columns.into_iter().chain([(col("value") + lit(0_i64)).alias("value")])))
        .and_then(|p| p.build())
        .expect("a view")
}

fn answers(
    asks: &[Ask],
    facts: &[Fact],
    declared: Declared,
    by: By,
    rule: KnownMoment,
    cut: Cut,
    f: Files,
) -> Vec<Answer> {
    let side = by.side(filtered(facts, f), declared);
    run_sides(asks, vec![side], rule, cut, with_files(cut)).remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_answer_as_the_oracle_does(
        asks in proptest::collection::vec((key(), -4..16i64), 0..40),
        (facts, declared) in view(),
        by in prop_oneof![Just(By::Both), Just(By::Name), Just(By::Number(1)), Just(By::Number(700_000_000))],
        rule in rule(),
        cut in cut(),
        (rows_per_file, rows_per_group, rows_per_page) in (1..60usize, 1..20usize, 1..5usize),
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key: by.part(key), t }).collect();
        let facts: Vec<_> = facts.into_iter().map(|fact| Fact { key: by.part(fact.key), ..fact }).collect();
        let found = answers(&asks, &facts, declared, by, rule, cut, Files { rows_per_file, rows_per_group, rows_per_page });
        let expected: Vec<_> = asks.iter().map(|ask| oracle(ask, &facts, declared, rule)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// Of ten thousand rows in pages of a hundred, only those near the chosen one are decoded in full.
#[test]
fn features_are_fetched_for_the_chosen_rows_alone() {
    let facts: Vec<_> = (0..10_000)
        .map(|i| Fact {
            key: (Some("a"), Some(i / 10)),
            ts: Some(i % 10),
            known: None,
            superseded: None,
            seq: i,
            value: Some(i),
        })
        .collect();
    let cut = Files { rows_per_file: 10_000, rows_per_group: 1_000, rows_per_page: 100 };
    let spine = table("spine", spine_rows(&[Ask { key: (Some("a"), Some(444)), t: 5 }]), WHOLE);
    let side = By::Number(1).side(files(&fact_rows(&facts), cut), PLAIN);
    let plan = asof_join(spine, Column::from_name("t"), vec![side], KnownMoment::EventTime).expect("a join");
    let session = with_files(WHOLE);
    let (exec, rows) = RUNTIME.block_on(async {
        let exec = session.create_physical_plan(&plan).await.expect("a plan");
        let rows = collect(Arc::clone(&exec), session.task_ctx()).await.expect("rows");
        (exec, rows)
    });
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    let mut node: &Arc<dyn ExecutionPlan> = &exec;
    while node.downcast_ref::<AsofJoinExec>().is_none() {
        node = node.children().into_iter().next().expect("a join below");
    }
    let count = |name: &str| node.metrics().and_then(|m| m.sum_by_name(name)).map_or(0, |value| value.as_usize());
    assert_eq!((count("two_passes"), count("kept_rows")), (1, 1));
    // Of the first pass one page of keys may hold the key; the rest is left out by the spine's keys.
    assert!(count("view_rows") <= 100, "{} rows were read", count("view_rows"));
}

/// A limit decides which rows there are, also where the optimizer has put it into another node.
#[test]
fn a_limit_over_files_is_kept() {
    let facts: Vec<_> = (0..50).map(|i| fact_at(i, 50 - i)).collect();
    let cut = Files { rows_per_file: 50, rows_per_group: 10, rows_per_page: 5 };
    let asks = [Ask { key: (Some("a"), Some(1)), t: 100 }];
    for kept in [None, Some(7_i64)] {
        let all = LogicalPlanBuilder::from(files(&fact_rows(&facts), cut));
        let all = match kept {
            None => all,
            Some(least) => all.filter(col("value").gt_eq(lit(least))).expect("a filter"),
        };
        let limited = all.limit(0, Some(3)).and_then(|p| p.build()).expect("a view");
        let side = By::Number(1).side(limited, PLAIN);
        let found = run_sides(&asks, vec![side], KnownMoment::EventTime, WHOLE, with_files(WHOLE)).remove(0);
        // The newest of the first three rows, not of all.
        let newest = kept.unwrap_or(0) + 2;
        assert_eq!(found, [(0, Some(newest), Some(newest))]);
    }
}

fn fact_at(ts: i64, seq: i64) -> Fact {
    Fact { key: (Some("a"), Some(1)), ts: Some(ts), known: None, superseded: None, seq, value: Some(ts) }
}

/// What a page's statistics say must not make an expired row a missing one.
#[test]
fn a_row_older_than_the_spine_is_still_seen() {
    let fact =
        |ts| Fact { key: (Some("a"), Some(1)), ts: Some(ts), known: None, superseded: None, seq: ts, value: Some(ts) };
    let facts: Vec<_> = (0..50).map(fact).collect();
    let cut = Files { rows_per_file: 50, rows_per_group: 10, rows_per_page: 1 };
    let asks = [Ask { key: (Some("a"), Some(1)), t: 1_000 }, Ask { key: (Some("a"), Some(1)), t: -1 }];
    let declared = Declared { ttl: Some(5), ..PLAIN };
    let found = answers(&asks, &facts, declared, By::Number(1), KnownMoment::EventTime, WHOLE, cut);
    assert_eq!(found, [(3, None, None), (2, None, None)]);
}

/// A column that a file does not have is null in its rows, in the second pass as in the first.
#[test]
fn a_column_that_came_later_is_null_before() {
    let fact =
        |ts| Fact { key: (Some("a"), Some(1)), ts: Some(ts), known: None, superseded: None, seq: ts, value: Some(ts) };
    let (before, after) = (fact_rows(&[fact(1)]), fact_rows(&[fact(5)]));
    let schema = before.schema();
    let narrow: Vec<_> = (0..schema.fields().len()).filter(|i| schema.field(*i).name() != "extra").collect();
    let cut = Files { rows_per_file: 1, rows_per_group: 1, rows_per_page: 1 };
    let folder = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let (place, store) = cut.place();
    write(store.as_ref(), folder, 0, &before.project(&narrow).expect("columns"), properties(cut));
    write(store.as_ref(), folder, 1, &after, properties(cut));
    let side = By::Both.side(listing(place, folder, after.schema()), PLAIN);
    let spine = table("spine", spine_rows(&[1, 5].map(|t| Ask { key: (Some("a"), Some(1)), t })), WHOLE);
    let plan = asof_join(spine, Column::from_name("t"), vec![side], KnownMoment::EventTime).expect("a join");
    let rows = super::collect(with_files(WHOLE), plan).expect("rows");
    let extra: Vec<_> = rows[0].column(5).as_string::<i32>().iter().collect();
    assert_eq!(extra, [None, Some("5")]);
}
