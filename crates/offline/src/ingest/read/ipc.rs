//! Arrow IPC. A file holds a stream between its first bytes and its footer, so both are read as streams, after
//! [`super::ipc_bounds`] has held every length in it against the size of the file.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Take};

use arrow::ipc::reader::StreamReader;
use asof_model::Result;

use super::ipc_bounds::{self, Span};
use super::{Raw, Reader, file, unreadable};
use crate::failure::of_file;
use crate::ingest::source::{Encoding, Piece};
use crate::ingest::survey::FileColumns;

const WHAT: &str = "Arrow IPC file";

pub(super) fn survey(piece: &Piece) -> Result<FileColumns> {
    let reader = open(piece)?;
    Ok(FileColumns::typed(&piece.shown, &reader.inner.schema(), None)?)
}

pub(super) fn open(piece: &Piece) -> Result<IpcReader> {
    let mut file = file(piece)?;
    let Span { start, end } = ipc_bounds::check(&mut file, piece.encoding == Encoding::ArrowFile)
        .map_err(|why| unreadable(piece, WHAT, why))?;
    file.seek(SeekFrom::Start(start)).map_err(of_file(&piece.path))?;
    let stream = BufReader::new(file).take(end - start);
    let inner = StreamReader::try_new(stream, None).map_err(|e| unreadable(piece, WHAT, e))?;
    Ok(IpcReader { inner, piece: piece.clone() })
}

pub(super) struct IpcReader {
    inner: StreamReader<Take<BufReader<File>>>,
    piece: Piece,
}

impl Reader for IpcReader {
    fn next(&mut self) -> Result<Option<Raw>> {
        let batch = self.inner.next().transpose().map_err(|e| unreadable(&self.piece, WHAT, e))?;
        Ok(batch.map(|batch| Raw { columns: batch.columns().to_vec(), rows: batch.num_rows(), lines: None }))
    }
}
