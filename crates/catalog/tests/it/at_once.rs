//! Many writers: tasks of one process, and two handles on one catalog as two processes have them.

use asof_catalog::{Catalog, RunFilter};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Run, SnapshotNumber};
use futures::future::join_all;

use crate::sample::{Place, apply, dataset, dev, name, project, run, to};

const WRITERS: u32 = 12;

/// Two handles with connections of their own, opened at the same moment on what is not there yet.
async fn two_on(place: &Place) -> [Catalog; 2] {
    let url = &place.url;
    let opened = join_all([(); 2].map(|()| {
        tokio::spawn({
            let url = url.clone();
            async move { Catalog::open(&url).await }
        })
    }));
    let opened: Vec<_> = opened.await.into_iter().map(|opened| opened.unwrap().unwrap()).collect();
    opened.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_catalog_may_be_opened_by_many_at_once() {
    for _ in 0..5 {
        let Place { url, .. } = &Place::new();
        let opening = (0..8).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Catalog::open(&url).await.map(drop) })
        });
        for opened in join_all(opening).await {
            assert_eq!(opened.unwrap(), Ok(()));
        }
    }
}

/// Every writer wants to make the next version of one name, each with its own content: of those that planned
/// from the same state one wins and the others are told; told, they plan again; in the end all are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_applies_to_one_name_one_wins_each_round() {
    let place = Place::new();
    let catalogs = two_on(&place).await;
    let writers = (0..WRITERS).map(|writer| {
        let catalog = catalogs[writer as usize % 2].clone();
        tokio::spawn(async move {
            let mut lost = 0;
            loop {
                let now = catalog.current(&project(), &dev(), &name("flights")).await.unwrap();
                let from = now.map(|r| r.pinned.version.0);
                let next = from.unwrap_or(0) + 1;
                let new = dataset("flights", next, &format!("t{writer}"));
                match apply(&catalog, vec![new], vec![to("flights", from, next)]).await {
                    Ok(_) => return lost,
                    Err(error) => assert_eq!(error.code(), "concurrent_apply", "{error}"),
                }
                lost += 1;
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|lost| assert!(lost.unwrap() < WRITERS));
    let versions = catalogs[0].versions(&project(), &name("flights")).await.unwrap();
    let numbers: Vec<_> = versions.iter().map(|v| v.pinned.version.0).collect();
    assert_eq!(numbers, (1..=WRITERS).collect::<Vec<_>>());
    let history = catalogs[1].pointer_history(&project(), &dev(), &name("flights")).await.unwrap();
    let moves: Vec<_> = history.iter().rev().map(|m| (m.from.map(|v| v.0), m.to.0)).collect();
    let expected: Vec<_> = (1..=WRITERS).map(|to| (Some(to - 1).filter(|from| *from > 0), to)).collect();
    assert_eq!(moves, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_equal_applies_are_one() {
    let place = Place::new();
    let catalogs = two_on(&place).await;
    let writers = (0..WRITERS).map(|writer| {
        let catalog = catalogs[writer as usize % 2].clone();
        tokio::spawn(
            async move { apply(&catalog, vec![dataset("flights", 1, "ts")], vec![to("flights", None, 1)]).await },
        )
    });
    for applied in join_all(writers).await {
        assert!(applied.unwrap().is_ok());
    }
    assert_eq!(catalogs[0].pointer_history(&project(), &dev(), &name("flights")).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_object_of_applies_at_once_is_lost() {
    let place = Place::new();
    let catalogs = two_on(&place).await;
    let writers = (0..WRITERS).map(|writer| {
        let catalog = catalogs[writer as usize % 2].clone();
        let of = format!("d{writer:02}");
        tokio::spawn(async move { apply(&catalog, vec![dataset(&of, 1, "ts")], vec![to(&of, None, 1)]).await })
    });
    for applied in join_all(writers).await {
        assert!(applied.unwrap().is_ok());
    }
    assert_eq!(catalogs[0].names(&project()).await.unwrap().len(), WRITERS as usize);
    assert!(catalogs[1].list(&project(), &dev(), None).await.unwrap().iter().all(|listed| listed.current));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_are_recorded_while_others_read() {
    let place = Place::new();
    let catalogs = two_on(&place).await;
    let work = (0..WRITERS).map(|writer| {
        let catalog = catalogs[writer as usize % 2].clone();
        tokio::spawn(async move {
            let made = Item::Snapshot { dataset: name("flights"), number: SnapshotNumber(writer.into()) };
            let done = run(Verb::Ingest, writer.into(), vec![], vec![made.clone()]);
            catalog.start(&Run { outcome: Outcome::Running, outputs: vec![], ..done.clone() }).await.unwrap();
            catalog.runs(&project(), RunFilter::default()).await.unwrap();
            catalog.finish(&done).await.unwrap();
            assert_eq!(catalog.producer(&project(), &made).await, Ok(Some(done)));
        })
    });
    join_all(work).await.into_iter().for_each(|done| done.unwrap());
    assert_eq!(catalogs[0].runs(&project(), RunFilter::default()).await.unwrap().len(), WRITERS as usize);
}

/// Who works with a catalog on a server keeps others out, and lets them in when done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_is_held_by_one() {
    let place = Place::new();
    let [one, other] = two_on(&place).await;
    let held = one.hold().await.unwrap();
    if place.url.starts_with("sqlite:") {
        // The store that the file lies in has a lock.
        return assert!(other.hold().await.is_ok());
    }
    assert_eq!(other.hold().await.unwrap_err().code(), "catalog_locked");
    assert_eq!(other.names(&project()).await, Ok(vec![]));
    drop(held);
    assert!(other.hold().await.is_ok());
}
