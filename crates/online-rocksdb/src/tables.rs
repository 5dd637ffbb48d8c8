//! Rows in the order of their keys, into table files of a slot.
//!
//! One thread writes the files and another witnesses the rows, so that whoever makes or merges rows goes on meanwhile; some chunks
//! of rows wait between them. Dropped before [`Tables::finish`], it waits for both, whose files are in nobody's way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use asof_online::{Codec, Content, SlabBuilder};
use rocksdb::{Options, SstFileWriter};

use crate::cleaning::WIDTH;
use crate::copy::Copy;
use crate::error::Error;
use crate::store::Inner;

/// Bytes of rows in a table file, before compression, before another is begun.
const TABLE_BYTES: usize = 256 << 20;
/// Bytes of rows that are handed over at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that wait for the thread.
const WAITING: usize = 4;

/// Table files in the making, and the witness of their rows.
pub(crate) struct Tables {
    codec: Arc<Codec>,
    /// Of rows that are witnessed elsewhere.
    content: Content,
    /// Taken only at the end.
    copy: Option<SlabBuilder>,
    chunk: Chunk,
    last: Vec<u8>,
    files: Reader<Vec<PathBuf>>,
    witness: Reader<Content>,
}

/// A thread that is sent chunks, and what it makes of them.
struct Reader<T> {
    /// Taken only at the end.
    sender: Option<SyncSender<Arc<Chunk>>>,
    thread: Option<JoinHandle<Result<T, Error>>>,
}

impl<T: Send + 'static> Reader<T> {
    fn new(
        name: &str,
        folder: &Path,
        read: impl FnOnce(&Receiver<Arc<Chunk>>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || read(&receiver));
        let thread = thread.map_err(Error::file("beginning to write to", folder))?;
        Ok(Reader { sender: Some(sender), thread: Some(thread) })
    }

    fn send(&mut self, chunk: &Arc<Chunk>) -> Result<(), Error> {
        match self.sender.as_ref().map(|sender| sender.send(Arc::clone(chunk))) {
            Some(Ok(())) => Ok(()),
            // The thread has ended, and says why.
            _ => self.join().map(drop),
        }
    }

    fn join(&mut self) -> Result<T, Error> {
        self.sender = None;
        let ended = || Error::Malformed("a thread that reads rows for table files is gone".to_owned());
        self.thread.take().ok_or_else(ended)?.join().map_err(|_| ended())?
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // Nobody wants its files; but they are to be removed after it has ended.
            drop(thread.join());
        }
    }
}

/// Keys and rows one after the other; how long each is, and whether it is to be witnessed.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    rows: Vec<(u32, u32, bool)>,
}

impl Tables {
    /// Files of rows of `codec`, in a folder that exists.
    pub(crate) fn new(store: &Arc<Inner>, codec: &Arc<Codec>, folder: &Path) -> Result<Self, Error> {
        let (thread_store, path) = (Arc::clone(store), folder.to_owned());
        let files = Reader::new("asof-tables", folder, move |chunks| write(chunks, &path, thread_store.row_options()))?;
        let witness = Reader::new("asof-content", folder, |chunks| Ok(witness(chunks)))?;
        Ok(Tables {
            codec: Arc::clone(codec),
            content: Content::default(),
            copy: Some(SlabBuilder::new(store.budget())),
            chunk: Chunk::default(),
            last: Vec::new(),
            files,
            witness,
        })
    }

    /// Adds a row that has been to the disk and back: its checksum is verified.
    pub(crate) fn add_again(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        self.verify(key, row)?;
        self.put(key, row, true)
    }

    /// The same, of a row that is witnessed already.
    pub(crate) fn put_again(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        self.verify(key, row)?;
        self.put(key, row, false)
    }

    /// Copies a row, which verifies it, or does only that.
    fn verify(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        match &mut self.copy {
            Some(copy) if copy.is_open() => copy.push(&self.codec, &key[WIDTH..], row)?,
            _ => self.codec.verify(&key[WIDTH..], row)?,
        }
        Ok(())
    }

    /// Adds a row, whose key is greater than all before.
    pub(crate) fn add(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        if let Some(copy) = &mut self.copy {
            copy.push(&self.codec, &key[WIDTH..], row)?;
        }
        self.put(key, row, true)
    }

    fn put(&mut self, key: &[u8], row: &[u8], witnessed: bool) -> Result<(), Error> {
        self.chunk.bytes.extend_from_slice(key);
        self.chunk.bytes.extend_from_slice(row);
        self.chunk.rows.push((key.len() as u32, row.len() as u32, witnessed));
        if self.chunk.bytes.len() >= CHUNK_BYTES { self.hand_over() } else { Ok(()) }
    }

    /// Counts rows in that are put without being witnessed.
    pub(crate) fn witness(&mut self, content: &Content) {
        self.content.absorb(content);
    }

    /// Whether a key is greater than all that were asked about before.
    pub(crate) fn follows(&mut self, key: &[u8]) -> bool {
        let follows = self.last.as_slice() < key;
        self.last.clear();
        self.last.extend_from_slice(key);
        follows
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        let chunk = Arc::new(std::mem::take(&mut self.chunk));
        self.witness.send(&chunk)?;
        self.files.send(&chunk)
    }

    /// The files, the witness of all rows, and a copy of them if there is memory for it.
    pub(crate) fn finish(mut self) -> Result<(Vec<PathBuf>, Content, Copy), Error> {
        if !self.chunk.rows.is_empty() {
            self.hand_over()?;
        }
        let files = self.files.join()?;
        let mut content = self.witness.join()?;
        content.absorb(&self.content);
        let copy = self.copy.take().map_or(Err(0), SlabBuilder::finish);
        Ok((files, content, Copy::new(copy)))
    }
}

impl Chunk {
    /// The rows: key, row, and whether it is to be witnessed.
    fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8], bool)> {
        let mut rest = self.bytes.as_slice();
        self.rows.iter().map(move |(key, row, witnessed)| {
            let (pair, more) = rest.split_at(*key as usize + *row as usize);
            rest = more;
            let (key, row) = pair.split_at(*key as usize);
            (key, row, *witnessed)
        })
    }
}

fn witness(chunks: &Receiver<Arc<Chunk>>) -> Content {
    let mut content = Content::default();
    while let Ok(chunk) = chunks.recv() {
        let witnessed = chunk.rows().filter(|(.., witnessed)| *witnessed);
        witnessed.for_each(|(key, row, _)| content.add(&key[WIDTH..], row));
    }
    content
}

fn write(chunks: &Receiver<Arc<Chunk>>, folder: &Path, options: &Options) -> Result<Vec<PathBuf>, Error> {
    let (mut files, mut open) = (Vec::new(), None);
    let finish = |mut writer: SstFileWriter<'_>| writer.finish().map_err(Error::rocks("finishing a table file"));
    while let Ok(chunk) = chunks.recv() {
        for (key, row, _) in chunk.rows() {
            let (writer, written) = match &mut open {
                Some(open) => open,
                None => {
                    let path = folder.join(format!("{}.sst", files.len()));
                    let writer = SstFileWriter::create(options);
                    writer.open(&path).map_err(Error::rocks("beginning a table file"))?;
                    files.push(path);
                    open.insert((writer, 0))
                }
            };
            writer.put(key, row).map_err(Error::rocks("writing a table file"))?;
            *written += key.len() + row.len();
            if *written >= TABLE_BYTES {
                open.take().map_or(Ok(()), |(writer, _)| finish(writer))?;
            }
        }
    }
    open.map_or(Ok(()), |(writer, _)| finish(writer))?;
    Ok(files)
}
