//! The states of windows, merged from their tiles: what an answer is computed from.

use asof_exact::{Integers, Sums};

use super::state::{State, open, open_checked};
use super::{CellKind, Tiles};

/// The states of windows: of row r and span s they are in the group `r · spans + s` of each column.
#[derive(Debug)]
pub struct Cells {
    /// How many windows a row has.
    pub spans: usize,
    /// One per cell of the layout.
    pub columns: Vec<CellColumn>,
}

/// One state of all windows.
#[derive(Debug)]
pub enum CellColumn {
    /// How many.
    Counts(Vec<u64>),
    /// Exact sums of floats or of their squares.
    Sums(Sums),
    /// Sums of integers.
    Integers(Integers),
    /// Greatest or least words; none of no events.
    Extremes(Vec<Option<i64>>),
}

impl Cells {
    /// Of no events.
    pub(crate) fn new(tiles: &Tiles, rows: usize, spans: usize) -> Self {
        let groups = rows * spans;
        let columns = tiles.cells.iter().map(|cell| match cell.kind {
            CellKind::Count => CellColumn::Counts(vec![0; groups]),
            CellKind::Sum | CellKind::Squares => CellColumn::Sums(Sums::new(groups)),
            CellKind::Integers | CellKind::Unsigned => CellColumn::Integers(Integers::new(groups)),
            CellKind::Greatest | CellKind::Least => CellColumn::Extremes(vec![None; groups]),
        });
        Cells { spans, columns: columns.collect() }
    }

    /// Adds a tile to the windows of a row that it is part of; with it comes whether it was checked already. Gives the
    /// latest event time in it.
    pub(crate) fn add(
        &mut self,
        key: &[u8],
        (tile, checked): (&[u8], bool),
        row: usize,
        spans: &[usize],
    ) -> Result<i64, &'static str> {
        let (latest, _, states) = if checked { open_checked(tile)? } else { open(key, tile)? };
        for span in spans {
            let mut rest = states;
            for column in &mut self.columns {
                State::skim(&mut rest, column, row * self.spans + span)?;
            }
            if !rest.is_empty() {
                return Err("a tile has more states than its view says");
            }
        }
        Ok(latest)
    }
}
