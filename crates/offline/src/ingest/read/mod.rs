//! Files to batches of their own columns, as they are: converting to the dataset's types comes after.
//!
//! Everything here blocks, and runs on threads where that is allowed. What a hostile file can make these readers
//! allocate is bounded by its size or by a limit; a panic of a library ends the ingest, not the process.

mod csv;
mod ipc;
mod ipc_bounds;
mod json;
mod parquet;

use std::fs::File;

use arrow::array::{ArrayRef, StringBuilder};
use asof_model::Result;

use super::refusal::{Refusal, Row};
use super::source::{Encoding, Piece};
use super::survey::FileColumns;
use crate::failure::of_file;

/// The longest record of a text file, in bytes: a quote that is never closed must not fill the memory.
const MAX_RECORD: usize = 16 << 20;

/// Some rows of a file: all its columns, in the order of its survey.
pub(crate) struct Raw {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
    /// The line where each row begins, in a text file.
    pub(crate) lines: Option<Vec<u64>>,
}

/// Reads a file from its beginning.
pub(crate) trait Reader {
    /// The next rows; none at the end.
    fn next(&mut self) -> Result<Option<Raw>>;
}

/// The columns of a file; with `types`, also which types would hold all their values (of a text file: reads it whole).
pub(crate) fn survey(piece: &Piece, null: &[String], types: bool) -> Result<FileColumns> {
    match piece.encoding {
        Encoding::Parquet => parquet::survey(piece),
        Encoding::ArrowFile | Encoding::ArrowStream => ipc::survey(piece),
        Encoding::Csv(separator) => csv::survey(piece, separator, null, types),
        Encoding::JsonLines => json::survey(piece),
    }
}

/// Opens a file that was surveyed.
pub(crate) fn open(piece: &Piece, columns: &FileColumns, null: &[String], rows: usize) -> Result<Box<dyn Reader>> {
    Ok(match piece.encoding {
        Encoding::Parquet => Box::new(parquet::open(piece, rows)?),
        Encoding::ArrowFile | Encoding::ArrowStream => Box::new(ipc::open(piece)?),
        Encoding::Csv(separator) => Box::new(csv::open(piece, separator, null, rows)?),
        Encoding::JsonLines => Box::new(json::open(piece, columns, rows)?),
    })
}

fn file(piece: &Piece) -> Result<File> {
    Ok(File::open(&piece.path).map_err(of_file(&piece.path))?)
}

fn unreadable(piece: &Piece, what: &str, why: impl std::fmt::Display) -> Refusal {
    Refusal::Unreadable { file: piece.shown.clone(), why: format!("not a readable {what}: {why}") }
}

/// Texts of several columns, row by row.
struct Texts {
    columns: Vec<StringBuilder>,
    lines: Vec<u64>,
}

impl Texts {
    fn new(columns: usize) -> Self {
        Texts { columns: std::iter::repeat_with(StringBuilder::new).take(columns).collect(), lines: Vec::new() }
    }

    fn rows(&self) -> usize {
        self.lines.len()
    }

    /// About how many bytes of text are held.
    fn bytes(&self) -> usize {
        self.columns.iter().map(|c| c.values_slice().len()).sum()
    }

    fn take(&mut self) -> Raw {
        let columns = self.columns.iter_mut().map(|c| std::sync::Arc::new(c.finish()) as ArrayRef).collect();
        let lines = std::mem::take(&mut self.lines);
        Raw { columns, rows: lines.len(), lines: Some(lines) }
    }
}

fn row(piece_shown: &str, row: u64, line: u64) -> Row {
    Row { file: piece_shown.to_owned(), row, line: Some(line) }
}
