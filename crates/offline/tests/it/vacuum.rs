//! Small files become large ones, and what nothing needs is removed: no row changes, and what is gone says so.

use std::collections::BTreeSet;

use asof_model::{Micros, RunId, SnapshotNumber};
use asof_offline::{Compact, Compaction, Quiet, Vacuum};

use crate::world::{World, committed, name, query, rows_of};

const NOW: Micros = Micros(1_700_000_001_000_000);

async fn compact(world: &World) -> Option<Compaction> {
    let (project, definition) = (name("p"), world.dataset.clone());
    let request = Compact { project, definition, run: RunId::new(NOW), now: NOW };
    world.store.compact(&request, &Quiet).await.unwrap()
}

async fn vacuum(world: &World, keep: &[u64], remove: bool) -> Vacuum {
    let keep: BTreeSet<_> = keep.iter().copied().map(SnapshotNumber).collect();
    let remove = remove.then(|| (RunId::new(NOW), NOW));
    world.store.vacuum(&name("p"), &name("d"), &keep, &|_| true, remove).await.unwrap()
}

async fn rows_at(world: &World, number: u64) -> Result<Vec<String>, &'static str> {
    match world.store.snapshot(&name("p"), &name("d"), Some(SnapshotNumber(number))).await {
        Ok(snapshot) => Ok(rows_of(&snapshot.unwrap()).await),
        Err(error) => Err(error.code()),
    }
}

/// Snapshots 0 to 2, the last with another column, and 3, which holds the same in one file.
async fn compacted() -> World {
    let world = World::new().await;
    for (file, content) in
        [("a", "ts,n\n2013-01-03,1\n"), ("b", "ts,n\n2013-01-01,2\n"), ("c", "ts,n,x\n2013-01-02,3,y\n")]
    {
        committed(world.ingest_file(&format!("{file}.csv"), content).await);
    }
    let before = world.rows().await;
    let compaction = compact(&world).await.unwrap();
    let expected =
        Compaction { from: SnapshotNumber(2), to: Some(SnapshotNumber(3)), files_before: 3, files_after: 1, rows: 3 };
    assert_eq!(compaction, expected);
    assert_eq!(world.rows().await, before);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_changes_no_row_and_can_be_gone_on_from() {
    let world = compacted().await;
    // Sorted as an ingest sorts them, with the numbers they were accepted under.
    let snapshot = world.snapshot().await.unwrap();
    assert_eq!(query(&snapshot, "SELECT n, x, _seq FROM d").await, ["2 - 2", "3 y 3", "1 - 1"]);
    assert_eq!(compact(&world).await, None, "it is one file");
    snapshot.verify_files(&Quiet).await.unwrap();
    assert_eq!(rows_at(&world, 1).await.unwrap().len(), 2);
    // Numbers go on, a file that was let in stays known, and what was added can be told.
    assert_eq!(committed(world.ingest_file("d.csv", "ts,n\n2013-01-04,4\n").await), SnapshotNumber(4));
    let again = world.ingest_file("a.csv", "ts,n\n2013-01-03,1\n").await.unwrap();
    assert!(matches!(again, asof_offline::Ingested::Unchanged { .. }));
    assert_eq!(world.rows().await.last().unwrap(), "2013-01-04T00:00:00Z 4 - 4");
    let added = world.store.added(&name("p"), &name("d"), SnapshotNumber(2), SnapshotNumber(4)).await.unwrap().unwrap();
    let told: Vec<_> = added.iter().map(|a| (a.files.len(), a.removed, a.compacted)).collect();
    assert_eq!(told, [(1, true, true), (1, false, false)]);
    // So that what was there before is the same content wherever it lies, and other content is not.
    let content = async |number| {
        let number = Some(SnapshotNumber(number));
        world.store.snapshot(&name("p"), &name("d"), number).await.unwrap().unwrap().content()
    };
    assert_ne!(content(2).await, content(3).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_readable_and_what_is_gone_says_so() {
    let world = compacted().await;
    let kept = rows_at(&world, 0).await.unwrap();
    let told = vacuum(&world, &[0], false).await;
    assert_eq!((told.gone.as_slice(), told.files.len()), (&[1, 2].map(SnapshotNumber)[..], 2));
    assert_eq!(rows_at(&world, 2).await.unwrap().len(), 3, "it was only told");
    assert_eq!(vacuum(&world, &[0], true).await, told);
    assert_eq!(rows_at(&world, 0).await, Ok(kept.clone()));
    assert_eq!((rows_at(&world, 1).await, rows_at(&world, 2).await), (Err("snapshot_gone"), Err("snapshot_gone")));
    assert_eq!(world.rows().await.len(), 3);
    assert_eq!(rows_at(&world, 9).await, Err("unknown_snapshot"));
    assert_eq!(vacuum(&world, &[0], true).await, Vacuum::default());
    // Later the first one is not needed any more either.
    assert_eq!(vacuum(&world, &[], true).await.gone, [SnapshotNumber(0)]);
    assert_eq!(rows_at(&world, 0).await, Err("snapshot_gone"));
    assert_eq!(world.rows().await.len(), 3);
    assert_eq!(world.store.commits(&name("p"), &name("d")).await.unwrap().len(), 4, "what was done is known for ever");
}

/// Killed after it was said what goes, and before all of it went.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_killed_goes_on_the_next_time() {
    let world = compacted().await;
    let told = vacuum(&world, &[0], false).await;
    let gone = told.files[0].name.clone();
    let run = RunId::new(NOW);
    std::fs::create_dir(world.table().join("_gone")).unwrap();
    let marker = format!("{{\"run\": \"{run}\", \"at\": {}, \"snapshots\": [[1, 2]]}}", NOW.0);
    std::fs::write(world.table().join(format!("_gone/{run}.json")), marker).unwrap();
    std::fs::remove_file(world.table().join(&gone)).unwrap();
    assert_eq!(rows_at(&world, 2).await, Err("snapshot_gone"));
    let rest = vacuum(&world, &[0], true).await;
    assert_eq!((rest.gone.len(), rest.files.len()), (0, 1));
    assert_eq!((rows_at(&world, 0).await.unwrap().len(), world.rows().await.len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_log_is_not_whole_nothing_is_removed() {
    let world = compacted().await;
    std::fs::remove_file(world.table().join("_delta_log/00000000000000000001.json")).unwrap();
    let nothing = BTreeSet::new();
    let removal = Some((RunId::new(NOW), NOW));
    let error = world.store.vacuum(&name("p"), &name("d"), &nothing, &|_| true, removal).await.unwrap_err();
    assert_eq!(error.code(), "corrupt_log");
    assert!(!world.table().join("_gone").exists());
}
