//! Parquet. Page checksums are compared where a file has them.

use asof_model::Result;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{Raw, Reader, file, unreadable};
use crate::ingest::source::Piece;
use crate::ingest::survey::FileColumns;

const WHAT: &str = "Parquet file";

pub(super) fn survey(piece: &Piece) -> Result<FileColumns> {
    let builder = builder(piece)?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    Ok(FileColumns::typed(&piece.shown, builder.schema(), Some(rows))?)
}

pub(super) fn open(piece: &Piece, batch: usize) -> Result<ParquetReader> {
    let inner = builder(piece)?.with_batch_size(batch).build().map_err(|e| unreadable(piece, WHAT, e))?;
    Ok(ParquetReader { inner, piece: piece.clone() })
}

fn builder(piece: &Piece) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>> {
    let file = file(piece)?;
    Ok(ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(piece, WHAT, e))?)
}

pub(super) struct ParquetReader {
    inner: ParquetRecordBatchReader,
    piece: Piece,
}

impl Reader for ParquetReader {
    fn next(&mut self) -> Result<Option<Raw>> {
        let batch = self.inner.next().transpose().map_err(|e| unreadable(&self.piece, WHAT, e))?;
        Ok(batch.map(|batch| Raw { columns: batch.columns().to_vec(), rows: batch.num_rows(), lines: None }))
    }
}
