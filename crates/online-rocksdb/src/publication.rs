//! A view's rows on their way in: sorted aside, written as table files, taken in, made visible.
//!
//! Those that only add to what is visible are merged with it on the way, both in the order of keys: a new slot holds all of them,
//! so that they become visible, and are freed, as any other rows. Costs reading and writing the rows that are there.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::{Micros, Pinned, Result, RunId};
use asof_online::{Basis, Codec, Content, Layout, Publication, Published, SlabBuilder};
use rocksdb::{DBRawIterator, SstFileWriter};

use crate::cleaning::{WIDTH, prefix};
use crate::copy::Copy;
use crate::error::Error;
use crate::pushing::Catching;
use crate::shelf::Generation;
use crate::sort::{self, Sorter};
use crate::store::Inner;

/// Rows in a table file, before compression, before another is begun.
const TABLE_BYTES: usize = 256 << 20;

/// A publication that nobody sees yet.
pub(crate) struct Aside {
    store: Arc<Inner>,
    view: Pinned,
    codec: Arc<Codec>,
    from: From,
    slot: u64,
    sorter: Sorter,
    basis: Option<Basis>,
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
        Ok(Aside { store, view: view.clone(), codec, from, slot, sorter, basis: None, folder })
    }

    /// Takes the rows in, not yet to be seen.
    pub(crate) fn take_in(self) -> Result<Ready, Error> {
        let Aside { store, view, codec, from, slot, sorter, basis, folder } = self;
        let written = Arc::clone(&codec);
        let mut tables = Tables::new(&written, &folder.0, &store);
        let catching = match from {
            From::Visible(of) if sorter.is_empty() => {
                return Ok(Ready { view, codec, rows: NewRows::None { of }, basis });
            }
            From::Visible(of) => {
                let db = store.db();
                let (cursor, catching) = store.fork(&db, &of)?;
                onto(cursor, sorter, slot, &mut tables)?;
                catching
            }
            From::Nothing(catching) => {
                sorter.finish(|key, row| tables.add(key, row))?;
                catching
            }
        };
        let (files, content, copy) = tables.finish()?;
        store.take_in(&files)?;
        Ok(Ready { view, codec, rows: NewRows::Aside { slot, content, catching, copy }, basis })
    }
}

/// Merges sorted rows into those of a visible slot, both in the order of keys.
fn onto(mut visible: DBRawIterator<'_>, added: Sorter, slot: u64, tables: &mut Tables<'_>) -> Result<(), Error> {
    let mut moved = prefix(slot).to_vec();
    // A visible row under its key in the new slot.
    let mut keep = |tables: &mut Tables<'_>, key: &[u8], row: &[u8]| {
        moved.truncate(WIDTH);
        moved.extend_from_slice(&key[WIDTH..]);
        tables.add(&moved, row)
    };
    added.finish(|key, row| {
        while let Some((old, held)) = visible.item() {
            match old[WIDTH..].cmp(&key[WIDTH..]) {
                Ordering::Less => keep(tables, old, held)?,
                Ordering::Equal => {
                    let all = sort::merge(key, [held, row].into_iter())?.into_owned();
                    visible.next();
                    return tables.add(key, &all);
                }
                Ordering::Greater => break,
            }
            visible.next();
        }
        tables.add(key, row)
    })?;
    while let Some((old, held)) = visible.item() {
        keep(tables, old, held)?;
        visible.next();
    }
    // A cursor that meets damage just ends; only its status tells.
    visible.status().map_err(Error::rocks("reading rows"))
}

/// Table files of a slot as they are written, the witness of their rows, and a copy of them if there is memory for it.
struct Tables<'a> {
    codec: &'a Codec,
    folder: &'a Path,
    store: &'a Inner,
    files: Vec<PathBuf>,
    content: Content,
    copy: SlabBuilder,
    /// The one that is written, and the bytes in it so far.
    open: Option<(SstFileWriter<'a>, usize)>,
}

impl<'a> Tables<'a> {
    fn new(codec: &'a Codec, folder: &'a Path, store: &'a Inner) -> Self {
        let copy = SlabBuilder::new(store.budget());
        Tables { codec, folder, store, files: Vec::new(), content: Content::default(), copy, open: None }
    }

    /// Adds a row; keys come in order. Its checksum is verified once more on the way, since it may have been to the disk and
    /// back.
    fn add(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        match self.copy.is_open() {
            true => self.copy.push(self.codec, &key[WIDTH..], row)?,
            false => self.codec.verify(&key[WIDTH..], row)?,
        }
        self.content.add(&key[WIDTH..], row);
        let (writer, bytes) = match &mut self.open {
            Some(open) => open,
            None => {
                let path = self.folder.join(format!("{}.sst", self.files.len()));
                let writer = SstFileWriter::create(self.store.row_options());
                writer.open(&path).map_err(Error::rocks("beginning a table file"))?;
                self.files.push(path);
                self.open.insert((writer, 0))
            }
        };
        writer.put(key, row).map_err(Error::rocks("writing a table file"))?;
        *bytes += key.len() + row.len();
        if *bytes >= TABLE_BYTES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some((mut writer, _)) = self.open.take() else { return Ok(()) };
        writer.finish().map_err(Error::rocks("finishing a table file"))
    }

    fn finish(mut self) -> Result<(Vec<PathBuf>, Content, Copy), Error> {
        self.close()?;
        Ok((self.files, self.content, Copy::new(self.copy.finish())))
    }
}

impl Publication for Aside {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let sorter = &mut self.sorter;
        Ok(self.codec.encode(rows, &prefix(self.slot), |key, row| sorter.push(key, row))?)
    }

    fn rests_on(&mut self, basis: Basis) {
        if let From::Nothing(catching) = &self.from {
            catching.behind(basis.pushed);
        }
        self.basis = Some(basis);
    }

    fn commit(self: Box<Self>, run: RunId, at: Micros) -> Result<Published> {
        let store = Arc::clone(&self.store);
        Ok(store.switch(self.take_in()?, run, at)?)
    }
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
