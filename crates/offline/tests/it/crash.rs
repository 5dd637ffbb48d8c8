//! What is found on disk after a crash at any point, and after damage.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use asof_offline::Quiet;

use crate::world::{World, committed, name};

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_killed_ingest_harm_nobody() {
    let world = World::new().await;
    // Killed before the first commit.
    std::fs::create_dir_all(world.table().join("_delta_log")).unwrap();
    std::fs::write(world.table().join("part-killed-1-00000.parquet"), "PAR1 torn").unwrap();
    std::fs::write(world.table().join("_delta_log/00000000000000000000.json#1"), "torn").unwrap();
    assert!(world.snapshot().await.is_none());
    assert!(world.store.commits(&name("p"), &name("d")).await.unwrap().is_empty());
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    // Killed before a later one.
    std::fs::write(world.table().join("part-killed-1-00001.parquet"), "PAR1 torn").unwrap();
    std::fs::write(world.table().join("_delta_log/00000000000000000001.json#1"), "torn").unwrap();
    assert_eq!(world.rows().await, ["2013-01-01T00:00:00Z 1 1"]);
    committed(world.ingest_file("b.csv", "ts,n\n2013-01-02,2\n").await);
    assert_eq!(world.rows().await, ["2013-01-01T00:00:00Z 1 1", "2013-01-02T00:00:00Z 2 2"]);
    world.snapshot().await.unwrap().verify_files(&Quiet).await.unwrap();
}

/// Killed after the commit and before anybody was told: the same ingest again must not double anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_the_commit_finds_it_done() {
    let world = World::new().await;
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    let reopened = asof_offline::Store::open(world.path("the störe").to_str().unwrap()).await.unwrap();
    let request = world.request(&[world.path("a.csv").to_str().unwrap()]);
    let again = reopened.ingest(request, &asof_offline::Quiet).await.unwrap();
    assert!(matches!(again, asof_offline::Ingested::Unchanged { .. }), "{again:?}");
    assert_eq!(world.rows().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_missing_data_files_are_named() {
    let world = World::new().await;
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    let snapshot = world.snapshot().await.unwrap();
    let path = world.table().join(&snapshot.files[0].path);
    snapshot.verify_files(&Quiet).await.unwrap();
    // One bit, in the values.
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(40)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(40)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    drop(file);
    let error = snapshot.verify_files(&Quiet).await.unwrap_err();
    assert!(error.code() == "corrupt_file" && error.message().contains(&snapshot.files[0].path), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = snapshot.verify_files(&Quiet).await.unwrap_err();
    assert!(error.message().ends_with("it is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_another_writer_is_told_apart() {
    let world = World::new().await;
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    let foreign = r#"{"add":{"path":"foreign.parquet","partitionValues":{},"size":1,"modificationTime":0,"dataChange":true,"stats":"{\"numRecords\":1}"}}"#;
    std::fs::write(world.table().join("_delta_log/00000000000000000001.json"), foreign).unwrap();
    let error = world.store.snapshot(&name("p"), &name("d"), None).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("foreign_table", asof_model::ErrorKind::Corrupt));
}
