//! The as-of join against its rules, and against an oracle of twenty lines.

mod codec;
mod files;
mod memory;
mod oracle;
mod orders;
mod picked;
mod planned;
mod rules;
mod spill;
mod tiles;
mod windows;

use std::sync::{Arc, LazyLock};

use asof_model::Micros;
use asof_query::asof::{EVENT_TIME, KnownMoment, STATUS, ViewSide, asof_join};
use datafusion::arrow::array::{
    AsArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt32Type,
};
use datafusion::catalog::MemTable;
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use tokio::runtime::Runtime;

use memory::{Refused, refusing, within};

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// A composite key: a string and an integer, either of which may be null.
pub(crate) type Key = (Option<&'static str>, Option<i64>);

/// A spine row: whose value, as of when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) key: Key,
    pub(crate) t: i64,
}

/// A view row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) key: Key,
    pub(crate) ts: Option<i64>,
    pub(crate) known: Option<i64>,
    pub(crate) superseded: Option<i64>,
    pub(crate) seq: i64,
    pub(crate) value: Option<i64>,
}

/// What a view declares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub(crate) ttl: Option<i64>,
    pub(crate) known: bool,
    pub(crate) superseded: bool,
    pub(crate) seq: bool,
}

pub(crate) const PLAIN: Declared = Declared { ttl: None, known: false, superseded: false, seq: true };

/// How the data is cut and the session set up: never of any consequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) rows_per_batch: usize,
    pub(crate) partitions: usize,
    pub(crate) batch_size: usize,
    pub(crate) refused: Option<Refused>,
}

pub(crate) const WHOLE: Cut = Cut { rows_per_batch: 8192, partitions: 1, batch_size: 8192, refused: None };

/// Status number, event time and value of one view for one spine row.
pub(crate) type Answer = (u8, Option<i64>, Option<i64>);

pub(crate) fn session(cut: Cut) -> SessionState {
    within(cut.refused.map(refusing).unwrap_or_default(), cut)
}

/// A table of one batch, cut up.
pub(crate) fn table(name: &str, rows: RecordBatch, cut: Cut) -> LogicalPlan {
    let mut partitions = vec![Vec::new(); cut.partitions];
    for (n, start) in (0..rows.num_rows()).step_by(cut.rows_per_batch).enumerate() {
        let length = cut.rows_per_batch.min(rows.num_rows() - start);
        partitions[n % cut.partitions].push(rows.slice(start, length));
    }
    let table = MemTable::try_new(rows.schema(), partitions).expect("batches of one schema");
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None).and_then(|p| p.build()).expect("a scan")
}

pub(crate) fn moments(values: impl Iterator<Item = Option<i64>>) -> Arc<TimestampMicrosecondArray> {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

pub(crate) fn batch(columns: Vec<(&str, Arc<dyn datafusion::arrow::array::Array>)>) -> RecordBatch {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
        .expect("columns of one length")
}

/// The spine: its integer key is 32 bits wide, the view's 64. `id` numbers the rows.
pub(crate) fn spine_rows(asks: &[Ask]) -> RecordBatch {
    batch(vec![
        ("name", Arc::new(asks.iter().map(|a| a.key.0).collect::<StringArray>())),
        ("number", Arc::new(asks.iter().map(|a| a.key.1.map(|n| n as i32)).collect::<Int32Array>())),
        ("t", moments(asks.iter().map(|a| Some(a.t)))),
        ("id", Arc::new(UInt32Array::from_iter_values(0..asks.len() as u32))),
    ])
}

pub(crate) fn fact_rows(facts: &[Fact]) -> RecordBatch {
    batch(vec![
        ("name", Arc::new(facts.iter().map(|f| f.key.0).collect::<StringArray>())),
        ("number", Arc::new(facts.iter().map(|f| f.key.1).collect::<Int64Array>())),
        ("ts", moments(facts.iter().map(|f| f.ts))),
        ("known", moments(facts.iter().map(|f| f.known))),
        ("_superseded", moments(facts.iter().map(|f| f.superseded))),
        ("_seq", Arc::new(facts.iter().map(|f| Some(f.seq)).collect::<Int64Array>())),
        ("value", Arc::new(facts.iter().map(|f| f.value).collect::<Int64Array>())),
        ("extra", Arc::new(facts.iter().map(|f| f.value.map(|v| format!("{v}"))).collect::<StringArray>())),
    ])
}

pub(crate) fn side(alias: &str, plan: LogicalPlan, declared: Declared) -> ViewSide {
    let column = |name: &str| Column::from_name(name);
    ViewSide {
        alias: alias.to_owned(),
        plan,
        on: vec![(column("name"), column("name")), (column("number"), column("number"))],
        timestamp: column("ts"),
        known: declared.known.then(|| column("known")),
        superseded: declared.superseded.then(|| column("_superseded")),
        seq: declared.seq.then(|| column("_seq")),
        unique: false,
        ttl: declared.ttl.map(Micros),
        features: vec![column("value"), column("extra")],
        windows: Vec::new(),
    }
}

pub(crate) fn collect(state: SessionState, plan: LogicalPlan) -> datafusion::error::Result<Vec<RecordBatch>> {
    RUNTIME.block_on(DataFrame::new(state, plan).collect())
}

/// Joins, checks that the spine came out as it went in and that batches have the session's size, and gives the answers of each view.
pub(crate) fn run(asks: &[Ask], views: &[(Vec<Fact>, Declared)], rule: KnownMoment, cut: Cut) -> Vec<Vec<Answer>> {
    let sides = views
        .iter()
        .enumerate()
        .map(|(n, (facts, declared))| side(&format!("v{n}"), table("facts", fact_rows(facts), cut), *declared));
    run_sides(asks, sides.collect(), rule, cut, session(cut))
}

/// The same with sides made elsewhere; each has the features `value` and `extra`.
pub(crate) fn run_sides(
    asks: &[Ask],
    sides: Vec<ViewSide>,
    rule: KnownMoment,
    cut: Cut,
    session: SessionState,
) -> Vec<Vec<Answer>> {
    // The spine is cut too, but keeps its order over partitions only if they follow one another.
    let spine = table("spine", spine_rows(asks), Cut { partitions: 1, ..cut });
    let mut answers = vec![Vec::new(); sides.len()];
    let plan = asof_join(spine, Column::from_name("t"), sides, rule).expect("a join");
    let batches = collect(session, plan).expect("the join runs");
    let mut ids: Vec<u32> = Vec::new();
    for (n, batch) in batches.iter().enumerate() {
        assert!(batch.num_rows() <= cut.batch_size && (batch.num_rows() == cut.batch_size || n + 1 == batches.len()));
        ids.extend(batch.column(3).as_primitive::<UInt32Type>().values());
        for (view, answers) in answers.iter_mut().enumerate() {
            let [value, extra, time, status] = [0, 1, 2, 3].map(|i| batch.column(4 + 4 * view + i));
            for row in 0..batch.num_rows() {
                let time = time.as_primitive::<TimestampMicrosecondType>().iter().nth(row).flatten();
                let value = value.as_primitive::<Int64Type>().iter().nth(row).flatten();
                let extra = extra.as_string::<i32>().iter().nth(row).flatten();
                assert_eq!(extra.map(str::to_owned), value.map(|v| v.to_string()), "features of one row stay together");
                answers.push((status.as_primitive::<UInt8Type>().value(row), time, value));
            }
        }
        let schema = batch.schema();
        assert_eq!(schema.field(6).name(), EVENT_TIME);
        assert_eq!(schema.field(6).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        assert_eq!(schema.field(7).name(), STATUS);
    }
    assert_eq!(ids, (0..asks.len() as u32).collect::<Vec<_>>(), "every spine row once, in order");
    answers
}
