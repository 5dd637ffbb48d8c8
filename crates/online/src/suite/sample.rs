//! Views and rows to test with; public, so that a backend's own tests speak of the same ones.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type};
use asof_model::{Column, Columns, Digest, Kind, Micros, Name, Pinned, RunId, Version};

use crate::{Change, EVENT_TIME, Entry, Found, Journal, Layout, Lookup, OnlineStore, Publication, Published, Push};

/// The moment as of which everything here is published.
pub const AT: Micros = Micros(1_700_000_000_000_000);

/// The view `name@1`.
pub fn view(name: &str) -> Pinned {
    let named = |text: &str| text.parse::<Name>().expect("a name of a test");
    let (project, name, version) = (named("flights"), named(name), Version(1));
    let digest = Digest::of(name.as_str().as_bytes());
    Pinned { kind: Kind::FeatureView, project, name, version, digest }
}

/// Columns from names and types.
pub fn columns(list: &[(&str, DataType)]) -> Columns {
    Columns(list.iter().map(|(name, data_type)| Column::new(*name, data_type.clone())).collect())
}

/// `carrier VARCHAR` → `delay BIGINT, remark VARCHAR`.
pub fn layout() -> Layout {
    let values = columns(&[("delay", DataType::Int64), ("remark", DataType::Utf8)]);
    Layout { key: columns(&[("carrier", DataType::Utf8)]), values, tiles: None }
}

/// One row of [`layout`].
pub type Row<'a> = (&'a str, i64, i64, Option<&'a str>);

/// Rows of [`layout`]: carrier, event time, delay, remark.
pub fn rows(rows: &[Row<'_>]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.1)).with_timezone("UTC");
    batch(vec![
        ("carrier", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0)))),
        (EVENT_TIME, Arc::new(times)),
        ("delay", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)))),
        ("remark", Arc::new(StringArray::from_iter(rows.iter().map(|r| r.3)))),
    ])
}

/// The same rows with their order of acceptance, counted up from the first one's.
pub fn pushed(rows: &RecordBatch, first: i64) -> RecordBatch {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(f, a)| (f.name().as_str(), a.clone()));
    batch(columns.chain([super::pushing::seqs(rows.num_rows(), first)]).collect())
}

/// The journal that everything here is pushed to.
pub fn journal() -> Journal {
    let named = |text: &str| text.parse::<Name>().expect("a name of a test");
    Journal { project: named("flights"), dataset: named("delays") }
}

/// Pushes rows of one view; `last` is the order of acceptance of the last of them.
pub fn push(store: &dyn OnlineStore, view: &Pinned, rows: RecordBatch, last: i64) {
    let entry = Entry { last, rows: rows.num_rows() as u64, bytes: b"rows".to_vec() };
    let changes = vec![Change { view: view.clone(), rows }];
    store.push(&[Push { journal: journal(), entry, once: None, changes }]).expect("a push that fits");
}

/// A batch of named columns.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Event times in microseconds, UTC.
pub fn times(times: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
}

/// A run that starts now, whenever that is.
pub fn run() -> RunId {
    RunId::new(AT)
}

/// Writes batches without committing.
pub fn aside(store: &dyn OnlineStore, view: &Pinned, layout: &Layout, batches: &[RecordBatch]) -> Box<dyn Publication> {
    let mut publication = store.publish(view, layout).expect("a layout that can be stored");
    batches.iter().for_each(|batch| publication.write(batch).expect("rows that fit"));
    publication
}

/// Publishes batches.
pub fn publish(store: &dyn OnlineStore, view: &Pinned, layout: &Layout, batches: &[RecordBatch]) -> Published {
    aside(store, view, layout, batches).commit(run(), AT).expect("a commit")
}

/// A lookup of carriers of [`layout`]: their delays.
pub fn delays<'a>(view: &'a Pinned, carriers: &[&str]) -> Lookup<'a> {
    let keys: ArrayRef = Arc::new(StringArray::from(carriers.to_vec()));
    Lookup { view, keys: vec![keys], columns: vec!["delay".into()], windows: None }
}

/// One lookup's answer.
pub fn get(store: &dyn OnlineStore, lookup: Lookup<'_>) -> Found {
    let mut found = store.get(&[lookup]).expect("a readable view");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The first column of an answer, as numbers.
pub fn numbers(found: &Found) -> Vec<Option<i64>> {
    use arrow::array::AsArray;
    found.values.column(0).as_primitive::<Int64Type>().iter().collect()
}
