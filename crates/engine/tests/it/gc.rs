//! What nothing needs is removed, and nothing else; what was removed says so.

use std::path::PathBuf;
use std::sync::Arc;

use asof_engine::{Author, CollectRequest, Collected, LogRequest, RemovalKind};
use asof_model::run::{Item, Outcome, RunId, Verb};
use asof_model::time::SECOND;
use asof_model::{Micros, Result};
use asof_offline::Quiet;

use crate::models::{register, trained};
use crate::world::{PROJECT, World, request, trips};

/// A long time, in microseconds.
const DAYS: i64 = 24 * 60 * 60 * SECOND;

fn request_of(apply: bool, compact: bool) -> CollectRequest {
    CollectRequest { apply, older_than: Micros(DAYS), compact, events_before: None, author: Author::default() }
}

async fn collect(world: &World, apply: bool, compact: bool) -> Result<Collected> {
    let request = request_of(apply, compact);
    world.engine.collect(&world.scope, request, Arc::new(Quiet)).await
}

/// It is so much later.
fn later(world: &World, days: i64) {
    use asof_model::Clock as _;
    world.clock.set(Micros(world.clock.now().0 + days * DAYS));
}

fn files(world: &World) -> Vec<PathBuf> {
    let folder = world.folder.path().join("store/datasets/test/trips");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

async fn rebuilds(world: &World, set: &str) -> bool {
    world.engine.rebuild(&world.scope, &set.parse().unwrap(), Arc::new(Quiet)).await.unwrap().equal()
}

async fn ingest(world: &World, trip: i64) {
    let text = trips(&[(trip, "ann", trip % 3, 10 + trip, Some(trip as f64)), (trip, "bob", 0, 10, None)]);
    let file = world.file(&format!("{trip}.csv"), &text);
    world.ingest("trips", &file).await.unwrap();
}

#[tokio::test]
async fn what_a_training_set_needs_outlives_compaction_gc_and_new_definitions() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    for trip in 0..4 {
        ingest(&world, trip).await;
        if trip == 1 {
            world.train("prices").await.unwrap();
        }
    }
    // Snapshots 0 to 3, of which a training set needs 1.
    later(&world, 2);
    let only_told = collect(&world, false, true).await.unwrap();
    assert_eq!((only_told.run, only_told.removals.len()), (None, 0));
    assert_eq!((only_told.compacted[0].files_before, only_told.compacted[0].to), (4, None));
    let compacted = collect(&world, true, true).await.unwrap();
    assert_eq!((compacted.compacted[0].files_after, compacted.compacted[0].rows), (1, 8));
    // What was the newest until just now is kept for a while.
    assert_eq!((compacted.removals.len(), files(&world).len()), (0, 5));
    let why =
        |of: &Collected, what: &str| of.kept.iter().find(|k| k.what == what).map(|k| k.why.clone()).unwrap_or_default();
    assert!(why(&compacted, "trips@1").contains("training set prices@1"), "{:?}", compacted.kept);
    assert!(why(&compacted, "trips@3").contains("it was the newest not long ago"), "{:?}", compacted.kept);

    later(&world, 2);
    let told = collect(&world, false, false).await.unwrap();
    assert_eq!((told.run, files(&world).len()), (None, 5), "nothing goes without being asked for");
    let done = collect(&world, true, false).await.unwrap();
    assert_eq!(done.removals, told.removals);
    assert_eq!((done.removals[0].what.as_str(), done.removals[0].files), ("trips@2…3", 2));
    assert_eq!(files(&world).len(), 3);
    let again = collect(&world, true, false).await.unwrap();
    assert_eq!((again.run, again.removals.len()), (None, 0));

    world.apply(&PROJECT.replace("fare * 2", "fare * 3")).await.unwrap();
    ingest(&world, 9).await;
    assert!(rebuilds(&world, "prices@1").await);
    // Those that it shares files with are there as well; the others say that they are gone, and when.
    let show = async |text: &str| world.engine.show(&world.scope, &text.parse().unwrap()).await;
    assert_eq!(show("trips@0").await.unwrap().snapshot.unwrap().rows, 2);
    for number in ["trips@2", "trips@3"] {
        let error = show(number).await.unwrap_err();
        assert_eq!(error.code(), "snapshot_gone");
        assert!(error.message().contains(&done.run.unwrap().to_string()), "{error}");
    }
    assert_eq!(show("trips").await.unwrap().snapshot.unwrap().rows, 10);
    let runs =
        world.engine.log(&world.scope, LogRequest { verb: Some(Verb::Gc), ..LogRequest::default() }).await.unwrap();
    assert_eq!(runs[0].inputs.len(), 2);
    // What comes of it is what came before.
    world.train("prices").await.unwrap();
    assert!(rebuilds(&world, "prices@2").await);
}

#[tokio::test]
async fn compaction_changes_no_row_no_order_of_acceptance_and_nothing_online() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    // All at one time: the order of acceptance decides.
    for trip in 0..6 {
        let file = world.file(&format!("{trip}.csv"), &trips(&[(trip, "ann", 0, 10, Some(trip as f64))]));
        world.ingest("trips", &file).await.unwrap();
    }
    let get = async || {
        world.materialize_whole(&["last_trip", "last_there"]).await.unwrap();
        let reply = world.get(request(&[(Some("ann"), Some(0), 1.0)]), Some(Micros(20 * SECOND))).await;
        reply.map(|reply| reply.features)
    };
    world.clock.set(Micros(15 * SECOND));
    let before = get().await.unwrap();
    let trained = world.train("prices").await.unwrap();
    let compacted = collect(&world, true, true).await.unwrap();
    let to = compacted.compacted[0].to.unwrap();
    assert_eq!(to.0, 6);
    assert_eq!(get().await.unwrap(), before);
    let again = world.train("prices").await.unwrap();
    assert!(again.built && again.manifest.inputs[0].number == to);
    assert_eq!(again.manifest.rows, trained.manifest.rows);
    // It goes on being added to, and a second compaction finds nothing.
    assert_eq!(collect(&world, true, true).await.unwrap().compacted, []);
    ingest(&world, 7).await;
    world.materialize(&["last_trip"], None).await.unwrap();
}

#[tokio::test]
async fn rows_online_go_when_nothing_points_at_them_any_more() {
    let world = trained().await;
    let first: asof_model::Reference = "last_trip@1".parse().unwrap();
    world.apply(&PROJECT.replace("'100 seconds'", "'200 seconds'")).await.unwrap();
    world.materialize(&["last_trip"], None).await.unwrap();
    // It can be gone back to for a while.
    later(&world, 0);
    assert_eq!(collect(&world, true, false).await.unwrap().removals, []);
    later(&world, 2);
    let told = collect(&world, false, false).await.unwrap();
    let gone: Vec<_> = told.removals.iter().map(|r| (r.kind, r.what.as_str())).collect();
    assert_eq!(gone, [(RemovalKind::Online, "last_trip@1")]);
    // A model that is served by them keeps them.
    register(&world, "7", "prices@1").await.unwrap();
    let kept = collect(&world, true, false).await.unwrap();
    assert!(kept.removals.is_empty());
    let why = &kept.kept.iter().find(|kept| kept.what == "last_trip@1 online").unwrap().why;
    assert_eq!(why, "model fraud@7");

    let other = trained().await;
    other.apply(&PROJECT.replace("'100 seconds'", "'200 seconds'")).await.unwrap();
    later(&other, 2);
    let done = collect(&other, true, false).await.unwrap();
    assert_eq!(done.removals.len(), 1);
    let show = async || other.engine.show(&other.scope, &first).await.unwrap().online;
    assert!(show().await.is_none());
    // It is not taken for damage, and can be brought back.
    let error = other.get_from("pricing@1", request(&[(Some("ann"), Some(0), 1.0)]), None).await.unwrap_err();
    assert_eq!((error.code(), error.remedy_text()), ("not_materialized", Some("asof materialize last_trip@1")));
    other.materialize(&["last_trip@1"], None).await.unwrap();
    assert!(show().await.is_some());
    other.get_from("pricing@1", request(&[(Some("ann"), Some(0), 1.0)]), None).await.unwrap();
}

#[tokio::test]
async fn what_interrupted_runs_left_goes_and_what_runs_at_work_write_stays() {
    let world = trained().await;
    let folder = world.folder.path().join("store/datasets/test/trips");
    let (dead, alive) = (RunId::new(Micros(1)), RunId::new(Micros(2)));
    for run in [dead, alive] {
        std::fs::write(folder.join(format!("part-{run}-1-00000.parquet")), b"half").unwrap();
    }
    std::fs::write(folder.join("mine.parquet"), b"whole").unwrap();
    let set = world.folder.path().join("store/training/test/prices/2");
    std::fs::create_dir_all(&set).unwrap();
    for run in [dead, alive] {
        std::fs::write(set.join(format!("part-{run}-00000.parquet")), b"half").unwrap();
    }
    let run = asof_model::Run {
        id: alive,
        project: world.scope.project.clone(),
        verb: Verb::Ingest,
        started: Micros(2),
        finished: None,
        outcome: Outcome::Running,
        inputs: vec![],
        outputs: vec![],
        notes: Default::default(),
        engine: "test".into(),
    };
    world.catalog.start(&run).await.unwrap();
    let done = collect(&world, true, false).await.unwrap();
    let gone: Vec<_> = done.removals.iter().map(|r| (r.kind, r.what.as_str(), r.files, r.bytes)).collect();
    assert_eq!(gone, [(RemovalKind::PartFiles, "trips", 1, 4), (RemovalKind::PartFiles, "prices", 1, 4)]);
    assert!(folder.join(format!("part-{alive}-1-00000.parquet")).exists() && folder.join("mine.parquet").exists());
    assert!(set.join(format!("part-{alive}-00000.parquet")).exists());
    assert!(!folder.join(format!("part-{dead}-1-00000.parquet")).exists());
    assert!(rebuilds(&world, "prices@1").await);
}

/// A snapshot that was the newest when a run began which is still at work may be what it reads.
#[tokio::test]
async fn nothing_is_taken_from_a_run_at_work() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    for trip in 0..3 {
        ingest(&world, trip).await;
    }
    let started = Micros(1_000_000_000_001);
    let run = asof_model::Run {
        id: RunId::new(started),
        project: world.scope.project.clone(),
        verb: Verb::Train,
        started,
        finished: None,
        outcome: Outcome::Running,
        inputs: vec![],
        outputs: vec![],
        notes: Default::default(),
        engine: "test".into(),
    };
    world.catalog.start(&run).await.unwrap();
    later(&world, 3);
    collect(&world, true, true).await.unwrap();
    later(&world, 30);
    assert_eq!(collect(&world, true, false).await.unwrap().removals, []);
    world.catalog.finish(&asof_model::Run { outcome: Outcome::Aborted, ..run }).await.unwrap();
    let done = collect(&world, true, false).await.unwrap();
    assert_eq!(done.removals.iter().map(|r| r.what.as_str()).collect::<Vec<_>>(), ["trips@0…2"]);
}

/// Killed after it said what goes, and before it was recorded as done: the next start tells what went.
#[tokio::test]
async fn a_removal_that_died_is_recorded_with_what_it_took() {
    let mut world = trained().await;
    world.apply(&PROJECT.replace("'100 seconds'", "'200 seconds'")).await.unwrap();
    let online = |view: &str| {
        world.catalog.online(&world.scope.project).map({
            let view = view.to_owned();
            move |all: Result<Vec<Item>>| {
                let is = |item: &Item| matches!(item, Item::Online { view: v, .. } if v.name.as_str() == view);
                all.unwrap().into_iter().find(is)
            }
        })
    };
    use futures::FutureExt as _;
    let (dropped, kept) = (online("last_trip").await.unwrap(), online("last_there").await.unwrap());
    let run = asof_model::Run {
        id: RunId::new(Micros(3)),
        project: world.scope.project.clone(),
        verb: Verb::Gc,
        started: Micros(3),
        finished: None,
        outcome: Outcome::Running,
        inputs: vec![dropped.clone(), kept.clone()],
        outputs: vec![],
        notes: Default::default(),
        engine: "test".into(),
    };
    world.catalog.start(&run).await.unwrap();
    let Item::Online { view, .. } = &dropped else { unreachable!() };
    world.online.drop_view(view).unwrap();
    world.reopen().await;
    let recorded = world.catalog.run(run.id).await.unwrap().unwrap();
    assert_eq!((recorded.outcome, recorded.inputs), (Outcome::Done, vec![dropped]));
    assert_eq!(world.catalog.online(&world.scope.project).await.unwrap(), [kept]);
}

#[tokio::test]
async fn what_others_told_goes_where_a_moment_is_named_and_nothing_since_is_made_of_it() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let event = |day: u32, run: u32, input: &str| {
        serde_json::json!({
            "eventTime": format!("2026-01-{day:02}T00:00:00Z"), "eventType": "COMPLETE", "producer": "test",
            "run": {"runId": format!("019cde00-0000-7000-8000-0000000000{run:02}")},
            "job": {"namespace": "airflow", "name": "land"},
            "inputs": [{"namespace": "s3://raw", "name": input}],
            "outputs": [{"namespace": "s3://lake", "name": "trips"}],
        })
        .to_string()
    };
    // The second run ends what the first one said.
    world.engine.hear(vec![event(1, 1, "old"), event(5, 2, "new")]).await.unwrap();
    let forgetting = |apply| CollectRequest {
        events_before: Some("2026-01-06".parse::<Micros>().unwrap()),
        ..request_of(apply, false)
    };
    let collect = async |request| world.engine.collect(&world.scope, request, Arc::new(Quiet)).await.unwrap();
    assert_eq!(collect(request_of(true, false)).await.removals, []);
    for apply in [false, false, true] {
        let told = collect(forgetting(apply)).await;
        let told: Vec<_> = told.removals.iter().map(|r| (r.kind, r.what.as_str())).collect();
        assert_eq!(told, [(RemovalKind::Events, "1 of 2 events of others")]);
    }
    assert_eq!(collect(forgetting(true)).await.removals, []);
    let kept = world.catalog.events_after(0, 10).await.unwrap();
    assert!(kept.len() == 1 && kept[0].1.body.contains("new"), "{kept:?}");
}
