//! Nothing from the future: whatever happens or becomes known after a spine row's moment, its features stay what they
//! are, to the bit.
//!
//! Random rows in datasets of every kind, random definitions over them whose views are free of leaks themselves, random
//! moments. Then rows after a moment are changed, moved, taken away and added, and all spine rows up to it
//! are asked again. What counts as after it is SEMANTICS': where nothing says when a revision became known, the last one
//! is the truth about its moment, so there a fact is after a moment if all its revisions are.

use std::sync::LazyLock;

use asof_query::{KnownMoment, Planner, TrainingOptions};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::row::{RowConverter, SortField};
use proptest::prelude::*;
use std::sync::Arc;

use super::{accepted, doubles, integers, run, strings};
use crate::project::Project;

/// One row of any of the datasets. Moments are microseconds, so that the very next one is tried.
#[derive(Clone, Debug)]
struct Row {
    id: i64,
    key: usize,
    group: i64,
    at: i64,
    seen: Option<i64>,
    value: Option<i64>,
}

/// Moments are before this, so few that many rows are next to one another.
const LAST: i64 = 8;

/// What is done to a row that is after the moment.
#[derive(Clone, Copy, Debug)]
enum Change {
    Keep,
    Delete,
    Revalue,
    Move(i64),
}

/// The datasets: plain; with known-at; with known-at and revisions; with revisions only.
const DATASETS: [&str; 4] = ["events", "late", "facts", "notes"];

const DECLARED: &str = "
    CREATE DATASET events (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x DOUBLE) TIMESTAMP at;
    CREATE DATASET late (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x DOUBLE) TIMESTAMP at KNOWN AT seen;
    CREATE DATASET facts (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x DOUBLE) TIMESTAMP at KNOWN AT seen KEY (id);
    CREATE DATASET notes (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x DOUBLE) TIMESTAMP at KEY (id);
    CREATE DATASET asked (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x DOUBLE) TIMESTAMP at;
    CREATE ENTITY one KEY (k VARCHAR);
    CREATE ENTITY two KEY (k VARCHAR, g BIGINT);
    CREATE FEATURE VIEW base ENTITY one TIMESTAMP at AS SELECT k, g, at, x FROM events WHERE x > 0;
";

/// Views that are free of leaks: entity, known-at, SELECT with one feature `f`.
const VIEWS: [(&str, &str, &str); 17] = [
    ("one", "", "SELECT k, at, x AS f FROM events"),
    ("two", "", "SELECT k, g, at, x AS f FROM events WHERE g IS NOT NULL"),
    ("one", "", "SELECT k, at, count(*) OVER (PARTITION BY k ORDER BY at) AS f FROM events"),
    (
        "one",
        "",
        "SELECT k, at, sum(x) OVER (PARTITION BY k ORDER BY at RANGE BETWEEN INTERVAL '4 microseconds' PRECEDING AND CURRENT ROW) AS f
         FROM events",
    ),
    ("one", "", "SELECT k, max(at) AS at, sum(x) AS f FROM events GROUP BY k, at"),
    (
        "two",
        "",
        "SELECT k, g, at, max(x) AS f FROM (SELECT k, g, x, to_timestamp_micros(5 * (CAST(arrow_cast(at, 'Int64') AS BIGINT) / 5 + 1)) AS at
         FROM events) AS fives GROUP BY k, g, at",
    ),
    (
        "one",
        "",
        "SELECT a.k, a.at, max(b.x) AS f FROM events AS a JOIN events AS b ON a.g = b.g AND b.at <= a.at GROUP BY a.k, a.at",
    ),
    ("one", "", "SELECT k, at, x * 2 AS f FROM base"),
    ("one", "", "SELECT k, at, x AS f FROM notes"),
    ("one", "KNOWN AT seen", "SELECT k, at, seen, x AS f FROM late"),
    ("two", "KNOWN AT seen", "SELECT k, g, at, seen, x AS f FROM facts"),
    ("one", "KNOWN AT seen", "SELECT k, at, seen, id AS f FROM facts WHERE x > 1"),
    (
        "one",
        "KNOWN AT seen",
        "SELECT late.k, late.at, late.seen, late.x + e.x AS f FROM late JOIN events AS e ON e.k = late.k AND e.at = late.at",
    ),
    ("one", "", "SELECT k, at, sum(x) OVER (ROWS 2 PRECEDING) AS f FROM events"),
    ("one", "", "SELECT k, at, count(*) OVER () AS f FROM notes"),
    ("one", "KNOWN AT seen", "SELECT k, at, seen, max(x) OVER (RANGE INTERVAL '1 hour' PRECEDING) AS f FROM late"),
    ("two", "KNOWN AT seen", "SELECT k, g, at, seen, avg(x) OVER () + g AS f FROM facts"),
];

/// A view from the list, with a TTL in microseconds.
type Chosen = (usize, Option<i64>);

fn definitions(chosen: &[Chosen]) -> String {
    let mut text = DECLARED.to_owned();
    let (mut outputs, mut from) = (Vec::new(), Vec::new());
    for (index, (view, ttl)) in chosen.iter().enumerate() {
        let (entity, known, select) = VIEWS[*view];
        let ttl = ttl.map(|ttl| format!("TTL INTERVAL '{ttl} microseconds'")).unwrap_or_default();
        text += &format!("CREATE FEATURE VIEW v{index} ENTITY {entity} TIMESTAMP at {known} {ttl} AS {select};\n");
        outputs.push(format!("v{index}.f AS f{index}"));
        from.push(format!("v{index}"));
    }
    text + &format!(
        "CREATE FEATURE SERVICE s AS SELECT {} FROM {};
         CREATE TRAINING SET t FEATURES s TIMESTAMP at AS SELECT id, k, g, at FROM asked ORDER BY id;",
        outputs.join(", "),
        from.join(", ")
    )
}

static KEYS: LazyLock<[&str; 3]> = LazyLock::new(|| ["a", "b", "c"]);

fn table(rows: &[Row]) -> RecordBatch {
    let moments = |moments: Vec<Option<i64>>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(moments).with_timezone("UTC"))
    };
    let of = |value: fn(&Row) -> Option<i64>| rows.iter().map(value).collect::<Vec<_>>();
    accepted(vec![
        ("id", integers(&of(|r| Some(r.id)))),
        ("k", strings(&rows.iter().map(|r| KEYS.get(r.key).copied()).collect::<Vec<_>>())),
        ("g", integers(&of(|r| Some(r.group)))),
        ("at", moments(of(|r| Some(r.at)))),
        ("seen", moments(of(|r| r.seen))),
        ("x", doubles(&rows.iter().map(|r| r.value.map(|v| v as f64 / 4.0)).collect::<Vec<_>>())),
    ])
}

/// Whether a row is after a moment, so that nobody who asks about that moment may notice it.
fn is_after(dataset: &str, rows: &[Row], row: &Row, moment: i64) -> bool {
    let known = row.seen.unwrap_or(row.at);
    match dataset {
        "events" => row.at > moment,
        "late" => row.at.max(known) > moment,
        "facts" => known > moment,
        _ => row.at > moment && rows.iter().filter(|r| r.id == row.id).all(|r| r.at > moment),
    }
}

/// The rows after something happened to those after a moment.
fn changed(dataset: &str, rows: &[Row], changes: &[Change], added: &[(usize, Row)], moment: i64) -> Vec<Row> {
    let mut left = Vec::new();
    for (row, change) in rows.iter().zip(changes.iter().chain(std::iter::repeat(&Change::Keep))) {
        let new = match change {
            _ if !is_after(dataset, rows, row, moment) => row.clone(),
            Change::Keep => row.clone(),
            Change::Delete => continue,
            Change::Revalue => Row { value: row.value.map_or(Some(7), |v| Some(v + 1)), ..row.clone() },
            Change::Move(by) => Row { at: row.at + by, ..row.clone() },
        };
        let stays_after = is_after(dataset, std::slice::from_ref(&new), &new, moment);
        left.push(if stays_after { new } else { row.clone() });
    }
    for (place, row) in added {
        if is_after(dataset, rows, row, moment) {
            left.insert(place % (left.len() + 1), row.clone());
        }
    }
    left
}

/// The training set's rows up to a moment, as bytes that tell every bit.
fn features(sql: &str, tables: &[Vec<Row>], asked: &[Row], moment: i64) -> Vec<(Row, Vec<u8>)> {
    let mut project = Project::with(sql);
    for (name, rows) in DATASETS.iter().zip(tables) {
        project.ingest(name, table(rows));
    }
    project.ingest("asked", table(asked));
    let definitions = project.definitions();
    let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: true };
    let plan = Planner::new(&definitions, &project).training(&project.get("t"), &options).expect("a plan");
    let rows = run(plan).expect("rows");
    let fields = rows.columns().iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let bytes = RowConverter::new(fields).expect("sortable").convert_columns(rows.columns()).expect("rows");
    assert_eq!(bytes.num_rows(), asked.len());
    let rows = asked.iter().cloned().zip(bytes.iter().map(|row| row.data().to_vec()));
    rows.filter(|(row, _)| row.at <= moment).collect()
}

fn row() -> impl Strategy<Value = Row> {
    let value = prop_oneof![1 => Just(None), 4 => (0..12i64).prop_map(Some)];
    let seen = prop_oneof![1 => Just(None), 3 => (0..LAST).prop_map(Some)];
    // The fourth key is null.
    let key = prop_oneof![3 => Just(0_usize), 2 => Just(1_usize), 1 => 2..4usize];
    (0..6i64, key, 0..2i64, 0..LAST, seen, value).prop_map(|(id, key, group, at, seen, value)| Row {
        id,
        key,
        group,
        at,
        seen,
        value,
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![Just(Change::Keep), Just(Change::Delete), Just(Change::Revalue), (-LAST..LAST).prop_map(Change::Move)]
}

/// Rows of a dataset, and what happens to them.
type Story = (Vec<Row>, Vec<Change>, Vec<(usize, Row)>);

fn story() -> impl Strategy<Value = Story> {
    use proptest::collection::vec;
    (vec(row(), 0..20), vec(change(), 20), vec((0..20usize, row()), 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_later_changes_no_feature(
        chosen in proptest::collection::vec((0..VIEWS.len(), proptest::option::of(1..LAST)), 1..5),
        stories in proptest::array::uniform4(story()),
        asked in proptest::collection::vec((row(), any::<bool>()), 1..16),
        moment in 0..LAST,
    ) {
        // Many ask at the very moment, where a microsecond decides.
        let asked: Vec<_> = asked.into_iter().enumerate()
            .map(|(id, (row, now))| Row { id: id as i64, at: if now { moment } else { row.at }, ..row }).collect();
        let before: Vec<_> = stories.iter().map(|(rows, ..)| rows.clone()).collect();
        let after: Vec<_> = DATASETS.iter().zip(&stories)
            .map(|(dataset, (rows, changes, added))| changed(dataset, rows, changes, added, moment)).collect();
        let sql = definitions(&chosen);
        let (before_it, after_it) = (features(&sql, &before, &asked, moment), features(&sql, &after, &asked, moment));
        for ((row, before_it), (_, after_it)) in before_it.iter().zip(&after_it) {
            prop_assert_eq!(before_it, after_it, "{:?} at {}\n{:#?}\n{:#?}", row, moment, before, after);
        }
    }
}

/// The property can fail: a view that stamps a row too early is caught by it.
#[test]
fn a_view_that_leaks_does_not_pass() {
    let leaking = definitions(&[(0, None)])
        .replace("SELECT k, at, x AS f FROM events", "SELECT k, at, sum(x) OVER (PARTITION BY k) AS f FROM events");
    let row = |at, value| Row { id: 0, key: 0, group: 0, at, seen: None, value: Some(value) };
    let table = |rows: &[Row]| [rows.to_vec(), vec![], vec![], vec![]];
    let asked = [row(5, 0)];
    let rows = [row(1, 1), row(6, 2)];
    let later = changed("events", &rows, &[Change::Keep, Change::Revalue], &[], 5);
    assert_eq!((later[0].value, later[1].value), (Some(1), Some(3)));
    let of = |sql: &str, rows: &[Row]| features(sql, &table(rows), &asked, 5).remove(0).1;
    assert_ne!(of(&leaking, &rows), of(&leaking, &later));
    let honest = definitions(&[(0, None)]);
    assert_eq!(of(&honest, &rows), of(&honest, &later));
    assert_ne!(of(&honest, &rows), of(&honest, &rows[1..]));
}
