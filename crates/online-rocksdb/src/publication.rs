//! A view's rows on their way in: sorted aside, written as table files, taken in, made visible.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::{Micros, Pinned, Result, RunId};
use asof_online::{Codec, Content, Layout, Publication, Published, SlabBuilder};
use rocksdb::SstFileWriter;

use crate::cleaning::{WIDTH, prefix};
use crate::copy::Copy;
use crate::error::Error;
use crate::pushing::Catching;
use crate::sort::Sorter;
use crate::store::Inner;

/// Rows in a table file, before compression, before another is begun.
const TABLE_BYTES: usize = 256 << 20;

/// A publication that nobody sees yet.
pub(crate) struct Aside {
    store: Arc<Inner>,
    view: Pinned,
    codec: Arc<Codec>,
    catching: Arc<Catching>,
    slot: u64,
    sorter: Sorter,
    folder: Folder,
}

/// Table files of a slot, ready to be taken in, and the witness of their rows.
struct Tables {
    files: Vec<PathBuf>,
    content: Content,
    copy: SlabBuilder,
}

/// Rows that are in the database, in a slot that nobody knows of yet.
pub(crate) struct Ready {
    pub(crate) view: Pinned,
    pub(crate) codec: Arc<Codec>,
    pub(crate) catching: Arc<Catching>,
    pub(crate) slot: u64,
    pub(crate) content: Content,
    pub(crate) copy: Copy,
}

impl Aside {
    pub(crate) fn begin(store: Arc<Inner>, view: &Pinned, layout: &Layout) -> Result<Self, Error> {
        let codec = Arc::new(Codec::new(view, layout)?);
        let slot = store.new_slot();
        let folder = Folder::create(&store.building().join(slot.to_string()))?;
        let sorter = Sorter::new(&folder.0, store.sort_bytes());
        let catching = store.begin(view, &codec);
        Ok(Aside { store, view: view.clone(), codec, catching, slot, sorter, folder })
    }

    /// Takes the rows in, not yet to be seen.
    pub(crate) fn take_in(self) -> Result<Ready, Error> {
        let Aside { store, view, codec, catching, slot, sorter, folder } = self;
        let tables = Self::tables(sorter, &codec, &folder.0, &store)?;
        store.take_in(&tables.files)?;
        Ok(Ready { view, codec, catching, slot, content: tables.content, copy: Copy::new(tables.copy.finish()) })
    }

    /// Sorts all rows into table files. Each row's checksum is verified once more on the way, since it may have
    /// been to the disk and back.
    fn tables(sorter: Sorter, codec: &Codec, folder: &Path, store: &Inner) -> Result<Tables, Error> {
        let copy = SlabBuilder::new(store.budget());
        let mut tables = Tables { files: Vec::new(), content: Content::default(), copy };
        let mut open: Option<(SstFileWriter<'_>, usize)> = None;
        let finish = |mut writer: SstFileWriter<'_>| writer.finish().map_err(Error::rocks("finishing a table file"));
        sorter.finish(|key, row| {
            match tables.copy.is_open() {
                true => tables.copy.push(codec, &key[WIDTH..], row)?,
                false => codec.verify(&key[WIDTH..], row)?,
            }
            tables.content.add(&key[WIDTH..], row);
            let (writer, bytes) = match &mut open {
                Some(open) => open,
                None => {
                    let path = folder.join(format!("{}.sst", tables.files.len()));
                    let writer = SstFileWriter::create(store.row_options());
                    writer.open(&path).map_err(Error::rocks("beginning a table file"))?;
                    tables.files.push(path);
                    open.insert((writer, 0))
                }
            };
            writer.put(key, row).map_err(Error::rocks("writing a table file"))?;
            *bytes += key.len() + row.len();
            if *bytes >= TABLE_BYTES {
                open.take().map_or(Ok(()), |(writer, _)| finish(writer))?;
            }
            Ok(())
        })?;
        open.map_or(Ok(()), |(writer, _)| finish(writer))?;
        Ok(tables)
    }
}

impl Publication for Aside {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let sorter = &mut self.sorter;
        Ok(self.codec.encode(rows, &prefix(self.slot), |key, row| sorter.push(key, row))?)
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
