//! Text to definitions, and what is said about text that is not one.

use asof_model::Definition;
use asof_model::definition::KnownAt;
use asof_query::{Source, Statement, parse};

use super::document;
use crate::project::shown;

fn read(sql: &str) -> Result<Vec<Statement>, String> {
    parse(&[Source { file: "a.sql".into(), text: sql.into() }]).map_err(|errors| shown(&errors))
}

fn check(sql: &str) -> Definition {
    let mut statements = read(sql).expect("no mistake");
    assert_eq!(statements.len(), 1);
    statements.remove(0).definition
}

fn refused(texts: &[&str]) -> String {
    document(texts, |text| read(text).expect_err("a mistake"))
}

#[test]
fn every_clause_is_read_in_any_order() {
    let Definition::Dataset(dataset) = check(
        "create dataset Flights (id BIGINT not null, at timestamp, seen TIMESTAMPTZ, delay double precision, tags varchar[])
         with (owner = 'ops', description = 'it''s late') check sane (delay > -120) check Late (delay < 9999)
         cluster by (id) key (id) known at seen timestamp at",
    ) else {
        panic!("a dataset")
    };
    let columns = dataset.columns.expect("declared");
    let columns: Vec<_> = columns.0.iter().map(ToString::to_string).collect();
    assert_eq!(columns, ["id BIGINT NOT NULL", "at TIMESTAMP", "seen TIMESTAMP", "delay DOUBLE", "tags VARCHAR[]"]);
    assert_eq!((dataset.name.as_str(), dataset.timestamp.as_str()), ("flights", "at"));
    assert_eq!(
        (dataset.known_at.as_deref(), dataset.key, dataset.cluster_by),
        (Some("seen"), vec!["id".into()], vec!["id".into()])
    );
    let checks: Vec<_> = dataset.checks.iter().map(|c| (c.name.as_str(), c.condition.as_str())).collect();
    assert_eq!(checks, [("sane", "delay > -120"), ("late", "delay < 9999")]);
    assert_eq!(dataset.annotations["description"], "it's late");

    let Definition::FeatureView(view) = check(
        "CREATE FEATURE VIEW v SLIDE INTERVAL '1 hour' TTL INTERVAL '3' HOURS KNOWN AT NONE TIMESTAMP ts ENTITY plane@2
         AS WITH x AS (SELECT 1) SELECT timestamp, ttl, max(entity) OVER w AS slide FROM t WHERE known = 'AT'
         WINDOW w AS (RANGE INTERVAL '1 day' PRECEDING), v AS (PARTITION BY ttl);",
    ) else {
        panic!("a view")
    };
    assert_eq!(
        (view.entity.as_str(), view.known_at, view.ttl.map(|t| t.0)),
        ("plane@2", KnownAt::Never, Some(10_800_000_000))
    );
    // A day slides by the hour without being told.
    assert_eq!(view.slide, None);
    assert_eq!(
        view.query,
        "WITH x AS (SELECT 1) SELECT timestamp, ttl, max(entity) OVER w AS slide FROM t WHERE known = 'AT' \
         WINDOW w AS (RANGE INTERVAL '1 day' PRECEDING), v AS (PARTITION BY ttl)"
    );
}

#[test]
fn a_file_may_hold_many_definitions_and_comments_anywhere() {
    let statements = read(
        "-- the first; really\nCREATE ENTITY a KEY (x INT);;\n/* between; */ CREATE ENTITY b -- inside\n KEY (y /* too */ VARCHAR)",
    );
    let statements = statements.expect("two definitions");
    assert_eq!(statements.iter().map(|s| s.definition.name().as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(read(" ; -- nothing\n").expect("no definition").is_empty());
}

#[test]
fn canonical_text_is_stable() {
    let texts = [
        "SELECT Origin AS airport, TEMP, 'O''Hare' AS \"Name\", 1E3 AS big, x::int AS y FROM Weather w WHERE NOT a AND b IS NULL",
        "SELECT avg(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW) AS m FROM t@3",
        "SELECT CASE WHEN a THEN 1 ELSE -1 END AS c, CAST(b AS DECIMAL(10,2)) AS d FROM \"t@sha256:0123abcd\" UNION ALL SELECT 1, 2",
        "SELECT * FROM (SELECT DISTINCT a FROM t) AS q JOIN u USING (a) LEFT JOIN v ON q.a = v.a ORDER BY a DESC LIMIT 3",
    ];
    for text in texts {
        let canonical = |query: &str| match check(&format!("CREATE TRAINING SET s FEATURES f TIMESTAMP ts AS {query}"))
        {
            Definition::TrainingSet(set) => set.query,
            other => panic!("{other:?}"),
        };
        let once = canonical(text);
        assert_eq!(canonical(&once), once, "{text}");
        let loud = text.replace("SELECT", "select").replace(" FROM", "\n\t/* here */ FROM");
        assert_eq!(canonical(&loud), once);
    }
}

#[test]
fn what_is_not_a_definition() {
    insta::assert_snapshot!(refused(&[
        "DROP TABLE flights",
        "CREATE",
        "CREATE FEATURE VEIW v ENTITY e TIMESTAMP ts AS SELECT 1",
        "CREATE DATSET d TIMESTAMP ts",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t",
        "CREATE ENTITY 9e KEY (a INT)",
        "CREATE ENTITY \"E\" KEY (a INT)",
        "CREATE ENTITY e KEY (a INT)\nCREATE ENTITY f KEY (a INT)",
        "CREATE DATASET d TIMESTMP ts",
        "CREATE DATASET d TIMESTAMP ts TTL INTERVAL '1 day'",
        "CREATE DATASET d TIMESTAMP ts TIMESTAMP ts",
        "CREATE DATASET d (a INT, b MAP) TIMESTAMP a",
        "CREATE DATASET d (a INT, a INT) TIMESTAMP a",
        "CREATE DATASET d (a INT, __b INT) TIMESTAMP a",
        "CREATE DATASET d (a INT TIMESTAMP a",
        "CREATE DATASET d KEY (a)",
        "CREATE DATASET d TIMESTAMP ts WITH (owner = ops)",
        "CREATE DATASET d TIMESTAMP ts CHECK c (a >)",
    ]));
}

#[test]
fn what_is_not_a_view() {
    insta::assert_snapshot!(refused(&[
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts\n  SELECT a FROM t",
        "CREATE FEATURE VIEW v TIMESTAMP ts AS SELECT a FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts TTL INTERVAL '1 month' AS SELECT a FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts TTL INTERVAL '0 hours' AS SELECT a FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts TTL '3 hours' AS SELECT a FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS\n  SELECT a b c\n  FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS\n  SELECT a FROM t WHER a > 1",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS\n  SELECT a FROM t WHERE (a > 1",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS DELETE FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS SELECT * FROM generate_series(1, 10)",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS SELECT * INTO x FROM t",
        "CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS SELECT * FROM a.b",
    ]));
}

#[test]
fn all_mistakes_are_told_not_only_the_first() {
    insta::assert_snapshot!(refused(&[
        "CREATE ENTITY a KEY x INT);\nCREATE ENTITY b KEY (x INT);\nCREATE ENTITY c KEI (x INT);\nCREATE ENTITY d KEY (x INT) WITH (o = 'unclosed);",
    ]));
}

/// As deep as somebody may write it, and on a small stack: neither reading nor dropping may exhaust it.
#[test]
fn no_text_exhausts_a_stack() {
    let view =
        |expression: String| format!("CREATE FEATURE VIEW v ENTITY e TIMESTAMP ts AS SELECT {expression} AS a FROM t");
    let texts = [
        (view(format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000))), false),
        (view(format!("{}1{}", "(".repeat(90), ")".repeat(90))), true),
        (view(format!("{}1{}", "abs(".repeat(90), ")".repeat(90))), true),
        (view(format!("{}1{}", "CASE WHEN a THEN ".repeat(90), " END".repeat(90))), true),
        (view(format!("1{}", " + 1".repeat(235))), true),
        (view(format!("1{}", " + 1".repeat(10_000))), false),
        (view(format!("{}1", "- ".repeat(10_000))), false),
        (view(format!("{}1", "NOT ".repeat(10_000))), false),
        (view("a".repeat(70_000)), false),
        (format!("CREATE TRAINING SET s FEATURES f TIMESTAMP t AS {}SELECT 1{}", "(".repeat(95), ")".repeat(95)), true),
        (
            format!(
                "CREATE TRAINING SET s FEATURES f TIMESTAMP t AS SELECT * FROM {}t{}",
                "(".repeat(95),
                ")".repeat(95)
            ),
            true,
        ),
        (
            format!("CREATE TRAINING SET s FEATURES f TIMESTAMP t AS SELECT 1{}", " UNION ALL SELECT 1".repeat(110)),
            true,
        ),
        (format!("CREATE DATASET d (a {}INT{}) TIMESTAMP a", "ARRAY<".repeat(5_000), ">".repeat(5_000)), false),
    ];
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let reader = small.spawn(move || {
        for (text, good) in texts {
            let start: String = text.chars().take(120).collect();
            assert_eq!(read(&text).is_ok(), good, "{start}");
        }
    });
    reader.expect("a thread").join().expect("no text is too much");
}
