//! Runs: every change is one, with exact inputs and outputs; a dead one is repaired at the next start.

use std::sync::{Arc, Mutex};

use asof_engine::{LogRequest, ReadOptions};
use asof_model::run::{Item, Outcome, Run, RunId, Verb};
use asof_model::{Clock, SnapshotNumber};
use asof_offline::{Ingest, Ingested, Progress, Quiet};

use crate::world::{PROJECT, World, trips};

/// All that was told of progress.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, u64, Option<u64>)>>);

impl Progress for Heard {
    fn advance(&self, stage: &str, done: u64, total: Option<u64>) {
        self.0.lock().unwrap().push((stage.to_owned(), done, total));
    }
}

async fn runs(world: &World) -> Vec<Run> {
    world.engine.log(&world.scope, LogRequest::default()).await.unwrap()
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let world = World::new().await;
    assert!(world.apply(PROJECT).await.unwrap().run.is_some());
    let again = world.apply(PROJECT).await.unwrap();
    assert!(again.run.is_none());
    assert_eq!(runs(&world).await.len(), 1);
}

#[tokio::test]
async fn every_verb_leaves_its_run_with_exact_inputs_and_outputs() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0)), (2, "bob", 1, 20, None)]));
    let report = world.ingest("trips", &file).await.unwrap();
    world.train("prices").await.unwrap();
    world.materialize(&["last_trip"], None).await.unwrap();
    let verbs: Vec<_> = runs(&world).await.into_iter().rev().collect();
    assert_eq!(
        verbs.iter().map(|r| r.verb).collect::<Vec<_>>(),
        [Verb::Apply, Verb::Ingest, Verb::Train, Verb::Materialize]
    );
    assert!(verbs.iter().all(|r| r.outcome == Outcome::Done && r.finished.is_some()));
    let snapshot = Item::Snapshot { dataset: "trips".parse().unwrap(), number: report.snapshot.unwrap() };
    assert!(matches!(&verbs[1].inputs[..], [Item::Definition(_), Item::File { .. }]));
    assert_eq!(verbs[1].outputs, std::slice::from_ref(&snapshot));
    for run in &verbs[2..] {
        assert!(run.inputs.contains(&snapshot), "{run:?}");
    }
    assert!(matches!(&verbs[2].outputs[..], [Item::TrainingSet { number: 1, .. }]));
    assert!(matches!(&verbs[3].outputs[..], [Item::Online { rows: 2, generation: 1, .. }]));
}

#[tokio::test]
async fn the_same_file_twice_is_a_no_op_that_says_so() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0))]));
    let first = world.ingest("trips", &file).await.unwrap();
    let second = world.ingest("trips", &file).await.unwrap();
    assert_eq!((second.snapshot, second.rows), (None, 0));
    assert_eq!(second.skipped[0].since, first.snapshot);
}

#[tokio::test]
async fn the_same_training_set_is_built_once_and_rebuilds_to_the_bit() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0)), (2, "ann", 0, 20, Some(1.0))]));
    world.ingest("trips", &file).await.unwrap();
    let first = world.train("prices").await.unwrap();
    let second = world.train("prices").await.unwrap();
    assert!(first.built && !second.built);
    assert_eq!(first.manifest.number, second.manifest.number);
    // New data makes a new set, and the old one still rebuilds from its own snapshot.
    let more = world.file("more.csv", &trips(&[(3, "ann", 0, 15, Some(9.0))]));
    world.ingest("trips", &more).await.unwrap();
    let third = world.train("prices").await.unwrap();
    assert_eq!((third.manifest.number, third.manifest.rows), (2, 3));
    for reference in ["prices@1", "prices@2"] {
        let heard = Arc::new(Heard::default());
        let rebuilt = world.engine.rebuild(&world.scope, &reference.parse().unwrap(), heard.clone()).await.unwrap();
        assert!(rebuilt.equal(), "{reference}");
        let rows = rebuilt.manifest.rows;
        let heard = heard.0.lock().unwrap();
        assert_eq!(heard.first().map(|(stage, done, _)| (stage.as_str(), *done)), Some(("checking", 0)));
        assert_eq!(heard.last(), Some(&("comparing".to_owned(), rows, Some(rows))));
    }
}

#[tokio::test]
async fn a_failed_run_is_recorded_with_its_error_and_changes_nothing() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(-5.0))]));
    let error = world.ingest("trips", &file).await.unwrap_err();
    assert!(error.to_string().contains("fare_sane"), "{error}");
    let run = runs(&world).await.remove(0);
    assert!(matches!(&run.outcome, Outcome::Failed { error } if error.contains("fare_sane")));
    assert_eq!(run.outputs, []);
}

/// The process dies between the Delta commit and the catalog: the next start finds what it left.
#[tokio::test]
async fn a_run_that_died_after_its_commit_is_recorded_as_done() {
    let mut world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let definition = world.engine.show(&world.scope, &"trips".parse().unwrap()).await.unwrap().registered;
    let asof_model::Definition::Dataset(dataset) = &definition.definition else { unreachable!() };
    let url = format!("sqlite:{}", world.folder.path().join("catalog.db").display());
    let catalog = asof_catalog::Catalog::open(&url).await.unwrap();
    let run = |id| Run {
        id,
        project: world.scope.project.clone(),
        verb: Verb::Ingest,
        started: world.clock.now(),
        finished: None,
        outcome: Outcome::Running,
        inputs: vec![Item::Definition(definition.pinned.clone())],
        outputs: vec![],
        notes: Default::default(),
        engine: "test".into(),
    };
    let (committed, nothing) = (RunId::new(world.clock.now()), RunId::new(world.clock.now()));
    catalog.start(&run(committed)).await.unwrap();
    catalog.start(&run(nothing)).await.unwrap();
    let store = asof_offline::Store::open(&world.folder.path().join("store").display().to_string()).await.unwrap();
    let ingest = Ingest {
        project: world.scope.project.clone(),
        definition: dataset.clone(),
        sources: vec![world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0))]))],
        called: Default::default(),
        options: ReadOptions::default(),
        run: committed,
        now: world.clock.now(),
        memory_limit: 64 << 20,
        numbers: None,
    };
    let Ingested::Committed { number, .. } = store.ingest(ingest, &Quiet).await.unwrap() else { panic!("a commit") };
    world.reopen().await;
    let runs: Vec<_> = runs(&world).await;
    let of = |id| runs.iter().find(|r| r.id == id).unwrap();
    assert_eq!(of(committed).outcome, Outcome::Done);
    assert_eq!(of(committed).outputs, [Item::Snapshot { dataset: "trips".parse().unwrap(), number }]);
    assert_eq!(of(nothing).outcome, Outcome::Aborted);
    assert_eq!(of(nothing).outputs, []);
    // And the retry with the same file says that it is there.
    let again = world.ingest("trips", &world.folder.path().join("trips.csv").display().to_string()).await.unwrap();
    assert_eq!(again.snapshot, None::<SnapshotNumber>);
}
