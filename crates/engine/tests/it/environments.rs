//! Environments: what is promoted, what gates have against it, what is taken back, and what is told of it.

use std::sync::Arc;

use asof_engine::{
    Author, Difference, Effect, Gate, GetReply, GetRequest, LogRequest, Moved, Policy, PromoteRequest, RollbackRequest,
    Scope,
};
use asof_model::run::{Item, Verb};
use asof_model::{Error, Micros, Name, Result, Version};
use asof_offline::Quiet;
use futures::future::join_all;

use crate::world::{PROJECT, World, request, trips};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn order() -> Vec<Name> {
    ["dev", "staging", "prod"].map(name).into()
}

/// What these environments ask: what is served must be online, but for the first.
fn asks(environment: &str) -> Policy {
    let gates = if environment == "dev" { Vec::new() } else { vec![Gate::Online] };
    Policy { gates, ..Policy::default() }
}

fn author() -> Author {
    Author { who: Some("ada".into()), why: None }
}

pub fn promoting(references: &[&str], to: &str) -> PromoteRequest {
    PromoteRequest {
        references: references.iter().map(|reference| reference.parse().unwrap()).collect(),
        to: name(to),
        environments: order(),
        policy: asks(to),
        author: author(),
        dry_run: false,
        skip_gates: false,
        backwards: false,
        allow_breaking: false,
    }
}

pub async fn promote(world: &World, references: &[&str], to: &str) -> Result<Moved> {
    world.engine.promote(&world.scope, promoting(references, to), Arc::new(Quiet)).await
}

pub fn rolling(of: &str, environment: &str) -> RollbackRequest {
    RollbackRequest {
        name: name(of),
        environment: name(environment),
        policy: asks(environment),
        author: author(),
        dry_run: false,
        skip_gates: false,
    }
}

async fn rollback(world: &World, of: &str, environment: &str) -> Result<Moved> {
    world.engine.rollback(&world.scope, rolling(of, environment)).await
}

async fn get(world: &World, environment: &str) -> Result<GetReply> {
    let scope = Scope { environment: name(environment), ..world.scope.clone() };
    let rows = request(&[(Some("ann"), Some(0), 1.0)]);
    world.engine.get(&scope, GetRequest { service: "pricing".parse().unwrap(), rows, at: None }).await
}

async fn served(world: &World, environment: &str) -> Version {
    get(world, environment).await.unwrap().service.version
}

/// `name from → to`, as it is told.
fn told(moved: &Moved) -> Vec<String> {
    let from = |from: Option<Version>| from.map_or("none".to_owned(), |from| from.to_string());
    moved.moves.iter().map(|s| format!("{} {} → {}", s.to.name, from(s.from), s.to.version)).collect()
}

fn code(refused: Result<Moved>) -> (&'static str, String) {
    let error: Error = refused.unwrap_err();
    (error.code(), error.to_string())
}

/// The project of these tests with another TTL: the view, the service and the training set get another version.
fn other() -> String {
    PROJECT.replace("'100 seconds'", "'200 seconds'")
}

/// The first version in dev, with data, nothing online.
async fn applied() -> World {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(4.0))]));
    world.ingest("trips", &file).await.unwrap();
    world
}

/// The first version online and in staging and prod, the second online and in dev.
async fn two() -> World {
    let world = applied().await;
    world.materialize(&[], None).await.unwrap();
    promote(&world, &["pricing"], "staging").await.unwrap();
    promote(&world, &["pricing"], "prod").await.unwrap();
    world.apply(&other()).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    world
}

#[tokio::test]
async fn what_is_promoted_brings_all_that_it_reads_and_nothing_else() {
    let world = applied().await;
    world.materialize(&[], None).await.unwrap();
    let moved = promote(&world, &["pricing@1"], "staging").await.unwrap();
    let mut all = told(&moved);
    assert_eq!(all.pop().as_deref(), Some("pricing none → 1"), "what reads comes after what it reads");
    all.sort();
    let read = ["driver", "last_there", "last_trip", "place", "trips"];
    assert_eq!(all, read.map(|name| format!("{name} none → 1")));
    assert_eq!(served(&world, "staging").await, Version(1));
    assert_eq!(get(&world, "prod").await.unwrap_err().code(), "not_in_environment");

    let run = &world.engine.log(&world.scope, LogRequest::default()).await.unwrap()[0];
    assert_eq!((run.verb, Some(run.id), &*run.notes["who"]), (Verb::Promote, moved.run, "ada"));
    let made = run.outputs.iter().filter(|item| matches!(item, Item::Definition(_)));
    assert_eq!((run.inputs.len(), made.count()), (0, 6));
    // The same again is nothing.
    let again = promote(&world, &["pricing@1"], "staging").await.unwrap();
    assert_eq!((again.run, again.moves), (None, vec![]));
    assert_eq!(world.engine.log(&world.scope, LogRequest::default()).await.unwrap()[0].verb, Verb::Promote);
}

#[tokio::test]
async fn a_gate_refuses_what_could_not_be_served() {
    let world = applied().await;
    let (refused, text) = code(promote(&world, &["pricing"], "prod").await);
    assert_eq!(refused, "gate_refused");
    assert!(text.contains("pricing@1 reads last_trip@1, which is not online"), "{text}");
    assert!(text.contains("asof materialize last_there@1 last_trip@1"), "{text}");
    world.materialize(&["last_trip"], None).await.unwrap();
    let (_, text) = code(promote(&world, &["pricing"], "prod").await);
    assert!(text.contains("last_there@1") && !text.contains("last_trip"), "{text}");
    assert_eq!(get(&world, "prod").await.unwrap_err().code(), "not_in_environment", "nothing was changed");

    // What would move and what is against it is told without doing it.
    let dry = PromoteRequest { dry_run: true, ..promoting(&["pricing"], "prod") };
    let dry = world.engine.promote(&world.scope, dry, Arc::new(Quiet)).await.unwrap();
    assert_eq!((dry.run, dry.moves.len(), dry.refusals().count()), (None, 6, 1));

    // Past a gate only with a reason, which is kept; the first environment has none.
    let skipping = PromoteRequest { skip_gates: true, ..promoting(&["pricing"], "prod") };
    assert_eq!(code(world.engine.promote(&world.scope, skipping.clone(), Arc::new(Quiet)).await).0, "why_not_said");
    let why = Author { why: Some("rows come tonight".into()), ..author() };
    let moved =
        world.engine.promote(&world.scope, PromoteRequest { author: why, ..skipping }, Arc::new(Quiet)).await.unwrap();
    assert_eq!(moved.refusals().count(), 1);
    let run = &world.engine.log(&world.scope, LogRequest::default()).await.unwrap()[0];
    assert!(run.notes["skipped_gates"].contains("last_there@1") && run.notes["why"] == "rows come tonight", "{run:?}");
    promote(&world, &["pricing@1"], "dev").await.unwrap();
}

#[tokio::test]
async fn a_rollback_takes_back_what_moved_together() {
    let world = two().await;
    let moved = promote(&world, &["pricing"], "prod").await.unwrap();
    assert_eq!(told(&moved), ["last_trip 1 → 2", "pricing 1 → 2"]);
    assert_eq!(served(&world, "prod").await, Version(2));
    let back = rollback(&world, "pricing", "prod").await.unwrap();
    assert_eq!(told(&back), ["last_trip 2 → 1", "pricing 2 → 1"]);
    assert_eq!(served(&world, "prod").await, Version(1), "at once, with nothing computed");
    let (refused, text) = code(rollback(&world, "pricing", "prod").await);
    assert_eq!(refused, "nothing_before", "{text}");
    assert!(text.contains("`prod` had no version of `pricing` before pricing@1"), "{text}");
    // Forth and back again: each rollback takes back what stands.
    promote(&world, &["pricing"], "prod").await.unwrap();
    rollback(&world, "pricing", "prod").await.unwrap();
    assert_eq!(served(&world, "prod").await, Version(1));
    let scope = Scope { environment: name("prod"), ..world.scope.clone() };
    let history = world.engine.history(&scope, Some(&name("pricing")), None).await.unwrap();
    let history: Vec<_> = history.iter().rev().map(|m| (m.verb, m.to.0, m.who.as_deref().unwrap())).collect();
    let (promote, rollback) = (Verb::Promote, Verb::Rollback);
    let expected = [(promote, 1), (promote, 2), (rollback, 1), (promote, 2), (rollback, 1)];
    assert_eq!(history, expected.map(|(verb, to)| (verb, to, "ada")));
}

#[tokio::test]
async fn a_rollback_goes_back_by_one_each_time_and_leaves_what_was_moved_since() {
    let world = two().await;
    promote(&world, &["pricing"], "prod").await.unwrap();
    // A third version of the view alone, and of the service alone.
    world.apply(&PROJECT.replace("'100 seconds'", "'300 seconds'")).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    let moved = promote(&world, &["last_trip@3"], "prod").await.unwrap();
    assert_eq!(told(&moved), ["last_trip 2 → 3"]);
    let others: Vec<_> = moved.moves[0].others.iter().map(|other| other.reference()).collect();
    assert_eq!(others, ["pricing@2"], "it goes on reading last_trip@2");
    assert_eq!(served(&world, "prod").await, Version(2));
    let back = rollback(&world, "pricing", "prod").await.unwrap();
    assert_eq!(told(&back), ["pricing 2 → 1"]);
    assert_eq!((back.stays[0].name.as_str(), &*back.stays[0].reason), ("last_trip", "it was moved again since"));
    // Moved by itself it goes back by itself, and then with its service, by one each time.
    assert_eq!(told(&rollback(&world, "last_trip", "prod").await.unwrap()), ["last_trip 3 → 2"]);
    assert_eq!(told(&rollback(&world, "last_trip", "prod").await.unwrap()), ["last_trip 2 → 1"]);
    assert_eq!(code(rollback(&world, "last_trip", "prod").await).0, "nothing_before");
    assert_eq!(code(rollback(&world, "lost_trip", "prod").await).0, "unknown_name");
    assert_eq!(code(rollback(&world, "prices", "prod").await).0, "not_in_environment");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let world = two().await;
    let check = async |references: &[&str], to: &str, expected: &str, says: &str| {
        let (code, text) = code(promote(&world, references, to).await);
        assert_eq!(code, expected, "{text}");
        assert!(text.contains(says), "{text}");
    };
    check(&["pricing@7"], "prod", "unknown_version", "there is pricing@1…2").await;
    check(&["pircing"], "prod", "unknown_name", "did you mean `pricing`?").await;
    check(&["trips@0"], "prod", "not_a_version", "a snapshot of a dataset").await;
    check(&["prices@1"], "prod", "not_a_version", "a training set that was built").await;
    check(&["pricing@1", "pricing@2"], "prod", "two_versions", "as pricing@1 and as pricing@2").await;
    check(&["else/pricing@1"], "prod", "not_of_this_project", "--project else").await;
    check(&["pricing@prod"], "dev", "against_the_order", "dev → staging → prod").await;
    let forced = PromoteRequest { backwards: true, ..promoting(&["pricing@prod"], "dev") };
    let moved = world.engine.promote(&world.scope, forced, Arc::new(Quiet)).await.unwrap();
    assert_eq!(told(&moved), ["last_trip 2 → 1", "pricing 2 → 1"]);
    let scope = Scope { environment: name("prod"), ..world.scope.clone() };
    let from_there = world.engine.promote(&scope, promoting(&["pricing"], "staging"), Arc::new(Quiet)).await;
    assert_eq!(code(from_there).0, "against_the_order", "what has no selector is of the environment of the call");
}

#[tokio::test]
async fn what_an_environment_was_at_a_moment_has_an_answer() {
    let world = applied().await;
    world.materialize(&[], None).await.unwrap();
    let moment = |n: i64| Micros(1_000_000_000_000 + n * 1_000_000);
    world.clock.set(moment(10));
    promote(&world, &["pricing"], "prod").await.unwrap();
    world.clock.set(moment(20));
    world.apply(&other()).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    promote(&world, &["pricing"], "prod").await.unwrap();
    world.clock.set(moment(30));
    rollback(&world, "pricing", "prod").await.unwrap();
    let scope = Scope { environment: name("prod"), ..world.scope.clone() };
    let then = async |at| {
        let listed = world.engine.list_at(&scope, None, at).await.unwrap();
        let pricing = listed.iter().find(|listed| listed.registered.pinned.name == name("pricing"));
        (listed.len(), pricing.map(|listed| listed.registered.pinned.version.0))
    };
    assert_eq!(then(moment(9)).await, (0, None));
    assert_eq!(then(moment(10)).await, (6, Some(1)));
    assert_eq!(then(moment(29)).await, (6, Some(2)));
    assert_eq!(then(moment(30)).await, (6, Some(1)));
    assert_eq!(world.engine.list_at(&scope, None, moment(31)).await.unwrap_err().code(), "future_moment");
}

#[tokio::test]
async fn environments_and_versions_differ_by_their_clauses() {
    let world = two().await;
    let lines = |differences: &[Difference]| -> Vec<String> {
        let line = |difference: &Difference| match difference {
            Difference::Removed(registered) => format!("- {}", registered.pinned.reference()),
            Difference::Changed(change) => match &change.effect {
                Effect::Created => format!("+ {}", change.registered.pinned.reference()),
                Effect::Versioned { from, clauses, upstream } => {
                    let clauses: Vec<_> =
                        clauses.iter().map(|c| format!("{} {} → {}", c.name, c.before, c.after)).collect();
                    let pinned = &change.registered.pinned;
                    format!("~ {} {from} → {} {clauses:?} {upstream:?}", pinned.name, pinned.version)
                }
                other => format!("{other:?}"),
            },
        };
        differences.iter().map(line).collect()
    };
    let diff = async |left: &str, right: &str| {
        lines(&world.engine.diff_environments(&world.scope, &name(left), &name(right)).await.unwrap())
    };
    assert_eq!(diff("staging", "prod").await, [""; 0]);
    let view = "~ last_trip 1 → 2 [\"TTL 100 seconds → 200 seconds\"] []";
    assert_eq!(diff("prod", "dev").await, [view, "~ pricing 1 → 2 [] [\"last_trip: 1 → 2\"]", "+ prices@2"]);
    assert_eq!(diff("dev", "prod").await[2], "- prices@2");
    let versions = async |left: &str, right: &str| {
        world.engine.diff(&world.scope, &left.parse().unwrap(), &right.parse().unwrap()).await
    };
    assert_eq!(lines(&versions("last_trip@prod", "last_trip").await.unwrap().into_iter().collect::<Vec<_>>()), [view]);
    assert!(versions("last_trip@dev", "last_trip@2").await.unwrap().is_none());
    assert_eq!(versions("last_trip", "pricing").await.unwrap_err().code(), "two_names");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn promotes_at_once_leave_one_of_them_whole() {
    let world = two().await;
    for round in 0..6 {
        let promotes = (0..6).map(|n| {
            let (engine, scope) = (world.engine.clone(), world.scope.clone());
            let request = promoting(&[if n % 2 == 0 { "pricing@1" } else { "pricing@2" }], "prod");
            tokio::spawn(async move { engine.promote(&scope, request, Arc::new(Quiet)).await })
        });
        for promoted in join_all(promotes).await {
            if let Err(error) = promoted.unwrap() {
                assert_eq!(error.code(), "pointer_moved", "{error}");
                assert!(error.message().contains("ada moved it there"), "{error}");
            }
        }
        let scope = Scope { environment: name("prod"), ..world.scope.clone() };
        let listed = world.engine.list(&scope, None).await.unwrap();
        let at = |of: &str| {
            let listed = listed.iter().find(|listed| listed.registered.pinned.name == name(of)).unwrap();
            listed.registered.pinned.version
        };
        assert_eq!(at("pricing"), at("last_trip"), "in round {round} one went without the other");
        assert_eq!(served(&world, "prod").await, at("pricing"));
    }
}
