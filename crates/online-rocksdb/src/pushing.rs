//! Pushed rows on their way in.
//!
//! A value is merged, never read first: the operator of the family `rows` keeps the newer of two rows of a key and adds
//! tiles up, so that blind writes in any order leave one and the same store. Rows of a view that is just being published are held in
//! memory besides, and are merged into the new rows in the very step that makes these visible.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::array::RecordBatch;
use asof_model::Pinned;
use asof_online::{Change, Codec, Push, merged};
use rocksdb::{ColumnFamily, MergeOperands, Options, WriteBatch};

use crate::cleaning::{WIDTH, prefix};
use crate::copy::Copy;
use crate::error::Error;
use crate::journal;
use crate::shelf::Views;

/// A key, without a slot, and a row.
type Pair = (Box<[u8]>, Box<[u8]>);

/// Keys, without a slot, and rows.
type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Rows pushed to a view while it is being published.
#[derive(Debug, Default)]
pub(crate) struct Catching(Mutex<Caught>);

#[derive(Debug)]
enum Caught {
    /// Nobody said yet which pushes the publication has anyway: of each push its order of acceptance, a key and a row.
    Apart(Vec<(i64, Pair)>),
    /// Pushes behind this order of acceptance, as one row for each key.
    Behind(i64, Rows),
}

impl Default for Caught {
    fn default() -> Self {
        Caught::Apart(Vec::new())
    }
}

/// Who is being published.
pub(crate) type InTheMaking = HashMap<Pinned, Vec<(Arc<Codec>, Weak<Catching>)>>;

/// A push, encoded.
#[derive(Default)]
pub(crate) struct Encoded {
    /// What is to be written in one step.
    pub(crate) batch: WriteBatch,
    /// What those in the making are to get once that is written.
    pub(crate) held: Held,
    /// Whether a copy in memory should be made anew.
    pub(crate) worn: bool,
}

/// Rows for those in the making.
#[derive(Default)]
pub(crate) struct Held(Vec<(Arc<Catching>, i64, Pair)>);

/// The families that a push writes to.
#[derive(Clone, Copy)]
pub(crate) struct Families<'a> {
    pub(crate) rows: &'a ColumnFamily,
    pub(crate) journal: &'a ColumnFamily,
    pub(crate) once: &'a ColumnFamily,
}

impl Encoded {
    pub(crate) fn new(
        pushes: &[Push],
        families: Families<'_>,
        views: &Views,
        making: &InTheMaking,
    ) -> Result<Self, Error> {
        let mut encoded = Encoded::default();
        for Push { journal, entry, once, changes } in pushes {
            journal::put_entry(&mut encoded.batch, families.journal, journal, entry);
            if let Some(once) = once {
                journal::put_once(&mut encoded.batch, families.once, journal, once);
            }
            for Change { view, rows } in changes {
                if let Some(generation) = views.get(view) {
                    let slot = prefix(generation.slot);
                    let Encoded { batch, worn, .. } = &mut encoded;
                    encode(&generation.codec, rows, &slot, |key, row| {
                        batch.merge_cf(families.rows, key, row);
                        // Before it is written, so that nobody takes the old row for the newest once it is.
                        *worn |= generation.copy.outdate(&key[WIDTH..]);
                    })?;
                }
                let making = making.get(view).into_iter().flatten();
                for (codec, catching) in making.filter_map(|(codec, held)| Some((codec, held.upgrade()?))) {
                    let held = &mut encoded.held.0;
                    encode(codec, rows, &[], |key, row| {
                        held.push((catching.clone(), entry.last, (key.into(), row.into())));
                    })?;
                }
            }
        }
        Ok(encoded)
    }
}

impl Held {
    /// Hands the rows over.
    pub(crate) fn hand_over(self) {
        for (catching, last, pair) in self.0 {
            catching.caught().add(last, pair);
        }
    }
}

impl Caught {
    fn add(&mut self, last: i64, (key, row): Pair) {
        match self {
            Caught::Apart(all) => all.push((last, (key, row))),
            Caught::Behind(had, _) if last <= *had => {}
            Caught::Behind(_, rows) => match rows.get_mut(&key) {
                Some(held) => {
                    // What was just encoded is whole.
                    if let Some(all) = merged(&key, [&**held, &*row].into_iter()).map(Cow::into_owned) {
                        *held = all.into();
                    }
                }
                None => drop(rows.insert(key, row)),
            },
        }
    }

    /// Leaves out pushes up to this order of acceptance.
    fn behind(&mut self, had: i64) {
        if let Caught::Apart(all) = self {
            let all = std::mem::take(all);
            *self = Caught::Behind(had, Rows::new());
            all.into_iter().for_each(|(last, pair)| self.add(last, pair));
        }
    }
}

impl Catching {
    fn caught(&self) -> MutexGuard<'_, Caught> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes up to this order of acceptance are among the rows of the publication: they are left out.
    pub(crate) fn behind(&self, had: i64) {
        self.caught().behind(had);
    }

    /// Merges what was held into a slot.
    pub(crate) fn merge(&self, batch: &mut WriteBatch, rows: &ColumnFamily, slot: u64, copy: &Copy) {
        let mut caught = self.caught();
        // Without a word, it has none of them.
        caught.behind(0);
        if let Caught::Behind(_, held) = &*caught {
            for (key, row) in held {
                batch.merge_cf(rows, [&prefix(slot), &**key].concat(), row);
                copy.outdate(key);
            }
        }
    }
}

fn encode(codec: &Codec, rows: &RecordBatch, prefix: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Result<(), Error> {
    codec.encode(rows, prefix, |key, row| {
        each(key, row);
        Ok(())
    })
}

/// Makes a family keep of each key what becomes of all its values.
pub(crate) fn merging(options: &mut Options) {
    options.set_merge_operator_associative(c"asof", merge);
}

/// Where values cannot be merged because one of them is damaged, none is given, which the database takes for what it is.
fn merge(key: &[u8], held: Option<&[u8]>, operands: &MergeOperands) -> Option<Vec<u8>> {
    merged(key.get(WIDTH..)?, held.into_iter().chain(operands)).map(Cow::into_owned)
}
