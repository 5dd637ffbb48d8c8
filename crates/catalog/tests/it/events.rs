//! Events of other tools are kept once, in the order in which they came, and outlive the process.

use asof_catalog::{Catalog, LineageEvent};
use asof_model::{Digest, Micros};

use crate::sample::{Place, memory};

fn event(text: &str, received: i64) -> LineageEvent {
    LineageEvent { digest: Digest::of(text.as_bytes()), received: Micros(received), body: text.to_owned() }
}

async fn kept(catalog: &Catalog) -> Vec<(i64, LineageEvent)> {
    catalog.events_after(0, 100).await.unwrap()
}

#[tokio::test]
async fn an_event_is_kept_once_as_it_came_first() {
    let catalog = memory().await;
    assert_eq!(catalog.newest_event().await, Ok(0));
    let (a, b) = (event("a", 1), event("b", 2));
    assert_eq!(catalog.keep_events(&[a.clone(), b.clone(), a.clone()]).await, Ok(2));
    // The same event in other words.
    let again = LineageEvent { body: " a".into(), ..event("a", 3) };
    assert_eq!(catalog.keep_events(&[again, event("c", 3)]).await, Ok(1));
    let bodies: Vec<_> = kept(&catalog).await.into_iter().map(|(_, event)| event).collect();
    assert_eq!(bodies, [a, b, event("c", 3)]);
}

#[tokio::test]
async fn they_are_read_in_pages_that_go_on() {
    let catalog = memory().await;
    let events: Vec<_> = (0..10).map(|n| event(&format!("e{n}"), n)).collect();
    catalog.keep_events(&events).await.unwrap();
    let (mut read, mut last) = (Vec::new(), 0);
    loop {
        let page = catalog.events_after(last, 3).await.unwrap();
        let Some((number, _)) = page.last() else { break };
        last = *number;
        read.extend(page.into_iter().map(|(_, event)| event));
    }
    assert_eq!((read, Ok(last)), (events, catalog.newest_event().await));
}

#[tokio::test]
async fn they_are_there_after_opening_again() {
    let place = Place::new();
    place.open().await.keep_events(&[event("a", 1)]).await.unwrap();
    // Without closing: what was answered is in the write-ahead log.
    assert_eq!(kept(&place.open().await).await.len(), 1);
}

#[tokio::test]
async fn whoever_writes_is_noticed() {
    let catalog = memory().await;
    let before = catalog.changes();
    catalog.newest_event().await.unwrap();
    assert_eq!(catalog.changes(), before);
    catalog.clone().keep_events(&[event("a", 1)]).await.unwrap();
    assert_ne!(catalog.changes(), before);
}
