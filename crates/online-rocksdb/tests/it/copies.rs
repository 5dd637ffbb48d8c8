//! Copies in memory: when there are some, and that they are made anew. That they change no answer is the suite's matter.

use std::path::Path;

use asof_model::Pinned;
use asof_online::OnlineStore;
use asof_online::suite::sample::{delays, get, layout, numbers, publish, push, pushed, rows, view};
use asof_online_rocksdb::{OpenOptions, RocksStore};

const KEYS: i64 = 3000;

fn open(path: &Path, copy_bytes: usize) -> RocksStore {
    RocksStore::open(path, OpenOptions { copy_bytes, ..OpenOptions::default() }).unwrap()
}

/// Rows of keys in a range, all of one value.
fn some(keys: std::ops::Range<i64>, value: i64) -> arrow::array::RecordBatch {
    let names: Vec<_> = keys.map(|n| format!("K{n}")).collect();
    let list: Vec<_> = names.iter().map(|name| (name.as_str(), value, value, None)).collect();
    pushed(&rows(&list), value * 1_000_000)
}

/// Waits for a copy of a size that is wanted.
fn copied(store: &RocksStore, view: &Pinned, wanted: impl Fn(u64) -> bool) -> u64 {
    loop {
        let bytes = store.copied(view);
        if wanted(bytes) {
            return bytes;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_publication_brings_its_copy_and_a_start_makes_one() {
    let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
    let store = open(folder.path(), 1 << 20);
    assert_eq!(store.copied(&view), 0);
    publish(&store, &view, &layout(), &[some(0..KEYS, 1)]);
    let first = store.copied(&view);
    assert!(first > 0);
    publish(&store, &view, &layout(), &[some(0..KEYS / 2, 2)]);
    assert!((1..first).contains(&store.copied(&view)));
    drop(store);
    let store = open(folder.path(), 1 << 20);
    copied(&store, &view, |bytes| bytes > 0);
    assert_eq!(numbers(&get(&store, delays(&view, &["K7", "K2999"]))), [Some(2), None]);
    store.drop_view(&view).unwrap();
    assert_eq!(store.copied(&view), 0);
    drop(store);
    assert_eq!(open(folder.path(), 0).copied(&view), 0);
}

#[test]
fn what_is_pushed_wins_over_the_copy_which_is_made_anew_in_the_end() {
    let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
    let store = open(folder.path(), 10 << 20);
    publish(&store, &view, &layout(), &[some(0..KEYS, 1)]);
    let first = store.copied(&view);
    push(&store, &view, some(0..10, 2), 2_000_010);
    assert_eq!(store.copied(&view), first);
    assert_eq!(numbers(&get(&store, delays(&view, &["K9", "K10", "new"]))), [Some(2), Some(1), None]);
    push(&store, &view, some(KEYS - 10..2 * KEYS, 3), 3_003_010);
    let asked = ["K9", "K10", "K2995", "K5999", "K6000"];
    let expected = [Some(2), Some(1), Some(3), Some(3), None];
    assert_eq!(numbers(&get(&store, delays(&view, &asked))), expected);
    copied(&store, &view, |bytes| bytes > first * 3 / 2);
    assert_eq!(numbers(&get(&store, delays(&view, &asked))), expected);
    assert_eq!(store.check(&view), Ok(()));
}

#[test]
fn memory_that_becomes_free_goes_to_those_that_had_none() {
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = [view("carrier_delays"), view("plane_history")];
    let store = open(folder.path(), 400_000);
    publish(&store, &large, &layout(), &[some(0..KEYS, 1)]);
    assert!(store.copied(&large) > 200_000);
    publish(&store, &small, &layout(), &[some(0..KEYS, 1)]);
    assert_eq!(store.copied(&small), 0);
    store.drop_view(&large).unwrap();
    copied(&store, &small, |bytes| bytes > 200_000);
    // There is no room for two of it: the new one is made when the former one is gone.
    publish(&store, &small, &layout(), &[some(0..KEYS, 2)]);
    copied(&store, &small, |bytes| bytes > 200_000);
    assert_eq!(numbers(&get(&store, delays(&small, &["K1"]))), [Some(2)]);
}
