//! What is there after a stop at any moment. A kill is played by copying the folder of a store that is at
//! work, which is all that a killed process leaves, and opening the copy.

use std::path::Path;

use asof_online::suite::sample::{AT, aside, delays, get, layout, numbers, publish, rows, run, view};
use asof_online::{OnlineStore, Publication};

use crate::{copy, open};

/// Rows of one value under many keys.
fn many(count: i64, value: i64) -> arrow::array::RecordBatch {
    let names: Vec<String> = (0..count).map(|n| format!("K{n:05}")).collect();
    rows(&names.iter().map(|n| (n.as_str(), value, value, Some("some text to fill the row with"))).collect::<Vec<_>>())
}

/// The number of files below a folder.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|e| if e.file_type().unwrap().is_dir() { files(&e.path()) } else { 1 }).sum()
}

#[test]
fn what_was_published_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, dropped) = (view("carrier_delays"), view("plane_history"));
    let published = {
        let store = open(folder.path()).unwrap();
        publish(&store, &dropped, &layout(), &[many(10, 1)]);
        publish(&store, &kept, &layout(), &[many(10, 1)]);
        store.drop_view(&dropped).unwrap();
        publish(&store, &kept, &layout(), &[many(500, 2)])
    };
    let store = open(folder.path()).unwrap();
    assert_eq!(store.list(), Ok(vec![published]));
    assert_eq!(store.check(&kept), Ok(()));
    assert_eq!(numbers(&get(&store, delays(&kept, &["K00000", "K00499", "K00500"]))), [Some(2), Some(2), None]);
    assert_eq!(publish(&store, &dropped, &layout(), &[]).generation, 2);
}

#[test]
fn a_kill_during_a_publication_leaves_the_rows_before_it() {
    let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
    let (alive, killed) = (folder.path().join("alive"), folder.path().join("killed"));
    let store = open(&alive).unwrap();
    let published = publish(&store, &view, &layout(), &[many(50, 1)]);
    let publication = aside(&store, &view, &layout(), &[many(2000, 2)]);
    assert!(files(&alive.join("building")) > 5, "runs were written");
    copy(&alive, &killed);
    {
        let after = open(&killed).unwrap();
        assert_eq!(after.published(&view), Ok(Some(published)));
        assert_eq!(numbers(&get(&after, delays(&view, &["K00000", "K00050"]))), [Some(1), None]);
        assert_eq!(after.check(&view), Ok(()));
        assert_eq!(files(&killed.join("building")), 0);
        assert_eq!(publish(&after, &view, &layout(), &[many(20, 3)]).generation, 2);
    }
    // The one that was not killed goes on.
    assert_eq!(publication.commit(run(), AT).map(|p| (p.generation, p.rows)), Ok((2, 2000)));
    assert_eq!(files(&alive.join("building")), 0);
    assert_eq!(store.check(&view), Ok(()));
}

#[test]
fn a_kill_after_the_commit_leaves_the_rows_after_it() {
    let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
    let (alive, killed) = (folder.path().join("alive"), folder.path().join("killed"));
    let store = open(&alive).unwrap();
    for value in 1..4 {
        let published = publish(&store, &view, &layout(), &[many(300, value)]);
        copy(&alive, &killed);
        let after = open(&killed).unwrap();
        assert_eq!(after.published(&view), Ok(Some(published)));
        assert_eq!(numbers(&get(&after, delays(&view, &["K00299"]))), [Some(value)]);
        assert_eq!(after.check(&view), Ok(()));
        drop(after);
        std::fs::remove_dir_all(&killed).unwrap();
    }
}

#[test]
fn an_abandoned_publication_leaves_no_file() {
    let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
    let store = open(folder.path()).unwrap();
    let publication: Box<dyn Publication> = aside(&store, &view, &layout(), &[many(2000, 2)]);
    assert!(files(&folder.path().join("building")) > 5);
    drop(publication);
    assert_eq!(files(&folder.path().join("building")), 0);
}

#[test]
fn old_generations_free_their_files() {
    let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
    let store = open(folder.path()).unwrap();
    let tables = || {
        let entries = std::fs::read_dir(folder.path().join("db")).unwrap();
        let sizes = entries.map(Result::unwrap).filter(|e| e.path().extension().is_some_and(|e| e == "sst"));
        sizes.map(|e| e.metadata().unwrap().len()).sum::<u64>()
    };
    publish(&store, &view, &layout(), &[many(5000, 1)]);
    let one = tables();
    for value in 2..6 {
        publish(&store, &view, &layout(), &[many(5000, value)]);
    }
    assert!(tables() < one * 2, "{} bytes after five publications of {one}", tables());
    store.drop_view(&view).unwrap();
    assert!(tables() < one / 2, "{} bytes after the view was dropped", tables());
}

#[test]
fn a_second_process_is_told_who_holds_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (asof_model::ErrorKind::Unavailable, "store_held"));
    assert!(error.message().contains(&format!("held by process {}", std::process::id())), "{error}");
    assert!(error.remedy_text().unwrap().contains("--server"), "{error}");
    // A publication holds the store too: its rows are still to come.
    let publication = aside(&store, &view("v"), &layout(), &[]);
    drop(store);
    assert_eq!(open(folder.path()).unwrap_err().code(), "store_held");
    drop(publication);
    open(folder.path()).unwrap();
}
