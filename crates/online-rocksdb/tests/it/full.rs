//! A full disk: what is refused, what goes on, and that all is well once there is room again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use asof_online::suite::sample::{AT, aside, delays, get, journal, layout, numbers, publish, pushed, rows, run, view};
use asof_online::{Change, Entry, OnlineStore, Push};

use crate::open;

/// Set where the test runs in a file system of its own, to its folder.
const WITHIN: &str = "ASOF_TEST_SMALL_DISK";

/// Needs a file system that it can fill: mounts one of 64 MiB in memory, seen by a process of its own alone. Where the system lets
/// nobody mount anything, there is nothing to be tested.
#[test]
fn a_full_disk_refuses_pushes_and_spoils_nothing() {
    if let Some(disk) = std::env::var_os(WITHIN) {
        return fill_and_empty(Path::new(&disk));
    }
    let folder = tempfile::tempdir().unwrap();
    let within = |script: &str| {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--map-root-user",
            "sh",
            "-ec",
            &format!("mount -t tmpfs -o size=64m none \"$1\"; {script}"),
        ]);
        command.arg("sh").arg(folder.path());
        command
    };
    if !within("true").output().is_ok_and(|tried| tried.status.success()) {
        eprintln!("nothing can be mounted here: a full disk is not tested");
        return;
    }
    let mut test = within("exec \"$2\" full:: --exact full::a_full_disk_refuses_pushes_and_spoils_nothing --nocapture");
    let done = test.arg(std::env::current_exe().unwrap()).env(WITHIN, folder.path()).output().unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
}

/// Takes all room there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        let bytes = vec![1; size];
        while file.write_all(&bytes).is_ok() {}
    }
}

/// One push of a few rows and of a large entry, or why it was refused.
fn push(store: &dyn OnlineStore, n: i64) -> asof_model::Result<()> {
    let (name, view) = (format!("K{n}"), view("carrier_delays"));
    let entry = Entry { last: n, rows: 1, bytes: vec![n as u8; 100_000] };
    let changes = vec![Change { view, rows: pushed(&rows(&[("all", n, n, None), (name.as_str(), n, n, None)]), n) }];
    store.push(&[Push { journal: journal(), entry, once: None, changes }])
}

fn fill_and_empty(disk: &Path) {
    let (folder, filler, view) = (disk.join("store"), disk.join("filler"), view("carrier_delays"));
    let store = open(&folder).unwrap();
    publish(&store, &view, &layout(), &[rows(&[("old", 1, 7, None)])]);
    let (mut next, mut accepted) = (1, Vec::new());
    for _ in 0..3 {
        push(&store, next).unwrap();
        accepted.push(next);
        next += 1;
        fill(&filler);
        // What was reserved before may still take some.
        let refused = loop {
            match push(&store, next) {
                Ok(()) => accepted.push(next),
                Err(error) => break error,
            }
            next += 1;
        };
        assert_eq!(refused.code(), "storage_full", "{refused}");
        assert_eq!(push(&store, next).unwrap_err().code(), "storage_full");
        let published = aside(&store, &view, &layout(), &[]).commit(run(), AT);
        assert_eq!(published.unwrap_err().code(), "storage_full");
        let last = *accepted.last().unwrap();
        let refused = format!("K{next}");
        let found = get(&store, delays(&view, &["old", "all", &refused]));
        assert_eq!(numbers(&found), [Some(7), Some(last), None]);

        std::fs::remove_file(&filler).unwrap();
        // The same push again, as a client would.
        push(&store, next).unwrap();
        accepted.push(next);
        assert_eq!(numbers(&get(&store, delays(&view, &["old", "all", &refused]))), [Some(7), Some(next), Some(next)]);
        let waiting: Vec<_> = store.entries(&journal(), usize::MAX).unwrap().iter().map(|entry| entry.last).collect();
        assert_eq!(waiting, accepted);
        store.trim(&journal(), next).unwrap();
        accepted.clear();
        next += 1;
        assert_eq!(store.check(&view), Ok(()));
    }
    drop(store);
    let store = open(&folder).unwrap();
    let names: Vec<_> = (1..next).map(|n| format!("K{n}")).collect();
    let found = get(&store, delays(&view, &names.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(numbers(&found), (1..next).map(Some).collect::<Vec<_>>());
    assert_eq!(store.journals(), Ok(Vec::new()));
}
