//! Versions that are not to be used any more: whoever uses them is told, and nothing else changes.

use std::sync::Arc;

use asof_engine::{Author, DeprecateRequest, Deprecated, GetRequest, Guard, Source, Warning};
use asof_model::Result;

use crate::world::{PROJECT, World, request, trips};

async fn world() -> World {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(4.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    world
}

fn saying(reference: &str, why: &str, successor: Option<&str>) -> DeprecateRequest {
    DeprecateRequest {
        reference: reference.parse().unwrap(),
        successor: successor.map(|other| other.parse().unwrap()),
        author: Author { who: Some("ada".into()), why: Some(why.into()) },
        undo: false,
    }
}

async fn deprecate(world: &World, reference: &str, why: &str, successor: Option<&str>) -> Result<Deprecated> {
    world.engine.deprecate(&world.scope, saying(reference, why, successor)).await
}

fn texts(warnings: &[Warning]) -> Vec<&str> {
    assert!(warnings.iter().all(|warning| warning.code == "deprecated"));
    warnings.iter().map(|warning| warning.message.as_str()).collect()
}

/// What who asks for features is told, both ways to ask.
async fn told(world: &World, reference: &str) -> Vec<String> {
    let rows = request(&[(Some("ann"), Some(0), 1.0)]);
    let request = GetRequest { service: reference.parse().unwrap(), rows, at: None };
    let served = world.engine.serve(&world.scope, request.clone()).await.unwrap();
    let reply = world.engine.get_apart(&world.scope, request, Vec::new()).await.unwrap();
    assert_eq!(*served.warnings(), *reply.warnings);
    texts(served.warnings()).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn whoever_uses_a_version_is_told_until_it_is_taken_back() {
    let world = world().await;
    assert!(told(&world, "pricing").await.is_empty() && told(&world, "pricing@1").await.is_empty());
    let said = deprecate(&world, "last_trip", "it is slow", Some("last_there")).await.unwrap();
    assert_eq!((said.pinned.reference().as_str(), said.run.is_some()), ("last_trip@1", true));
    let read = "pricing@1 reads last_trip@1, which is deprecated: it is slow; use last_there@1 instead";
    // At once, by whatever reference.
    assert_eq!(told(&world, "pricing").await, [read]);
    assert_eq!(told(&world, "pricing@1").await, [read]);
    deprecate(&world, "pricing@1", "nobody pays", None).await.unwrap();
    assert_eq!(told(&world, "pricing").await, ["pricing@1 is deprecated: nobody pays", read]);

    // Where it is planned, applied, trained, shown, listed.
    let sources = || vec![Source { file: "test.sql".into(), text: PROJECT.replace("fare * 2", "fare * 3") }];
    let planned = world.engine.plan(&world.scope, sources(), &Guard::default()).await.unwrap();
    let new = "pricing@2 reads last_trip@1, which is deprecated: it is slow; use last_there@1 instead";
    assert_eq!(texts(&planned.warnings), ["last_trip@1 is deprecated: it is slow; use last_there@1 instead", new]);
    let trained = world.train("prices").await.unwrap();
    assert_eq!(trained.warnings.len(), 2, "{:?}", trained.warnings);
    let shown = world.engine.show(&world.scope, &"last_trip".parse().unwrap()).await.unwrap();
    assert_eq!(shown.deprecated.unwrap().why, "it is slow");
    let listed = world.engine.list(&world.scope, None).await.unwrap();
    let remarks: Vec<_> =
        listed.iter().filter(|l| l.deprecated.is_some()).map(|l| l.registered.pinned.reference()).collect();
    assert_eq!(remarks, ["last_trip@1", "pricing@1"]);
    let about = asof_engine::About::Ours("prices".parse().unwrap());
    assert_eq!(world.engine.lineage_warnings(&world.scope, &about).await.unwrap().len(), 2);

    // It makes no version, and another one is not concerned.
    let applied = world.engine.apply(&world.scope, sources(), &Author::default(), &Guard::default()).await.unwrap();
    assert_eq!(texts(&applied.warnings)[1], new);
    assert_eq!(told(&world, "pricing").await, [new]);
    let undo = |reference: &str| DeprecateRequest { undo: true, ..saying(reference, "", None) };
    let undone = world.engine.deprecate(&world.scope, undo("last_trip")).await.unwrap();
    assert!(undone.run.is_some() && undone.remark.is_none());
    assert!(told(&world, "pricing").await.is_empty());
    assert_eq!(told(&world, "pricing@1").await, ["pricing@1 is deprecated: nobody pays"]);
    assert_eq!(world.engine.deprecate(&world.scope, undo("last_trip")).await.unwrap().run, None);
}

#[tokio::test]
async fn what_is_said_has_a_reason_and_leads_elsewhere() {
    let world = world().await;
    let code = |said: Result<Deprecated>| said.unwrap_err().code();
    assert_eq!(code(deprecate(&world, "last_trip", "", None).await), "why_not_said");
    assert_eq!(code(deprecate(&world, "last_trip", "old", Some("last_trip@1")).await), "own_successor");
    assert_eq!(code(deprecate(&world, "last_trip", "old", Some("lost_trip")).await), "unknown_name");
    assert_eq!(code(deprecate(&world, "trips@1", "old", None).await), "not_a_version");
    assert_eq!(code(deprecate(&world, "last_trip@9", "old", None).await), "unknown_version");
    let first = deprecate(&world, "last_trip", "old", None).await.unwrap();
    assert_eq!(deprecate(&world, "last_trip", "old", None).await.unwrap().run, None, "just that was said before");
    assert!(deprecate(&world, "last_trip", "older", None).await.unwrap().run.is_some());
    assert!(first.run.is_some());
}

/// A remark that comes while plans are compiled and asked for is not lost, nor does one stay that was taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn from_a_remark_on_everybody_is_told() {
    let world = Arc::new(world().await);
    for round in 0..30 {
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let world = Arc::clone(&world);
                // What they are told may be what was said before or after; that is seen once the remark is there.
                tokio::spawn(async move {
                    let rows = request(&[(Some("ann"), Some(0), 1.0)]);
                    world.get(rows, None).await.map(drop)
                })
            })
            .collect();
        let why = format!("round {round}");
        deprecate(&world, "pricing", &why, None).await.unwrap();
        assert_eq!(told(&world, "pricing").await, [format!("pricing@1 is deprecated: {why}")]);
        for asked in asking {
            asked.await.unwrap().unwrap();
        }
        assert_eq!(told(&world, "pricing").await, [format!("pricing@1 is deprecated: {why}")]);
    }
}
