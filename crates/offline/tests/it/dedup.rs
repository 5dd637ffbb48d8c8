//! The same content is let in once.

use asof_offline::{Ingested, Quiet};

use crate::world::{World, committed, name};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_twice_changes_nothing_and_says_so() {
    let world = World::new().await;
    let a = world.file("a.csv", "ts\n2013-01-01\n");
    let copy = world.file("copy.csv", "ts\n2013-01-01\n");
    let first = committed(world.ingest(&[&a]).await);
    let again = world.ingest(&[&a, &copy]).await.unwrap();
    let Ingested::Unchanged { skipped } = &again else { panic!("{again:?}") };
    assert_eq!(skipped.iter().map(|s| s.since).collect::<Vec<_>>(), [Some(first); 2]);
    assert_eq!(world.store.commits(&name("p"), &name("d")).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_skipped_one_by_one_also_within_a_call() {
    let world = World::new().await;
    let a = world.file("a.csv", "ts\n2013-01-01\n");
    let b = world.file("b.csv", "ts\n2013-01-02\n");
    let first = committed(world.ingest(&[&a]).await);
    let ingested = world.ingest(&[&b, &a, &b]).await.unwrap();
    let Ingested::Committed { files, skipped, rows: 1, .. } = &ingested else { panic!("{ingested:?}") };
    assert_eq!(files.len(), 1);
    assert_eq!(skipped.iter().map(|s| s.since).collect::<Vec<_>>(), [Some(first), None]);
}

/// Checkpoints fold the log together: the keys, the digests and the numbers must come through, and every old snapshot
/// must stay readable.
#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_forget_nothing() {
    let world = World::new().await;
    for day in 1..=23 {
        committed(world.ingest_file(&format!("{day}.csv"), format!("ts,n\n2013-01-{day:02},{day}\n")).await);
    }
    let log = world.table().join("_delta_log");
    let checkpoints = std::fs::read_dir(log).unwrap();
    let checkpoints =
        checkpoints.filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().contains("checkpoint.parquet"));
    assert_eq!(checkpoints.count(), 2);
    let again = world.ingest(&[world.path("1.csv").to_str().unwrap()]).await.unwrap();
    assert!(matches!(&again, Ingested::Unchanged { skipped } if skipped[0].since.unwrap().0 == 0), "{again:?}");
    let snapshot = world.snapshot().await.unwrap();
    assert_eq!((snapshot.number.0, snapshot.rows, snapshot.files.len()), (22, 23, 23));
    snapshot.verify_files(&Quiet).await.unwrap();
    assert_eq!(world.rows().await.last().unwrap(), "2013-01-23T00:00:00Z 23 23");
    let old = world.store.snapshot(&name("p"), &name("d"), Some(asof_model::SnapshotNumber(4))).await.unwrap().unwrap();
    assert_eq!((old.rows, old.committed.0), (5, 1_700_000_000_123_456));
    assert_eq!(world.store.commits(&name("p"), &name("d")).await.unwrap().len(), 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_tell_what_a_catalog_needs_to_be_repaired() {
    let world = World::new().await;
    assert!(world.store.commits(&name("p"), &name("d")).await.unwrap().is_empty());
    let path = world.file("a.csv", "ts\n2013-01-01\n2013-01-02\n");
    let request = world.request(&[&path]);
    let run = request.run;
    let ingested = world.store.ingest(request, &asof_offline::Quiet).await.unwrap();
    let Ingested::Committed { files, .. } = ingested else { panic!("{ingested:?}") };
    let commits = world.store.commits(&name("p"), &name("d")).await.unwrap();
    let commit = &commits[0];
    assert_eq!((commit.number.0, commit.run, commit.time.0, commit.rows), (0, Some(run), 1_700_000_000_123_456, 2));
    assert_eq!(commit.files, files);
    assert_eq!(world.snapshot().await.unwrap().run, Some(run));
}
