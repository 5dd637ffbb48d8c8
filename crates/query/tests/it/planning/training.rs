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
