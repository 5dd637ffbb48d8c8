//! Column lineage: what columns are made of, against a table worked out by hand, and against what values do.
//!
//! `edges/*.txt` are queries with the edges that they must have. A query that begins with `CREATE` is applied as it is and
//! the definition `v` is looked at; any other is the SELECT of a view `v` of entity `one` and TIMESTAMP `at`. Each line after
//! it tells of one column `column: source.column way way, …`, and `rows:` what decides which rows there are. A column `k`
//! or `at` that is that of `t` as it is need not be told.

mod property;
mod queries;

use std::collections::BTreeSet;
use std::path::Path;

use asof_model::flow::{Flows, Of, Reads, Way};
use asof_model::{Columns, Registered};
use asof_query::flows;

use crate::project::Project;

const FOLDER: &str = "tests/it/columns/edges";

const DECLARED: &str = "
    CREATE DATASET t (k VARCHAR, at TIMESTAMP, a BIGINT, b BIGINT, c BIGINT, s VARCHAR) TIMESTAMP at;
    CREATE DATASET u (k VARCHAR, at TIMESTAMP, x BIGINT, y BIGINT, z BIGINT) TIMESTAMP at;
    CREATE DATASET late (k VARCHAR, at TIMESTAMP, seen TIMESTAMP, a BIGINT) TIMESTAMP at KNOWN AT seen;
    CREATE DATASET notes (id BIGINT, k VARCHAR, at TIMESTAMP, a BIGINT) TIMESTAMP at KEY (id);
    CREATE DATASET facts (id BIGINT, k VARCHAR, at TIMESTAMP, seen TIMESTAMP, a BIGINT) TIMESTAMP at KNOWN AT seen KEY (id);
    CREATE ENTITY one KEY (k VARCHAR);
    CREATE ENTITY two KEY (k VARCHAR, s VARCHAR);
    CREATE FEATURE VIEW base ENTITY one TIMESTAMP at AS SELECT k, at, a AS f, b AS g FROM t WHERE c > 0;
    CREATE FEATURE VIEW fresh ENTITY one TIMESTAMP at TTL INTERVAL '1 hour' AS SELECT k, at, a AS f FROM t;
    CREATE FEATURE VIEW flags ENTITY one TIMESTAMP at AS SELECT k, at, a > 0 AS flag FROM t;
    CREATE FEATURE VIEW learned ENTITY one TIMESTAMP at KNOWN AT seen AS SELECT k, at, seen, a FROM late;
    CREATE FEATURE VIEW mixed ENTITY one TIMESTAMP at AS SELECT t.k, t.at, a AS f, x AS g FROM t JOIN u ON t.k = u.k;
    CREATE FEATURE VIEW grouped ENTITY one TIMESTAMP at AS SELECT k, at, sum(a) AS f, sum(b) AS g FROM t GROUP BY k, at;
    CREATE FEATURE SERVICE s REQUEST (distance DOUBLE) AS SELECT f, distance * 2 AS d FROM base;
";

/// What the columns of a definition of a project are made of.
fn of(project: &Project, name: &str) -> Flows {
    let shown = |dataset: &Registered| -> Columns { dataset.columns.clone() };
    flows(&project.get(name), &project.definitions(), &shown).expect("flows")
}

fn made(flows: &Flows, reads: &Reads) -> String {
    let read = |(read, ways): (&asof_model::flow::Read, &asof_model::flow::Ways)| {
        let whose = match read.of {
            Of::Request => "request",
            Of::Input(_) => flows.whose(read).expect("an input").name.as_str(),
        };
        let ways = ways.iter().map(|way| way.subtype().unwrap_or("UNKNOWN").to_ascii_lowercase());
        format!("{whose}.{} {}", read.column, ways.collect::<Vec<_>>().join(" "))
    };
    // Two versions of one name read alike.
    reads.iter().map(read).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

fn shown(flows: &Flows) -> Vec<String> {
    let columns = flows.columns.iter().map(|column| format!("{}: {}", column.name, made(flows, &column.of)));
    let rows = (!flows.rows.is_empty()).then(|| format!("rows: {}", made(flows, &flows.rows)));
    let unseen = flows.unseen.iter().map(|what| format!("unseen: {what}"));
    columns.chain(rows).chain(unseen).map(|line| line.trim_end().to_owned()).collect()
}

struct Case {
    name: String,
    sql: String,
    expected: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut files: Vec<_> =
        Path::new(FOLDER).read_dir().expect(FOLDER).map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        for part in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
            let mut case = Case { name: String::new(), sql: String::new(), expected: Vec::new() };
            for line in part.lines().filter(|line| !line.is_empty()) {
                match (line.strip_prefix("# "), line.strip_prefix("=> ")) {
                    (Some(name), _) => case.name = format!("{}: {name}", file.display()),
                    (_, Some(expected)) => case.expected.push(expected.to_owned()),
                    _ => case.sql += &format!("{line}\n"),
                }
            }
            cases.push(case);
        }
    }
    cases
}

#[test]
fn every_query_has_its_edges() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} queries", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let mut project = Project::with(DECLARED);
        let sql = match case.sql.starts_with("CREATE") {
            true => case.sql.clone(),
            false => format!("CREATE FEATURE VIEW v ENTITY one TIMESTAMP at AS {}", case.sql),
        };
        if let Err(errors) = project.plan(&sql) {
            wrong.push(format!("{}\n{}{}", case.name, case.sql, crate::project::shown(&errors)));
            continue;
        }
        project.apply(&sql);
        let told = |column: &str| case.expected.iter().any(|line| line.starts_with(&format!("{column}:")));
        let mut found = shown(&of(&project, "v"));
        found.retain(|line| (told("k") || line != "k: t.k identity") && (told("at") || line != "at: t.at identity"));
        if found != case.expected {
            let lines = |lines: &[String]| lines.iter().map(|line| format!("   {line}\n")).collect::<String>();
            wrong.push(format!("{}\n{}found\n{}wanted\n{}", case.name, case.sql, lines(&found), lines(&case.expected)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong\n\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Whatever is said to go in directly is said so in a direct way, and what decides is not.
#[test]
fn rows_are_only_decided_about() {
    for case in cases() {
        let mut project = Project::with(DECLARED);
        let select = !case.sql.starts_with("CREATE");
        if !select {
            continue;
        }
        project.apply(&format!("CREATE FEATURE VIEW v ENTITY one TIMESTAMP at AS {}", case.sql));
        let flows = of(&project, "v");
        assert!(flows.rows.values().all(|ways| !ways.has_direct()), "{}", case.name);
        assert!(flows.columns.iter().flat_map(|column| column.of.values()).all(|ways| !ways.contains(Way::Unknown)));
    }
}
