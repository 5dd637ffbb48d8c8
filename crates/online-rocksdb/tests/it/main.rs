//! The embedded store against the shared suite, and against kills and damage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod copies;
mod crash;
mod damage;
mod full;
mod pushed;
mod rebuild;
mod suite;

use std::path::Path;

use asof_online_rocksdb::{OpenOptions, RocksStore};

/// Opens a store that sorts in so little memory that a few hundred rows already go to disk.
fn open(path: &Path) -> asof_model::Result<RocksStore> {
    RocksStore::open(path, OpenOptions { block_cache_bytes: 1 << 20, sort_bytes: 1 << 13, copy_bytes: 0 })
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}
