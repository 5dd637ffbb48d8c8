//! What a change breaks, for whom, and which values it changes.

use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use asof_engine::{
    AppliedChecked, Author, Checking, Compatibility, Consequence, Guard, Planned, Sample, Sampled, Source, User,
};
use asof_model::{Error, Micros, Name, Version};
use asof_offline::Quiet;

use crate::environments::{promote, promoting};
use crate::models::register;
use crate::world::{PROJECT, World, trips};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn sources(sql: &str) -> Vec<Source> {
    vec![Source { file: "test.sql".into(), text: sql.into() }]
}

fn protecting(environment: &str) -> Guard {
    Guard { protected: vec![name(environment)], allow_breaking: false }
}

async fn plan(world: &World, sql: &str) -> Planned {
    world.engine.plan(&world.scope, sources(sql), &protecting("prod")).await.unwrap()
}

fn of<'a>(planned: &'a Planned, wanted: &str) -> &'a Consequence {
    let place = planned.changes.iter().position(|change| change.registered.pinned.name.as_str() == wanted);
    &planned.consequences[place.unwrap()]
}

fn breaks(consequence: &Consequence) -> Vec<String> {
    consequence.breaks.iter().map(ToString::to_string).collect()
}

/// The project of these tests with a change, and what it does to one definition: nothing that breaks where none is listed.
async fn check(world: &World, changes: &[(&str, &str)], wanted: &str, expected: &[&str]) {
    let mut sql = PROJECT.to_owned();
    for (from, to) in changes {
        assert!(sql.contains(from), "{from}");
        sql = sql.replace(from, to);
    }
    let planned = plan(world, &sql).await;
    let consequence = of(&planned, wanted);
    assert_eq!(breaks(consequence), expected, "{changes:?}");
    let verdict = if expected.is_empty() { Compatibility::Compatible } else { Compatibility::Breaking };
    assert_eq!(consequence.verdict, verdict, "{changes:?}");
}

#[tokio::test]
async fn each_kind_of_change_breaks_or_does_not() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let nothing = plan(&world, PROJECT).await;
    assert!(nothing.consequences.iter().all(|c| c.verdict == Compatibility::None && c.users.listed.is_empty()));
    let views = "SELECT driver, ended, fare, trip FROM trips";
    // Views.
    check(&world, &[("'100 seconds'", "'200 seconds'")], "last_trip", &[]).await;
    check(&world, &[(views, "SELECT driver, ended, fare * 2 AS fare, trip FROM trips")], "last_trip", &[]).await;
    check(&world, &[(views, "SELECT driver, ended, fare, trip, city FROM trips")], "last_trip", &[]).await;
    check(&world, &[(views, "SELECT trip, fare, ended, driver FROM trips")], "last_trip", &[]).await;
    let without = [
        (views, "SELECT driver, ended, trip FROM trips"),
        (
            "SELECT fare, last_trip.trip AS last_trip, fare_there, fare * 2",
            "SELECT fare_there AS fare, last_trip.trip AS last_trip, fare_there, fare_there * 2",
        ),
    ];
    check(&world, &without, "last_trip", &["feature `fare` is removed"]).await;
    check(&world, &without, "pricing", &[]).await;
    let text = [(views, "SELECT driver, ended, fare, CAST(trip AS VARCHAR) AS trip FROM trips")];
    check(&world, &text, "last_trip", &["feature `trip` BIGINT → VARCHAR"]).await;
    check(&world, &text, "pricing", &["feature `last_trip` BIGINT → VARCHAR"]).await;
    check(&world, &text, "prices", &["column `last_trip` BIGINT → VARCHAR"]).await;
    let later = [
        ("TIMESTAMP ended TTL", "TIMESTAMP later TTL"),
        (views, "SELECT driver, ended AS later, fare, trip FROM trips"),
    ];
    check(&world, &later, "last_trip", &["timestamp ended → later"]).await;
    let person = [
        (
            "CREATE ENTITY driver KEY (driver VARCHAR);",
            "CREATE ENTITY driver KEY (driver VARCHAR); CREATE ENTITY person KEY (driver VARCHAR);",
        ),
        ("last_trip ENTITY driver", "last_trip ENTITY person"),
    ];
    check(&world, &person, "last_trip", &["entity driver → person"]).await;
    check(&world, &person, "pricing", &[]).await;
    // Entities.
    let wide = [("city INT);", "city BIGINT);"), ("CAST(city AS INT) AS city", "city")];
    check(&world, &wide, "place", &["key driver VARCHAR, city INT → driver VARCHAR, city BIGINT"]).await;
    check(&world, &wide, "last_there", &["key driver VARCHAR, city INT → driver VARCHAR, city BIGINT"]).await;
    check(&world, &wide, "pricing", &["key `city` INT → BIGINT"]).await;
    // Services.
    check(&world, &[("fare * 2 + distance", "fare * 3 + distance")], "pricing", &[]).await;
    let more = [
        ("REQUEST (distance DOUBLE)", "REQUEST (distance DOUBLE, tip DOUBLE)"),
        ("fare / 3 AS distance", "fare / 3 AS distance, fare AS tip"),
    ];
    check(&world, &more, "pricing", &["request parameter `tip` is new"]).await;
    let fewer = [("REQUEST (distance DOUBLE)", ""), ("fare * 2 + distance", "fare * 2")];
    check(&world, &fewer, "pricing", &["request parameter `distance` is removed"]).await;
    let retyped = [
        ("REQUEST (distance DOUBLE)", "REQUEST (distance BIGINT)"),
        ("fare / 3 AS distance", "CAST(fare AS BIGINT) AS distance"),
    ];
    check(&world, &retyped, "pricing", &["request parameter `distance` DOUBLE → BIGINT"]).await;
    check(&world, &[(", fare * 2 + distance AS estimate", "")], "pricing", &["feature `estimate` is removed"]).await;
    let renamed = [
        ("FROM last_trip, last_there", "FROM last_trip(who) AS last_trip, last_there"),
        ("SELECT driver, city, ended AS asked", "SELECT driver, driver AS who, city, ended AS asked"),
    ];
    check(&world, &renamed, "pricing", &["key `who` is new"]).await;
    // Training sets and datasets.
    check(&world, &[("fare AS label", "fare * 2 AS label")], "prices", &[]).await;
    check(&world, &[("fare AS label", "fare AS target")], "prices", &["column `label` is removed"]).await;
    check(&world, &[("fare DOUBLE)", "fare DOUBLE, tip DOUBLE)")], "trips", &[]).await;
    check(&world, &[("fare_sane (fare >= 0)", "fare_sane (fare >= 0) KEY (trip)")], "trips", &["key is new"]).await;
}

#[tokio::test]
async fn who_uses_what_changes_is_told_with_where_and_what_becomes_of_it() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(4.0)), (2, "bob", 1, 20, None)]));
    world.ingest("trips", &file).await.unwrap();
    world.train("prices").await.unwrap();
    world.materialize(&[], None).await.unwrap();
    promote(&world, &["pricing"], "prod").await.unwrap();
    register(&world, "7", "prices@1").await.unwrap();

    let planned = plan(&world, &PROJECT.replace("'100 seconds'", "'200 seconds'")).await;
    let view = of(&planned, "last_trip");
    let told: Vec<_> = view
        .users
        .listed
        .iter()
        .map(|user| match user {
            User::Definition { pinned, follows, environments } => {
                let environments: Vec<_> = environments.iter().map(Name::as_str).collect();
                format!("{} in {} → {:?}", pinned.reference(), environments.join(" "), follows.map(|v| v.0))
            }
            User::TrainingSet { name, number } => format!("built {name}@{number}"),
            User::Model { name, version } => format!("model {name}@{version}"),
        })
        .collect();
    let expected = ["pricing@1 in dev prod → Some(2)", "prices@1 in dev → Some(2)", "built prices@1", "model fraud@7"];
    assert_eq!(told, expected);
    let standings: Vec<_> = view.standings.iter().map(|s| (s.environment.as_str(), s.version.0, s.protected)).collect();
    assert_eq!(standings, [("dev", 1, false), ("prod", 1, true)]);
    // What changes only with what it reads has its users told there.
    assert!(of(&planned, "pricing").users.listed.is_empty());
    assert_eq!(of(&planned, "trips").verdict, Compatibility::None);

    let views: Vec<_> = planned.recompute.views.iter().map(|view| view.reference()).collect();
    assert_eq!(views, ["last_trip@2"]);
    let read = &planned.recompute.reads[0];
    assert_eq!((read.dataset.as_str(), read.rows, read.files, planned.recompute.reads.len()), ("trips", 2, 1, 1));
    assert!(read.bytes > 0);
}

/// Code and text.
fn refused<T: std::fmt::Debug>(result: Result<T, Vec<Error>>) -> (&'static str, String) {
    let errors = result.unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    (errors[0].code(), errors[0].to_string())
}

#[tokio::test]
async fn what_a_protected_environment_points_at_is_not_broken_unasked() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(4.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    let broken = PROJECT.replace(", fare * 2 + distance AS estimate", "");
    let apply = async |sql: &str, guard: Guard| {
        world.engine.apply(&world.scope, sources(sql), &Author::default(), &guard).await
    };
    // Nothing is there to be broken.
    apply(PROJECT, protecting("prod")).await.unwrap();
    promote(&world, &["pricing"], "staging").await.unwrap();
    apply(&broken, protecting("prod")).await.unwrap();
    apply(PROJECT, protecting("prod")).await.unwrap();

    promote(&world, &["pricing"], "prod").await.unwrap();
    let (code, text) = refused(apply(&broken, protecting("prod")).await);
    assert_eq!(code, "breaking_change");
    assert!(text.contains("what `prod` points at: pricing 1 → 2: feature `estimate` is removed"), "{text}");
    // Where it is planned or allowed, it is not refused; and compatible changes need nobody's word.
    assert_eq!(of(&plan(&world, &broken).await, "pricing").verdict, Compatibility::Breaking);
    apply(&PROJECT.replace("'100 seconds'", "'200 seconds'"), protecting("prod")).await.unwrap();
    apply(&broken, Guard { allow_breaking: true, ..protecting("prod") }).await.unwrap();
    // It was broken once; what comes after it does not break it again.
    apply(&broken.replace("'100 seconds'", "'300 seconds'"), protecting("prod")).await.unwrap();

    // The same of what is promoted, against what the environment points at.
    world.materialize(&[], None).await.unwrap();
    let mut request = promoting(&["pricing"], "prod");
    request.policy.protected = true;
    let promote = async |request| world.engine.promote(&world.scope, request, Arc::new(Quiet)).await;
    let error = promote(request.clone()).await.unwrap_err();
    assert_eq!(error.code(), "breaking_change");
    assert!(error.to_string().contains("feature `estimate` is removed"), "{error}");
    let mut dry = request.clone();
    dry.dry_run = true;
    let dry = promote(dry).await.unwrap();
    assert_eq!(dry.refusals().map(|r| r.gate.as_str()).collect::<Vec<_>>(), ["breaking"]);
    request.allow_breaking = true;
    let moved = promote(request).await.unwrap();
    assert!(moved.run.is_some() && !moved.is_refused());
    let run = world.catalog.run(moved.run.unwrap()).await.unwrap().unwrap();
    assert!(run.notes["breaking"].contains("estimate"), "{:?}", run.notes);
}

async fn sampled(world: &World, sql: &str, at: Option<Micros>) -> AppliedChecked {
    let checking = Checking { sample: Some(Sample { keys: 10, at }), plan: true, ..Checking::default() };
    let author = Author::default();
    world.engine.apply_checked(&world.scope, sources(sql), &author, &checking, Arc::new(Quiet)).await.unwrap()
}

fn told(sampled: &Sampled) -> Vec<String> {
    let text = |batch: &arrow::array::RecordBatch| {
        let texts = batch.columns().iter().map(|column| match column.is_null(0) {
            true => "null".to_owned(),
            false => array_value_to_string(column, 0).unwrap(),
        });
        texts.collect::<Vec<_>>().join(" ")
    };
    let side = |side: &asof_engine::Answered| match side.status.map(|status| status.as_str()) {
        Some("present") => text(&side.value),
        Some(other) => other.to_owned(),
        None => "?".to_owned(),
    };
    let one = |d: &asof_engine::SampledDifference| {
        format!("{}: {} {} → {}", text(&d.request), d.feature, side(&d.before), side(&d.after))
    };
    let mut told: Vec<_> = sampled.differences.iter().map(one).collect();
    told.sort();
    told
}

#[tokio::test]
async fn values_that_would_differ_are_shown_for_sampled_keys() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let none = sampled(&world, &PROJECT.replace("'100 seconds'", "'200 seconds'"), None).await;
    assert!(none.sampled.iter().all(|s| s.note.is_some()), "{:?}", none.sampled);
    let rows = [(1, "ann", 0, 1_000, Some(4.0)), (2, "bob", 1, 850, Some(6.0)), (3, "cleo", 2, 10, Some(8.0))];
    let file = world.file("trips.csv", &trips(&rows));
    world.ingest("trips", &file).await.unwrap();

    // At the newest row bob's is 150 seconds old, cleo's 990.
    let ttl = sampled(&world, &PROJECT.replace("'100 seconds'", "'200 seconds'"), None).await;
    assert!(ttl.run.is_none());
    let view = &ttl.sampled[0];
    assert_eq!((view.after.reference().as_str(), view.rows, view.differing), ("last_trip@2", 3, 1));
    assert_eq!(view.at, Some(Micros(1_000_000_000)));
    assert_eq!(told(view), ["bob: fare expired → 6.0", "bob: trip expired → 2"]);
    let service = &ttl.sampled[1];
    assert_eq!(service.after.reference(), "pricing@2");
    assert!(
        told(service).iter().any(|line| line.contains("bob") && line.contains("fare expired → 6.0")),
        "{:?}",
        told(service)
    );
    // Earlier nothing of bob's has expired.
    let earlier = sampled(&world, &PROJECT.replace("'100 seconds'", "'200 seconds'"), Some(Micros(900_000_000))).await;
    assert_eq!((earlier.sampled[0].differing, earlier.sampled[0].rows), (0, 3));

    let doubled = sampled(&world, &PROJECT.replace("fare AS fare_there", "fare * 2 AS fare_there"), None).await;
    assert_eq!(doubled.sampled.len(), 2, "a view and the service that reads it");
    let expected = ["ann 0: fare_there 4.0 → 8.0", "bob 1: fare_there 6.0 → 12.0", "cleo 2: fare_there 8.0 → 16.0"];
    assert_eq!(told(&doubled.sampled[0]), expected);

    let other_key = [("city INT);", "city BIGINT);"), ("CAST(city AS INT) AS city", "city")];
    let sql = other_key.iter().fold(PROJECT.to_owned(), |sql, (from, to)| sql.replace(from, to));
    let note = sampled(&world, &sql, None).await.sampled[0].note.clone();
    assert_eq!(note.as_deref(), Some("it is asked for by other keys or parameters"));
    assert_eq!(
        world.catalog.versions(&world.scope.project, &name("last_trip")).await.unwrap()[0].pinned.version,
        Version(1)
    );
}
