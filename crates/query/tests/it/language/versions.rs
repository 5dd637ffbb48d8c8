//! Digests and versions through SQL text: what makes a new version, and what does not.

use super::meaning::BASE;
use crate::project::{Project, effects};

/// Applies one text after another to the base project; what the last one does.
fn check(texts: &[&str], expected: &[&str]) {
    let mut project = Project::with(BASE);
    let (last, before) = texts.split_last().expect("a text");
    before.iter().for_each(|text| drop(project.apply(text)));
    assert_eq!(effects(&project.apply(last)), expected, "{last}");
}

const VIEW: &str = "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at TTL INTERVAL '3 hours' AS SELECT carrier, at, delay FROM flights";

#[test]
fn applying_twice_changes_nothing() {
    let mut project = Project::with(BASE);
    assert!(effects(&project.apply(BASE)).iter().all(|line| line.ends_with("unchanged")));
}

#[test]
fn form_makes_no_version() {
    let same = |text: &str| check(&[VIEW, text], &["v@1 unchanged"]);
    same(
        "create feature view V\n entity CARRIER -- which\n timestamp AT ttl interval '180 minutes'\n as select Carrier, AT, /* it */ DELAY from FLIGHTS;",
    );
    same(
        "CREATE FEATURE VIEW v TTL INTERVAL '3 hours' TIMESTAMP at ENTITY carrier AS SELECT carrier, at, delay FROM flights",
    );
    check(&[VIEW, &VIEW.replace(" AS SELECT", " WITH (owner = 'me') AS SELECT")], &["v@1 annotated WITH"]);
}

/// A view over a SELECT of two relations, `f` and `r`.
fn selecting(select: &str) -> String {
    let from = "flights AS f JOIN route_delays AS r ON f.origin = r.origin";
    let select = select.replace("{from}", from);
    format!("CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS {select}")
}

#[test]
fn ways_to_write_the_same_make_no_version() {
    let same = |one: &str, other: &str| {
        let (one, other) = (selecting(one), selecting(other));
        check(&[&one, &other], &["v@1 unchanged"]);
        // The canonical text is one more way.
        let project = Project::with(&format!("{BASE} {one}"));
        let asof_model::Definition::FeatureView(view) = &project.get("v").definition else { panic!("a view") };
        check(&[&one, &selecting(&view.query)], &["v@1 unchanged"]);
    };
    let feature = |one: &str, other: &str| {
        let select = |x: &str| format!("SELECT f.carrier, f.at, {x} AS x FROM {{from}}");
        same(&select(one), &select(other));
    };
    let from = |one: &str, other: &str| {
        let select = |x: &str| format!("SELECT f.carrier, f.at, f.delay FROM {x}");
        same(&select(one), &select(other));
    };
    from("flights AS f", "flights f");
    from("flights AS f", "\"flights\" AS \"f\"");
    from("(SELECT * FROM flights) AS f", "(SELECT ALL * FROM flights) f");
    from(
        "flights AS f JOIN route_delays AS b ON f.origin = b.origin",
        "flights f INNER JOIN route_delays b ON (f.origin = b.origin)",
    );
    from(
        "flights AS f LEFT JOIN route_delays AS b ON f.origin = b.origin",
        "flights f LEFT OUTER JOIN route_delays b ON ((f.origin = b.origin))",
    );
    from(
        "flights AS f RIGHT JOIN route_delays AS b ON f.origin = b.origin",
        "flights f right outer join route_delays b on f.origin=b.origin",
    );
    from(
        "flights AS f FULL JOIN route_delays AS b ON f.origin = b.origin",
        "flights f FULL OUTER JOIN route_delays b ON f.origin = b.origin",
    );
    from(
        "flights AS f JOIN (route_delays AS b JOIN route_delays AS c ON b.origin = c.origin) ON f.origin = b.origin",
        "flights f INNER JOIN (route_delays b INNER JOIN route_delays c ON (b.origin = c.origin)) ON f.origin = b.origin",
    );
    from("flights AS f WHERE f.delay > 1 AND f.id <> 2", "flights f WHERE (f.delay > (1) AND f.id != 2)");
    from("flights AS f ORDER BY f.id, f.at DESC LIMIT 5", "flights f ORDER BY (f.id) ASC, f.at DESC LIMIT 5");
    from(
        "(SELECT * FROM flights UNION SELECT * FROM flights) AS f",
        "(SELECT * FROM flights UNION DISTINCT SELECT * FROM flights) f",
    );
    feature("CAST(f.delay + 1 AS INT)", "(f.delay + 1)::INTEGER");
    feature("CAST(f.delay AS BIGINT)", "f.delay::int8");
    feature("CAST(f.delay AS VARCHAR)", "f.delay::TEXT");
    feature("CAST(f.id AS DOUBLE)", "(f.id::DOUBLE PRECISION)");
    feature("CAST(f.carrier AS TIMESTAMP)", "f.carrier::timestamp without time zone");
    feature("CAST(f.id AS DECIMAL(10, 2))", "f.id::numeric(10,2)");
    feature("f.delay * 2 + abs(r.delay)", "(f.delay) * 2 + ABS((r.delay))");
    feature("(f.delay + 1) * 2", "(((f.delay + 1)) * 2)");
    feature("\"f\".\"distance\"", "f.distance");
    feature("CASE WHEN f.delay > 1 THEN 1 ELSE 2 END", "(CASE WHEN (f.delay > 1) THEN (1) ELSE (2) END)");
    feature("f.delay IN (1, 2)", "(f.delay) IN ((1), 2)");
    feature(
        "sum(f.delay) OVER (PARTITION BY f.carrier ORDER BY f.at)",
        "SUM(f.delay) OVER (partition by (f.carrier) order by f.at ASC)",
    );
    let dataset = |check: &str| format!("CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at CHECK sane ({check})");
    check(&[&dataset("x > 0"), &dataset("(X) > (0)")], &["d@1 unchanged"]);
}

#[test]
fn another_meaning_makes_a_version() {
    let differ = |one: &str, other: &str| {
        let select = |x: &str| selecting(&format!("SELECT f.carrier, f.at, {x}"));
        check(&[&select(one), &select(other)], &["v@2 from 1 AS"]);
    };
    differ("(f.delay + 1) * 2 AS x FROM {from}", "f.delay + 1 * 2 AS x FROM {from}");
    differ("f.delay - (r.delay - 1) AS x FROM {from}", "f.delay - r.delay - 1 AS x FROM {from}");
    differ("NOT (f.delay > 1 AND r.delay > 1) AS x FROM {from}", "NOT f.delay > 1 AND r.delay > 1 AS x FROM {from}");
    differ("CAST(f.delay AS INT) AS x FROM {from}", "f.delay::BIGINT AS x FROM {from}");
    differ("TRY_CAST(f.carrier AS INT) AS x FROM {from}", "f.carrier::INT AS x FROM {from}");
    differ("f.delay AS x FROM {from}", "f.delay AS x FROM flights f LEFT JOIN route_delays r ON f.origin = r.origin");
    differ("f.delay AS x FROM {from}", "f.delay AS \"X\" FROM {from}");
    differ("f.delay AS x FROM {from} ORDER BY f.id LIMIT 1", "f.delay AS x FROM {from} ORDER BY f.id DESC LIMIT 1");
    differ("f.delay AS \"current_date\" FROM {from}", "f.delay AS x FROM {from}");
    differ(
        "f.delay FROM (SELECT * FROM flights UNION SELECT * FROM flights) AS f",
        "f.delay FROM (SELECT * FROM flights UNION ALL SELECT * FROM flights) AS f",
    );
}

#[test]
fn each_clause_makes_a_version() {
    let other = |from: &str, to: &str, clause: &str| {
        check(&[VIEW, &VIEW.replace(from, to)], &[format!("v@2 from 1 {clause}").as_str()]);
    };
    other("3 hours", "4 hours", "TTL");
    other("TTL INTERVAL '3 hours' ", "", "TTL");
    other("at, delay", "at, delay + 1 AS delay", "AS");
    other("TIMESTAMP at", "TIMESTAMP at KNOWN AT NONE", "KNOWN AT");
    other(
        "TIMESTAMP at TTL INTERVAL '3 hours' AS SELECT carrier, at",
        "TIMESTAMP t TTL INTERVAL '3 hours' AS SELECT carrier, at AS t",
        "TIMESTAMP, AS",
    );
    other("ENTITY carrier", "ENTITY carrier@1", "ENTITY");
    other("FROM flights", "FROM flights@1", "AS");
    let service = "CREATE FEATURE SERVICE s REQUEST (x INT) AS SELECT delay FROM carrier_delays";
    check(&[service, &service.replace("x INT", "x BIGINT")], &["s@2 from 1 REQUEST"]);
    check(&[service, &service.replace("SELECT delay", "SELECT -delay AS delay")], &["s@2 from 1 AS"]);
    let set = "CREATE TRAINING SET t FEATURES risk TIMESTAMP at AS SELECT carrier, at, at AS b, CAST(1 AS INT) AS hour FROM flights";
    check(&[set, &set.replace("TIMESTAMP at", "TIMESTAMP b")], &["t@2 from 1 TIMESTAMP"]);
    check(&[set, &set.replace("FEATURES risk", "FEATURES risk@1")], &["t@2 from 1 FEATURES"]);
    check(&[set, &set.replace("at AS b", "at AS c, at AS b")], &["t@2 from 1 AS"]);
    let dataset = "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at KEY (x)";
    check(&[dataset, &dataset.replace("x INT)", "x BIGINT)")], &["d@2 from 1 columns"]);
    check(&[dataset, &dataset.replace(" KEY (x)", "")], &["d@2 from 1 KEY"]);
    check(
        &[dataset, &dataset.replace(" KEY (x)", " KEY (x) CLUSTER BY (x) CHECK c (x > 0)")],
        &["d@1 annotated CLUSTER BY, CHECK"],
    );
}

#[test]
fn windows_are_part_of_the_version() {
    let view = "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS \
                SELECT carrier, at, sum(delay) OVER w AS d FROM flights WINDOW w AS (RANGE INTERVAL '7 days' PRECEDING)";
    let slide = |by: &str| view.replace(" AS SELECT", &format!(" SLIDE INTERVAL '{by}' AS SELECT"));
    let other = |text: &str, clause: &str| check(&[view, text], &[format!("v@2 from 1 {clause}").as_str()]);
    other(&view.replace("7 days", "8 days"), "AS");
    other(&view.replace("RANGE INTERVAL '7 days'", "ROWS 7"), "AS");
    other(&view.replace("sum(delay) OVER", "sum(delay) FILTER (WHERE delay > 0) OVER"), "AS");
    other(&slide("1 day"), "SLIDE");
    check(&[&slide("1 day"), &slide("24 hours")], &["v@1 unchanged"]);
    check(&[&slide("1 day"), &slide("2 days")], &["v@2 from 1 SLIDE"]);
    // What a window does anyway cannot change a value when it is said.
    check(&[view, &slide("1 hour")], &["v@1 unchanged"]);
    check(&[view, &view.replace("sum(delay)", "/* the week's */ SUM(delay)")], &["v@1 unchanged"]);
}

#[test]
fn a_change_upstream_makes_versions_of_what_is_bound_again() {
    let base = |ttl: &str| {
        format!(
            "CREATE FEATURE VIEW a ENTITY carrier TIMESTAMP at {ttl} AS SELECT carrier, at, delay FROM flights;
         CREATE FEATURE SERVICE s AS SELECT delay FROM b;
         CREATE FEATURE VIEW b ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay FROM a;"
        )
    };
    let (before, after) = (base(""), base("TTL INTERVAL '1 day'"));
    check(&[&before, &after], &["a@2 from 1 TTL", "b@2 from 1 a: 1 → 2", "s@2 from 1 b: 1 → 2"]);
    // What is not in the files stays as it is.
    check(&[&before, after.split(';').next().expect("the first")], &["a@2 from 1 TTL"]);
}

#[test]
fn the_same_meaning_is_the_same_version() {
    let other = VIEW.replace("3 hours", "4 hours");
    check(&[VIEW, &other, VIEW], &["v@1 from 2 TTL"]);
    check(&[VIEW, &other, VIEW, &other], &["v@2 from 1 TTL"]);
}

#[test]
fn a_pinned_version_stays_what_it_was() {
    let other = VIEW.replace("3 hours", "4 hours");
    let service = "CREATE FEATURE SERVICE s AS SELECT v.delay FROM v@1";
    check(&[VIEW, service, &format!("{other}; {service}")], &["v@2 from 1 TTL", "s@1 unchanged"]);
    // A version that this very apply makes can be pinned too.
    check(&[&format!("{service}; {VIEW}")], &["v@1 created", "s@1 created"]);
}
