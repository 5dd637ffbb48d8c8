//! What definitions mean together, and what is said where they mean nothing.

use super::document;
use crate::project::{Project, shown};

/// What the mistakes are made around.
pub(super) const BASE: &str = "
    CREATE DATASET flights (id BIGINT, carrier VARCHAR, origin VARCHAR, distance DOUBLE, delay DOUBLE, at TIMESTAMP)
      TIMESTAMP at;
    CREATE DATASET bookings (id BIGINT, carrier VARCHAR, seats INT, at TIMESTAMP, seen TIMESTAMP)
      TIMESTAMP at KNOWN AT seen KEY (id);
    CREATE DATASET unseen TIMESTAMP at;
    CREATE ENTITY carrier KEY (carrier VARCHAR);
    CREATE ENTITY route KEY (carrier VARCHAR, origin VARCHAR);
    CREATE FEATURE VIEW carrier_delays ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay, distance FROM flights;
    CREATE FEATURE VIEW route_delays ENTITY route TIMESTAMP at AS SELECT carrier, origin, at, delay FROM flights;
    CREATE FEATURE SERVICE risk REQUEST (hour INT) AS SELECT delay, delay > hour AS late FROM carrier_delays;";

fn refused(texts: &[&str]) -> String {
    let project = Project::with(BASE);
    document(texts, |text| shown(&project.plan(text).expect_err("a mistake")))
}

#[test]
fn names_that_mean_nothing() {
    insta::assert_snapshot!(refused(&[
        "CREATE FEATURE VIEW v ENTITY carier TIMESTAMP at AS SELECT carrier, at, delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay\n  FROM fligths",
        "CREATE FEATURE VIEW v ENTITY flights TIMESTAMP at AS SELECT carrier, at, delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay FROM risk",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay FROM flights@7",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay FROM flights@prod",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay FROM \"/etc/passwd\"",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS SELECT carrier, at, delay FROM unseen",
        "CREATE FEATURE SERVICE s AS SELECT delay FROM carrier_delay",
        "CREATE FEATURE SERVICE s AS SELECT delay FROM flights",
        "CREATE TRAINING SET t FEATURES carrier_delays TIMESTAMP at AS SELECT carrier, at FROM flights",
        "CREATE ENTITY flights KEY (a INT)",
        "CREATE ENTITY x KEY (a INT);\nCREATE ENTITY x KEY (b INT)",
    ]));
}

#[test]
fn views_in_a_circle() {
    insta::assert_snapshot!(refused(&["
CREATE FEATURE VIEW a ENTITY carrier TIMESTAMP at AS SELECT * FROM b;
CREATE FEATURE VIEW b ENTITY carrier TIMESTAMP at AS SELECT * FROM c;
CREATE FEATURE VIEW c ENTITY carrier TIMESTAMP at AS SELECT * FROM a;
CREATE FEATURE VIEW d ENTITY carrier TIMESTAMP at AS SELECT * FROM d;"]));
}

#[test]
fn selects_that_mean_nothing() {
    insta::assert_snapshot!(refused(&[
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delya FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, f.dist FROM flights AS f",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, a.at, a.delay FROM flights AS a JOIN flights AS b ON a.id = b.id",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, avrg(delay) AS d FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at,\n         delay + carrier AS d FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay FROM flights WHERE delay",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, upper(carrier, 2) AS d FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, sum(delay) AS d FROM flights GROUP BY carrier",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay * random() AS d FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay FROM flights WHERE at < now()",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, current_date AS d FROM flights",
    ]));
}

#[test]
fn views_that_are_not_views() {
    insta::assert_snapshot!(refused(&[
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay / 2 FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay, distance AS delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, delay AS delay__status FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT origin AS carier, at, delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT id AS carrier, at, delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP att AS\n  SELECT carrier, at, delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP delay AS\n  SELECT carrier, delay, at FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, NULL AS x FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, seats FROM bookings",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at KNOWN AT seen AS\n  SELECT carrier, at, seats FROM bookings",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at KNOWN AT seen AS\n  SELECT carrier, max(at) AS at, max(seen) AS seen, sum(seats) AS seats FROM bookings GROUP BY carrier",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, avg(delay) OVER w AS d, corr(delay, distance) OVER w AS c\n  FROM flights WINDOW w AS (RANGE INTERVAL '7 days' PRECEDING)",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT max(carrier) OVER () AS carrier, at, delay FROM flights",
        "CREATE FEATURE VIEW v ENTITY carrier TIMESTAMP at AS\n  SELECT carrier, at, (SELECT max(delay) FROM flights) - avg(delay) OVER () AS d FROM flights",
    ]));
}

#[test]
fn knowledge_is_asked_for_through_views() {
    insta::assert_snapshot!(refused(&["
CREATE FEATURE VIEW a ENTITY carrier TIMESTAMP at KNOWN AT seen AS SELECT carrier, at, seen, seats FROM bookings;
CREATE FEATURE VIEW b ENTITY carrier TIMESTAMP at AS SELECT carrier, at, seats FROM a;"]));
    let mut project = Project::with(BASE);
    project.apply(
        "
CREATE FEATURE VIEW a ENTITY carrier TIMESTAMP at KNOWN AT NONE AS SELECT carrier, at, seen, seats FROM bookings;
CREATE FEATURE VIEW b ENTITY carrier TIMESTAMP at AS SELECT carrier, at, seats FROM a;",
    );
}

#[test]
fn datasets_and_entities_that_do_not_fit() {
    insta::assert_snapshot!(refused(&[
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP att",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP x",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at KNOWN AT x",
        "CREATE DATASET d (at TIMESTAMP, x DOUBLE) TIMESTAMP at KEY (x)",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at CLUSTER BY (y)",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at CHECK c (x + 1)",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at CHECK c (y > 1)",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at CHECK c (sum(x) > 1)",
        "CREATE DATASET d (at TIMESTAMP, x INT) TIMESTAMP at CHECK c (at < now())",
        "CREATE ENTITY e KEY (x DOUBLE)",
    ]));
}

#[test]
fn services_that_do_not_fit() {
    insta::assert_snapshot!(refused(&[
        "CREATE FEATURE SERVICE s AS SELECT dely FROM carrier_delays",
        "CREATE FEATURE SERVICE s AS SELECT delay FROM carrier_delays, route_delays",
        "CREATE FEATURE SERVICE s AS SELECT carrier_delays.delay, r.delay FROM carrier_delays, route_delays AS r",
        "CREATE FEATURE SERVICE s AS SELECT * FROM carrier_delays, route_delays",
        "CREATE FEATURE SERVICE s AS SELECT delay > 1 FROM carrier_delays",
        "CREATE FEATURE SERVICE s AS SELECT delay FROM carrier_delays WHERE delay > 1",
        "CREATE FEATURE SERVICE s AS SELECT sum(delay) AS d FROM carrier_delays",
        "CREATE FEATURE SERVICE s AS SELECT delay FROM route_delays(origin)",
        "CREATE FEATURE SERVICE s AS SELECT a.delay FROM carrier_delays AS a, carrier_delays AS a",
        "CREATE FEATURE SERVICE s AS SELECT a.delay FROM carrier_delays AS a JOIN route_delays AS b ON true",
        "CREATE FEATURE SERVICE s AS SELECT x.* FROM carrier_delays",
        "CREATE FEATURE SERVICE s REQUEST (delay INT) AS SELECT delay FROM carrier_delays",
        "CREATE FEATURE SERVICE s AS SELECT carrier FROM carrier_delays",
        "CREATE FEATURE SERVICE s AS SELECT (SELECT 1) AS x, delay FROM carrier_delays",
        "CREATE FEATURE SERVICE s AS SELECT delay FROM (SELECT * FROM flights) AS f",
        "CREATE FEATURE SERVICE s AS SELECT 1 AS one",
    ]));
}

#[test]
fn spines_that_do_not_fit() {
    insta::assert_snapshot!(refused(&[
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP att AS SELECT carrier, at, 1 AS hour FROM flights",
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP carrier AS SELECT carrier, 1 AS hour FROM flights",
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP at AS SELECT origin, at, 1 AS hour FROM flights",
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP at AS SELECT id AS carrier, at, 1 AS hour FROM flights",
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP at AS SELECT carrier, at FROM flights",
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP at AS SELECT carrier, at, 'x' AS hour FROM flights",
        "CREATE TRAINING SET t FEATURES risk TIMESTAMP at AS SELECT carrier, at, delay, CAST(1 AS INT) AS hour FROM flights",
    ]));
}

#[test]
fn data_that_is_there_keeps_its_meaning() {
    use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;
    let mut project = Project::with("CREATE DATASET d (at TIMESTAMP, x VARCHAR) TIMESTAMP at");
    let at = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    let rows = RecordBatch::try_from_iter([
        ("at", Arc::new(at) as _),
        ("x", Arc::new(StringArray::from(vec!["a"])) as _),
        ("extra", Arc::new(Int64Array::from(vec![1])) as _),
        ("_seq", Arc::new(Int64Array::from(vec![0])) as _),
    ]);
    project.ingest("d", rows.expect("columns of one length"));
    let texts = [
        "CREATE DATASET d (at TIMESTAMP, x BIGINT) TIMESTAMP at",
        "CREATE DATASET d (at TIMESTAMP) TIMESTAMP at",
        "CREATE DATASET d (at TIMESTAMP, x VARCHAR, b TIMESTAMP) TIMESTAMP b",
        "CREATE DATASET d (at TIMESTAMP, x VARCHAR) TIMESTAMP at KNOWN AT at",
    ];
    insta::assert_snapshot!(document(&texts, |text| shown(&project.plan(text).expect_err("a mistake"))));
    // What an ingest added is there to be read, declared or not.
    project.apply("CREATE DATASET d (at TIMESTAMP, x VARCHAR, y INT) TIMESTAMP at");
    project.apply(
        "CREATE ENTITY e KEY (x VARCHAR); CREATE FEATURE VIEW v ENTITY e TIMESTAMP at AS SELECT x, at, extra, y FROM d",
    );
}
