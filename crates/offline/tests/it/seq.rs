//! The order of acceptance: numbers increase in the order of the sources, go on over ingests, are never given twice.

use std::collections::BTreeSet;

use crate::world::{World, committed, name, query};

#[tokio::test(flavor = "multi_thread")]
async fn numbers_follow_the_sources_and_go_on() {
    let mut world = World::new().await;
    world.dataset.cluster_by = vec!["n".into()];
    let b = world.file("b.csv", "ts,n\n2013-01-09,9\n2013-01-01,8\n");
    let a = world.file("a.csv", "ts,n\n2013-01-05,1\n");
    committed(world.ingest(&[&b, &a]).await);
    committed(world.ingest_file("c.csv", "ts,n\n2013-01-02,0\n").await);
    let rows = query(&world.snapshot().await.unwrap(), "SELECT n, _seq FROM d ORDER BY _seq").await;
    assert_eq!(rows, ["9 1", "8 2", "1 3", "0 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_ingest_gives_no_numbers() {
    let world = World::new().await;
    committed(world.ingest_file("a.csv", "ts,n\n2013-01-01,1\n").await);
    world.ingest_file("b.csv", "ts,n\n2013-01-02,2\n2013-01-02,x\n").await.unwrap_err();
    committed(world.ingest_file("c.csv", "ts,n\n2013-01-03,3\n").await);
    let rows = query(&world.snapshot().await.unwrap(), "SELECT n, _seq FROM d ORDER BY _seq").await;
    assert_eq!(rows, ["1 1", "3 2"]);
}

/// Two stores over one folder stand for two processes: they share no turns.
#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_both_land_or_one_is_told_to_come_back() {
    let world = World::new().await;
    let other = asof_offline::Store::open(world.path("the störe").to_str().unwrap()).await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..8 {
        let content: String = (0..50).map(|i| format!("2013-01-01,{}\n", number * 100 + i)).collect();
        let path = world.file(&format!("{number}.csv"), format!("ts,n\n{content}"));
        let (store, request) =
            (if number % 2 == 0 { world.store.clone() } else { other.clone() }, world.request(&[&path]));
        tasks.push(tokio::spawn(async move { store.ingest(request, &asof_offline::Quiet).await }));
    }
    let mut landed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => landed += 1,
            Err(error) => assert_eq!(error.code(), "concurrent_ingest", "{error}"),
        }
    }
    assert!(landed > 0);
    let snapshot = world.snapshot().await.unwrap();
    let rows = query(&snapshot, "SELECT _seq FROM d").await;
    let distinct: BTreeSet<i64> = rows.iter().map(|row| row.parse().unwrap()).collect();
    assert_eq!((rows.len(), distinct.len()), (landed * 50, landed * 50));
    // No gap either: what was overtaken gave its numbers back.
    assert_eq!(distinct.last(), Some(&(landed as i64 * 50)));
    assert_eq!(world.store.commits(&name("p"), &name("d")).await.unwrap().len(), landed);
    // What did not land left nothing behind.
    let files = std::fs::read_dir(world.table()).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count();
    assert_eq!(files, landed);
}
