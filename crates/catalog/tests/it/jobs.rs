//! Runs by the job that they are runs of; and words on things.

use asof_catalog::{Catalog, JobEntry, Page, Tag, Tagged};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Micros, Run, SnapshotNumber};
use sqlx::Connection;

use crate::sample::{dataset, memory, name, project, run};

const ALL: Page = Page { offset: 0, limit: 100, at: None };

fn snapshot(number: u64) -> Item {
    Item::Snapshot { dataset: name("flights"), number: SnapshotNumber(number) }
}

fn ingest(second: i64) -> Run {
    let flights = Item::Definition(dataset("flights", 1, "ts").pinned);
    run(Verb::Ingest, second, vec![flights], vec![snapshot(second as u64)])
}

/// Begins a run before it is done.
async fn through(catalog: &Catalog, done: &Run) {
    let begun = Run { outcome: Outcome::Running, finished: None, outputs: vec![], ..done.clone() };
    catalog.start(&begun).await.unwrap();
    catalog.start(&begun).await.unwrap();
    catalog.finish(done).await.unwrap();
    catalog.finish(done).await.unwrap();
}

#[tokio::test]
async fn a_job_is_counted_however_often_its_runs_are_written() {
    let catalog = memory().await;
    for second in 1..=3 {
        through(&catalog, &ingest(second)).await;
    }
    let failed = Run { outcome: Outcome::Failed { error: "no".into() }, outputs: vec![], ..ingest(4) };
    catalog.finish(&failed).await.unwrap();
    catalog.finish(&run(Verb::Promote, 5, vec![], vec![])).await.unwrap();
    let entry = |name: &str, runs, done, since: i64| JobEntry {
        name: name.into(),
        runs,
        done,
        since: Micros(since * 1_000_000),
    };
    let jobs = vec![entry("ingest.flights", 4, 3, 1), entry("promote", 1, 1, 5)];
    assert_eq!(catalog.jobs(&project()).await, Ok(jobs));
    assert_eq!(catalog.runs_of_job_counted(&project(), "ingest.flights").await, Ok(4));
    assert_eq!(catalog.runs_of_job_counted(&project(), "ingest.none").await, Ok(0));
    assert_eq!(catalog.projects().await, Ok(vec![project()]));
    let last = catalog.last_done(&project(), &["ingest.flights"], None).await.unwrap();
    assert_eq!(last, [ingest_like(&last[0], 3)]);
}

/// The same run again, whose identifier is its own.
fn ingest_like(known: &Run, second: i64) -> Run {
    Run { id: known.id, ..ingest(second) }
}

#[tokio::test]
async fn pages_of_runs_are_of_one_job_and_of_a_moment() {
    let catalog = memory().await;
    for second in 1..=9 {
        catalog.finish(&ingest(second)).await.unwrap();
        catalog.finish(&run(Verb::Push, second, vec![snapshot(second as u64)], vec![])).await.unwrap();
    }
    let seconds = |runs: Vec<Run>| runs.iter().map(|run| run.started.0 / 1_000_000).collect::<Vec<_>>();
    let of = async |page: Page| seconds(catalog.runs_of_job(&project(), "ingest.flights", page).await.unwrap());
    assert_eq!(of(ALL).await, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(of(Page { offset: 2, limit: 3, ..ALL }).await, [7, 6, 5]);
    assert_eq!(of(Page { at: Some(Micros(4_000_000)), ..ALL }).await, [4, 3, 2, 1]);
    // By when it was done, not by when it began.
    let project = project();
    let at = async |micros: i64| catalog.last_done(&project, &["ingest.flights"], Some(Micros(micros))).await;
    assert_eq!(seconds(at(4_000_004).await.unwrap()), [3]);
    assert_eq!(seconds(at(4_000_005).await.unwrap()), [4]);
    assert_eq!(seconds(at(1).await.unwrap()), Vec::<i64>::new());
    let between = async |from: i64, until: i64, newest_first| {
        let page = Page { at: Some(Micros(until)), ..ALL };
        seconds(catalog.runs_between(&project, Micros(from), page, newest_first).await.unwrap())
    };
    assert_eq!(between(8_000_000, 9_000_000, true).await, [9, 9, 8, 8]);
    assert_eq!(between(8_000_000, 8_999_999, false).await, [8, 8]);
    let counted = async |most| catalog.runs_between_counted(&project, Micros(0), Micros(i64::MAX), most).await.unwrap();
    assert_eq!((counted(100).await, counted(5).await), (18, 5));
}

#[tokio::test]
async fn what_was_made_of_a_name_comes_newest_first() {
    let catalog = memory().await;
    for second in 1..=5 {
        catalog.finish(&ingest(second)).await.unwrap();
    }
    let failed = Run { outcome: Outcome::Aborted, ..ingest(6) };
    catalog.finish(&failed).await.unwrap();
    let made = async |page: Page| {
        let made = catalog.made(&project(), "snapshot", &name("flights"), page).await.unwrap();
        made.into_iter().map(|product| product.run.outputs[product.position].clone()).collect::<Vec<_>>()
    };
    assert_eq!(made(Page { offset: 1, limit: 2, at: None }).await, [snapshot(4), snapshot(3)]);
    assert_eq!(made(Page { at: Some(Micros(2_000_005)), ..ALL }).await, [snapshot(2), snapshot(1)]);
    assert_eq!(catalog.made_counted(&project(), "snapshot", &name("flights"), 3).await, Ok(3));
}

#[tokio::test]
async fn pages_go_down_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    Catalog::open(&format!("sqlite:{}", file.display())).await.unwrap().close().await;
    let mut db = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let mut plan = async |statement: &'static str| {
        let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(statement).fetch_all(&mut db).await.unwrap();
        rows.into_iter().map(|(_, _, _, step)| step).collect::<Vec<_>>().join("\n")
    };
    let of_job = plan(
        "EXPLAIN QUERY PLAN SELECT body FROM run WHERE project = 'p' AND job = 'j' AND started <= 5
         ORDER BY started DESC, id DESC LIMIT 10",
    )
    .await;
    assert!(of_job.contains("run_of_job (project=? AND job=? AND started<?)") && !of_job.contains("TEMP"), "{of_job}");
    let done = plan(
        "EXPLAIN QUERY PLAN SELECT body FROM run WHERE project = 'p' AND job = 'j' AND state = 'done' AND finished <= 5
         ORDER BY finished DESC, id DESC LIMIT 1",
    )
    .await;
    assert!(done.contains("run_of_job_done (project=? AND job=? AND finished<?)") && !done.contains("TEMP"), "{done}");
}

#[tokio::test]
async fn words_are_put_on_things_and_taken_off() {
    let catalog = memory().await;
    let pii = |description: Option<&str>| Tag { name: "PII".into(), description: description.map(Into::into) };
    catalog.put_tag(&pii(Some("about people")), Micros(1)).await.unwrap();
    let on = |job, field: Option<&str>, tag: &str| Tagged {
        job,
        namespace: "s3://lake".into(),
        name: "tx".into(),
        field: field.map(Into::into),
        tag: tag.into(),
    };
    for tagged in
        [on(false, None, "PII"), on(false, Some("name"), "PII"), on(true, None, "nightly"), on(false, None, "PII")]
    {
        catalog.tag(&tagged, false, Micros(2)).await.unwrap();
    }
    // To put it on something says nothing about what it means.
    let all = vec![pii(Some("about people")), Tag { name: "nightly".into(), description: None }];
    assert_eq!(catalog.tags().await, Ok(all));
    let expected = vec![on(false, None, "PII"), on(false, Some("name"), "PII"), on(true, None, "nightly")];
    assert_eq!(catalog.tagged().await, Ok(expected));
    catalog.tag(&on(false, None, "PII"), true, Micros(3)).await.unwrap();
    catalog.tag(&on(false, None, "PII"), true, Micros(3)).await.unwrap();
    assert_eq!(catalog.tagged().await.unwrap().len(), 2);
}
