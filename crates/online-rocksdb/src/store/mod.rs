//! The store itself: opening, and what it answers.

mod changing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::Guard;
use asof_model::{Pinned, Result};
use asof_online::{
    Ask, Budget, Codec, Content, Entry, Increase, Journal, Layout, Once, OnlineStore, Pending, Publication, Published,
    Push, Rows,
};
use rocksdb::{Cache, DB, DBRawIterator, IngestExternalFileOptions, Options, ReadOptions, WriteBatch};

use crate::cleaning::{self, WIDTH, prefix};
use crate::copier::{Bell, Copier};
use crate::database::{Database, JOURNAL, ONCE, PUBLISHED, ROWS, family};
use crate::error::Error;
use crate::folder::Folders;
use crate::holder::Holder;
use crate::journal;
use crate::publication::Aside;
use crate::rebuild::{self, Pair};
use crate::record::{Record, Visible};
use crate::shelf::{Generation, Shelf, Views};
use crate::tuning::{self, OpenOptions};
use crate::witness::Witness;
use changing::{Ledger, synced};

/// The embedded [`OnlineStore`]. Clones share it; it is closed when the last of them and of its publications is
/// dropped.
#[derive(Clone, Debug)]
pub struct RocksStore {
    /// First, so that it has ended when the database is closed.
    _copier: Arc<Option<Copier>>,
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    database: Database,
    shelf: Shelf,
    ledger: Mutex<Ledger>,
    next_slot: AtomicU64,
    folders: Folders,
    sort_bytes: usize,
    budget: Budget,
    bell: Arc<Bell>,
    row_options: RowOptions,
    witness: Witness,
    /// When the newest push that was ever seen came.
    newest_push: Arc<AtomicI64>,
    /// Last, so that it outlives the database.
    _holder: Holder,
}

struct RowOptions(Options);

impl std::fmt::Debug for RowOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowOptions")
    }
}

impl RocksStore {
    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// `store_held` naming the process that has it open; `online_damaged` where files are not what was written;
    /// `other_format`; `online_failed` and `storage_full` for the machine's own troubles.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self> {
        let inner = Arc::new(Inner::open(path, &options)?);
        Ok(RocksStore { _copier: Arc::new(Copier::start(&inner)?), inner })
    }

    /// Writes pairs into families, durably.
    pub(crate) fn fill(&self, families: &[(&'static str, Vec<Pair>)]) -> Result<(), Error> {
        let db = self.inner.db();
        for (name, pairs) in families {
            let mut batch = WriteBatch::default();
            pairs.iter().for_each(|(key, value)| batch.put_cf(family(&db, name), key, value));
            self.inner.database.write("filling a new store", synced(&batch), |_| Ok(false))?;
        }
        Ok(())
    }

    /// Rewrites all table files: what was replaced, removed or forgotten takes no room any more. Costs reading and writing
    /// everything; the store does the same bit by bit by itself.
    ///
    /// # Errors
    /// `online_damaged`, `storage_full`.
    pub fn compact(&self) -> Result<()> {
        let db = self.inner.db();
        for name in [ROWS, PUBLISHED, JOURNAL, ONCE] {
            db.flush_cf(family(&db, name)).map_err(Error::rocks("flushing"))?;
            db.compact_range_cf(family(&db, name), None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }
}

impl Inner {
    fn open(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        rebuild::finish(path)?;
        std::fs::create_dir_all(path).map_err(Error::file("creating", path))?;
        let holder = Holder::take(path)?;
        let (folders, state) = Folders::prepare(path)?;
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let newest_push = Arc::new(AtomicI64::new(i64::MIN));
        let database = Database::open(&folders.db(), &cache, &newest_push, state.is_new());
        let database = database.map_err(|source| not_opened(path, source))?;
        let db = database.load();
        if state.is_new() {
            folders.mark()?;
        }
        let witness = Witness::open(folders.accepted(), &journal::reaches(&db, family(&db, JOURNAL))?)?;
        let records = records(&db, path)?;
        let occupied = cleaning::occupied(&db, family(&db, ROWS))?;
        let (views, ledger) = arrange(records, &occupied)?;
        let used: BTreeSet<u64> = views.values().map(|g| g.slot).collect();
        for slot in occupied.difference(&used) {
            tracing::info!(slot, "removing rows that an interrupted publication left");
            cleaning::remove(&db, family(&db, ROWS), *slot)?;
        }
        drop(db);
        let next_slot = AtomicU64::new(occupied.last().max(used.last()).map_or(1, |slot| slot + 1));
        Ok(Inner {
            shelf: Shelf::new(views),
            ledger: Mutex::new(ledger),
            next_slot,
            folders,
            sort_bytes: options.sort_bytes,
            budget: Budget::new(options.copy_bytes),
            bell: Arc::default(),
            row_options: RowOptions(tuning::rows(&cache)),
            witness,
            newest_push,
            database,
            _holder: holder,
        })
    }

    /// The database, for reading. Who holds it for long keeps it from being opened again after the disk was full.
    pub(crate) fn db(&self) -> Guard<Arc<DB>> {
        self.database.load()
    }

    /// All that is visible at this moment.
    pub(crate) fn views(&self) -> Guard<Arc<Views>> {
        self.shelf.views()
    }

    /// The memory for copies.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What tells the copier to look.
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    pub(crate) fn new_slot(&self) -> u64 {
        self.next_slot.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn building(&self) -> PathBuf {
        self.folders.building()
    }

    pub(crate) fn sort_bytes(&self) -> usize {
        self.sort_bytes
    }

    pub(crate) fn row_options(&self) -> &Options {
        &self.row_options.0
    }

    /// Takes table files in, all or none. RocksDB syncs them and its own list of files before it returns.
    pub(crate) fn take_in(&self, files: &[PathBuf]) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let attempt = |db: &DB| db.ingest_external_file_cf_opts(family(db, ROWS), &options, files.to_vec());
        self.database.write("taking table files in", attempt, |_| Ok(false))
    }
}

impl OnlineStore for RocksStore {
    fn publish(&self, view: &Pinned, layout: &Layout) -> Result<Box<dyn Publication>> {
        Ok(Box::new(Aside::begin(Arc::clone(&self.inner), view, layout)?))
    }

    fn increase(&self, view: &Pinned, layout: &Layout) -> Result<Option<Increase>> {
        let visible = self.inner.generation(view);
        let same = visible.filter(|visible| visible.published.layout.fingerprint() == layout.fingerprint());
        let begin = |visible: Arc<Generation>| {
            let to = visible.published.clone();
            Ok(Increase { to, publication: Box::new(Aside::onto(Arc::clone(&self.inner), visible)?) })
        };
        same.map(begin).transpose()
    }

    fn published(&self, view: &Pinned) -> Result<Option<Published>> {
        Ok(self.inner.shelf.views().get(view).map(|g| g.published.clone()))
    }

    fn list(&self) -> Result<Vec<Published>> {
        let mut all: Vec<_> = self.inner.shelf.views().values().map(|g| g.published.clone()).collect();
        all.sort_by(|a, b| a.view.cmp(&b.view));
        Ok(all)
    }

    fn read(&self, asks: &[Ask<'_>]) -> Result<Vec<Rows>> {
        self.inner.read(asks)
    }

    fn copied(&self, view: &Pinned) -> u64 {
        self.inner.views().get(view).map_or(0, |generation| generation.copy.bytes())
    }

    fn check(&self, view: &Pinned) -> Result<()> {
        let views = self.inner.shelf.views();
        let generation = visible(&views, view)?;
        let db = self.inner.db();
        let mut cursor = cursor(&db, generation.slot);
        let mut content = Content::default();
        while let Some((key, row)) = cursor.item() {
            generation.codec.verify(&key[WIDTH..], row)?;
            content.add(&key[WIDTH..], row);
            cursor.next();
        }
        // An iterator that meets damage just ends; only its status tells.
        cursor.status().map_err(|source| unreadable(generation, source))?;
        Ok(generation.published.check(&content)?)
    }

    fn drop_view(&self, view: &Pinned) -> Result<()> {
        let mut ledger = self.inner.ledger();
        if !self.inner.shelf.views().contains_key(view) {
            return Ok(());
        }
        let last = ledger.last.get(view).copied().unwrap_or_default();
        self.inner.record(WriteBatch::default(), &Record { view: view.clone(), last, visible: None })?;
        self.inner.replace(&mut ledger, view, None);
        Ok(())
    }

    fn count_from(&self, view: &Pinned, last: u64) {
        let mut ledger = self.inner.ledger();
        let known = ledger.last.entry(view.clone()).or_default();
        *known = last.max(*known);
    }

    fn push(&self, pushes: &[Push]) -> Result<()> {
        Ok(self.inner.take_pushes(pushes)?)
    }

    fn pushed(&self, journal: &Journal, key: &str) -> Result<Option<Once>> {
        let db = self.inner.db();
        Ok(journal::once(&db, family(&db, ONCE), journal, key)?)
    }

    fn journals(&self) -> Result<Vec<Pending>> {
        let db = self.inner.db();
        let reaches = journal::reaches(&db, family(&db, JOURNAL))?;
        Ok(reaches.into_iter().map(|reach| reach.pending).filter(|pending| pending.rows > 0).collect())
    }

    fn entries(&self, journal: &Journal, bytes: usize) -> Result<Vec<Entry>> {
        let db = self.inner.db();
        Ok(journal::entries(&db, family(&db, JOURNAL), journal, bytes)?)
    }

    fn trim(&self, journal: &Journal, last: i64) -> Result<()> {
        let attempt = |db: &DB| journal::trim(db, family(db, JOURNAL), journal, last);
        Ok(self.inner.database.write("trimming a journal", attempt, |_| Ok(false))?)
    }
}

/// Over the rows of a slot, each block of which is checked, from the first on.
pub(crate) fn cursor(db: &DB, slot: u64) -> DBRawIterator<'_> {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options.set_iterate_upper_bound(prefix(slot + 1));
    let mut cursor = db.raw_iterator_cf_opt(family(db, ROWS), options);
    cursor.seek(prefix(slot));
    cursor
}

pub(crate) fn visible<'a>(views: &'a Views, view: &Pinned) -> Result<&'a Generation, asof_online::Error> {
    views.get(view).map(Arc::as_ref).ok_or_else(|| asof_online::Error::NotMaterialized(Box::new(view.clone())))
}

/// A failed read names the view where its rows are damaged.
pub(crate) fn unreadable(generation: &Generation, source: rocksdb::Error) -> Error {
    if source.kind() != rocksdb::ErrorKind::Corruption {
        return Error::rocks("reading rows")(source);
    }
    let view = generation.published.view.reference();
    Error::Online(asof_online::Error::Damaged { view, reason: source.into_string() })
}

fn not_opened(path: &Path, source: rocksdb::Error) -> Error {
    use rocksdb::ErrorKind::{Corruption, InvalidArgument};
    let lacks_a_file = source.as_ref().contains("No such file");
    if matches!(source.kind(), Corruption | InvalidArgument) || lacks_a_file {
        return Error::Damaged { path: path.to_owned(), reason: source.into_string() };
    }
    Error::rocks("opening")(source)
}

/// All records.
fn records(db: &DB, path: &Path) -> Result<Vec<Record>, Error> {
    let damaged = |reason| Error::Damaged { path: path.to_owned(), reason };
    let mut records = Vec::new();
    let mut cursor = db.raw_iterator_cf(family(db, PUBLISHED));
    cursor.seek_to_first();
    while let Some(bytes) = cursor.value() {
        records.push(Record::from_bytes(bytes).map_err(|e| damaged(format!("a record cannot be read: {e}")))?);
        cursor.next();
    }
    cursor.status().map_err(Error::rocks("reading records"))?;
    Ok(records)
}

/// What is visible after a start, from the records and the slots that have rows.
fn arrange(records: Vec<Record>, occupied: &BTreeSet<u64>) -> Result<(Views, Ledger), Error> {
    let (mut views, mut ledger) = (Views::new(), Ledger::default());
    for Record { view, last, visible } in records {
        ledger.last.insert(view.clone(), last);
        let Some(Visible { slot, published }) = visible else { continue };
        if published.rows > 0 && !occupied.contains(&slot) {
            // Not answering is right, answering "missing" would not be.
            tracing::error!(%view, rows = published.rows, "the rows of this view are gone: materialize it again");
            continue;
        }
        let codec = Arc::new(Codec::new(&view, &published.layout)?);
        views.insert(view, Arc::new(Generation { published, slot, codec, copy: Arc::default() }));
    }
    Ok((views, ledger))
}

#[cfg(test)]
mod tests {
    use asof_online::suite::sample::{delays, get, layout, numbers, publish, rows, view};

    use super::*;

    fn open(path: &Path) -> RocksStore {
        RocksStore::open(path, OpenOptions::default()).unwrap()
    }

    fn occupied(store: &RocksStore) -> Vec<u64> {
        cleaning::occupied(&store.inner.db(), family(&store.inner.db(), ROWS)).unwrap().into_iter().collect()
    }

    #[test]
    fn rows_taken_in_but_not_switched_to_are_removed_at_the_next_start() {
        let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
        {
            let store = open(folder.path());
            publish(&store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]);
            let mut aside = Aside::begin(Arc::clone(&store.inner), &view, &layout()).unwrap();
            aside.write(&rows(&[("UA", 2, 20, None), ("AA", 2, 20, None)])).unwrap();
            aside.take_in().unwrap();
            assert_eq!(occupied(&store), [1, 2]);
            assert_eq!(numbers(&get(&store, delays(&view, &["UA", "AA"]))), [Some(10), None]);
        }
        let store = open(folder.path());
        assert_eq!(occupied(&store), [1]);
        assert_eq!(numbers(&get(&store, delays(&view, &["UA", "AA"]))), [Some(10), None]);
        assert_eq!(publish(&store, &view, &layout(), &[rows(&[("AA", 1, 30, None)])]).generation, 2);
        assert_eq!(occupied(&store), [3]);
        assert_eq!(store.check(&view), Ok(()));
    }

    #[test]
    fn a_view_whose_rows_are_gone_is_not_served_as_missing() {
        let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
        {
            let store = open(folder.path());
            publish(&store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]);
            cleaning::remove(&store.inner.db(), family(&store.inner.db(), ROWS), 1).unwrap();
            assert_eq!(store.check(&view).unwrap_err().code(), "online_damaged");
        }
        let store = open(folder.path());
        assert_eq!(store.published(&view), Ok(None));
        assert_eq!(store.get(&[delays(&view, &["UA"])]).unwrap_err().code(), "not_materialized");
        assert_eq!(publish(&store, &view, &layout(), &[]).generation, 2);
    }

    #[test]
    fn a_row_of_another_generation_is_found_by_its_content_alone() {
        let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
        let store = open(folder.path());
        publish(&store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]);
        let db = store.inner.db();
        let family = family(&db, ROWS);
        let (old, _) = db.full_iterator_cf(family, rocksdb::IteratorMode::Start).next().unwrap().unwrap();
        let row = db.get_cf(family, &old).unwrap().unwrap();
        publish(&store, &view, &layout(), &[rows(&[("UA", 2, 20, None)])]);
        let new = [&prefix(2), &old[WIDTH..]].concat();
        db.put_cf(family, new, row).unwrap();
        let error = store.check(&view).unwrap_err();
        assert_eq!(error.code(), "online_damaged");
        assert!(error.message().contains("carrier_delays@1"), "{error}");
        assert!(error.message().contains("not those that were published"), "{error}");
    }

    #[test]
    fn rows_that_are_read_stay_until_they_are_let_go() {
        let (folder, view) = (tempfile::tempdir().unwrap(), view("carrier_delays"));
        let store = open(folder.path());
        publish(&store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]);
        let reading = store.inner.shelf.views();
        publish(&store, &view, &layout(), &[rows(&[("UA", 1, 20, None)])]);
        assert_eq!(occupied(&store), [1, 2]);
        drop(reading);
        store.drop_view(&view).unwrap();
        assert_eq!(occupied(&store), [0; 0]);
    }
}
