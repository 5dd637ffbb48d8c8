//! What a push changes, and in what order.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use asof_model::Micros;

use super::sample::{AT, aside, delays, get, journal, layout, numbers, publish, push, pushed, rows, run, view};
use super::{Make, refused};
use crate::{Change, Entry, Once, Push, SEQ};

/// Of all rows of a key, published or pushed, the one with the greatest stamp is there, in whatever order they came.
pub fn pushed_rows_win_by_their_stamp_in_any_order(make: Make<'_>) {
    let view = view("carrier_delays");
    // Key, event time, value; the order of acceptance is the place in this list.
    let all = [("UA", 5, 1), ("UA", 7, 2), ("UA", 6, 3), ("AA", 3, 4), ("AA", 3, 5), ("DL", 9, 6), ("UA", 7, 7)];
    let one = |n: usize| pushed(&rows(&[(all[n].0, all[n].1, all[n].2, None)]), n as i64 + 1);
    let orders = [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [4, 6, 0, 3, 5, 1, 2], [2, 0, 6, 1, 3, 4, 5]];
    for order in orders {
        for base in 0..order.len() {
            let store = make();
            // Some come by publication, the others are pushed, each of them twice.
            let published: Vec<_> = order[..base].iter().map(|n| one(*n)).collect();
            publish(&*store, &view, &layout(), &published);
            for n in order[base..].iter().chain(&order[base..]) {
                push(&*store, &view, one(*n), *n as i64 + 1);
            }
            let found = get(&*store, delays(&view, &["UA", "AA", "DL"]));
            assert_eq!(numbers(&found), [Some(7), Some(5), Some(6)], "{order:?} from {base}");
            assert_eq!(found.event_times.iter().collect::<Vec<_>>(), [Some(7), Some(3), Some(9)]);
            assert_eq!(found.counts_from, Some(Micros(9)));
        }
    }
}

/// A publication has the rows that were pushed while it was made, if they are newer; and its own if they are not.
pub fn a_publication_keeps_what_was_pushed_since_it_began(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    // The first one: nothing is visible when the push comes.
    let base = [pushed(&rows(&[("UA", 5, 1, None), ("AA", 5, 2, None)]), 1)];
    let first = aside(&*store, &view, &layout(), &base);
    push(&*store, &view, pushed(&rows(&[("UA", 6, 10, None), ("AA", 4, 11, None), ("DL", 1, 12, None)]), 3), 5);
    refused(store.get(&[delays(&view, &["UA"])]), "not_materialized", &[]);
    assert_eq!(first.commit(run(), AT).map(|p| p.generation), Ok(1));
    let carriers = ["UA", "AA", "DL"];
    assert_eq!(numbers(&get(&*store, delays(&view, &carriers))), [Some(10), Some(2), Some(12)]);

    // The second, from older rows: what was pushed before it began is not its business, what is pushed since is.
    let second = aside(&*store, &view, &layout(), &base);
    let abandoned = aside(&*store, &view, &layout(), &base);
    push(&*store, &view, pushed(&rows(&[("UA", 7, 20, None)]), 6), 6);
    assert_eq!(numbers(&get(&*store, delays(&view, &carriers))), [Some(20), Some(2), Some(12)]);
    drop(abandoned);
    assert_eq!(second.commit(run(), AT).map(|p| p.generation), Ok(2));
    assert_eq!(numbers(&get(&*store, delays(&view, &carriers))), [Some(20), Some(2), None]);
    assert_eq!(store.check(&view), Ok(()));
    push(&*store, &view, pushed(&rows(&[("DL", 8, 30, None)]), 7), 7);
    assert_eq!(numbers(&get(&*store, delays(&view, &carriers))), [Some(20), Some(2), Some(30)]);
}

/// A push of several views is whole or not at all, and views that are not there are passed over.
pub fn a_push_is_whole_or_not_at_all(make: Make<'_>) {
    let (store, view, absent) = (make(), view("carrier_delays"), view("absent"));
    publish(&*store, &view, &layout(), &[pushed(&rows(&[("UA", 1, 1, None)]), 1)]);
    let good = pushed(&rows(&[("UA", 2, 2, None)]), 2);
    let bad = good.project(&[0, 1, 3, 4]).expect("columns it has");
    let change = |view: &asof_model::Pinned, rows: &RecordBatch| Change { view: view.clone(), rows: rows.clone() };
    let of = |changes| Push { journal: journal(), entry: entry(2, b"two"), once: None, changes };
    let broken = of(vec![change(&view, &good), change(&absent, &good), change(&view, &bad)]);
    refused(store.push(&[broken]), "layout_mismatch", &["`delay`"]);
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA"]))), [Some(1)]);
    assert_eq!(store.journals(), Ok(vec![]));
    assert_eq!(store.push(&[of(vec![change(&absent, &good), change(&view, &good)])]), Ok(()));
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA"]))), [Some(2)]);
    refused(store.get(&[delays(&absent, &["UA"])]), "not_materialized", &[]);
    assert_eq!(store.drop_view(&view), Ok(()));
    assert_eq!(store.push(&[of(vec![change(&view, &good)])]), Ok(()));
    refused(store.get(&[delays(&view, &["UA"])]), "not_materialized", &[]);
}

/// Entries come out in the order of acceptance, from the first, until they are trimmed; pushes are remembered by name.
pub fn journals_keep_their_entries_until_they_are_trimmed(make: Make<'_>) {
    let store = make();
    let other = crate::Journal { dataset: "other".parse().expect("a name"), ..journal() };
    let once = |key: &str| Once {
        key: key.into(),
        since: AT,
        until: Micros(AT.0 * 2),
        told: format!("told {key}").into_bytes(),
    };
    let push = |journal: &crate::Journal, last: i64, bytes: &[u8], key: Option<&str>| Push {
        journal: journal.clone(),
        entry: entry(last, bytes),
        once: key.map(once),
        changes: vec![],
    };
    let pushes = [push(&journal(), 3, b"three", Some("a")), push(&other, 300, b"x", Some("b"))];
    assert_eq!(store.push(&pushes), Ok(()));
    assert_eq!(store.push(&[push(&journal(), 256, b"256", None), push(&journal(), 70_000, b"", None)]), Ok(()));
    let lasts = |bytes| store.entries(&journal(), bytes).map(|all| all.iter().map(|e| e.last).collect::<Vec<_>>());
    assert_eq!(lasts(1 << 20), Ok(vec![3, 256, 70_000]));
    assert_eq!(lasts(1), Ok(vec![3]));
    assert_eq!(lasts(6), Ok(vec![3, 256]));
    assert_eq!(store.entries(&journal(), 1), Ok(vec![entry(3, b"three")]));
    let told = |journal: &crate::Journal, key: &str| store.pushed(journal, key);
    assert_eq!(told(&journal(), "a"), Ok(Some(once("a"))));
    assert_eq!((told(&journal(), "b"), told(&other, "b")), (Ok(None), Ok(Some(once("b")))));
    let pending = store.journals().expect("journals");
    let seen: Vec<_> = pending.iter().map(|p| (p.journal.clone(), p.last, p.rows, p.bytes)).collect();
    assert_eq!(seen, [(journal(), 70_000, 6, 8), (other.clone(), 300, 2, 1)]);
    assert_eq!(store.trim(&journal(), 256), Ok(()));
    assert_eq!(lasts(1 << 20), Ok(vec![70_000]));
    assert_eq!(store.trim(&journal(), 70_000), Ok(()));
    assert_eq!(lasts(1 << 20), Ok(vec![]));
    assert_eq!(store.journals().map(|all| all.len()), Ok(1));
    assert_eq!(told(&journal(), "a"), Ok(Some(once("a"))));
}

fn entry(last: i64, bytes: &[u8]) -> Entry {
    Entry { last, rows: 2, bytes: bytes.to_vec() }
}

/// The order of acceptance of each row, counted up from the first one's.
pub(super) fn seqs(rows: usize, first: i64) -> (&'static str, ArrayRef) {
    (SEQ, Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|n| first + n))))
}
