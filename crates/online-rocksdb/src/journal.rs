//! The journals, and the names of pushes that count once.
//!
//! ```text
//! family `journal`    <project>/<dataset> 00 order of acceptance (i64, big-endian) → rows (u64), bytes
//!                     <project>/<dataset> 00                                      → up to where it was trimmed (i64)
//! family `once`       <project>/<dataset> 00 name of the push                     → since, until (2 × i64), what was told
//! ```
//! Names hold no byte 00, and orders are positive, so that entries lie in their order behind the trimming mark.
//! Of `once`, what is older than the newest push says it may be is dropped by compaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use asof_model::{Micros, Name};
use asof_online::{Entry, Journal, Once, Pending};
use rocksdb::compaction_filter::Decision;
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions};

use crate::error::Error;

/// What every key of a journal begins with.
fn prefix(journal: &Journal) -> Vec<u8> {
    let mut key = journal.to_string().into_bytes();
    key.push(0);
    key
}

fn entry_key(journal: &Journal, last: i64) -> Vec<u8> {
    let mut key = prefix(journal);
    key.extend_from_slice(&last.to_be_bytes());
    key
}

fn once_key(journal: &Journal, name: &str) -> Vec<u8> {
    let mut key = prefix(journal);
    key.extend_from_slice(name.as_bytes());
    key
}

/// Adds an entry to what is written in one step.
pub(crate) fn put_entry(batch: &mut WriteBatch, family: &ColumnFamily, journal: &Journal, entry: &Entry) {
    let mut value = entry.rows.to_le_bytes().to_vec();
    value.extend_from_slice(&entry.bytes);
    batch.put_cf(family, entry_key(journal, entry.last), value);
}

/// Whether an entry is there as it would be written.
pub(crate) fn has(db: &DB, family: &ColumnFamily, journal: &Journal, entry: &Entry) -> Result<bool, Error> {
    let there = db.get_pinned_cf(family, entry_key(journal, entry.last)).map_err(Error::rocks("reading a journal"))?;
    Ok(there.is_some_and(|there| there.get(..8) == Some(&entry.rows.to_le_bytes()) && there[8..] == entry.bytes))
}

/// Adds the name of a push to what is written in one step.
pub(crate) fn put_once(batch: &mut WriteBatch, family: &ColumnFamily, journal: &Journal, once: &Once) {
    let mut value = [once.since.0.to_le_bytes(), once.until.0.to_le_bytes()].concat();
    value.extend_from_slice(&once.told);
    batch.put_cf(family, once_key(journal, &once.key), value);
}

/// What is remembered of a push.
pub(crate) fn once(db: &DB, family: &ColumnFamily, journal: &Journal, name: &str) -> Result<Option<Once>, Error> {
    let value = db.get_pinned_cf(family, once_key(journal, name));
    let Some(value) = value.map_err(Error::rocks("looking for a push"))? else { return Ok(None) };
    let (moments, told) = value.split_first_chunk::<16>().ok_or_else(|| malformed(journal))?;
    let [since, until] = *moments.as_chunks::<8>().0 else { return Err(malformed(journal)) };
    let [since, until] = [since, until].map(|bytes| Micros(i64::from_le_bytes(bytes)));
    Ok(Some(Once { key: name.to_owned(), since, until, told: told.to_vec() }))
}

/// How the family of names forgets: `newest` is when the newest push came.
pub(crate) fn forgetting(options: &mut Options, newest: &Arc<AtomicI64>) {
    let newest = Arc::clone(newest);
    options.set_compaction_filter(c"forget", move |_level, _key: &[u8], value: &[u8]| {
        let until = value.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(i64::MAX, i64::from_le_bytes);
        if until < newest.load(Ordering::Relaxed) { Decision::Remove } else { Decision::Keep }
    });
}

/// The entries of a journal from its first on, until they have so many bytes.
pub(crate) fn entries(db: &DB, family: &ColumnFamily, journal: &Journal, bytes: usize) -> Result<Vec<Entry>, Error> {
    let (from, to) = (entry_key(journal, 0), entry_key(journal, i64::MAX));
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(to);
    let (mut entries, mut taken) = (Vec::new(), 0);
    for item in db.iterator_cf_opt(family, options, IteratorMode::From(&from, Direction::Forward)) {
        let (key, value) = item.map_err(Error::rocks("reading a journal"))?;
        let entry = parse(journal, &key, &value)?;
        taken += entry.bytes.len();
        entries.push(entry);
        if taken >= bytes {
            break;
        }
    }
    Ok(entries)
}

fn parse(journal: &Journal, key: &[u8], value: &[u8]) -> Result<Entry, Error> {
    let last = key.last_chunk::<8>().map(|last| i64::from_be_bytes(*last));
    match (last, value.split_first_chunk::<8>()) {
        (Some(last), Some((rows, bytes))) => Ok(Entry { last, rows: u64::from_le_bytes(*rows), bytes: bytes.to_vec() }),
        _ => Err(malformed(journal)),
    }
}

/// Removes entries up to an order of acceptance, and notes that. Not synced: what a crash brings back is trimmed again.
pub(crate) fn trim(db: &DB, family: &ColumnFamily, journal: &Journal, last: i64) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    batch.delete_range_cf(family, entry_key(journal, 0), entry_key(journal, last.saturating_add(1)));
    batch.put_cf(family, prefix(journal), last.to_le_bytes());
    db.write_opt(batch, &WriteOptions::default())
}

/// How far a journal reached, whether its entries are still there or not.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// What is in it; none of anything where all was trimmed.
    pub(crate) pending: Pending,
    /// The last order of acceptance that was ever in it.
    pub(crate) ever: i64,
}

/// Every journal. Reads all entries.
pub(crate) fn reaches(db: &DB, family: &ColumnFamily) -> Result<Vec<Reach>, Error> {
    let mut reaches: Vec<Reach> = Vec::new();
    for item in db.iterator_cf(family, IteratorMode::Start) {
        let (key, value) = item.map_err(Error::rocks("reading a journal"))?;
        let journal = named(&key)?;
        let reach = match reaches.last_mut() {
            Some(reach) if reach.pending.journal == journal => reach,
            _ => {
                let pending = Pending { journal: journal.clone(), last: 0, rows: 0, bytes: 0 };
                reaches.push(Reach { pending, ever: 0 });
                reaches.last_mut().expect("one was added")
            }
        };
        if key.ends_with(&[0]) && key.len() == journal.to_string().len() + 1 {
            let trimmed = value.first_chunk::<8>().map(|last| i64::from_le_bytes(*last));
            reach.ever = reach.ever.max(trimmed.ok_or_else(|| malformed(&journal))?);
            continue;
        }
        let entry = parse(&journal, &key, &value)?;
        reach.ever = reach.ever.max(entry.last);
        let pending = &mut reach.pending;
        (pending.last, pending.rows) = (entry.last, pending.rows + entry.rows);
        pending.bytes += entry.bytes.len() as u64;
    }
    Ok(reaches)
}

pub(crate) fn named(key: &[u8]) -> Result<Journal, Error> {
    let text = key.split(|byte| *byte == 0).next().and_then(|name| std::str::from_utf8(name).ok());
    let parts = text.and_then(|text| text.split_once('/'));
    let name = |text: &str| text.parse::<Name>().ok();
    let journal =
        parts.and_then(|(project, dataset)| Some(Journal { project: name(project)?, dataset: name(dataset)? }));
    journal.ok_or_else(|| Error::Malformed("a key of a journal names no dataset".to_owned()))
}

fn malformed(journal: &Journal) -> Error {
    Error::Malformed(format!("the journal of {journal} holds what was never written to it"))
}
