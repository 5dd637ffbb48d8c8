//! Runs, and what they made.

use asof_catalog::{Catalog, RunFilter};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Digest, Micros, Run, RunId, SnapshotNumber};

use crate::sample::{dataset, memory, name, project, run, shown, view};

fn file(content: &str) -> Item {
    Item::File { url: format!("{content}.csv"), digest: Digest::of(content.as_bytes()), bytes: 3 }
}

fn snapshot(number: u64) -> Item {
    Item::Snapshot { dataset: name("flights"), number: SnapshotNumber(number) }
}

fn built(number: u32, content: &str) -> Item {
    Item::TrainingSet { name: name("delays"), number, content: Digest::of(content.as_bytes()) }
}

fn online(version: u32, generation: u64) -> Item {
    let view = view("carrier_delays", version, &format!("SELECT {version}"), &[]).pinned;
    Item::Online { view, generation, rows: generation * 10, at: Micros(1) }
}

async fn holding(runs: &[Run]) -> Catalog {
    let catalog = memory().await;
    for run in runs {
        catalog.finish(run).await.unwrap();
    }
    catalog
}

#[tokio::test]
async fn a_run_is_recorded_as_it_goes() {
    let catalog = memory().await;
    let done = run(Verb::Ingest, 1, vec![file("a")], vec![snapshot(1)]);
    let started = Run { finished: None, outcome: Outcome::Running, outputs: vec![], inputs: vec![], ..done.clone() };
    catalog.start(&started).await.unwrap();
    assert_eq!(catalog.unfinished(None).await, Ok(vec![started.clone()]));
    assert_eq!(catalog.unfinished(Some(&name("other"))).await, Ok(vec![]));
    let knowing_more = Run { inputs: vec![file("a")], ..started };
    catalog.start(&knowing_more).await.unwrap();
    catalog.finish(&done).await.unwrap();
    catalog.finish(&done).await.unwrap();
    assert_eq!(catalog.run(done.id).await, Ok(Some(done.clone())));
    assert_eq!(catalog.unfinished(Some(&project())).await, Ok(vec![]));
    assert_eq!(catalog.runs(&project(), RunFilter::default()).await, Ok(vec![done]));
    assert_eq!(catalog.run(RunId::new(Micros(0))).await, Ok(None));
}

#[tokio::test]
async fn what_is_done_stays_done() {
    let done = run(Verb::Ingest, 1, vec![], vec![snapshot(1)]);
    let catalog = holding(std::slice::from_ref(&done)).await;
    let check = async |outcome: Outcome| {
        let other = Run { outcome, outputs: vec![], ..done.clone() };
        assert_eq!(shown(catalog.finish(&other).await).0, "run_done");
        assert_eq!(shown(catalog.start(&other).await).0, "run_done");
        assert_eq!(catalog.producer(&project(), &snapshot(1)).await, Ok(Some(done.clone())));
    };
    check(Outcome::Running).await;
    check(Outcome::Aborted).await;
    check(Outcome::Failed { error: "no".into() }).await;
}

#[tokio::test]
async fn what_was_taken_for_dead_may_still_turn_out_done() {
    let done = run(Verb::Ingest, 1, vec![], vec![snapshot(1)]);
    let catalog = holding(&[Run { outcome: Outcome::Aborted, outputs: vec![], ..done.clone() }]).await;
    assert_eq!(catalog.producer(&project(), &snapshot(1)).await, Ok(None));
    catalog.finish(&done).await.unwrap();
    assert_eq!(catalog.producer(&project(), &snapshot(1)).await, Ok(Some(done)));
}

#[tokio::test]
async fn runs_are_found_newest_first() {
    let first = run(Verb::Ingest, 1, vec![file("a")], vec![snapshot(1)]);
    let second = run(
        Verb::Ingest,
        2,
        vec![file("b")],
        vec![Item::Snapshot { dataset: name("weather"), number: SnapshotNumber(1) }],
    );
    let third = run(Verb::Train, 3, vec![snapshot(1)], vec![built(1, "a")]);
    let other = Run { project: name("other"), ..run(Verb::Train, 4, vec![], vec![]) };
    let catalog = holding(&[second.clone(), third.clone(), other, first.clone()]).await;
    let check = async |filter: RunFilter, expected: &[&Run]| {
        let found = catalog.runs(&project(), filter.clone()).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
    };
    let all = RunFilter::default;
    check(all(), &[&third, &second, &first]).await;
    check(RunFilter { limit: Some(2), ..all() }, &[&third, &second]).await;
    check(RunFilter { limit: Some(usize::MAX), ..all() }, &[&third, &second, &first]).await;
    check(RunFilter { verb: Some(Verb::Ingest), ..all() }, &[&second, &first]).await;
    check(RunFilter { item: Some(name("flights")), ..all() }, &[&third, &first]).await;
    check(RunFilter { item: Some(name("flights")), verb: Some(Verb::Ingest), limit: Some(1), ..all() }, &[&first])
        .await;
    check(RunFilter { since: Some(Micros(2_000_000)), ..all() }, &[&third, &second]).await;
    check(RunFilter { item: Some(name("trains")), ..all() }, &[]).await;
}

#[tokio::test]
async fn the_first_run_that_is_done_made_it() {
    let failed =
        Run { outcome: Outcome::Failed { error: "no".into() }, ..run(Verb::Train, 1, vec![], vec![built(1, "a")]) };
    let first = run(Verb::Train, 2, vec![snapshot(1)], vec![built(1, "a")]);
    let again = run(Verb::Rebuild, 3, vec![], vec![built(1, "a")]);
    let ingest = run(Verb::Ingest, 4, vec![file("a")], vec![snapshot(2)]);
    let publish = run(Verb::Materialize, 5, vec![snapshot(2)], vec![online(1, 1)]);
    let catalog = holding(&[again, failed, first.clone(), ingest.clone(), publish.clone()]).await;
    let check = async |item: Item, expected: Option<&Run>| {
        assert_eq!(catalog.producer(&project(), &item).await.unwrap().as_ref(), expected, "{item:?}");
    };
    check(built(1, "a"), Some(&first)).await;
    check(built(2, "a"), None).await;
    check(snapshot(2), Some(&ingest)).await;
    check(snapshot(1), None).await;
    check(file("a"), None).await;
    check(online(1, 1), Some(&publish)).await;
    check(online(1, 2), None).await;
    check(online(2, 1), None).await;
    check(Item::Definition(dataset("flights", 1, "ts").pinned), None).await;
}

#[tokio::test]
async fn training_sets_are_listed_by_number() {
    let second = run(Verb::Train, 1, vec![], vec![built(2, "b")]);
    let first = run(Verb::Train, 2, vec![], vec![built(1, "a")]);
    let rebuilt = run(Verb::Rebuild, 3, vec![], vec![built(1, "a")]);
    let aborted = Run { outcome: Outcome::Aborted, ..run(Verb::Train, 4, vec![], vec![built(3, "c")]) };
    let catalog = holding(&[second, first, rebuilt, aborted]).await;
    assert_eq!(catalog.built(&project(), &name("delays")).await, Ok(vec![built(1, "a"), built(2, "b")]));
    assert_eq!(catalog.built(&project(), &name("flights")).await, Ok(vec![]));
}

#[tokio::test]
async fn the_newest_generation_of_each_version_is_online() {
    let publish = |second, item| run(Verb::Materialize, second, vec![], vec![item]);
    let unfinished = Run { outcome: Outcome::Running, ..publish(9, online(1, 12)) };
    // Generation 10 sorts before 9 as text.
    let runs = [publish(1, online(1, 9)), publish(2, online(1, 10)), publish(3, online(2, 1)), unfinished];
    let catalog = holding(&runs).await;
    assert_eq!(catalog.online(&project()).await, Ok(vec![online(1, 10), online(2, 1)]));
    assert_eq!(catalog.online(&name("other")).await, Ok(vec![]));
}
