//! Rows in the order of their keys, into table files of a slot.
//!
//! A thread of its own writes the files, so that whoever makes or merges rows goes on meanwhile; some chunks of rows wait
//! between the two. Dropped before [`Tables::finish`], it waits for the thread, whose files are in nobody's way.

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
    content: Content,
    /// Taken only at the end.
    copy: Option<SlabBuilder>,
    chunk: Chunk,
    last: Vec<u8>,
    /// Taken only at the end.
    sender: Option<SyncSender<Chunk>>,
    thread: Option<JoinHandle<Result<Vec<PathBuf>, Error>>>,
}

/// Keys and rows one after the other, and how long each is.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    lengths: Vec<(u32, u32)>,
}

impl Tables {
    /// Files of rows of `codec`, in a folder that exists.
    pub(crate) fn new(store: &Arc<Inner>, codec: &Arc<Codec>, folder: &Path) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(WAITING);
        let (thread_store, path) = (Arc::clone(store), folder.to_owned());
        let named = std::thread::Builder::new().name("asof-tables".to_owned());
        let thread = named.spawn(move || write(&receiver, &path, thread_store.row_options()));
        let thread = thread.map_err(Error::file("beginning to write to", folder))?;
        Ok(Tables {
            codec: Arc::clone(codec),
            content: Content::default(),
            copy: Some(SlabBuilder::new(store.budget())),
            chunk: Chunk::default(),
            last: Vec::new(),
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Adds a row that has been to the disk and back: its checksum is verified.
    pub(crate) fn add_again(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        self.content.add(&key[WIDTH..], row);
        self.put_again(key, row)
    }

    /// The same, of a row that is witnessed already.
    pub(crate) fn put_again(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        match &mut self.copy {
            Some(copy) if copy.is_open() => copy.push(&self.codec, &key[WIDTH..], row)?,
            _ => self.codec.verify(&key[WIDTH..], row)?,
        }
        self.put(key, row)
    }

    /// Adds a row, whose key is greater than all before.
    pub(crate) fn add(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        self.content.add(&key[WIDTH..], row);
        if let Some(copy) = &mut self.copy {
            copy.push(&self.codec, &key[WIDTH..], row)?;
        }
        self.put(key, row)
    }

    fn put(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        self.chunk.bytes.extend_from_slice(key);
        self.chunk.bytes.extend_from_slice(row);
        self.chunk.lengths.push((key.len() as u32, row.len() as u32));
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
        let chunk = std::mem::take(&mut self.chunk);
        match self.sender.as_ref().map(|sender| sender.send(chunk)) {
            Some(Ok(())) => Ok(()),
            // The thread has ended, and says why.
            _ => self.join().map(drop),
        }
    }

    fn join(&mut self) -> Result<Vec<PathBuf>, Error> {
        self.sender = None;
        let ended = || Error::Malformed("the thread that writes table files is gone".to_owned());
        self.thread.take().ok_or_else(ended)?.join().map_err(|_| ended())?
    }

    /// The files, the witness of all rows, and a copy of them if there is memory for it.
    pub(crate) fn finish(mut self) -> Result<(Vec<PathBuf>, Content, Copy), Error> {
        if !self.chunk.lengths.is_empty() {
            self.hand_over()?;
        }
        let files = self.join()?;
        let copy = self.copy.take().map_or(Err(0), SlabBuilder::finish);
        Ok((files, std::mem::take(&mut self.content), Copy::new(copy)))
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        // Nobody wants its files; but they are to be removed after it has ended.
        drop(self.join());
    }
}

/// Writes chunks to table files as they come.
fn write(chunks: &Receiver<Chunk>, folder: &Path, options: &Options) -> Result<Vec<PathBuf>, Error> {
    let (mut files, mut open) = (Vec::new(), None);
    let finish = |mut writer: SstFileWriter<'_>| writer.finish().map_err(Error::rocks("finishing a table file"));
    while let Ok(Chunk { bytes, lengths }) = chunks.recv() {
        let mut rest = bytes.as_slice();
        for (key, row) in lengths {
            let (pair, more) = rest.split_at(key as usize + row as usize);
            let (key, row) = pair.split_at(key as usize);
            rest = more;
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
            *written += pair.len();
            if *written >= TABLE_BYTES {
                open.take().map_or(Ok(()), |(writer, _)| finish(writer))?;
            }
        }
    }
    open.map_or(Ok(()), |(writer, _)| finish(writer))?;
    Ok(files)
}
