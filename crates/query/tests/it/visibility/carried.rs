//! Which hidden columns come out of which query, and what is refused.

use asof_query::visibility::{Relation, Revisions, SEQ, SUPERSEDED, expose};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::{Kind, PLAIN, REPLACED, Revision, TIMED, bind, exposed, relation, show};
use crate::asof::WHOLE;

const TABLES: [(&str, Kind); 3] = [("plain", PLAIN), ("timed", TIMED), ("replaced", REPLACED)];

const fn revision(fact: Option<i64>, ts: i64, known: i64, seq: i64, value: i64) -> Revision {
    Revision { fact, name: Some("a"), ts, known: Some(known), seq, value: Some(value) }
}

/// Fact 1 twice, fact 2 once, and two rows that are nobody's revision.
const ROWS: [Revision; 5] = [
    revision(Some(1), 10, 11, 0, 100),
    revision(Some(1), 12, 15, 1, 101),
    revision(Some(2), 10, 10, 2, 200),
    revision(None, 10, 10, 3, 300),
    revision(None, 10, 12, 4, 301),
];

/// Whether `_seq` and `_superseded` come out, and that the columns are the query's own and then these.
fn check(sql: &str, seq: bool, superseded: bool) {
    let visible = bind(sql, &TABLES.map(|(name, _)| name)).schema().field_names();
    let Relation { plan, hidden } = exposed(sql, &TABLES, &ROWS, Revisions::Timed, WHOLE).expect(sql);
    assert_eq!((hidden.seq.is_some(), hidden.superseded.is_some()), (seq, superseded), "{sql}");
    let names = plan.schema().field_names();
    assert_eq!(names[..visible.len()], visible, "{sql}");
    let hidden: Vec<_> = hidden.seq.iter().chain(&hidden.superseded).map(|c| c.flat_name()).collect();
    assert_eq!(names[visible.len()..], hidden, "{sql}");
    show(plan, WHOLE);
}

fn check_refused(sql: &str, code: &str, message: &str) {
    let error = exposed(sql, &TABLES, &ROWS, Revisions::Timed, WHOLE).expect_err(sql);
    assert_eq!((error.code(), error.message()), (code, message), "{sql}");
}

#[test]
fn what_keeps_rows_keeps_both() {
    check("SELECT value FROM timed", true, true);
    check("SELECT value AS v, ts + INTERVAL '1 hour' AS later FROM timed t WHERE t.fact > 0 ORDER BY ts", true, true);
    check("SELECT s.v FROM (SELECT value AS v FROM timed) s", true, true);
    check("WITH c AS (SELECT value AS v FROM timed) SELECT v FROM c", true, true);
    check("SELECT value FROM replaced", true, false);
    check("SELECT value FROM plain", true, false);
}

#[test]
fn joins_keep_what_belongs_to_a_row_that_stays() {
    check("SELECT p.value FROM plain p JOIN timed t ON p.fact = t.fact", true, true);
    check("SELECT t.value FROM timed t JOIN plain p ON p.fact = t.fact", true, true);
    check("SELECT t.value FROM timed t LEFT JOIN plain p ON p.fact = t.fact", true, true);
    check("SELECT t.value FROM plain p RIGHT JOIN timed t ON p.fact = t.fact", true, true);
    check("SELECT t.value FROM plain p FULL JOIN plain t ON p.fact = t.fact", true, false);
    check(
        "SELECT a FROM (SELECT value AS a, fact AS f FROM plain) JOIN (SELECT value AS b, fact AS g FROM plain) ON f = g",
        true,
        false,
    );
    check("SELECT value FROM plain JOIN (SELECT 1 AS one) ON fact = one", true, false);
    check("SELECT value FROM (SELECT 1 AS one) JOIN plain ON fact = one", true, false);
    check("SELECT value FROM timed WHERE EXISTS (SELECT 1 FROM plain WHERE plain.fact = timed.fact)", true, true);
    check(
        "SELECT value FROM timed WHERE fact IN (SELECT fact FROM replaced) AND value > (SELECT min(value) FROM plain)",
        true,
        true,
    );
    for sql in [
        "SELECT p.value FROM plain p LEFT JOIN timed t ON p.fact = t.fact",
        "SELECT p.value FROM timed t RIGHT JOIN plain p ON p.fact = t.fact",
        "SELECT p.value FROM plain p FULL JOIN timed t ON p.fact = t.fact",
        "SELECT t.value FROM timed t JOIN timed u ON t.fact = u.fact",
    ] {
        check_refused(
            sql,
            "revisions_mixed",
            "this join mixes rows of `t`, which has KEY and KNOWN AT: the answer would change with the moment it is asked for",
        );
    }
}

#[test]
fn what_mixes_rows_has_no_order_of_acceptance_and_refuses_timed_revisions() {
    let mixed = |what: &str| {
        format!(
            "{what} mixes rows of `timed`, which has KEY and KNOWN AT: the answer would change with the moment it is asked for"
        )
    };
    let both = |sql: &str, seq: bool, what: &str| {
        check(&sql.replace("TABLE", "plain"), seq, false);
        check(&sql.replace("TABLE", "replaced"), seq, false);
        check_refused(&sql.replace("TABLE", "timed"), "revisions_mixed", &mixed(what));
    };
    both("SELECT name, sum(value) AS total FROM TABLE GROUP BY name", false, "an aggregate");
    both("SELECT DISTINCT name FROM TABLE", false, "DISTINCT");
    both("SELECT value FROM TABLE UNION ALL SELECT value FROM plain", false, "UNION");
    both("SELECT value FROM TABLE LIMIT 3", true, "LIMIT");
    both("SELECT value FROM TABLE ORDER BY ts LIMIT 3", true, "LIMIT");
    both("SELECT sum(value) OVER (PARTITION BY name ORDER BY ts) AS total FROM TABLE", true, "a window function");
    both("SELECT value FROM plain WHERE fact IN (SELECT fact FROM TABLE)", true, "a subquery");
    both("SELECT value FROM plain WHERE value > (SELECT min(value) FROM TABLE)", true, "an aggregate");
}

#[test]
fn hidden_names_are_reserved() {
    for name in [SEQ, SUPERSEDED] {
        check_refused(
            &format!("SELECT value AS {name} FROM plain"),
            "reserved_column",
            &format!("`{name}` is a reserved column name"),
        );
    }
}

#[test]
fn a_column_the_table_lacks_is_named() {
    let mut lacking = super::dataset("plain", TIMED);
    lacking.key = vec!["other".into()];
    let table = datafusion::catalog::MemTable::try_new(super::rows(&[]).schema(), vec![vec![]]).expect("a table");
    let error =
        asof_query::visibility::scan(&lacking, std::sync::Arc::new(table), Revisions::Timed).expect_err("refused");
    assert_eq!((error.code(), error.message()), ("unknown_column", "dataset `plain` has no column `other`"));
}

/// Values and moments of supersession that a table shows.
fn shown(kind: Kind, how: Revisions) -> Vec<(i64, Option<i64>)> {
    let found = relation("facts", kind, &ROWS, how, WHOLE).expect("a scan");
    let superseded = found.hidden.superseded.is_some();
    let mut shown = Vec::new();
    for batch in show(found.plan, WHOLE) {
        let values = batch.column_by_name("value").expect("value").as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let until = batch
                .column_by_name(SUPERSEDED)
                .filter(|_| superseded)
                .map(|c| c.as_primitive::<TimestampMicrosecondType>());
            shown.push((values.value(row), until.and_then(|u| u.iter().nth(row).flatten())));
        }
    }
    shown.sort_unstable();
    shown
}

#[test]
fn revisions_are_resolved_as_declared() {
    let all = |first| [(100, first), (101, None), (200, None), (300, None), (301, None)];
    assert_eq!(shown(PLAIN, Revisions::Timed), all(None));
    assert_eq!(shown(TIMED, Revisions::Timed), all(Some(15)));
    let latest = [(101, None), (200, None), (300, None), (301, None)];
    assert_eq!(shown(TIMED, Revisions::Latest), latest);
    assert_eq!(shown(REPLACED, Revisions::Timed), latest);
    assert_eq!(shown(REPLACED, Revisions::Latest), latest);
}

/// A subquery's rows are resolved too: with a key, the sum takes the corrected amount.
#[test]
fn a_corrected_amount_replaces_the_old_one_in_a_sum() {
    let total = |table: &str| {
        let sql = format!("SELECT sum(value) AS total FROM {table} WHERE fact = 1");
        let found = exposed(&sql, &TABLES, &ROWS, Revisions::Latest, WHOLE).expect("a plan");
        show(found.plan, WHOLE)[0].column(0).as_primitive::<Int64Type>().value(0)
    };
    assert_eq!((total("plain"), total("replaced"), total("timed")), (201, 101, 101));
}

#[test]
fn a_view_may_stand_where_a_dataset_does() {
    let inner = || {
        exposed(
            "SELECT value, fact, name, ts, known FROM timed WHERE value > 100",
            &TABLES,
            &ROWS,
            Revisions::Timed,
            WHOLE,
        )
    };
    let outer = bind("SELECT v.value AS twice FROM middle v", &["middle"]);
    let found = expose(outer, &mut |table| if table.table() == "middle" { inner().map(Some) } else { Ok(None) })
        .expect("a plan");
    assert!(found.hidden.seq.is_some() && found.hidden.superseded.is_some());
    assert_eq!(show(found.plan, WHOLE).iter().map(|b| b.num_rows()).sum::<usize>(), 4);
}
