use super::*;
use asof_model::schema::parse_sql_type;

fn columns(text: &str) -> Columns {
    let column = |part: &str| {
        let (name, sql) = part.trim().split_once(' ').unwrap();
        let (sql, nullable) = sql.strip_suffix(" NOT NULL").map_or((sql, true), |sql| (sql, false));
        Column { nullable, ..Column::new(name, parse_sql_type(sql).unwrap()) }
    };
    Columns(text.split(';').filter(|part| !part.trim().is_empty()).map(column).collect())
}

fn texts(name: &str, samples: &[(&str, &[&str])]) -> FileColumns {
    let column = |(name, texts): &(&str, &[&str])| {
        let mut seen = Seen::default();
        texts.iter().for_each(|t| seen.text(t));
        ((*name).to_owned(), Candidate::Texts(seen))
    };
    FileColumns { file: name.into(), columns: samples.iter().map(column).collect(), rows: None }
}

fn typed(name: &str, text: &str) -> FileColumns {
    let columns = columns(text).0.into_iter().map(|c| (c.name, Candidate::Values(Some(c.data_type)))).collect();
    FileColumns { file: name.into(), columns, rows: None }
}

struct Case<'a> {
    declared: Option<&'a str>,
    table: Option<&'a str>,
    files: Vec<FileColumns>,
    set: &'a [(&'a str, &'a str)],
    known_at: Option<&'a str>,
}

const NEW: Case<'static> = Case { declared: None, table: None, files: Vec::new(), set: &[], known_at: None };

/// The columns that come out, `+` before those added to a table; or the message.
fn check(case: Case<'_>, expected: Result<&str, &str>) {
    let definition = Dataset {
        name: "d".parse().unwrap(),
        columns: case.declared.map(columns),
        timestamp: "ts".into(),
        known_at: case.known_at.map(str::to_owned),
        key: vec!["k".into()],
        cluster_by: vec![],
        checks: vec![],
        annotations: Default::default(),
    };
    let table = case.table.map(columns);
    let set = case.set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let found = decide(&definition, table.as_ref(), &case.files, &set);
    let shown = found.map_err(|e| e.to_string()).map(|shape| {
        let mark = |c: &Column| if shape.added.contains(c) { format!("+{c}") } else { c.to_string() };
        shape.columns.0.iter().map(mark).collect::<Vec<_>>().join("; ")
    });
    assert_eq!(shown, expected.map(str::to_owned).map_err(str::to_owned));
}

#[test]
fn the_first_ingest_fixes_the_types() {
    let a = || texts("a.csv", &[("ts", &["2013-01-01"]), ("k", &["1"]), ("x", &["1"])]);
    check(Case { files: vec![a()], ..NEW }, Ok("ts TIMESTAMP; k BIGINT; x BIGINT"));
    let b = texts("b.csv", &[("k", &["2"]), ("y", &[]), ("x", &["0.5"]), ("ts", &["2013-01-01"])]);
    check(Case { files: vec![a(), b], ..NEW }, Ok("ts TIMESTAMP; k BIGINT; x DOUBLE; y VARCHAR"));
    let c = typed("c.parquet", "ts DATE; k INT; x REAL");
    check(Case { files: vec![a(), c.clone()], ..NEW }, Ok("ts TIMESTAMP; k INT; x REAL"));
    let d = typed("d.parquet", "ts TIMESTAMP; k SMALLINT; x INT");
    check(Case { files: vec![c.clone(), d], ..NEW }, Ok("ts TIMESTAMP; k INT; x DOUBLE"));
    let e = typed("e.parquet", "ts TIMESTAMP; k VARCHAR; x INT");
    check(Case { files: vec![c, e], ..NEW }, Err("column `k` is INT in c.parquet and VARCHAR in e.parquet"));
    let f = || texts("f.csv", &[("k", &["1"])]);
    check(Case { files: vec![f()], ..NEW }, Err("f.csv: no column `ts`, which is the TIMESTAMP"));
    check(Case { files: vec![f()], set: &[("ts", "2013-01-01")], ..NEW }, Ok("k BIGINT; ts TIMESTAMP"));
    let g = texts("g.csv", &[("ts", &["2013-01-01"]), ("k", &["1.5"])]);
    check(Case { files: vec![g], ..NEW }, Err("column `k` is DOUBLE, which cannot be a KEY"));
}

#[test]
fn times_are_moments_whatever_they_look_like() {
    let known_at = Some("loaded");
    let a = texts("a.csv", &[("ts", &["2013-01-01"]), ("k", &["1"]), ("loaded", &[])]);
    check(Case { known_at, files: vec![a.clone()], ..NEW }, Ok("ts TIMESTAMP; k BIGINT; loaded TIMESTAMP"));
    check(Case { files: vec![a], ..NEW }, Ok("ts TIMESTAMP; k BIGINT; loaded VARCHAR"));
    let b = texts("b.csv", &[("ts", &[]), ("k", &[])]);
    check(Case { known_at, files: vec![b], ..NEW }, Err("b.csv: no column `loaded`, which is KNOWN AT"));
    let table = Some("ts TIMESTAMP; k BIGINT; loaded VARCHAR");
    let c = texts("c.csv", &[("ts", &[])]);
    let message = "column `loaded` is VARCHAR, and the known-at time is a TIMESTAMP";
    check(Case { known_at, table, files: vec![c], ..NEW }, Err(message));
}

#[test]
fn later_files_add_columns_and_change_none() {
    let table = Some("ts TIMESTAMP; k BIGINT; x DOUBLE");
    let a = texts("a.csv", &[("ts", &[]), ("k", &["abc"]), ("z", &["1"])]);
    check(Case { table, files: vec![a], ..NEW }, Ok("ts TIMESTAMP; k BIGINT; x DOUBLE; +z BIGINT"));
    let b = typed("b.parquet", "ts TIMESTAMP; k VARCHAR; x VARCHAR");
    check(Case { table, files: vec![b], ..NEW }, Ok("ts TIMESTAMP; k BIGINT; x DOUBLE"));
}

#[test]
fn what_is_declared_is_all_there_is() {
    let declared = Some("ts DATE; k BIGINT NOT NULL; delay DOUBLE");
    let a = || typed("a.parquet", "ts DATE; k INT");
    check(Case { declared, files: vec![a()], ..NEW }, Ok("ts TIMESTAMP; k BIGINT NOT NULL; delay DOUBLE"));
    let b = typed("b.parquet", "ts DATE; k INT; delai REAL");
    check(Case { declared, files: vec![a(), b], ..NEW }, Err("b.parquet: column `delai` is not declared"));
    check(Case { declared, files: vec![a()], set: &[("zz", "1")], ..NEW }, Err("--set: column `zz` is not declared"));
    let table = Some("ts TIMESTAMP; k BIGINT NOT NULL");
    check(Case { declared, table, files: vec![a()], ..NEW }, Ok("ts TIMESTAMP; k BIGINT NOT NULL; +delay DOUBLE"));
    let table = Some("ts TIMESTAMP; k VARCHAR");
    check(
        Case { declared, table, files: vec![a()], ..NEW },
        Err("column `k` is declared BIGINT, and the dataset keeps VARCHAR"),
    );
    check(
        Case { declared, table: Some("ts TIMESTAMP"), files: vec![a()], ..NEW },
        Err("column `k` is declared NOT NULL, and the dataset has rows without it"),
    );
}

#[test]
fn names_that_cannot_be_kept_are_refused() {
    let named = |name: &str| texts("a.csv", &[("ts", &[]), ("k", &[]), (name, &[])]);
    check(
        Case { files: vec![named("_seq")], ..NEW },
        Err("a.csv: column `_seq` begins with `_seq`, which is Asof's own"),
    );
    check(Case { files: vec![named("k")], ..NEW }, Err("a.csv: column `k` comes twice"));
    check(
        Case { files: vec![named("K")], ..NEW },
        Err("a.csv: column `K` differs from another only in upper and lower case"),
    );
    check(Case { files: vec![named("")], ..NEW }, Err("a.csv: column `` has no name"));
    check(Case { files: vec![named("Flight No")], ..NEW }, Ok("ts TIMESTAMP; k VARCHAR; Flight No VARCHAR"));
    let message =
        "columns `k` and `K` differ only in upper and lower case, and other readers could not tell them apart";
    let table = Some("ts TIMESTAMP; k VARCHAR");
    check(Case { table, files: vec![texts("a.csv", &[("K", &[])])], ..NEW }, Err(message));
    let message = "column `_seq_no` begins with `_seq`, which is Asof's own";
    check(Case { files: vec![named("a")], set: &[("_seq_no", "1")], ..NEW }, Err(message));
}
