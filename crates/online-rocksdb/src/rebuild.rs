//! A damaged store set aside, and an empty one in its place.
//!
//! Rows are built again from the offline tables. What was pushed and is not in its table yet is in the journals alone, so these
//! are read out of the damaged store as far as that is possible, with the names of pushes that count once, and are in the new one before
//! it takes the place of the old. Nothing is removed: the old one stays, under another name.
//!
//! Two renames put the new store in place. A crash between them leaves it beside, and the next opening finishes the work
//! ([`finish`]), so that no empty store is ever begun where one with journals is to be.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use asof_model::Result;
use asof_online::Journal;
use rocksdb::{DB, IteratorMode, Options};

use crate::database::{JOURNAL, ONCE, family};
use crate::error::Error;
use crate::folder::Folders;
use crate::holder::Holder;
use crate::journal;
use crate::store::RocksStore;
use crate::tuning::OpenOptions;
use crate::witness;

/// What became of a store that was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub folder: PathBuf,
    /// How many rows that were pushed were brought over, because they may not be in their tables yet.
    pub rows: u64,
    /// Journals that do not reach as far as was acknowledged, and the order of acceptance up to which it was. What is missing may be
    /// in the table.
    pub short: Vec<(Journal, i64)>,
}

impl RocksStore {
    /// Sets the store in a folder aside, whatever state it is in, and makes an empty one there, with its journals.
    ///
    /// # Errors
    /// `store_held`; `online_failed` and `storage_full` for the machine's own troubles; then the old store is still there.
    pub fn set_aside(path: &Path) -> Result<SetAside> {
        fs::create_dir_all(path).map_err(Error::file("creating", path))?;
        let holder = Holder::take(path)?;
        let Salvaged { pairs, rows, reached } = salvage(path);
        let short = short(path, &reached).unwrap_or_else(|error| {
            tracing::warn!(%error, "how far pushes were acknowledged cannot be read");
            Vec::new()
        });
        let new = beside(path);
        if new.exists() {
            fs::remove_dir_all(&new).map_err(Error::file("emptying", &new))?;
        }
        RocksStore::open(&new, OpenOptions::default())?.fill(&pairs)?;
        let folder = free(path);
        fs::rename(path, &folder).map_err(Error::file("setting aside", path))?;
        finish(path)?;
        drop(holder);
        Ok(SetAside { folder, rows, short })
    }
}

/// Where the new store is made.
fn beside(path: &Path) -> PathBuf {
    with_suffix(path, "rebuilt")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}

/// Puts a store in place that was made beside, if there is one and none in its place.
pub(crate) fn finish(path: &Path) -> Result<(), Error> {
    let new = beside(path);
    if path.exists() || !new.exists() {
        return Ok(());
    }
    fs::rename(&new, path).map_err(Error::file("putting in place", &new))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(Error::file("syncing", parent))
}

/// A name that is not taken, for what is set aside.
fn free(path: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let name = with_suffix(path, &format!("damaged-{number}"));
        if !name.exists() {
            return name;
        }
        number += 1;
    }
}

/// What could be read of the journals.
#[derive(Default)]
struct Salvaged {
    /// By family.
    pairs: Vec<(&'static str, Vec<Pair>)>,
    /// How many rows wait in journals.
    rows: u64,
    /// How far each journal ever reached.
    reached: BTreeMap<String, i64>,
}

/// A key and what is under it.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);

/// All journals and names that can be read. A store whose rows are damaged may well have whole journals.
fn salvage(path: &Path) -> Salvaged {
    let read = |name| -> Result<(DB, Vec<Pair>), Error> {
        // No more is looked at than it takes to read this family; blocks are checked as they are read.
        let mut lenient = Options::default();
        lenient.set_paranoid_checks(false);
        let db = DB::open_cf_for_read_only(&lenient, Folders::of(path).db(), [name], false);
        let db = db.map_err(Error::rocks("opening"))?;
        let pairs = db.iterator_cf(family(&db, name), IteratorMode::Start).collect::<Result<_, _>>();
        let pairs = pairs.map_err(Error::rocks("reading"))?;
        Ok((db, pairs))
    };
    let mut salvaged = Salvaged::default();
    let journals = read(JOURNAL).and_then(|(db, pairs)| Ok((journal::reaches(&db, family(&db, JOURNAL))?, pairs)));
    match journals {
        Ok((reaches, pairs)) => {
            salvaged.rows = reaches.iter().map(|reach| reach.pending.rows).sum();
            salvaged.reached = reaches.iter().map(|reach| (reach.pending.journal.to_string(), reach.ever)).collect();
            salvaged.pairs.push((JOURNAL, pairs));
        }
        Err(error) => tracing::warn!(%error, "the journals of the damaged store cannot be read"),
    }
    match read(ONCE) {
        Ok((_, pairs)) => salvaged.pairs.push((ONCE, pairs)),
        Err(error) => tracing::warn!(%error, "the names of pushes in the damaged store cannot be read"),
    }
    salvaged
}

/// Compares how far journals reached with what was acknowledged.
fn short(path: &Path, reached: &BTreeMap<String, i64>) -> Result<Vec<(Journal, i64)>, Error> {
    let acknowledged = witness::read(&Folders::of(path).accepted())?;
    let short =
        acknowledged.into_iter().filter(|(journal, last)| reached.get(journal).is_none_or(|found| found < last));
    short.map(|(journal, last)| Ok((journal::named(journal.as_bytes())?, last))).collect()
}
