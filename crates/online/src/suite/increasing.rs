//! Publications that add to what is visible.

use asof_model::{Micros, SnapshotNumber};

use super::sample::{AT, aside, delays, get, layout, numbers, publish, push, pushed, rows, run, view};
use super::{Make, refused};
use crate::{Basis, Increase, OnlineStore, Published};

fn basis(snapshot: u64, pushed: i64) -> Basis {
    let dataset = "delays".parse().expect("a name");
    let (snapshot, whole) = (SnapshotNumber(snapshot), SnapshotNumber(1));
    Basis { dataset, snapshot, made_by: Some(run()), pushed, whole, due: Some(Micros(7)) }
}

fn increase(store: &dyn OnlineStore) -> Increase {
    store.increase(&view("carrier_delays"), &layout()).expect("a readable view").expect("a visible view")
}

fn commit(increase: Increase) -> Published {
    increase.publication.commit(run(), AT).expect("a commit")
}

/// What is added, what was there and what is pushed meanwhile are all there, the newest of each key, seen at once.
pub fn what_is_added_becomes_visible_at_once_with_what_was_there(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let store = &*store;
    assert!(store.increase(&view, &layout()).expect("a look").is_none());
    publish(
        store,
        &view,
        &layout(),
        &[pushed(&rows(&[("UA", 5, 1, None), ("AA", 5, 2, None), ("ZZ", 5, 3, None)]), 1)],
    );
    push(store, &view, pushed(&rows(&[("AA", 9, 4, None)]), 4), 4);
    let carriers = ["UA", "AA", "BB", "DL", "ZZ", "ZZZ"];
    let mut added = increase(store);
    assert_eq!(added.to.generation, 1);
    added.publication.write(&pushed(&rows(&[("UA", 6, 10, None), ("AA", 6, 11, None)]), 5)).expect("rows that fit");
    added.publication.write(&pushed(&rows(&[("ZZZ", 1, 12, None), ("BB", 1, 13, None)]), 7)).expect("rows that fit");
    added.publication.rests_on(basis(2, 4));
    // What is pushed meanwhile is seen at once, and stays.
    push(store, &view, pushed(&rows(&[("DL", 8, 20, None), ("UA", 4, 21, None)]), 9), 10);
    assert_eq!(numbers(&get(store, delays(&view, &carriers))), [Some(1), Some(4), None, Some(20), Some(3), None]);
    let published = commit(added);
    let found = get(store, delays(&view, &carriers));
    assert_eq!(numbers(&found), [Some(10), Some(4), Some(13), Some(20), Some(3), Some(12)]);
    assert_eq!((published.generation, published.rows, found.generation, found.run), (2, 6, 2, published.run));
    assert_eq!(published.basis.map(|basis| (basis.snapshot, basis.due)), Some((SnapshotNumber(2), Some(Micros(7)))));
    assert_eq!(store.check(&view), Ok(()));
    // Dropped, it leaves nothing.
    let mut dropped = increase(store);
    dropped.publication.write(&pushed(&rows(&[("UA", 99, 99, None)]), 11)).expect("rows that fit");
    drop(dropped);
    assert_eq!(numbers(&get(store, delays(&view, &["UA"]))), [Some(10)]);
    // Another layout cannot be added to.
    let mut other = layout();
    other.values.0.truncate(1);
    assert!(store.increase(&view, &other).expect("a look").is_none());
}

/// Where nothing is added the rows stay, under a new number, and are pushed to as before.
pub fn nothing_added_is_a_new_number_for_the_same_rows(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let store = &*store;
    let first = publish(store, &view, &layout(), &[pushed(&rows(&[("UA", 5, 1, None), ("AA", 5, 2, None)]), 1)]);
    let mut same = increase(store);
    push(store, &view, pushed(&rows(&[("DL", 8, 3, None)]), 3), 3);
    same.publication.rests_on(basis(2, 0));
    let second = commit(same);
    assert_eq!(second.generation, 2);
    assert!(second.rows >= first.rows);
    push(store, &view, pushed(&rows(&[("UA", 9, 4, None)]), 4), 4);
    commit(increase(store));
    assert_eq!(numbers(&get(store, delays(&view, &["UA", "AA", "DL"]))), [Some(4), Some(2), Some(3)]);
    assert_eq!(store.check(&view), Ok(()));
    publish(store, &view, &layout(), &[]);
    assert_eq!(numbers(&get(store, delays(&view, &["UA", "AA", "DL"]))), [None; 3]);
}

/// What was to be added to rows that are visible no more is not added to others.
pub fn what_is_added_to_rows_that_were_replaced_is_refused(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let store = &*store;
    for empty in [false, true] {
        publish(store, &view, &layout(), &[rows(&[("UA", 1, 1, None)])]);
        let mut added = increase(store);
        if !empty {
            added.publication.write(&rows(&[("UA", 9, 9, None)])).expect("rows that fit");
        }
        publish(store, &view, &layout(), &[rows(&[("UA", 2, 2, None)])]);
        refused(added.publication.commit(run(), AT), "publication_overtaken", &["carrier_delays@1"]);
        assert_eq!(numbers(&get(store, delays(&view, &["UA"]))), [Some(2)]);
        assert_eq!(store.check(&view), Ok(()));
    }
}

/// A publication that says which pushes it has leaves those out that came meanwhile and are among them.
pub fn what_a_publication_has_is_not_taken_from_pushes_too(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let store = &*store;
    // Times tell which of the rows were taken: those of the pushes are the newer ones.
    let at = |key, time, first| pushed(&rows(&[(key, time, time, None)]), first);
    let mut whole = aside(store, &view, &layout(), &[at("UA", 1, 1), at("AA", 1, 2), at("DL", 1, 3)]);
    push(store, &view, at("UA", 5, 1), 1);
    push(store, &view, at("AA", 6, 2), 2);
    whole.rests_on(basis(1, 1));
    push(store, &view, at("UA", 7, 1), 1);
    push(store, &view, at("DL", 8, 3), 3);
    whole.commit(run(), AT).expect("a commit");
    assert_eq!(numbers(&get(store, delays(&view, &["UA", "AA", "DL"]))), [Some(1), Some(6), Some(8)]);
}
