//! What gives column lineage its worth: a column that it says is not used changes nothing, whatever is in it; and one
//! that it says goes in directly changes something.
//!
//! Random queries over random rows. Every expression is injective in each of its columns, conditions go both ways, and
//! nothing depends on an order among equals, so that a difference in the data that counts shows. Values are compared column by column, as multisets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asof_model::flow::{Flows, Read};
use asof_model::{Columns, Definition, Pinned, Registered};
use asof_query::{KnownMoment, Planner, TrainingOptions, flows};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;

use super::queries::{Tape, query};
use crate::planning::{accepted, run};
use crate::project::Project;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Key,
    Moment,
    Number,
}

use Holds::{Key, Moment, Number};

/// A dataset's columns.
type Table = (&'static str, &'static [(&'static str, Holds)]);

const TABLES: [Table; 2] = [
    ("t", &[("k", Key), ("at", Moment), ("a", Number), ("b", Number), ("c", Number)]),
    ("u", &[("k", Key), ("at", Moment), ("x", Number), ("y", Number), ("z", Number)]),
];

const DECLARED: &str = "
    CREATE DATASET t (k VARCHAR, at TIMESTAMP, a BIGINT, b BIGINT, c BIGINT) TIMESTAMP at;
    CREATE DATASET u (k VARCHAR, at TIMESTAMP, x BIGINT, y BIGINT, z BIGINT) TIMESTAMP at;
    CREATE ENTITY one KEY (k VARCHAR);
";

/// A column of a dataset.
type Column = (String, String);

/// The values of each dataset, column by column.
type Data = BTreeMap<Column, Vec<Option<i64>>>;

/// Numbers that look random; the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn value(&mut self, holds: Holds, nulls: bool) -> Option<i64> {
        match holds {
            Key => Some(self.next(3) as i64),
            Moment => Some(self.next(40) as i64),
            Number if nulls && self.next(10) == 0 => None,
            Number => Some(self.next(1_000) as i64),
        }
    }
}

fn rows(tables: &[Table], dice: &mut Dice, nulls: bool) -> Data {
    let mut data = Data::new();
    for (table, columns) in tables {
        for (column, holds) in *columns {
            let values = (0..14).map(|_| dice.value(*holds, nulls)).collect();
            data.insert(((*table).to_owned(), (*column).to_owned()), values);
        }
    }
    data
}

/// The same with other values in one column.
fn changed(tables: &[Table], data: &Data, column: &Column, dice: &mut Dice, nulls: bool) -> Data {
    let (_, columns) = tables.iter().find(|(table, _)| *table == column.0).expect("a table");
    let (_, holds) = columns.iter().find(|(name, _)| *name == column.1).expect("a column");
    let mut data = data.clone();
    for value in data.get_mut(column).expect("values") {
        *value = match dice.value(*holds, nulls) {
            // Values that were not there before, of keys one: the others still meet those of other tables.
            Some(value) if *holds == Number => Some(value + 1_000),
            Some(0) if *holds == Key && !nulls => Some(3),
            other => other,
        };
    }
    data
}

fn batch(table: &Table, data: &Data) -> RecordBatch {
    let columns = table.1.iter().map(|(name, holds)| {
        let values = &data[&(table.0.to_owned(), (*name).to_owned())];
        let values: ArrayRef = match holds {
            Key => Arc::new(values.iter().map(|v| v.map(|v| format!("n{v}"))).collect::<StringArray>()),
            Moment => Arc::new(TimestampMicrosecondArray::from(values.clone()).with_timezone("UTC")),
            Number => Arc::new(Int64Array::from(values.clone())),
        };
        (*name, values)
    });
    accepted(columns.collect())
}

/// The values of each column of a definition, sorted.
fn values(project: &mut Project, tables: &[Table], data: &Data, name: &str) -> BTreeMap<String, Vec<String>> {
    for table in tables {
        project.ingest(table.0, batch(table, data));
    }
    let definitions = project.definitions();
    let (registered, planner) = (project.get(name), Planner::new(&definitions, project));
    let plan = match &registered.definition {
        Definition::TrainingSet(_) => {
            let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: false };
            planner.training(&registered, &options).expect("a plan")
        }
        _ => planner.view(&registered, KnownMoment::EventTime).expect("a plan").plan,
    };
    let rows = run(plan).expect("rows");
    let options = FormatOptions::default().with_null("null");
    let columns = registered.columns.names().filter_map(|name| Some((name, rows.column_by_name(name)?)));
    let values = columns.map(|(name, values)| {
        let shown = ArrayFormatter::try_new(values.as_ref(), &options).expect("printable");
        let mut values: Vec<String> = (0..values.len()).map(|row| shown.value(row).to_string()).collect();
        values.sort();
        (name.to_owned(), values)
    });
    values.collect()
}

/// What is known of definitions by their flows.
struct Known<'a> {
    project: &'a Project,
    flows: BTreeMap<Pinned, Flows>,
}

impl<'a> Known<'a> {
    fn of(project: &'a Project, name: &str) -> Self {
        let shown = |dataset: &Registered| -> Columns { dataset.columns.clone() };
        let mut known = Known { project, flows: BTreeMap::new() };
        let mut open = vec![project.get(name)];
        while let Some(next) = open.pop() {
            let found = flows(&next, &project.definitions(), &shown).expect("flows");
            open.extend(found.inputs.iter().map(|input| project.get(input.name.as_str())));
            known.flows.insert(next.pinned.clone(), found);
        }
        known
    }

    fn is_table(&self, pinned: &Pinned) -> bool {
        matches!(self.project.get(pinned.name.as_str()).definition, Definition::Dataset(_))
    }

    /// All columns of datasets that are used by a column of a definition, or by what decides about its rows.
    fn used(&self, of: &Pinned, column: &str) -> BTreeSet<Column> {
        let mut used = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<(Pinned, Option<String>)> = vec![(of.clone(), Some(column.to_owned()))];
        while let Some((of, column)) = open.pop() {
            if !seen.insert((of.clone(), column.clone())) {
                continue;
            }
            if self.is_table(&of) {
                used.extend(column.map(|column| (of.name.to_string(), column)));
                continue;
            }
            let flows = &self.flows[&of];
            let made = column.as_ref().and_then(|column| flows.column(column)).map(|made| &made.of);
            let reads: Vec<&Read> = made.into_iter().flatten().chain(&flows.rows).map(|(read, _)| read).collect();
            for read in reads {
                open.extend(flows.whose(read).map(|whose| (whose.clone(), Some(read.column.clone()))));
            }
            open.extend(flows.inputs.iter().map(|input| (input.clone(), None)));
        }
        used
    }

    /// Those that go directly into a column of a definition that reads datasets.
    fn direct(&self, of: &Pinned, column: &str) -> BTreeSet<Column> {
        let flows = &self.flows[of];
        let made = flows.column(column).into_iter().flat_map(|made| &made.of);
        let direct = made.filter(|(_, ways)| ways.has_direct());
        direct.filter_map(|(read, _)| Some((flows.whose(read)?.name.to_string(), read.column.clone()))).collect()
    }
}

/// Whether columns that are not used change nothing.
fn unused_change_nothing(
    declared: &str,
    tables: &[Table],
    name: &str,
    seed: u64,
    used: &dyn Fn(&Known<'_>, &Pinned, &str) -> BTreeSet<Column>,
) -> Result<(), String> {
    let mut project = Project::with(declared);
    let definition = project.get(name);
    let known = Known::of(&project, name);
    let used: BTreeMap<String, BTreeSet<Column>> = definition
        .columns
        .names()
        .map(|column| (column.to_owned(), used(&known, &definition.pinned, column)))
        .collect();
    let mut dice = Dice(seed);
    let data = rows(tables, &mut dice, true);
    let before = values(&mut project, tables, &data, name);
    for column in data.keys().filter(|column| used.values().any(|used| !used.contains(column))) {
        let other = changed(tables, &data, column, &mut dice, true);
        let after = values(&mut project, tables, &other, name);
        for (output, used) in used.iter().filter(|(_, used)| !used.contains(column)) {
            if before[output] != after[output] {
                let (before, after) = (&before[output], &after[output]);
                return Err(format!("{column:?} changes {output}, which uses {used:?}\n{before:?}\n{after:?}"));
            }
        }
    }
    Ok(())
}

/// Whether columns that go in directly change something, over some data.
fn direct_change_something(
    declared: &str,
    tables: &[Table],
    name: &str,
    seed: u64,
    direct: &dyn Fn(&Known<'_>, &Pinned, &str) -> BTreeSet<Column>,
) -> Result<(), String> {
    let mut project = Project::with(declared);
    let definition = project.get(name);
    let known = Known::of(&project, name);
    let mut open: BTreeSet<(String, Column)> = BTreeSet::new();
    for output in definition.columns.names() {
        open.extend(direct(&known, &definition.pinned, output).into_iter().map(|column| (output.to_owned(), column)));
    }
    let (mut dice, mut filled) = (Dice(seed), 0);
    for _ in 0..12 {
        let columns: BTreeSet<Column> = open.iter().map(|(_, column)| column.clone()).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let data = rows(tables, &mut dice, false);
        let before = values(&mut project, tables, &data, name);
        filled += usize::from(before.values().any(|values| !values.is_empty()));
        for column in columns {
            let other = changed(tables, &data, &column, &mut dice, false);
            let after = values(&mut project, tables, &other, name);
            open.retain(|(output, of)| *of != column || before[output] == after[output]);
        }
    }
    // What hardly ever has rows, because what it asks for contradicts itself, tells nothing.
    if open.is_empty() || filled < 6 { Ok(()) } else { Err(format!("nothing changes: {open:?}")) }
}

fn view(select: &str) -> String {
    format!("{DECLARED}CREATE FEATURE VIEW v ENTITY one TIMESTAMP at AS {select};")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_used_changes_nothing_and_what_is_used_does(
        tape in proptest::collection::vec(any::<u32>(), 48),
        seed in any::<u64>(),
    ) {
        let select = query(&mut Tape::new(&tape));
        let unused = unused_change_nothing(&view(&select), &TABLES, "v", seed, &|known, of, column| known.used(of, column));
        prop_assert_eq!(unused, Ok(()), "{}", select);
        // Of keys that must be in a list, or in another table, all may come from elsewhere as well: then the key of a table is used
        // and changes nothing.
        let listed = select.contains("k IN (") || select.contains("EXISTS (");
        let direct = direct_change_something(&view(&select), &TABLES, "v", seed, &|known, of, column| {
            let mut direct = known.direct(of, column);
            direct.retain(|(_, column)| !listed || column != "k");
            direct
        });
        prop_assert_eq!(direct, Ok(()), "{}", select);
    }
}

/// The property can fail: what is left out is missed, and what is said too much is noticed.
#[test]
fn what_lineage_leaves_out_or_invents_is_found() {
    let sql = view("SELECT k, at, a + 3 * b AS f FROM t WHERE c % 3 <> 0");
    let but = |left_out: &'static str| {
        move |known: &Known<'_>, of: &Pinned, column: &str| {
            let mut used = known.used(of, column);
            used.remove(&("t".to_owned(), left_out.to_owned()));
            used
        }
    };
    assert_eq!(unused_change_nothing(&sql, &TABLES, "v", 7, &but("none")), Ok(()));
    for left_out in ["a", "b", "c", "k", "at"] {
        let found = unused_change_nothing(&sql, &TABLES, "v", 7, &but(left_out));
        assert!(found.is_err(), "{left_out} is not missed");
    }
    let and = |known: &Known<'_>, of: &Pinned, column: &str| {
        let mut direct = known.direct(of, column);
        direct.insert(("u".to_owned(), "x".to_owned()));
        direct
    };
    assert!(direct_change_something(&sql, &TABLES, "v", 7, &and).is_err());
}

/// Datasets of every kind, for training sets.
const ALL: [Table; 4] = [
    (
        "events",
        &[("id", Number), ("k", Key), ("g", Number), ("at", Moment), ("seen", Moment), ("x", Number), ("y", Number)],
    ),
    (
        "late",
        &[("id", Number), ("k", Key), ("g", Number), ("at", Moment), ("seen", Moment), ("x", Number), ("y", Number)],
    ),
    (
        "facts",
        &[("id", Key), ("k", Key), ("g", Number), ("at", Moment), ("seen", Moment), ("x", Number), ("y", Number)],
    ),
    ("asked", &[("id", Number), ("k", Key), ("g", Number), ("at", Moment), ("p", Number), ("label", Number)]),
];

const ALL_DECLARED: &str = "
    CREATE DATASET events (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x BIGINT, y BIGINT) TIMESTAMP at;
    CREATE DATASET late (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x BIGINT, y BIGINT) TIMESTAMP at KNOWN AT seen;
    CREATE DATASET facts (id VARCHAR, k VARCHAR, g BIGINT, at TIMESTAMP, seen TIMESTAMP, x BIGINT, y BIGINT) TIMESTAMP at KNOWN AT seen KEY (id);
    CREATE DATASET asked (id BIGINT, k VARCHAR, g BIGINT, at TIMESTAMP, p BIGINT, label BIGINT) TIMESTAMP at;
    CREATE ENTITY one KEY (k VARCHAR);
    CREATE FEATURE VIEW base ENTITY one TIMESTAMP at AS SELECT k, g, at, x, y FROM events WHERE y % 4 <> 0;
";

/// Views of training sets: what is said besides entity and timestamp, and a SELECT with one feature `f`.
const VIEWS: [(&str, &str); 14] = [
    ("", "SELECT k, at, x AS f FROM events"),
    ("TTL INTERVAL '9 microseconds'", "SELECT k, at, x AS f FROM events WHERE g % 3 <> 0"),
    ("", "SELECT k, at, x + y AS f, g FROM base"),
    ("", "SELECT k, at, sum(x) AS f FROM events GROUP BY k, at"),
    ("", "SELECT k, at, sum(x) AS f FROM events GROUP BY k, at, g"),
    ("", "SELECT e.k, e.at, e.x AS f, b.y AS other FROM events AS e JOIN base AS b ON e.k = b.k"),
    ("KNOWN AT seen", "SELECT k, at, seen, x AS f FROM late"),
    ("KNOWN AT seen", "SELECT k, at, seen, x AS f FROM facts"),
    ("KNOWN AT NONE", "SELECT k, at, y AS f FROM facts WHERE x % 5 <> 0"),
    ("", "SELECT k, at, sum(x) OVER (ROWS 2 PRECEDING) AS f FROM events"),
    ("", "SELECT k, at, sum(x) FILTER (WHERE y % 2 = 0) OVER () AS f FROM base"),
    ("", "SELECT e.k, e.at, last_value(e.x) OVER () AS f, b.y AS other FROM events AS e JOIN base AS b ON e.k = b.k"),
    ("KNOWN AT seen", "SELECT k, at, seen, count(*) OVER () + g AS f FROM late"),
    ("KNOWN AT seen", "SELECT k, at, seen, max(x) OVER (RANGE INTERVAL '1 hour' PRECEDING) AS f FROM facts"),
];

fn training_set(chosen: &[usize]) -> String {
    let mut text = ALL_DECLARED.to_owned();
    let (mut outputs, mut from) = (vec!["p * 2 AS twice".to_owned()], Vec::new());
    for (place, view) in chosen.iter().enumerate() {
        let (says, select) = VIEWS[*view];
        text += &format!("CREATE FEATURE VIEW v{place} ENTITY one TIMESTAMP at {says} AS {select};\n");
        outputs.push(format!("v{place}.f AS f{place}"));
        outputs.push(format!("v{place}.f + p AS g{place}"));
        from.push(format!("v{place}"));
    }
    text + &format!(
        "CREATE FEATURE SERVICE s REQUEST (p BIGINT) AS SELECT {} FROM {};
         CREATE TRAINING SET v FEATURES s TIMESTAMP at AS SELECT id, k, at, p, label FROM asked WHERE g % 3 <> 0;",
        outputs.join(", "),
        from.join(", ")
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_a_training_set_does_not_use_does_not_change_it(
        chosen in proptest::collection::vec(0..VIEWS.len(), 1..4),
        seed in any::<u64>(),
    ) {
        let sql = training_set(&chosen);
        let unused = unused_change_nothing(&sql, &ALL, "v", seed, &|known, of, column| known.used(of, column));
        prop_assert_eq!(unused, Ok(()), "{}", sql);
    }
}
