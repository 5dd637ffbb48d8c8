//! Digests and versions through SQL text: what makes a new version, and what does not.

use super::meaning::BASE;
use crate::project::{Project, effects};

/// Applies one text after another to the base project; what the last one does.
fn check(texts: &[&str], expected: &[&str]) {
    let mut project = Project::with(BASE);
    let (last, before) = texts.split_last().expect("a text");
    before.iter().for_each(|text| drop(project.apply(text)));
    assert_eq!(effects(&project.apply(last)), expected);
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
