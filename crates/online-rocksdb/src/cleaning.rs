//! Slots: where the rows of one publication are, and how they are removed.

use std::collections::BTreeSet;

use rocksdb::{ColumnFamily, DB, WriteOptions};

use crate::error::Error;

/// The bytes of a slot's number before every key in it.
pub(crate) const WIDTH: usize = 8;

/// The first key that can be in a slot; the slot ends before the first key of the next.
pub(crate) fn prefix(slot: u64) -> [u8; WIDTH] {
    slot.to_be_bytes()
}

/// Removes the rows of a slot that nobody reads any more.
///
/// Table files written by a publication hold rows of that slot alone, so dropping whole files frees nearly all of
/// it at once, without reading. The range deletion covers the rest. Neither is logged: what a crash
/// forgets is found again at the next start.
pub(crate) fn remove(db: &DB, rows: &ColumnFamily, slot: u64) -> Result<(), Error> {
    let (from, to) = (prefix(slot), prefix(slot + 1));
    db.delete_file_in_range_cf(rows, from, to).map_err(Error::rocks("dropping the files of old rows"))?;
    let mut unlogged = WriteOptions::default();
    unlogged.disable_wal(true);
    db.delete_range_cf_opt(rows, from, to, &unlogged).map_err(Error::rocks("deleting old rows"))
}

/// All slots that have rows. Costs a seek for each.
pub(crate) fn occupied(db: &DB, rows: &ColumnFamily) -> Result<BTreeSet<u64>, Error> {
    let mut slots = BTreeSet::new();
    let mut cursor = db.raw_iterator_cf(rows);
    cursor.seek_to_first();
    while let Some(slot) = cursor.key().and_then(|key| key.first_chunk::<WIDTH>()).map(|s| u64::from_be_bytes(*s)) {
        slots.insert(slot);
        cursor.seek(prefix(slot + 1));
    }
    // An iterator that meets damage just ends; only its status tells.
    cursor.status().map_err(Error::rocks("looking for rows"))?;
    Ok(slots)
}
