//! What gates ask, one by one: what they refuse, with what mends it, and that it does.

use std::sync::Arc;

use asof_engine::{ApproveRequest, Asked, Author, Gate, LogRequest, Moved, OwnGate, Policy, PromoteRequest, Verdict};
use asof_model::run::Verb;
use asof_model::time::SECOND;
use asof_model::{Micros, Name, Result};
use asof_offline::Quiet;

use crate::compared::{Lie, Lying};
use crate::environments::promoting;
use crate::world::{PROJECT, World, trips};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Applied, with data that is fresh for a minute yet, and online.
async fn world() -> World {
    let world = World::new().await;
    world.clock.set(Micros(1_000 * SECOND));
    world.apply(PROJECT).await.unwrap();
    ingest(&world, "first", &[(1, "ann", 0, 950, Some(4.0)), (2, "bob", 1, 960, Some(6.0))]).await;
    world.materialize(&[], None).await.unwrap();
    world
}

async fn ingest(world: &World, file: &str, rows: &[(i64, &str, i64, i64, Option<f64>)]) {
    let file = world.file(&format!("{file}.csv"), &trips(rows));
    world.ingest("trips", &file).await.unwrap();
}

fn asking(gates: &[Gate]) -> PromoteRequest {
    let policy = Policy { gates: gates.to_vec(), ..Policy::default() };
    PromoteRequest { policy, ..promoting(&["pricing"], "prod") }
}

async fn promote(world: &World, request: PromoteRequest) -> Result<Moved> {
    world.engine.promote(&world.scope, request, Arc::new(Quiet)).await
}

/// What one gate says in a dry run.
async fn said(world: &World, request: &PromoteRequest) -> Asked {
    let dry = PromoteRequest { dry_run: true, ..request.clone() };
    let mut moved = promote(world, dry).await.unwrap();
    assert_eq!((moved.run, moved.gates.len()), (None, 1), "{moved:?}");
    moved.gates.remove(0)
}

/// That the gate refuses with this reason and remedy, dry and not.
async fn refuses(world: &World, request: &PromoteRequest, reason: &str, remedy: &str) {
    let asked = said(world, request).await;
    assert_eq!(asked.verdict, Verdict::Refused, "{asked:?}");
    let error = promote(world, request.clone()).await.unwrap_err();
    assert_eq!(error.code(), "gate_refused");
    let text = error.to_string();
    assert!(text.contains(reason), "{text}\n does not say: {reason}");
    assert!(asked.refusals.iter().any(|refusal| refusal.remedy.contains(remedy)), "{asked:?}");
    assert!(text.contains(remedy), "{text}\n does not say: {remedy}");
}

async fn passes(world: &World, request: &PromoteRequest, expected: &str) {
    let asked = said(world, request).await;
    assert_eq!((asked.verdict, asked.said.as_str()), (Verdict::Passed, expected), "{asked:?}");
}

#[tokio::test]
async fn all_gates_pass_where_nothing_is_wrong_and_it_is_on_record() {
    let world = world().await;
    let moved = promote(&world, asking(&Gate::ALL)).await.unwrap();
    let told: Vec<_> = moved.gates.iter().map(|asked| (asked.gate.as_str(), asked.verdict)).collect();
    assert_eq!(told, Gate::ALL.map(|gate| (gate.as_str(), Verdict::Passed)), "{:?}", moved.gates);
    let run = world.catalog.run(moved.run.unwrap()).await.unwrap().unwrap();
    assert_eq!(run.notes["gates"], "online, fresh, checks, leakage, equal");
    // What looked at data is a run of its own.
    let filter = LogRequest { verb: Some(Verb::Verify), ..LogRequest::default() };
    assert_eq!(world.engine.log(&world.scope, filter).await.unwrap().len(), 2);
}

#[tokio::test]
async fn fresh_refuses_what_has_expired_and_what_was_not_brought_online_since() {
    let world = world().await;
    let request = asking(&[Gate::Fresh]);
    passes(&world, &request, "1 view with a TTL").await;
    // The newest row is of second 960, and counts for 100 seconds.
    world.clock.set(Micros(1_060 * SECOND));
    passes(&world, &request, "1 view with a TTL").await;
    world.clock.set(Micros(1_061 * SECOND));
    let expired =
        "pricing@1 reads last_trip@1, which has expired: its newest row is 1 minute old, and its TTL is 1 minute";
    refuses(&world, &request, expired, "asof ingest trips FILE…, then asof materialize last_trip@1").await;
    ingest(&world, "second", &[(3, "ann", 0, 1_150, Some(5.0))]).await;
    world.clock.set(Micros(1_200 * SECOND));
    let not_online = "has expired online: it was materialized 3 minutes ago, and its TTL is 1 minute";
    refuses(&world, &request, not_online, "asof materialize last_trip@1").await;
    world.materialize(&[], None).await.unwrap();
    passes(&world, &request, "1 view with a TTL").await;
    assert!(promote(&world, request).await.unwrap().run.is_some());
}

#[tokio::test]
async fn checks_refuses_rows_that_came_before_the_check_did() {
    let world = world().await;
    let request = asking(&[Gate::Checks]);
    passes(&world, &request, "1 CHECK").await;
    let stricter = PROJECT.replace("fare_sane (fare >= 0)", "fare_sane (fare >= 5)");
    world.apply(&stricter).await.unwrap();
    let reason = "trips@1 has 1 row that fails CHECK fare_sane (fare >= 5) in snapshot";
    refuses(&world, &request, reason, "change CHECK fare_sane").await;
    assert!(said(&world, &request).await.refusals[0].reason.ends_with("such as fare = 4.0"));
    world.apply(PROJECT).await.unwrap();
    passes(&world, &request, "1 CHECK").await;
}

#[tokio::test]
async fn leakage_refuses_a_view_that_tells_the_future() {
    let world = world().await;
    let rows: Vec<_> = (0..50).map(|i| (100 + i, "ann", 0, 100 + i * 10, Some(i as f64))).collect();
    ingest(&world, "more", &rows).await;
    passes(&world, &asking(&[Gate::Leakage]), "2 views at up to 4 moments").await;
    let leaking = PROJECT.replace(
        "SELECT driver, ended, fare, trip FROM trips",
        "SELECT driver, ended, max(fare) OVER (PARTITION BY driver) AS fare, trip FROM trips",
    );
    world.apply(&leaking).await.unwrap();
    let request = asking(&[Gate::Leakage]);
    refuses(
        &world,
        &request,
        "pricing@2 reads last_trip@2, which tells the future at",
        "asof verify last_trip@2 --leakage",
    )
    .await;
}

#[tokio::test]
async fn equal_refuses_what_is_not_served_as_it_is_trained() {
    let mut world = world().await;
    passes(&world, &asking(&[Gate::Equal]), "4 keys of 1 service").await;
    let lying = Lying::in_place(&mut world).await;
    lying.about("ann", Lie::Fare(Some(9.0)));
    let reason = "pricing@1 serves what training does not give, in 2 of 4 keys: fare";
    refuses(&world, &asking(&[Gate::Equal]), reason, "asof verify pricing@1 shows which").await;
    // What cannot be compared is refused with what mends it.
    let other = World::new().await;
    other.apply(PROJECT).await.unwrap();
    let error = promote(&other, asking(&[Gate::Equal])).await.unwrap_err();
    assert!(error.to_string().contains("pricing@1 cannot be compared"), "{error}");
}

#[tokio::test]
async fn a_gate_of_the_projects_own_shows_the_rows_that_it_finds() {
    let world = world().await;
    let own = |sql: &str| {
        let own = OwnGate { name: "gates/own.sql".into(), sql: sql.into() };
        PromoteRequest { policy: Policy { own: vec![own], ..Policy::default() }, ..promoting(&["pricing"], "prod") }
    };
    passes(&world, &own("SELECT driver, fare FROM trips WHERE fare < 0"), "no row").await;
    passes(
        &world,
        &own("SELECT t.driver FROM trips t JOIN last_trip v ON t.driver = v.driver WHERE v.fare > 100"),
        "no row",
    )
    .await;
    let found = own("-- None is this dear.\nSELECT driver, fare FROM last_trip@1 WHERE fare > 5;");
    refuses(&world, &found, "gates/own.sql gives 1 row: driver = bob, fare = 6.0", "mend what gates/own.sql finds")
        .await;
    let many = own("SELECT trip FROM trips ORDER BY trip");
    refuses(&world, &many, "gives 2 rows: trip = 1; trip = 2", "mend").await;
    // What cannot be asked refuses, and says where it is wrong.
    for (sql, reason) in [
        ("SELECT drivr FROM trips", "drivr"),
        ("SELECT 1; SELECT 2", "one SELECT is expected"),
        ("", "one SELECT is expected"),
        ("DELETE FROM trips", "SELECT"),
        ("SELECT * FROM 'file.csv'", "file.csv"),
        ("SELECT * FROM nobody", "nobody"),
        ("SELECT * FROM generate_series(1, 10)", "function"),
    ] {
        let asked = said(&world, &own(sql)).await;
        assert_eq!(asked.verdict, Verdict::Refused, "{sql}");
        assert!(asked.refusals[0].reason.contains(reason), "{sql}: {asked:?}");
    }
}

async fn approve(world: &World, who: &str, reference: &str) -> Result<asof_engine::Approved> {
    let author = Author { who: Some(who.into()), why: Some("looked at it".into()) };
    let request = ApproveRequest { reference: reference.parse().unwrap(), environment: name("prod"), author };
    world.engine.approve(&world.scope, request).await
}

#[tokio::test]
async fn approvals_are_of_others_and_of_this_very_content() {
    let world = world().await;
    // `ada` promotes.
    let request = |approvals| PromoteRequest {
        policy: Policy { approvals, ..Policy::default() },
        ..promoting(&["pricing"], "prod")
    };
    let reason = "pricing@1 is approved for `prod` by nobody besides ada, who promotes it; 1 must";
    refuses(&world, &request(1), reason, "asof approve pricing@1 --for prod").await;
    approve(&world, "ada", "pricing@1").await.unwrap();
    refuses(&world, &request(1), reason, "asof approve").await;
    assert!(approve(&world, "bob", "pricing@1").await.unwrap().run.is_some());
    let again = approve(&world, "bob", "pricing").await.unwrap();
    assert_eq!((again.run, again.approvals.len()), (None, 2));
    passes(&world, &request(1), "by bob").await;
    refuses(&world, &request(2), "is approved for `prod` by bob besides ada, who promotes it; 2 must", "asof approve")
        .await;
    // Another content is another matter.
    world.apply(&PROJECT.replace("fare * 2", "fare * 3")).await.unwrap();
    refuses(&world, &request(1), "pricing@2 is approved for `prod` by nobody", "asof approve pricing@2").await;
    // Who is not named cannot be told from others.
    let mut nobody = request(1);
    nobody.author = Author::default();
    refuses(&world, &nobody, "who promotes is not said", "--by NAME").await;
    let unnamed =
        ApproveRequest { reference: "pricing".parse().unwrap(), environment: name("prod"), author: Author::default() };
    assert_eq!(world.engine.approve(&world.scope, unnamed).await.unwrap_err().code(), "who_not_said");
    // It is told where it counted.
    world.apply(PROJECT).await.unwrap();
    promote(&world, request(1)).await.unwrap();
    let scope = asof_engine::Scope { environment: name("prod"), ..world.scope.clone() };
    let moves = world.engine.history(&scope, Some(&name("pricing")), None).await.unwrap();
    let approved = world.engine.approved(&scope, &moves).await.unwrap();
    assert_eq!(approved[0].iter().map(|a| a.who.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    let shown = world.engine.show(&world.scope, &"pricing@1".parse().unwrap()).await.unwrap();
    assert_eq!(shown.approvals.len(), 2);
}

#[tokio::test]
async fn what_is_dear_is_not_asked_where_something_cheap_refuses_or_gates_are_skipped() {
    let world = World::new().await;
    world.clock.set(Micros(1_000 * SECOND));
    world.apply(PROJECT).await.unwrap();
    let dry = PromoteRequest { dry_run: true, ..asking(&Gate::ALL) };
    let all = promote(&world, dry).await.unwrap();
    assert!(all.gates.iter().all(|asked| asked.verdict != Verdict::NotAsked), "{:?}", all.gates);
    let error = promote(&world, asking(&Gate::ALL)).await.unwrap_err();
    assert!(error.message().starts_with("gate `online` of `prod` refuses"), "{error}");
    let why = Author { why: Some("it burns".into()), who: Some("ada".into()) };
    let skipped =
        promote(&world, PromoteRequest { skip_gates: true, author: why, ..asking(&Gate::ALL) }).await.unwrap();
    let told: Vec<_> = skipped.gates.iter().map(|asked| asked.verdict).collect();
    let not = Verdict::NotAsked;
    assert_eq!(told, [Verdict::Refused, not, not, not, not]);
    let run = world.catalog.run(skipped.run.unwrap()).await.unwrap().unwrap();
    let noted = &run.notes["skipped_gates"];
    assert!(noted.contains("which is not online") && noted.contains("equal was not asked"), "{noted}");
    assert_eq!(run.notes.get("gates"), None);
}
