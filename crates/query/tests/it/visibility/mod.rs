//! Revisions and hidden columns: what each kind of query does to them, and the whole way from raw revisions to the
//! as-of join against an oracle.

mod carried;
mod revised;

use std::sync::Arc;

use asof_model::definition::{Annotations, Dataset};
use asof_query::visibility::{Relation, Revisions, SEQ, expose, scan};
use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::catalog::MemTable;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;

use crate::asof::{Cut, RUNTIME, batch, session};

/// One accepted row of a dataset: a revision of the fact with that number.
#[derive(Clone, Copy, Debug)]
struct Revision {
    fact: Option<i64>,
    name: Option<&'static str>,
    ts: i64,
    known: Option<i64>,
    seq: i64,
    value: Option<i64>,
}

/// How a dataset declares its rows.
#[derive(Clone, Copy, Debug)]
struct Kind {
    key: bool,
    known: bool,
}

const PLAIN: Kind = Kind { key: false, known: true };
const TIMED: Kind = Kind { key: true, known: true };
const REPLACED: Kind = Kind { key: true, known: false };

fn dataset(name: &str, kind: Kind) -> Dataset {
    Dataset {
        name: name.parse().expect("a name"),
        columns: None,
        timestamp: "ts".into(),
        known_at: kind.known.then(|| "known".into()),
        key: if kind.key { vec!["fact".into()] } else { vec![] },
        cluster_by: vec![],
        checks: vec![],
        annotations: Annotations::new(),
    }
}

fn rows(revisions: &[Revision]) -> RecordBatch {
    let moments = |values: Vec<Option<i64>>| Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"));
    batch(vec![
        (SEQ, Arc::new(revisions.iter().map(|r| Some(r.seq)).collect::<Int64Array>())),
        ("fact", Arc::new(revisions.iter().map(|r| r.fact).collect::<Int64Array>())),
        ("name", Arc::new(revisions.iter().map(|r| r.name).collect::<StringArray>())),
        ("ts", moments(revisions.iter().map(|r| Some(r.ts)).collect())),
        ("known", moments(revisions.iter().map(|r| r.known).collect())),
        ("value", Arc::new(revisions.iter().map(|r| r.value).collect::<Int64Array>())),
    ])
}

/// Binds SQL over tables that show visible columns only and hold no rows.
fn bind(sql: &str, tables: &[&str]) -> LogicalPlan {
    let context = SessionContext::new();
    for name in tables {
        let visible = rows(&[]).project(&[1, 2, 3, 4, 5]).expect("visible columns");
        let stub = MemTable::try_new(visible.schema(), vec![vec![]]).expect("a stub");
        context.register_table(*name, Arc::new(stub)).expect("registered");
    }
    RUNTIME.block_on(context.state().create_logical_plan(sql)).expect(sql)
}

/// The dataset's real rows, cut up.
fn relation(name: &str, kind: Kind, revisions: &[Revision], how: Revisions, cut: Cut) -> asof_model::Result<Relation> {
    let rows = rows(revisions);
    let mut partitions = vec![Vec::new(); cut.partitions];
    for (n, start) in (0..rows.num_rows()).step_by(cut.rows_per_batch).enumerate() {
        partitions[n % cut.partitions].push(rows.slice(start, cut.rows_per_batch.min(rows.num_rows() - start)));
    }
    let table = MemTable::try_new(rows.schema(), partitions).expect("a table");
    scan(&dataset(name, kind), Arc::new(table), how)
}

fn show(plan: LogicalPlan, cut: Cut) -> Vec<RecordBatch> {
    crate::asof::collect(session(cut), plan).expect("runs")
}

fn exposed(
    sql: &str,
    tables: &[(&str, Kind)],
    revisions: &[Revision],
    how: Revisions,
    cut: Cut,
) -> asof_model::Result<Relation> {
    let names: Vec<_> = tables.iter().map(|(name, _)| *name).collect();
    expose(bind(sql, &names), &mut |table| {
        let found = tables.iter().find(|(name, _)| *name == table.table());
        found.map(|(name, kind)| relation(name, *kind, revisions, how, cut)).transpose()
    })
}
