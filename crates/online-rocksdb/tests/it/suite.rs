//! The shared suite, with rows sorted in memory and with rows sorted on disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asof_online::{OnlineStore, suite};
use asof_online_rocksdb::{OpenOptions, RocksStore};

fn check(open: impl Fn(&Path) -> asof_model::Result<RocksStore> + Sync) {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicUsize::new(0);
    let make = || -> Arc<dyn OnlineStore> {
        let number = made.fetch_add(1, Ordering::Relaxed);
        Arc::new(open(&folder.path().join(number.to_string())).unwrap())
    };
    suite::run_all(&make);
}

#[test]
fn in_memory() {
    check(|path| RocksStore::open(path, OpenOptions::default()));
}

#[test]
fn sorted_on_disk() {
    check(|path| RocksStore::open(path, OpenOptions { block_cache_bytes: 0, sort_bytes: 100, copy_bytes: 0 }));
}

/// Room for all, so that reads are of copies wherever they can be.
#[test]
fn copied_into_memory() {
    check(|path| RocksStore::open(path, OpenOptions { copy_bytes: 1 << 30, ..OpenOptions::default() }));
}

/// Room for some, so that copies come and go.
#[test]
fn with_hardly_any_memory_for_copies() {
    check(|path| RocksStore::open(path, OpenOptions { copy_bytes: 20_000, ..OpenOptions::default() }));
}
