//! Rows to Parquet files of a moderate size, each with its digest, synced to disk.
//!
//! Until somebody refers to them and says so ([`Unclaimed::keep`]), files are nobody's: they are removed when they are
//! dropped, by an error or because the work was given up.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use asof_model::{Digest, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};

use crate::SEQ;
use crate::failure::{Failure, of_file};
use crate::snapshot::DataFile;

/// The most rows in a file.
const ROWS_PER_FILE: u64 = 1 << 20;
/// Rows in a row group: small enough to be skipped, large enough to be scanned at speed.
const ROWS_PER_GROUP: usize = 1 << 17;
/// Bytes in one, where rows are wide: it is held in memory until it is written.
const BYTES_PER_GROUP: usize = 64 << 20;
/// Rows in a page, the least that can be read of a column.
const ROWS_PER_PAGE: usize = 1 << 11;

/// A page that compression does not bring below this share of its size is written as it is: to decompress it would take longer than
/// to read what was saved.
const WORTH_COMPRESSING: f64 = 0.85;

/// Writes rows, in order, to files `<prefix>-00000.parquet`, … of a folder of this machine. Blocks.
pub(crate) struct Parts {
    folder: PathBuf,
    prefix: String,
    schema: SchemaRef,
    rows_per_file: u64,
    open: Option<Part>,
    done: Vec<DataFile>,
    unclaimed: Unclaimed,
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
    writer: ArrowWriter<Hashing<BufWriter<File>>>,
    rows: u64,
}

impl Parts {
    /// The folder is made with the first file, where it is not there.
    pub(crate) fn new(folder: &Path, prefix: String, schema: SchemaRef) -> Self {
        let unclaimed = Unclaimed { folder: folder.to_owned(), names: Vec::new() };
        Parts {
            folder: folder.to_owned(),
            prefix,
            schema,
            rows_per_file: ROWS_PER_FILE,
            open: None,
            done: Vec::new(),
            unclaimed,
        }
    }

    /// Adds rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let mut part = match self.open.take() {
                Some(part) => part,
                None => self.next_part()?,
            };
            let room = usize::try_from(self.rows_per_file - part.rows).unwrap_or(usize::MAX);
            let rows = room.min(batch.num_rows() - from);
            part.writer.write(&batch.slice(from, rows)).map_err(Failure::from)?;
            part.rows += rows as u64;
            from += rows;
            if part.rows == self.rows_per_file {
                self.close(part)?;
            } else {
                self.open = Some(part);
            }
        }
        Ok(())
    }

    /// Opens a file if there is none yet, so that there is one even without rows.
    pub(crate) fn at_least_one(&mut self) -> Result<()> {
        if self.open.is_none() && self.done.is_empty() {
            self.open = Some(self.next_part()?);
        }
        Ok(())
    }

    /// Closes the last file. All files and their names are durable afterwards.
    pub(crate) fn finish(mut self) -> Result<(Vec<DataFile>, Unclaimed)> {
        if let Some(part) = self.open.take() {
            self.close(part)?;
        }
        if !self.done.is_empty() {
            crate::durable::sync_folder(&self.folder).map_err(of_file(&self.folder))?;
        }
        Ok((self.done, self.unclaimed))
    }

    fn next_part(&mut self) -> Result<Part> {
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
        let properties = Some(properties(&self.schema));
        let writer = ArrowWriter::try_new(Hashing::new(BufWriter::new(file)), self.schema.clone(), properties);
        Ok(Part { path, name, writer: writer.map_err(Failure::from)?, rows: 0 })
    }

    fn close(&mut self, part: Part) -> Result<()> {
        let mut hashing = part.writer.into_inner().map_err(Failure::from)?;
        let synced = hashing.flush().and_then(|()| hashing.inner.get_ref().sync_all());
        synced.map_err(of_file(&part.path))?;
        let digest = Digest::from_bytes(hashing.hasher.finalize().into());
        self.done.push(DataFile { path: part.name, bytes: hashing.bytes, rows: part.rows, digest });
        Ok(())
    }
}

/// How files are laid out: see docs/decisions/0007-layout-of-files.md.
fn properties(schema: &Schema) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        // A page of the second version may say of itself that it is not compressed; floats hardly ever are.
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_data_page_v2_compression_ratio_threshold(WORTH_COMPRESSING)
        .set_encoding(Encoding::PLAIN)
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_max_row_group_bytes(Some(BYTES_PER_GROUP))
        .set_data_page_row_count_limit(ROWS_PER_PAGE)
        .set_write_batch_size(ROWS_PER_PAGE)
        .set_created_by(concat!("asof ", env!("CARGO_PKG_VERSION")).to_owned());
    for field in schema.fields() {
        // Values that hardly repeat: a dictionary would be as large as they are, and slow to read through.
        if field.name() == SEQ
            || field.data_type().is_floating()
            || matches!(field.data_type(), DataType::Timestamp(_, _))
        {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
        }
    }
    properties.build()
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
    use std::sync::Arc;

    #[test]
    fn rows_are_cut_into_files_whose_digests_are_those_of_their_bytes() {
        let batch =
            |range| RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(folder.path(), "p".into(), batch(0..1).schema());
        parts.rows_per_file = 4;
        parts.write(&batch(0..3)).unwrap();
        parts.write(&batch(3..11)).unwrap();
        parts.write(&batch(11..12)).unwrap();
        let (files, unclaimed) = parts.finish().unwrap();
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
    fn files_that_nobody_claims_are_gone_with_their_folder() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("1");
        let parts = || {
            let mut parts = Parts::new(&inner, "p".into(), batch.schema());
            parts.write(&batch).unwrap();
            parts
        };
        // Given up half-way, and after the end.
        drop(parts());
        assert!(!inner.exists());
        drop(parts().finish().unwrap());
        assert!(!inner.exists());
        // Not where another has files too.
        let (half, whole) = (parts(), inner.join("other"));
        fs::write(&whole, "").unwrap();
        drop(half);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
        let (_, unclaimed) = parts().finish().unwrap();
        unclaimed.keep();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 2);
    }
}
