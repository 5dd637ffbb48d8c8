//! Pushed rows after a stop at any moment, and with a damaged log: an acknowledged row is there, or the store says that
//! it is not.

use std::path::Path;

use asof_model::{ErrorKind, Micros};
use asof_online::suite::sample::{
    AT, aside, delays, get, journal, layout, numbers, publish, push, pushed, rows, run, view,
};
use asof_online::{Change, Entry, Once, OnlineStore, Push};
use asof_online_rocksdb::RocksStore;

use crate::{copy, open};

/// Pushes one row of one key, with its entry and its name.
fn one(store: &RocksStore, seq: i64) {
    let carrier = format!("K{:02}", seq % 10);
    let rows = pushed(
        &rows(&[(&carrier, seq, seq, Some("a remark of some length, so that there is something to damage"))]),
        seq,
    );
    let entry = Entry { last: seq, rows: 1, bytes: format!("entry {seq}").into_bytes() };
    let once = Once { key: format!("push {seq}"), since: AT, until: Micros(AT.0 + seq), told: b"told".to_vec() };
    let changes = vec![Change { view: view("carrier_delays"), rows }];
    store.push(&[Push { journal: journal(), entry, once: Some(once), changes }]).unwrap();
}

/// All that pushes up to `last` left.
fn whole(store: &RocksStore, last: i64) -> bool {
    let carriers: Vec<_> = (0..10).map(|n| format!("K{n:02}")).collect();
    let carriers: Vec<&str> = carriers.iter().map(String::as_str).collect();
    let newest = |n: i64| (1..=last).rev().find(|seq| seq % 10 == n);
    let found = get(store, delays(&view("carrier_delays"), &carriers));
    let entries: Vec<_> = store.entries(&journal(), 1 << 20).unwrap().iter().map(|e| e.last).collect();
    let known = |seq| store.pushed(&journal(), &format!("push {seq}")).unwrap().is_some();
    numbers(&found) == (0..10).map(newest).collect::<Vec<_>>()
        && entries == (1..=last).collect::<Vec<_>>()
        && (1..=last).all(known)
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (alive, killed) = (folder.path().join("alive"), folder.path().join("killed"));
    let store = open(&alive).unwrap();
    publish(&store, &view("carrier_delays"), &layout(), &[]);
    for seq in 1..=40 {
        // Somebody is publishing all the while, and is killed too.
        let making = aside(&store, &view("carrier_delays"), &layout(), &[]);
        one(&store, seq);
        if seq % 7 == 0 {
            copy(&alive, &killed);
            let after = open(&killed).unwrap();
            assert!(whole(&after, seq), "after {seq}");
            one(&after, seq + 1);
            assert!(whole(&after, seq + 1), "after {seq}");
            drop(after);
            std::fs::remove_dir_all(&killed).unwrap();
        }
        drop(making);
    }
}

#[test]
fn what_was_pushed_during_a_publication_is_there_after_a_kill_too() {
    let folder = tempfile::tempdir().unwrap();
    let (alive, killed) = (folder.path().join("alive"), folder.path().join("killed"));
    let (store, view) = (open(&alive).unwrap(), view("carrier_delays"));
    let many: Vec<_> = (0..500).map(|n| format!("K{n:03}")).collect();
    let many: Vec<_> = many.iter().map(|n| (n.as_str(), 1, 1, Some("text to fill a few table blocks with"))).collect();
    let making = aside(&store, &view, &layout(), &[pushed(&rows(&many), 1)]);
    push(&store, &view, pushed(&rows(&[("K000", 2, 2, None), ("new", 2, 2, None)]), 501), 502);
    making.commit(run(), AT).unwrap();
    copy(&alive, &killed);
    let after = open(&killed).unwrap();
    let found = get(&after, delays(&view, &["K000", "K001", "new"]));
    assert_eq!(numbers(&found), [Some(2), Some(1), Some(2)]);
    assert_eq!(after.check(&view), Ok(()));
}

#[test]
fn a_trimmed_journal_stays_trimmed_and_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path()).unwrap();
        (1..=5).for_each(|seq| one(&store, seq));
        store.trim(&journal(), 5).unwrap();
    }
    let store = open(folder.path()).unwrap();
    assert_eq!(store.entries(&journal(), 1 << 20), Ok(vec![]));
    assert_eq!(store.journals(), Ok(vec![]));
}

/// Damages the logs of a killed store in every way, and counts how often it was seen.
fn check(damage: impl Fn(&Path)) -> (u32, u32) {
    const LAST: i64 = 30;
    let folder = tempfile::tempdir().unwrap();
    let (alive, killed) = (folder.path().join("alive"), folder.path().join("killed"));
    let store = open(&alive).unwrap();
    publish(&store, &view("carrier_delays"), &layout(), &[]);
    (1..=LAST).for_each(|seq| one(&store, seq));
    let written = || std::fs::read_to_string(alive.join("accepted")).unwrap_or_default();
    while !written().contains(&format!(":{LAST}")) {
        std::thread::yield_now();
    }
    let (mut refused, mut intact) = (0, 0);
    let logs: Vec<_> = std::fs::read_dir(alive.join("db")).unwrap().map(|e| e.unwrap().file_name()).collect();
    for log in logs.iter().filter(|name| name.to_string_lossy().ends_with(".log")) {
        copy(&alive, &killed);
        damage(&killed.join("db").join(log));
        match open(&killed) {
            Err(error) => {
                assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, "online_damaged"), "{error}");
                assert!(error.remedy_text().unwrap().contains("asof materialize"), "{error}");
                refused += 1;
            }
            Ok(after) => {
                assert!(whole(&after, LAST), "rows are gone, and nobody said so");
                intact += 1;
            }
        }
        std::fs::remove_dir_all(&killed).unwrap();
    }
    (refused, intact)
}

#[test]
fn a_damaged_log_loses_no_acknowledged_row_in_silence() {
    let gone = |log: &Path| std::fs::remove_file(log).unwrap();
    assert!(check(gone).0 > 0);
    let cut = |part: u64| {
        move |log: &Path| {
            let file = std::fs::File::options().write(true).open(log).unwrap();
            file.set_len(file.metadata().unwrap().len() * part / 10).unwrap();
        }
    };
    assert!((0..10).all(|part| check(cut(part)).0 > 0));
    let flip = |part: usize| {
        move |log: &Path| {
            let mut bytes = std::fs::read(log).unwrap();
            let at = bytes.len() * part / 10;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x10;
            }
            std::fs::write(log, bytes).unwrap();
        }
    };
    assert!((0..10).all(|part| check(flip(part)).0 > 0));
}

#[test]
fn names_are_forgotten_when_their_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for seq in 1..=5 {
        one(&store, seq);
    }
    let late = Once { key: "late".into(), since: Micros(AT.0 + 3), until: Micros(AT.0 * 2), told: vec![] };
    let entry = Entry { last: 6, rows: 0, bytes: vec![] };
    store.push(&[Push { journal: journal(), entry, once: Some(late), changes: vec![] }]).unwrap();
    store.compact().unwrap();
    let known = |name: &str| store.pushed(&journal(), name).unwrap().is_some();
    assert_eq!([1, 2, 3, 4, 5].map(|seq| known(&format!("push {seq}"))), [false, false, true, true, true]);
    assert!(known("late"));
}
