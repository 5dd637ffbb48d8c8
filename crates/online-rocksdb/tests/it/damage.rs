//! Files that are not what was written: an error, or at worst an answer that `check` and the catalog's copy of
//! `Published` tell apart. Never other values in silence.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::Int64Type;
use asof_model::ErrorKind;
use asof_online::suite::sample::{layout, publish, rows, view};
use asof_online::{Lookup, OnlineStore, Published};

use crate::{copy, open};

const KEYS: i64 = 400;

fn names() -> Vec<String> {
    (0..KEYS).map(|n| format!("K{n:03}")).collect()
}

/// What a killed process leaves of a store with two publications of one view, and what was visible of it. A store
/// that is closed in peace would hide what its log is needed for.
fn written(folder: &Path) -> Published {
    let alive = tempfile::tempdir().unwrap();
    let store = open(alive.path()).unwrap();
    let names = names();
    let list = |value| rows(&names.iter().map(|n| (n.as_str(), value, value, Some(n.as_str()))).collect::<Vec<_>>());
    publish(&store, &view("carrier_delays"), &layout(), &[list(1)]);
    let published = publish(&store, &view("carrier_delays"), &layout(), &[list(2)]);
    copy(alive.path(), folder);
    published
}

/// What became of a damaged store.
#[derive(Debug, PartialEq)]
enum Seen {
    /// Refused: to open, to read, or by `check`.
    Refused(ErrorKind),
    /// Another publication than the last, or none: the catalog knows better.
    Older,
    /// All there.
    Whole,
}

/// Opens, compares with the witness, reads all and checks, and fails where a wrong answer was given.
fn look(folder: &Path, expected: &Published) -> Seen {
    let refused = |error: asof_model::Error| {
        assert!(error.remedy_text().is_some_and(|r| r.contains("asof materialize")), "{error}");
        Seen::Refused(error.kind())
    };
    let store = match open(folder) {
        Ok(store) => store,
        Err(error) => return refused(error),
    };
    match store.published(&expected.view) {
        Ok(Some(found)) if found == *expected => {}
        Ok(_) => return Seen::Older,
        Err(error) => return refused(error),
    }
    let names = names();
    let read = names.iter().map(|name| {
        let keys: ArrayRef = Arc::new(StringArray::from(vec![name.as_str()]));
        let columns = vec!["delay".to_owned(), "remark".to_owned()];
        let found = store.get(&[Lookup { view: &expected.view, keys: vec![keys], columns, windows: None }])?.remove(0);
        let (delay, remark) = (found.values.column(0), found.values.column(1));
        assert_eq!((delay.null_count(), delay.as_primitive::<Int64Type>().value(0)), (0, 2), "{name} in silence");
        assert_eq!(remark.as_string::<i32>().value(0), name);
        Ok(())
    });
    let read: Result<(), asof_model::Error> = read.collect();
    match read.and_then(|()| store.check(&expected.view)) {
        Ok(()) => Seen::Whole,
        Err(error) => refused(error),
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("db")).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// Damages every such file of a store in turn and says what was seen.
fn check(files_of: impl Fn(&Path) -> Vec<PathBuf>, damage: impl Fn(&Path), allowed: &[Seen]) {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let expected = written(&whole);
    let count = files_of(&whole).len();
    assert!(count > 0, "there is something to damage");
    for n in 0..count {
        let path = folder.path().join(n.to_string());
        copy(&whole, &path);
        let file = files_of(&path).remove(n);
        damage(&file);
        let seen = look(&path, &expected);
        assert!(allowed.contains(&seen), "{} gave {seen:?}", file.display());
    }
}

fn tables(folder: &Path) -> Vec<PathBuf> {
    files(folder, "sst")
}

fn flip(at: impl Fn(usize) -> usize) -> impl Fn(&Path) {
    move |file| {
        let mut bytes = std::fs::read(file).unwrap();
        let at = at(bytes.len());
        bytes[at] ^= 0x10;
        std::fs::write(file, bytes).unwrap();
    }
}

fn truncate(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn the_witness_of_an_undamaged_store_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let expected = written(folder.path());
    assert_eq!(look(folder.path(), &expected), Seen::Whole);
}

#[test]
fn flipped_bits_in_table_files_are_refused() {
    let corrupt = Seen::Refused(ErrorKind::Corrupt);
    check(tables, flip(|_| 30), &[corrupt]);
    // Some bytes are of no consequence (statistics); none may change an answer.
    for part in [1, 3, 5, 7] {
        check(tables, flip(|length| length * part / 8), &[Seen::Refused(ErrorKind::Corrupt), Seen::Whole]);
    }
}

#[test]
fn truncated_and_missing_table_files_are_refused() {
    check(tables, truncate, &[Seen::Refused(ErrorKind::Corrupt)]);
    check(tables, |file| std::fs::remove_file(file).unwrap(), &[Seen::Refused(ErrorKind::Corrupt)]);
}

#[test]
fn a_damaged_or_missing_log_loses_nothing_that_was_published() {
    let logs = |folder: &Path| files(folder, "log");
    check(logs, |file| std::fs::remove_file(file).unwrap(), &[Seen::Whole, Seen::Refused(ErrorKind::Corrupt)]);
    check(logs, |file| std::fs::write(file, b"").unwrap(), &[Seen::Whole, Seen::Refused(ErrorKind::Corrupt)]);
    check(logs, |file| std::fs::write(file, [0x5A; 500]).unwrap(), &[Seen::Whole, Seen::Refused(ErrorKind::Corrupt)]);
}

#[test]
fn a_store_that_exists_is_never_begun_anew() {
    let named = |name: &'static str| move |folder: &Path| vec![folder.join(name)];
    let gone = |file: &Path| std::fs::remove_file(file).unwrap();
    check(named("db/CURRENT"), gone, &[Seen::Refused(ErrorKind::Corrupt)]);
    check(named("format"), gone, &[Seen::Refused(ErrorKind::Corrupt)]);
    check(named("db"), |folder| std::fs::remove_dir_all(folder).unwrap(), &[Seen::Refused(ErrorKind::Corrupt)]);
    let manifest = |folder: &Path| {
        let entries = std::fs::read_dir(folder.join("db")).unwrap().map(|e| e.unwrap().path());
        entries.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("MANIFEST"))).collect()
    };
    check(manifest, gone, &[Seen::Refused(ErrorKind::Corrupt)]);
    check(manifest, truncate, &[Seen::Refused(ErrorKind::Corrupt), Seen::Older]);
    check(manifest, flip(|length| length / 2), &[Seen::Refused(ErrorKind::Corrupt), Seen::Older]);
}

#[test]
fn another_format_says_so() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    std::fs::write(folder.path().join("format"), "asof online rocksdb 3\n").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Precondition, "other_format"));
    assert!(error.message().contains("`asof online rocksdb 3`"), "{error}");
}
