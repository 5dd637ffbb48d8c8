//! Training sets, value by value.

use asof_query::{KnownMoment, Planner, TrainingOptions};

use super::{at, project, run, shown};
use crate::project::Project;

fn check(project: &Project, known_at: KnownMoment, statuses: bool) -> String {
    let definitions = project.definitions();
    let plan =
        Planner::new(&definitions, project).training(&project.get("rides"), &TrainingOptions { known_at, statuses });
    shown(&run(plan.expect("a plan")).expect("rows"))
}

#[test]
fn features_are_as_of_each_row() {
    insta::assert_snapshot!(check(&project(), KnownMoment::EventTime, false));
}

#[test]
fn the_moment_of_knowing_can_be_moved() {
    insta::assert_snapshot!("known_at_30", check(&project(), KnownMoment::At(at(30)), false));
    insta::assert_snapshot!("known_now", check(&project(), KnownMoment::Now, false));
}

#[test]
fn statuses_say_why_a_value_is_not_there() {
    insta::assert_snapshot!(check(&project(), KnownMoment::EventTime, true));
}

#[test]
fn newest_rows_are_those_that_count_at_the_moment() {
    let project = project();
    let definitions = project.definitions();
    let newest = |view: &str, minute: i64| {
        let plan = Planner::new(&definitions, &project).newest(&project.get(view), at(minute));
        let context = run(plan.expect("a plan")).expect("rows");
        format!("{view} at {minute}\n{}", shown(&context))
    };
    let pages =
        [newest("last_booking", 5), newest("last_booking", 10), newest("last_booking", 50), newest("raw_weather", 59)];
    // One key each, or sorted by it.
    insta::assert_snapshot!(pages[..3].join("\n"));
    assert!(pages[3].contains("| a       | 1970-01-01T00:10:00Z |") && pages[3].contains("| b "), "{}", pages[3]);
}

#[test]
fn a_value_that_cannot_be_computed_is_told() {
    let mut project = project();
    project.apply(
        "CREATE FEATURE SERVICE s AS SELECT 1 / CAST(seats - 150 AS BIGINT) AS x FROM last_booking;
         CREATE TRAINING SET rides FEATURES s TIMESTAMP sched AS SELECT carrier, sched FROM departures;",
    );
    let definitions = project.definitions();
    let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: false };
    let plan = Planner::new(&definitions, &project).training(&project.get("rides"), &options).expect("a plan");
    let error = run(plan).expect_err("a division by zero");
    assert_eq!(error.code(), "cannot_compute", "{error}");
}

#[test]
fn a_declared_column_that_no_ingest_has_brought_is_null() {
    let mut project = project();
    project.apply(
        "CREATE DATASET weather (station VARCHAR, at TIMESTAMP, temp DOUBLE, wind DOUBLE, rain DOUBLE) TIMESTAMP at;
         CREATE FEATURE VIEW station_weather ENTITY station TIMESTAMP at AS SELECT station, at, rain FROM weather;
         CREATE FEATURE SERVICE inputs AS SELECT rain FROM station_weather(origin);
         CREATE TRAINING SET rides FEATURES inputs TIMESTAMP sched AS SELECT id, origin, sched FROM departures WHERE id = 1;",
    );
    insta::assert_snapshot!(check(&project, KnownMoment::EventTime, true));
}

#[test]
fn a_null_moment_in_the_spine_names_the_row() {
    let mut project = project();
    project.apply(
        "CREATE FEATURE SERVICE inputs AS SELECT temp FROM station_weather(origin);
         CREATE TRAINING SET rides FEATURES inputs TIMESTAMP t
           AS SELECT id, origin, CASE WHEN id <> 2 THEN sched END AS t FROM departures ORDER BY id;",
    );
    let definitions = project.definitions();
    let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: false };
    let plan = Planner::new(&definitions, &project).training(&project.get("rides"), &options).expect("a plan");
    let error = run(plan).expect_err("a row without a time");
    assert_eq!((error.code(), error.message()), ("null_timestamp", "row 3 of the spine has no `t`"));
}

/// Everything else a view may be: an integer key narrower than the spine's, a date for a time, a union, a CTE.
#[test]
fn types_are_made_one() {
    let mut project = project();
    project.apply(
        "CREATE ENTITY ride KEY (ride INT);
         CREATE FEATURE VIEW marks ENTITY ride TIMESTAMP day AS
           WITH both AS (SELECT id, sched FROM departures WHERE id < 2 UNION ALL SELECT id, sched FROM departures WHERE id = 2)
           SELECT CAST(id AS INT) AS ride, CAST(sched AS DATE) AS day, CAST(id AS SMALLINT) AS mark, arrow_cast(id, 'UInt8') AS small FROM both;
         CREATE FEATURE SERVICE inputs AS SELECT * FROM marks(id) AS m;
         CREATE TRAINING SET rides FEATURES inputs TIMESTAMP sched AS SELECT id, sched FROM departures ORDER BY id LIMIT 4;",
    );
    let view = project.get("marks");
    let columns: Vec<_> =
        view.columns.0.iter().map(|c| format!("{} {}", c.name, asof_model::schema::sql_type(&c.data_type))).collect();
    assert_eq!(columns, ["ride INT", "day TIMESTAMP", "mark SMALLINT", "small SMALLINT"]);
    insta::assert_snapshot!(check(&project, KnownMoment::EventTime, false));
}
