//! What a reference means: remembered between requests, and never longer than it is so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use asof_engine::{Author, GetRequest, Policy, PromoteRequest, RollbackRequest, Scope};
use asof_model::{Name, Version};
use asof_offline::Quiet;

use crate::world::{PROJECT, World, request, trips};

/// The tour of these tests, with one version of `pricing` or the other, both served by the same views.
fn project(second: bool) -> String {
    let estimate = if second { "fare * 3 + distance" } else { "fare * 2 + distance" };
    PROJECT.replace("fare * 2 + distance", estimate)
}

async fn served() -> World {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(4.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    world
}

#[tokio::test]
async fn a_reference_that_was_asked_for_is_answered_without_the_catalog() {
    let world = served().await;
    let ask = |service| world.get_from(service, request(&[(Some("ann"), Some(0), 1.0)]), None);
    let before = ask("pricing").await.unwrap();
    world.catalog.close().await;
    assert_eq!(ask("pricing").await.unwrap().features, before.features);
    // The catalog is closed indeed: another way to say the same is not known.
    ask("pricing@1").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn from_an_apply_on_everybody_gets_what_was_applied() {
    let world = served().await;
    world.apply(&project(true)).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let ask = {
        let (engine, scope) = (world.engine.clone(), world.scope.clone());
        move || {
            let (engine, scope) = (engine.clone(), scope.clone());
            let rows = request(&[(Some("ann"), Some(0), 1.0)]);
            async move { engine.get(&scope, GetRequest { service: "pricing".parse().unwrap(), rows, at: None }).await }
        }
    };
    // Others who ask all the time, and so look references up just while they change.
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (ask, stop) = (ask.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    ask().await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for turn in 0..40 {
        let second = turn % 2 == 1;
        world.apply(&project(second)).await.unwrap();
        for _ in 0..3 {
            let reply = ask().await.unwrap();
            assert_eq!(reply.service.version, Version(if second { 2 } else { 1 }), "in turn {turn}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn from_a_promote_or_a_rollback_on_everybody_gets_what_it_moved_to() {
    let world = served().await;
    world.apply(&project(true)).await.unwrap();
    let prod: Name = "prod".parse().unwrap();
    let environments: Vec<Name> = vec!["dev".parse().unwrap(), prod.clone()];
    let promote = async |version: u32| {
        let request = PromoteRequest {
            references: vec![format!("pricing@{version}").parse().unwrap()],
            to: prod.clone(),
            environments: environments.clone(),
            policy: Policy::default(),
            author: Author::default(),
            dry_run: false,
            skip_gates: false,
            backwards: false,
            allow_breaking: false,
        };
        world.engine.promote(&world.scope, request, Arc::new(Quiet)).await.unwrap()
    };
    promote(1).await;
    let scope = Scope { environment: prod.clone(), ..world.scope.clone() };
    let stop = Arc::new(AtomicBool::new(false));
    let ask = {
        let engine = world.engine.clone();
        move || {
            let (engine, scope) = (engine.clone(), scope.clone());
            let rows = request(&[(Some("ann"), Some(0), 1.0)]);
            async move { engine.get(&scope, GetRequest { service: "pricing".parse().unwrap(), rows, at: None }).await }
        }
    };
    // Others who ask all the time, and of whose requests none may fail.
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (ask, stop) = (ask.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut asked = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    ask().await.unwrap();
                    asked += 1;
                    tokio::task::yield_now().await;
                }
                asked
            })
        })
        .collect();
    for turn in 0..40 {
        let expected = if turn % 2 == 0 {
            promote(2).await;
            Version(2)
        } else {
            let request = RollbackRequest {
                name: "pricing".parse().unwrap(),
                environment: prod.clone(),
                policy: Policy::default(),
                author: Author::default(),
                dry_run: false,
                skip_gates: false,
            };
            world.engine.rollback(&world.scope, request).await.unwrap();
            Version(1)
        };
        for _ in 0..3 {
            assert_eq!(ask().await.unwrap().service.version, expected, "in turn {turn}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    for other in others {
        assert!(other.await.unwrap() > 0);
    }
}
