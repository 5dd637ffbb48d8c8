//! How RocksDB is set up, and why.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::journal;
use crate::pushing;
use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options};
use serde::{Deserialize, Serialize};

const MIB: usize = 1 << 20;

/// What may be set from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenOptions {
    /// Memory for blocks read from disk.
    pub block_cache_bytes: usize,
    /// Memory in which a publication sorts its rows before it writes them to disk.
    pub sort_bytes: usize,
    /// Memory for copies of whole views, which are read much faster; 0 for none.
    pub copy_bytes: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions { block_cache_bytes: 256 * MIB, sort_bytes: 64 * MIB, copy_bytes: 0 }
    }
}

/// Of the database as a whole.
pub(crate) fn database() -> Options {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    // Of the log, only a torn last entry is forgiven: it is what a power cut leaves of a write that was never
    // acknowledged. AbsoluteConsistency would refuse to start then; the laxer modes forget in silence.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(64 * MIB as u64);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options
}

/// Of the family that holds rows, and of the table files written for it.
pub(crate) fn rows(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Ten bits a key answer 99 of 100 reads of a missing key without touching a block.
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    pushing::merging(&mut options);
    options
}

/// Of the family with journals: written once, read once, removed.
pub(crate) fn journal() -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

/// Of the family with the names of pushes, which forgets those older than the newest says they may be.
pub(crate) fn once(newest: &Arc<AtomicI64>) -> Options {
    let mut table = BlockBasedOptions::default();
    // Nearly every look is for a name that is not there.
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    journal::forgetting(&mut options, newest);
    options
}

/// Of the family that holds a small record per view.
pub(crate) fn published() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(MIB);
    options
}
