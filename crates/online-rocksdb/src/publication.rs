//! A view's rows on their way in: sorted aside, written as table files, taken in, made visible.
//!
//! Those that only add to what is visible are merged with it on the way, both in the order of keys: a new slot holds all of them,
//! so that they become visible, and are freed, as any other rows. Costs reading and writing the rows that are there.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::{Micros, Pinned, Result, RunId};
use asof_online::{Basis, Codec, Content, Layout, Publication, Published};
use rocksdb::DBRawIterator;

use crate::cleaning::{WIDTH, prefix};
use crate::copy::Copy;
use crate::error::Error;
use crate::pushing::Catching;
use crate::shelf::Generation;
use crate::sort::{self, Sorter};
use crate::store::Inner;
use crate::tables::Tables;

/// A publication that nobody sees yet.
pub(crate) struct Aside {
    store: Arc<Inner>,
    view: Pinned,
    codec: Arc<Codec>,
    from: From,
    slot: u64,
    sorter: Sorter,
    /// Rows that came in the order of their keys, on their way into files. Dropped before the folder of these.
    ordered: Option<Tables>,
    basis: Option<Basis>,
    /// Tiles that end by then are left out.
    until: Option<Micros>,
    folder: Folder,
}

/// What a publication has besides the rows that are written to it.
enum From {
    /// What is pushed since it began.
    Nothing(Arc<Catching>),
    /// Visible rows, and what is pushed to them.
    Visible(Arc<Generation>),
}

/// Rows that are ready to be made visible.
pub(crate) struct Ready {
    pub(crate) view: Pinned,
    pub(crate) codec: Arc<Codec>,
    pub(crate) rows: NewRows,
    pub(crate) basis: Option<Basis>,
}

/// Where those are.
pub(crate) enum NewRows {
    /// In the database, in a slot that nobody knows of yet.
    Aside { slot: u64, content: Content, catching: Arc<Catching>, copy: Copy },
    /// There are none: what is visible stays, under a new number.
    None { of: Arc<Generation> },
}

impl Aside {
    pub(crate) fn begin(store: Arc<Inner>, view: &Pinned, layout: &Layout) -> Result<Self, Error> {
        let codec = Arc::new(Codec::new(view, layout)?);
        let catching = store.begin(view, &codec);
        Self::new(store, view, codec, From::Nothing(catching))
    }

    /// One that adds to visible rows.
    pub(crate) fn onto(store: Arc<Inner>, visible: Arc<Generation>) -> Result<Self, Error> {
        let (view, codec) = (visible.published.view.clone(), Arc::clone(&visible.codec));
        Self::new(store, &view, codec, From::Visible(visible))
    }

    fn new(store: Arc<Inner>, view: &Pinned, codec: Arc<Codec>, from: From) -> Result<Self, Error> {
        let slot = store.new_slot();
        let folder = Folder::create(&store.building().join(slot.to_string()))?;
        let sorter = Sorter::new(&folder.0, store.sort_bytes());
        Ok(Aside {
            store,
            view: view.clone(),
            codec,
            from,
            slot,
            sorter,
            ordered: None,
            basis: None,
            until: None,
            folder,
        })
    }

    /// Takes the rows in, not yet to be seen.
    pub(crate) fn take_in(self) -> Result<Ready, Error> {
        let Aside { store, view, codec, from, slot, sorter, ordered, basis, until, folder } = self;
        let over = |key: &[u8], row: &[u8]| until.is_some_and(|until| codec.is_over(&key[WIDTH..], row, until));
        let (catching, tables) = match from {
            From::Visible(of) if sorter.is_empty() => {
                return Ok(Ready { view, codec, rows: NewRows::None { of }, basis });
            }
            From::Visible(of) => {
                let db = store.db();
                let (cursor, catching) = store.fork(&db, &of)?;
                let mut tables = Tables::new(&store, &codec, &folder.0)?;
                onto(cursor, &of, sorter, slot, &mut tables, over)?;
                (catching, tables)
            }
            From::Nothing(catching) => {
                let mut tables = match ordered {
                    Some(tables) => tables,
                    None => Tables::new(&store, &codec, &folder.0)?,
                };
                sorter.finish(|key, row| if over(key, row) { Ok(()) } else { tables.add_again(key, row) })?;
                (catching, tables)
            }
        };
        let (files, content, copy) = tables.finish()?;
        store.take_in(&files)?;
        Ok(Ready { view, codec, rows: NewRows::Aside { slot, content, catching, copy }, basis })
    }
}

/// Merges sorted rows into those of a visible slot, both in the order of keys. What was visible is held against its witness
/// on the way: what is damaged is not to be handed on.
fn onto(
    mut visible: DBRawIterator<'_>,
    of: &Generation,
    added: Sorter,
    slot: u64,
    tables: &mut Tables,
    over: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<(), Error> {
    let (mut moved, mut found) = (prefix(slot).to_vec(), Content::default());
    // A visible row under its key in the new slot; it is witnessed once for both.
    let mut keep = |tables: &mut Tables, found: &mut Content, key: &[u8], row: &[u8]| {
        let mut one = Content::default();
        one.add(&key[WIDTH..], row);
        found.absorb(&one);
        if over(key, row) {
            return Ok(());
        }
        tables.witness(&one);
        moved.truncate(WIDTH);
        moved.extend_from_slice(&key[WIDTH..]);
        tables.put_again(&moved, row)
    };
    added.finish(|key, row| {
        while let Some((old, held)) = visible.item() {
            match old[WIDTH..].cmp(&key[WIDTH..]) {
                Ordering::Less => keep(tables, &mut found, old, held)?,
                Ordering::Equal => {
                    of.codec.verify(&old[WIDTH..], held)?;
                    found.add(&old[WIDTH..], held);
                    let all = sort::merge(key, [held, row].into_iter())?.into_owned();
                    visible.next();
                    return if over(key, row) { Ok(()) } else { tables.add_again(key, &all) };
                }
                Ordering::Greater => break,
            }
            visible.next();
        }
        if over(key, row) { Ok(()) } else { tables.add_again(key, row) }
    })?;
    while let Some((old, held)) = visible.item() {
        keep(tables, &mut found, old, held)?;
        visible.next();
    }
    // A cursor that meets damage just ends; only its status tells.
    visible.status().map_err(Error::rocks("reading rows"))?;
    Ok(of.published.check(&found)?)
}

impl Publication for Aside {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if self.ordered.is_some() {
            return Err(disordered(&self.view).into());
        }
        let sorter = &mut self.sorter;
        Ok(self.codec.encode(rows, &prefix(self.slot), |key, row| sorter.push(key, row))?)
    }

    fn write_in_order(&mut self, rows: &RecordBatch) -> Result<()> {
        if !self.sorter.is_empty() || matches!(self.from, From::Visible(_)) {
            return self.write(rows);
        }
        let tables = match &mut self.ordered {
            Some(tables) => tables,
            None => self.ordered.insert(Tables::new(&self.store, &self.codec, &self.folder.0)?),
        };
        let view = &self.view;
        Ok(self.codec.encode(rows, &prefix(self.slot), |key, row| match tables.follows(key) {
            true => tables.add(key, row),
            false => Err(disordered(view)),
        })?)
    }

    fn rests_on(&mut self, basis: Basis) {
        if let From::Nothing(catching) = &self.from {
            catching.behind(basis.pushed);
        }
        self.basis = Some(basis);
    }

    fn leave_out(&mut self, until: Micros) {
        self.until = Some(until);
    }

    fn commit(self: Box<Self>, run: RunId, at: Micros) -> Result<Published> {
        let store = Arc::clone(&self.store);
        Ok(store.switch(self.take_in()?, run, at)?)
    }
}

/// A defect of whoever writes.
fn disordered(view: &Pinned) -> Error {
    let reason = "rows that were to come in the order of their keys did not".to_owned();
    Error::Online(asof_online::Error::LayoutMismatch { view: view.reference(), reason })
}

/// A folder that goes away with this value, whatever is in it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::file("creating", path))?;
        Ok(Folder(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "files of a publication stay until the next start");
        }
    }
}
