//! Tiles: what is kept of the events of as-of windows, so that a window of any length is a few look-ups.
//!
//! A window at the moment t holds the events with `start < ts ≤ t`, and `start` is a multiple of its hop. So time is cut
//! at the multiples of a **level**, a length in microseconds, and the tile n of that level is of the events with
//! `n · level < ts ≤ (n + 1) · level`. An event is added to one tile of each level. A window is read from its start on: in
//! small tiles to where a larger one begins, and so on; no event lies behind t, so the last and largest tile may reach
//! beyond it. With levels of an hour, a day and 32 days a window of 30 days is read from at most some eighty tiles.
//!
//! # What it promises
//! - A tile's **states** are exact ([`asof_exact`]) and merge in any order, to the bit; equal states have equal bytes. What is
//!   read is therefore what training computes from the events themselves.
//! - Tiles carry the latest event time in them, so that a moment at which some of them had not happened yet is noticed, and
//!   a checksum over key and states.
//!
//! # What it does not do
//! Tiles know no nulls, filters or types: each state has a column of a written batch of its own, in which null or false
//! means that the event does not count ([`Cell`]).
//!
//! ```text
//! key    = the entity's key, level (one byte: its place among the levels, FF for all time), tile (i64, order-preserving)
//! tile   = 81                        the version of this format, which no row begins with
//!          latest       i64          the latest event time, microseconds
//!          last seq     i64          the latest order of acceptance, 0 where that is not kept
//!          states                    one per cell: kind and state (`state`)
//!          checksum     u32          over the key and all bytes before
//! ```

mod cells;
mod cover;
mod events;
mod packed;
mod state;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use asof_model::digest::Hasher;
use serde::{Deserialize, Serialize};

pub use cells::{CellColumn, Cells, Values};
pub use cover::Span;
pub(crate) use cover::{Asked, TileKey};
pub(crate) use events::Events;
pub use packed::{Different, LastRows, MOST_BYTES};
pub(crate) use state::{Gathered, Tile, merge};

/// The version byte that every tile begins with.
pub(crate) const VERSION: u8 = 0x81;

/// The levels above the hops of windows, in microseconds.
const LEVELS: [i64; 4] = [3_600_000_000, 86_400_000_000, 32 * 86_400_000_000, 1024 * 86_400_000_000];

/// What a view's windows are read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tiles {
    /// How long the tiles of each level are, in microseconds; each divides the next.
    pub levels: Vec<i64>,
    /// Whether there is a tile of all events, too.
    pub endless: bool,
    /// The states of a tile.
    pub cells: Vec<Cell>,
}

/// One state of a tile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The column of a written batch that it is of.
    pub input: String,
    /// What of it.
    pub kind: CellKind,
    /// Which tiles have it.
    #[serde(default, skip_serializing_if = "Within::is_all")]
    pub within: Within,
}

/// Which tiles have a state. The others say in its place that they have not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// All tiles.
    #[default]
    All,
    /// Those that windows which slide are read from.
    Sliding,
    /// The tile of all events.
    Endless,
}

impl Within {
    fn is_all(&self) -> bool {
        *self == Within::All
    }

    /// Whether a tile has the state.
    fn has(self, key: TileKey) -> bool {
        match self {
            Within::All => true,
            Within::Sliding => !key.is_endless(),
            Within::Endless => key.is_endless(),
        }
    }
}

/// What is kept of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// How many are true, of `BOOLEAN`.
    Count,
    /// The exact sum, of `DOUBLE`.
    Sum,
    /// The exact sum of squares, of `DOUBLE`.
    Squares,
    /// The sum, of `BIGINT`.
    Integers,
    /// The sum, of unsigned 64-bit integers.
    Unsigned,
    /// The greatest, of `BIGINT`.
    Greatest,
    /// The least, of `BIGINT`.
    Least,
    /// The sum, of `DECIMAL(38, 0)`.
    Decimals,
    /// A sketch of quantiles, of `DOUBLE`.
    Quantiles,
    /// About how many different, of unsigned 64-bit hashes.
    Registers,
    /// The greatest, of `BINARY`.
    GreatestValue,
    /// The least, of `BINARY`.
    LeastValue,
    /// That of the first event, of `BINARY`.
    First,
    /// That of the last event, of `BINARY`.
    Last,
    /// Those of the last so many events, of `BINARY`.
    LastRows(u32),
    /// The different ones, of `BINARY`.
    Different,
    /// The bits that all have, of `BIGINT`.
    AllBits,
    /// The bits that any has, of `BIGINT`.
    AnyBits,
    /// The bits that an odd number has, of `BIGINT`.
    OddBits,
}

impl CellKind {
    /// The type of its column.
    pub(crate) fn input_type(self) -> DataType {
        match self {
            CellKind::Count => DataType::Boolean,
            CellKind::Sum | CellKind::Squares => DataType::Float64,
            CellKind::Integers
            | CellKind::Greatest
            | CellKind::Least
            | CellKind::AllBits
            | CellKind::AnyBits
            | CellKind::OddBits => DataType::Int64,
            CellKind::Unsigned | CellKind::Registers => DataType::UInt64,
            CellKind::Decimals => DataType::Decimal128(38, 0),
            CellKind::Quantiles => DataType::Float64,
            CellKind::GreatestValue
            | CellKind::LeastValue
            | CellKind::First
            | CellKind::Last
            | CellKind::LastRows(_)
            | CellKind::Different => DataType::Binary,
        }
    }

    /// Its number in fingerprints, which never changes, and how many rows it keeps.
    fn code(self) -> [u8; 5] {
        let (code, rows) = match self {
            CellKind::Count => (0, 0),
            CellKind::Sum => (1, 0),
            CellKind::Squares => (2, 0),
            CellKind::Integers => (3, 0),
            CellKind::Unsigned => (4, 0),
            CellKind::Greatest => (5, 0),
            CellKind::Least => (6, 0),
            CellKind::Decimals => (7, 0),
            CellKind::Quantiles => (8, 0),
            CellKind::Registers => (9, 0),
            CellKind::GreatestValue => (10, 0),
            CellKind::LeastValue => (11, 0),
            CellKind::First => (12, 0),
            CellKind::Last => (13, 0),
            CellKind::LastRows(most) => (14, most),
            CellKind::Different => (15, 0),
            CellKind::AllBits => (16, 0),
            CellKind::AnyBits => (17, 0),
            CellKind::OddBits => (18, 0),
        };
        let [a, b, c, d] = rows.to_le_bytes();
        [code, a, b, c, d]
    }
}

impl Tiles {
    /// For windows that slide by these hops, in microseconds. None where they do not divide one another.
    pub fn new(hops: impl IntoIterator<Item = i64>, endless: bool, cells: Vec<Cell>) -> Option<Self> {
        let mut levels: Vec<i64> = hops.into_iter().collect();
        levels.sort_unstable();
        levels.dedup();
        let divides = |pair: &[i64]| pair[0] > 0 && pair[1] % pair[0] == 0;
        if !levels.windows(2).all(divides) || levels.first().is_some_and(|hop| *hop <= 0) {
            return None;
        }
        // Larger ones between and above the hops, as far as they fit.
        for level in LEVELS {
            let place = levels.partition_point(|known| *known < level);
            let fits = place > 0 && level % levels[place - 1] == 0;
            if fits && levels.get(place).is_none_or(|next| *next != level && next % level == 0) {
                levels.insert(place, level);
            }
        }
        Some(Tiles { levels, endless, cells })
    }

    /// Whether a batch has the columns that tiles are of. One without is of rows alone.
    pub(crate) fn are_in(&self, batch: &RecordBatch) -> bool {
        self.cells.iter().all(|cell| batch.column_by_name(&cell.input).is_some())
    }

    /// Covers all that decides what is written.
    pub(crate) fn fingerprint(&self, hasher: &mut Hasher) {
        hasher.part(&[VERSION, u8::from(self.endless)]);
        hasher.part(&(self.levels.len() as u64).to_le_bytes());
        self.levels.iter().for_each(|level| {
            hasher.part(&level.to_le_bytes());
        });
        for Cell { input, kind, within } in &self.cells {
            let code = kind.code();
            // What was there before the others has the fingerprint that it had.
            hasher.part(input.as_bytes()).part(if code[0] <= 6 { &code[..1] } else { &code });
            match within {
                Within::All => {}
                Within::Sliding => drop(hasher.part(b"sliding")),
                Within::Endless => drop(hasher.part(b"endless")),
            }
        }
    }
}

#[cfg(test)]
mod tests;
