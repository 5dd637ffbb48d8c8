//! The states of windows, merged from their tiles: what an answer is computed from.

use asof_exact::{Integers, Registers, Sketches, Sums};

use super::packed::{Different, LastRows, Packed, unstamped};
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
    /// Bits that all, any or an odd number of words have; none of no events.
    Bits(Vec<Option<i64>>),
    /// Quantile sketches.
    Sketches(Sketches),
    /// About how many different values.
    Registers(Registers),
    /// Greatest, least, first or last values in bytes.
    Values(Values),
    /// The last rows.
    LastRows(Vec<LastRows>),
    /// Different values.
    Different(Vec<Different>),
}

/// One value of each window.
#[derive(Debug)]
pub struct Values {
    pub(super) held: Vec<Option<Packed>>,
    /// Whether it stands behind its stamp, which decides.
    stamped: bool,
}

impl Values {
    /// That of a window; none of no events.
    pub fn get(&self, group: usize) -> Option<&[u8]> {
        let held = self.held[group].as_deref()?;
        if self.stamped { unstamped(held).map(|(_, _, value)| value) } else { Some(held) }
    }
}

impl Cells {
    /// Of no events.
    pub(crate) fn new(tiles: &Tiles, rows: usize, spans: usize) -> Self {
        let groups = rows * spans;
        let columns = tiles.cells.iter().map(|cell| match cell.kind {
            CellKind::Count => CellColumn::Counts(vec![0; groups]),
            CellKind::Sum | CellKind::Squares => CellColumn::Sums(Sums::new(groups)),
            CellKind::Integers | CellKind::Unsigned => CellColumn::Integers(Integers::new(groups)),
            CellKind::Decimals => CellColumn::Integers(Integers::new(groups)),
            CellKind::Greatest | CellKind::Least => CellColumn::Extremes(vec![None; groups]),
            CellKind::AllBits | CellKind::AnyBits | CellKind::OddBits => CellColumn::Bits(vec![None; groups]),
            CellKind::Quantiles => CellColumn::Sketches(Sketches::new(groups)),
            CellKind::Registers => CellColumn::Registers(Registers::new(groups)),
            CellKind::GreatestValue | CellKind::LeastValue | CellKind::First | CellKind::Last => {
                let stamped = matches!(cell.kind, CellKind::First | CellKind::Last);
                CellColumn::Values(Values { held: vec![None; groups], stamped })
            }
            CellKind::LastRows(most) => CellColumn::LastRows(vec![LastRows::new(most, Vec::new()); groups]),
            CellKind::Different => CellColumn::Different(vec![Different::new(None); groups]),
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
