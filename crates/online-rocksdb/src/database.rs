//! The database itself, and how it comes back after the disk was full.
//!
//! Once RocksDB could not write for want of space it writes no more, also when there is space again, until it is opened anew; and the
//! same folder cannot be open for writing twice. So, at the first write after there is room: it is opened for reading
//! besides, which needs no lock of its own; reads go on there while the one that failed is closed and opened again. What was
//! acknowledged was synced, so that all of them read the same. Where opening fails, reads stay where they are and the next
//! write tries again.
//!
//! A write that failed may have been written after all, which shows when the log is read again. So a write says how it is
//! recognised, and is not repeated when it is there.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use rocksdb::{Cache, ColumnFamily, ColumnFamilyDescriptor, DB};

use crate::error::Error;
use crate::tuning;

/// What there must be room for before it is tried to write again.
const ROOM: usize = 8 << 20;

/// How long those are waited for who still read from a database that is to be closed, and between two looks.
const PATIENCE: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(1);

/// The families, by what is in them.
pub(crate) const ROWS: &str = "rows";
pub(crate) const PUBLISHED: &str = "published";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const ONCE: &str = "once";

/// See the module.
pub(crate) struct Database {
    settings: Settings,
    current: ArcSwap<DB>,
    /// Whether `current` is open for writing too.
    writable: AtomicBool,
    /// How often it was opened again.
    openings: AtomicU64,
    /// Shared by those who write, alone for who opens it again.
    writing: RwLock<()>,
}

/// How it is opened, again and again the same.
struct Settings {
    path: PathBuf,
    cache: Cache,
    newest_push: Arc<AtomicI64>,
}

impl Settings {
    fn families(&self) -> [ColumnFamilyDescriptor; 4] {
        let families = [
            (ROWS, tuning::rows(&self.cache)),
            (PUBLISHED, tuning::published()),
            (JOURNAL, tuning::journal()),
            (ONCE, tuning::once(&self.newest_push)),
        ];
        families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options))
    }

    fn open(&self, new: bool) -> Result<DB, rocksdb::Error> {
        let mut database = tuning::database();
        database.create_if_missing(new);
        database.create_missing_column_families(new);
        DB::open_cf_descriptors(&database, &self.path, self.families())
    }

    fn open_for_reading(&self) -> Result<DB, rocksdb::Error> {
        DB::open_cf_descriptors_read_only(&tuning::database(), &self.path, self.families(), false)
    }

    /// Whether there is room, as far as a try can tell.
    fn has_room(&self) -> bool {
        let path = self.path.with_extension("room");
        let tried =
            File::create(&path).and_then(|mut file| file.write_all(&vec![1; ROOM]).and_then(|()| file.sync_all()));
        let removed = std::fs::remove_file(&path);
        tried.and(removed).is_ok()
    }
}

impl Database {
    /// Opens it, or makes it where it is to be new.
    pub(crate) fn open(
        path: &Path,
        cache: &Cache,
        newest_push: &Arc<AtomicI64>,
        new: bool,
    ) -> Result<Self, rocksdb::Error> {
        let settings = Settings { path: path.to_owned(), cache: cache.clone(), newest_push: Arc::clone(newest_push) };
        let current = ArcSwap::from_pointee(settings.open(new)?);
        let (writable, openings) = (AtomicBool::new(true), AtomicU64::new(0));
        Ok(Database { settings, current, writable, openings, writing: RwLock::default() })
    }

    /// For reading. Who holds it for long keeps it from being opened again.
    pub(crate) fn load(&self) -> Guard<Arc<DB>> {
        self.current.load()
    }

    /// Writes. Where that fails because the disk was full, and there is room again, it is tried once more, unless `happened` finds
    /// that it was written.
    ///
    /// # Errors
    /// What the last try failed with, and the errors of `happened`.
    pub(crate) fn write(
        &self,
        doing: &'static str,
        attempt: impl Fn(&DB) -> Result<(), rocksdb::Error>,
        happened: impl FnOnce(&DB) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let (first, opening) = {
            let _shared = self.writing.read().unwrap_or_else(PoisonError::into_inner);
            let first = match self.writable.load(Ordering::Relaxed) {
                true => attempt(&self.load()).map_err(Error::rocks(doing)),
                false => Err(Error::Full { doing }),
            };
            (first, self.openings.load(Ordering::Relaxed))
        };
        match first {
            Err(error) if error.is_full() && self.settings.has_room() => self.reopen(opening, error)?,
            other => return other,
        }
        let _shared = self.writing.read().unwrap_or_else(PoisonError::into_inner);
        let db = self.load();
        if happened(&db)? { Ok(()) } else { attempt(&db).map_err(Error::rocks(doing)) }
    }

    /// Opens it again, for a write that failed with this error after it had been opened so often.
    fn reopen(&self, opening: u64, failed: Error) -> Result<(), Error> {
        let _alone = self.writing.write().unwrap_or_else(PoisonError::into_inner);
        if self.openings.load(Ordering::Relaxed) != opening {
            // Somebody else, whose write failed too, was quicker.
            return Ok(());
        }
        if self.writable.load(Ordering::Relaxed) {
            let reading = self.settings.open_for_reading().map_err(Error::rocks("opening for reading"))?;
            let old = self.current.swap(Arc::new(reading));
            if let Err(old) = closed(old) {
                self.current.store(old);
                return Err(failed);
            }
            self.writable.store(false, Ordering::Relaxed);
        }
        let writing = self.settings.open(false).map_err(Error::rocks("opening again"))?;
        self.current.store(Arc::new(writing));
        self.writable.store(true, Ordering::Relaxed);
        self.openings.fetch_add(1, Ordering::Relaxed);
        tracing::info!("there is room again: the online store is open for writing");
        Ok(())
    }
}

/// Closes it once nobody else has it; gives it back where somebody has for too long.
fn closed(mut db: Arc<DB>) -> Result<(), Arc<DB>> {
    let mut waited = Duration::ZERO;
    loop {
        db = match Arc::try_unwrap(db) {
            Ok(db) => {
                db.cancel_all_background_work(true);
                return Ok(());
            }
            Err(held) if waited >= PATIENCE => return Err(held),
            Err(held) => held,
        };
        std::thread::park_timeout(PACE);
        waited += PACE;
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.settings.path).finish_non_exhaustive()
    }
}

/// One of the families, which were all opened with the database.
pub(crate) fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).expect("all families were opened with the database")
}
