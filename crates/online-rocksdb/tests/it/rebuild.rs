//! Damaged stores, set aside: what was pushed and waits for its table is not lost with them.

use std::fs;
use std::path::{Path, PathBuf};

use asof_model::Micros;
use asof_online::suite::sample::{delays, journal, layout, publish, push, pushed, rows, view};
use asof_online::{Entry, Once, OnlineStore, Push};
use asof_online_rocksdb::RocksStore;

use crate::{copy, open};

/// What a killed process leaves of a store with rows and three entries in a journal, one of them trimmed.
fn written(folder: &Path) {
    let alive = tempfile::tempdir().unwrap();
    let (store, view) = (open(alive.path()).unwrap(), view("carrier_delays"));
    publish(&store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]);
    for last in 1..=2 {
        push(&store, &view, pushed(&rows(&[("UA", last, last, None)]), last), last);
    }
    let once = Once { key: "third".into(), since: Micros(1), until: Micros(i64::MAX), told: b"told".to_vec() };
    let entry = Entry { last: 3, rows: 1, bytes: b"row".to_vec() };
    store.push(&[Push { journal: journal(), entry, once: Some(once), changes: Vec::new() }]).unwrap();
    store.trim(&journal(), 1).unwrap();
    // The witness is written a moment later.
    while fs::read_to_string(alive.path().join("accepted")).map_or(true, |text| !text.contains(":3")) {
        std::thread::yield_now();
    }
    copy(alive.path(), folder);
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder.join("db")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

fn waiting(store: &RocksStore) -> Vec<i64> {
    store.entries(&journal(), usize::MAX).unwrap().iter().map(|entry| entry.last).collect()
}

#[test]
fn rows_that_are_damaged_leave_the_journals_whole() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("online");
    written(&folder);
    for table in files(&folder, "sst") {
        let bytes = fs::read(&table).unwrap();
        fs::write(&table, &bytes[..bytes.len() / 2]).unwrap();
    }
    let error = open(&folder).unwrap_err();
    assert_eq!(error.code(), "online_damaged");
    assert!(error.remedy_text().unwrap().contains("asof materialize --rebuild"), "{error}");

    let aside = RocksStore::set_aside(&folder).unwrap();
    assert_eq!(aside.folder, root.path().join("online.damaged-1"));
    assert_eq!((aside.rows, aside.short), (2, vec![]));
    assert!(aside.folder.join("db").is_dir());
    let (store, view) = (open(&folder).unwrap(), view("carrier_delays"));
    assert_eq!(waiting(&store), [2, 3]);
    assert_eq!(store.pushed(&journal(), "third").unwrap().unwrap().told, b"told");
    assert_eq!(store.published(&view), Ok(None));
    assert_eq!(store.get(&[delays(&view, &["UA"])]).unwrap_err().code(), "not_materialized");
    // A store in use is not set aside, and a second one has a name of its own.
    assert_eq!(RocksStore::set_aside(&folder).unwrap_err().code(), "store_held");
    drop(store);
    assert_eq!(RocksStore::set_aside(&folder).unwrap().folder, root.path().join("online.damaged-2"));
    assert_eq!(waiting(&open(&folder).unwrap()), [2, 3]);
}

#[test]
fn journals_that_cannot_be_read_are_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("online");
    written(&folder);
    fs::remove_file(folder.join("db/CURRENT")).unwrap();
    assert_eq!(open(&folder).unwrap_err().code(), "online_damaged");
    let aside = RocksStore::set_aside(&folder).unwrap();
    assert_eq!((aside.rows, aside.short), (0, vec![(journal(), 3)]));
    assert_eq!(waiting(&open(&folder).unwrap()), [0; 0]);
}

#[test]
fn a_crash_between_the_two_renames_loses_no_journal() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("online");
    written(&folder);
    RocksStore::set_aside(&folder).unwrap();
    // As it is between them: the old store has gone and the new one is still beside.
    fs::rename(&folder, root.path().join("online.rebuilt")).unwrap();
    assert_eq!(waiting(&open(&folder).unwrap()), [2, 3]);
    // And a new one that was made before a crash, while the old store is still in place, is made again.
    copy(&folder, &root.path().join("online.rebuilt"));
    fs::remove_file(root.path().join("online.rebuilt/db/CURRENT")).unwrap();
    assert_eq!(RocksStore::set_aside(&folder).unwrap().rows, 2);
    assert_eq!(waiting(&open(&folder).unwrap()), [2, 3]);
}

#[test]
fn whatever_is_damaged_or_gone_it_can_be_begun_anew() {
    let root = tempfile::tempdir().unwrap();
    // A name with a dot in it is not another store's.
    let folder = root.path().join("online.v1");
    written(&folder);
    fs::write(folder.join("accepted"), "no JSON").unwrap();
    assert_eq!(open(&folder).unwrap_err().code(), "online_damaged");
    let aside = RocksStore::set_aside(&folder).unwrap();
    assert_eq!((aside.folder, aside.rows), (root.path().join("online.v1.damaged-1"), 2));
    assert_eq!(waiting(&open(&folder).unwrap()), [2, 3]);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(RocksStore::set_aside(&folder).unwrap().rows, 0);
    assert_eq!(waiting(&open(&folder).unwrap()), [0; 0]);
}
