//! Rows to Parquet files of a moderate size, each with its digest, synced to disk.
//!
//! Rows wait until they are a row group; then its columns are encoded side by side on the threads of offline
//! work ([`together`]), the group before is written to its file meanwhile, and the digest of the content
//! is carried on. It is on disk by and by, so the end need not wait for all of it. Costs the memory of one group as rows and of one as bytes, at most [`BYTES_PER_GROUP`] each.
//!
//! Until somebody refers to them and says so ([`Unclaimed::keep`]), files are nobody's: they are removed when they are
//! dropped, by an error or because the work was given up.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::SchemaRef;
use asof_model::{Digest, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory};
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest as _, Sha256};

use crate::columns;
use crate::content::Content;
use crate::failure::{Failure, of_file};
use crate::layout::{BYTES_PER_GROUP, ROWS_PER_FILE, ROWS_PER_GROUP, properties};
use crate::snapshot::DataFile;
use crate::together::{Task, together};

/// Writes rows, in order, to files `<prefix>-00000.parquet`, … of a folder of this machine. Blocks.
pub(crate) struct Parts {
    folder: PathBuf,
    prefix: String,
    schema: SchemaRef,
    rows_per_file: usize,
    rows_per_group: usize,
    bytes_per_group: usize,
    content: Option<Content>,
    group: Group,
    open: Option<Part>,
    done: Vec<DataFile>,
    unclaimed: Unclaimed,
}

/// The rows of the next row group, as far as they are there.
#[derive(Default)]
struct Group {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// Files of a folder that nothing refers to yet: removed when dropped, and the folder with them where it is empty then.
#[derive(Debug)]
pub(crate) struct Unclaimed {
    folder: PathBuf,
    names: Vec<String>,
}

impl Unclaimed {
    /// Somebody may refer to the files from now on.
    pub(crate) fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        for name in &self.names {
            if let Err(error) = fs::remove_file(self.folder.join(name)) {
                tracing::debug!(%name, %error, "a file that nothing refers to could not be removed");
            }
        }
        // Only an empty folder can be removed so.
        let _ = fs::remove_dir(&self.folder);
    }
}

struct Part {
    path: PathBuf,
    name: String,
    writer: SerializedFileWriter<Hashing<BufWriter<File>>>,
    columns: ArrowRowGroupWriterFactory,
    rows: usize,
    groups: usize,
    /// The last row group, encoded and not yet written.
    encoded: Vec<ArrowColumnChunk>,
}

/// What came of writing.
pub(crate) struct Written {
    pub(crate) files: Vec<DataFile>,
    pub(crate) unclaimed: Unclaimed,
    /// The digest and the number of all rows, where it was asked for.
    pub(crate) content: Option<(Digest, u64)>,
}

impl Parts {
    /// The folder is made with the first file, where it is not there. `content`, if any, is told all rows.
    pub(crate) fn new(folder: &Path, prefix: String, schema: SchemaRef, content: Option<Content>) -> Self {
        let unclaimed = Unclaimed { folder: folder.to_owned(), names: Vec::new() };
        Parts {
            folder: folder.to_owned(),
            prefix,
            schema,
            rows_per_file: ROWS_PER_FILE,
            rows_per_group: ROWS_PER_GROUP,
            bytes_per_group: BYTES_PER_GROUP,
            content,
            group: Group::default(),
            open: None,
            done: Vec::new(),
            unclaimed,
        }
    }

    /// Adds rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let width = width(batch)?;
        let mut from = 0;
        while from < batch.num_rows() {
            let in_file = self.rows_per_file - self.open.as_ref().map_or(0, |part| part.rows);
            let room = in_file.min(self.rows_per_group) - self.group.rows;
            // One row at least, however wide.
            let room = room.min(self.bytes_per_group.saturating_sub(self.group.bytes) / width).max(1);
            let rows = room.min(batch.num_rows() - from);
            self.group.batches.push(batch.slice(from, rows));
            self.group.rows += rows;
            self.group.bytes += rows * width;
            from += rows;
            if rows == room {
                self.encode()?;
            }
        }
        Ok(())
    }

    /// Closes the last file, one without rows where there were none. All files and their names are durable afterwards.
    pub(crate) fn finish(mut self, at_least_one: bool) -> Result<Written> {
        if self.group.rows > 0 {
            self.encode()?;
        }
        if at_least_one && self.open.is_none() && self.done.is_empty() {
            self.open = Some(self.next_part(&[])?);
        }
        if let Some(part) = self.open.take() {
            self.close(part)?;
        }
        if !self.done.is_empty() {
            crate::durable::sync_folder(&self.folder).map_err(of_file(&self.folder))?;
        }
        let content = self.content.map(Content::finish);
        Ok(Written { files: self.done, unclaimed: self.unclaimed, content })
    }

    /// Encodes the group that is there, while the one before goes to its file.
    fn encode(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let mut part = match self.open.take() {
            Some(part) => part,
            None => self.next_part(&group.batches)?,
        };
        let before = std::mem::take(&mut part.encoded);
        let writers = part.columns.create_column_writers(part.groups).map_err(Failure::from)?;
        let (batches, file, path) = (&group.batches, &mut part.writer, &part.path);
        let columns = columns::of(&self.schema, file.schema_descr(), batches, writers);
        let mut encoded: Vec<_> = columns.iter().map(|_| Vec::new()).collect();
        let mut tasks: Vec<Task<'_>> = Vec::new();
        if !before.is_empty() {
            tasks.push(Box::new(move || append(file, before).and_then(|()| sync(file, path))));
        }
        for (column, chunks) in columns.into_iter().zip(&mut encoded) {
            tasks.push(Box::new(move || column.encode().map(|encoded| *chunks = encoded)));
        }
        if let Some(content) = &mut self.content {
            tasks.extend(content.tasks(batches));
        }
        together(tasks)?;
        part.encoded = encoded.into_iter().flatten().collect();
        part.groups += 1;
        part.rows += group.rows;
        if part.rows == self.rows_per_file {
            self.close(part)?;
        } else {
            self.open = Some(part);
        }
        Ok(())
    }

    fn next_part(&mut self, first: &[RecordBatch]) -> Result<Part> {
        let name = format!("{}-{:05}.parquet", self.prefix, self.done.len());
        let path = self.folder.join(&name);
        let create = || {
            crate::durable::create_folder(&self.folder)?;
            File::create_new(&path)
        };
        // Somebody who gave up may just have removed the folder, which was empty.
        let file =
            create().or_else(|error| if error.kind() == io::ErrorKind::NotFound { create() } else { Err(error) });
        let file = file.map_err(of_file(&path))?;
        self.unclaimed.names.push(name.clone());
        let properties = Some(properties(&self.schema, first)?);
        let writer = ArrowWriter::try_new(Hashing::new(BufWriter::new(file)), self.schema.clone(), properties);
        let (writer, columns) = writer.and_then(ArrowWriter::into_serialized_writer).map_err(Failure::from)?;
        Ok(Part { path, name, writer, columns, rows: 0, groups: 0, encoded: Vec::new() })
    }

    fn close(&mut self, mut part: Part) -> Result<()> {
        append(&mut part.writer, part.encoded)?;
        let mut hashing = part.writer.into_inner().map_err(Failure::from)?;
        let synced = hashing.flush().and_then(|()| hashing.inner.get_ref().sync_all());
        synced.map_err(of_file(&part.path))?;
        let digest = Digest::from_bytes(hashing.hasher.finalize().into());
        self.done.push(DataFile { path: part.name, bytes: hashing.bytes, rows: part.rows as u64, digest });
        Ok(())
    }
}

/// What a row takes in memory on average, in bytes; 1 at least.
fn width(rows: &RecordBatch) -> Result<usize> {
    let sizes = rows.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    let bytes: usize = sizes.sum::<Result<_, _>>().map_err(Failure::Arrow)?;
    Ok((bytes / rows.num_rows().max(1)).max(1))
}

/// Writes an encoded row group to its file; none is none.
fn append<W: Write + Send>(file: &mut SerializedFileWriter<W>, group: Vec<ArrowColumnChunk>) -> Result<()> {
    if group.is_empty() {
        return Ok(());
    }
    let mut columns = file.next_row_group().map_err(Failure::from)?;
    for chunk in group {
        chunk.append_to_row_group(&mut columns).map_err(Failure::from)?;
    }
    columns.close().map_err(Failure::from)?;
    Ok(())
}

/// Waits until what was written is on disk, so that little is left to wait for in the end.
fn sync(file: &mut SerializedFileWriter<Hashing<BufWriter<File>>>, path: &Path) -> Result<()> {
    let synced = file.flush().and_then(|()| file.inner().inner.get_ref().sync_data());
    Ok(synced.map_err(of_file(path))?)
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Hashing { inner, hasher: Sha256::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use std::sync::Arc;

    #[test]
    fn rows_are_cut_into_files_whose_digests_are_those_of_their_bytes() {
        let batch =
            |range| RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(folder.path(), "p".into(), batch(0..1).schema(), None);
        (parts.rows_per_file, parts.rows_per_group) = (4, 3);
        parts.write(&batch(0..3)).unwrap();
        parts.write(&batch(3..11)).unwrap();
        parts.write(&batch(11..12)).unwrap();
        let Written { files, unclaimed, .. } = parts.finish(false).unwrap();
        unclaimed.keep();
        assert_eq!(
            files.iter().map(|f| (f.path.as_str(), f.rows)).collect::<Vec<_>>(),
            [("p-00000.parquet", 4), ("p-00001.parquet", 4), ("p-00002.parquet", 4)]
        );
        for file in files {
            let bytes = std::fs::read(folder.path().join(&file.path)).unwrap();
            assert_eq!((Digest::of(&bytes), bytes.len() as u64), (file.digest, file.bytes));
        }
    }

    #[test]
    fn wide_rows_make_small_groups() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from_iter_values(0..10)) as _)]).unwrap();
        let groups = |bytes| {
            let folder = tempfile::tempdir().unwrap();
            let mut parts = Parts::new(folder.path(), "p".into(), batch.schema(), None);
            parts.bytes_per_group = bytes;
            parts.write(&batch).unwrap();
            let files = parts.finish(false).unwrap();
            let file = File::open(folder.path().join(&files.files[0].path)).unwrap();
            let footer = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().clone();
            footer.row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>()
        };
        assert_eq!(groups(24), [3, 3, 3, 1]);
        assert_eq!(groups(7), [1; 10]);
        assert_eq!(groups(80), [10]);
    }

    #[test]
    fn files_that_nobody_claims_are_gone_with_their_folder() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("1");
        let parts = || {
            let mut parts = Parts::new(&inner, "p".into(), batch.schema(), None);
            parts.rows_per_group = 1;
            parts.write(&batch).unwrap();
            parts
        };
        // Given up half-way, and after the end.
        drop(parts());
        assert!(!inner.exists());
        drop(parts().finish(false).unwrap());
        assert!(!inner.exists());
        // Not where another has files too.
        let (half, whole) = (parts(), inner.join("other"));
        fs::write(&whole, "").unwrap();
        drop(half);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
        parts().finish(false).unwrap().unclaimed.keep();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 2);
    }
}
