//! Events into tiles.

use std::collections::btree_map::Entry;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type, UInt64Type};
use asof_exact::{Integers, Registers, Sketches, Sums};

use super::packed::{Different, LastRows, Packed, stamped};
use super::state::{Bits, Gathered, State, Tile};
use super::{Cell, CellKind, TileKey, Tiles};
use crate::row::Stamp;

/// The columns of a batch of events, as states want them.
pub(crate) struct Events<'a> {
    tiles: &'a Tiles,
    inputs: Vec<(&'a Cell, ArrayRef)>,
}

impl<'a> Events<'a> {
    /// The columns were checked against the types of their cells.
    pub(crate) fn new(
        tiles: &'a Tiles,
        mut column: impl FnMut(&Cell) -> Result<ArrayRef, crate::Error>,
    ) -> Result<Self, crate::Error> {
        let inputs = tiles.cells.iter().map(|cell| Ok((cell, column(cell)?)));
        Ok(Events { tiles, inputs: inputs.collect::<Result<_, crate::Error>>()? })
    }

    /// Adds an event of an entity to its tiles.
    pub(crate) fn add(
        &self,
        row: usize,
        entity: &[u8],
        stamp: Stamp,
        gathered: &mut Gathered,
    ) -> Result<(), &'static str> {
        for key in TileKey::all(self.tiles, stamp.event_time.0) {
            let tile = self.tile(row, stamp, key);
            match gathered.entry([entity, &key.to_bytes()].concat()) {
                Entry::Occupied(mut held) => held.get_mut().absorb(tile)?,
                Entry::Vacant(free) => drop(free.insert(tile)),
            }
        }
        Ok(())
    }

    /// The tile of one event.
    fn tile(&self, row: usize, stamp: Stamp, key: TileKey) -> Tile {
        let state = |(cell, column): &(&Cell, ArrayRef)| match cell.within.has(key) {
            true => state(cell.kind, column, row, stamp),
            false => State::Nothing,
        };
        Tile { latest: stamp.event_time.0, last_seq: stamp.seq, states: self.inputs.iter().map(state).collect() }
    }
}

/// The state of one event.
fn state(kind: CellKind, column: &ArrayRef, row: usize, stamp: Stamp) -> State {
    let valid = column.is_valid(row);
    match kind {
        CellKind::Count => State::Count(u64::from(valid && column.as_boolean().value(row))),
        CellKind::Sum | CellKind::Squares => {
            let mut sum = Sums::new(1);
            let value = column.as_primitive::<Float64Type>().value(row);
            match (valid, kind) {
                (false, _) => {}
                (true, CellKind::Squares) => sum.add_square(0, value),
                (true, _) => sum.add(0, value),
            }
            State::Sum(sum)
        }
        CellKind::Integers | CellKind::Unsigned | CellKind::Decimals => {
            let mut sum = Integers::new(1);
            if valid {
                let value = match kind {
                    CellKind::Unsigned => i128::from(column.as_primitive::<UInt64Type>().value(row)),
                    CellKind::Decimals => column.as_primitive::<Decimal128Type>().value(row),
                    _ => i128::from(column.as_primitive::<Int64Type>().value(row)),
                };
                sum.add(0, value);
            }
            State::Integers(sum)
        }
        CellKind::Greatest | CellKind::Least if valid => {
            State::Extreme(kind == CellKind::Greatest, column.as_primitive::<Int64Type>().value(row))
        }
        CellKind::Quantiles => {
            let mut sketch = Sketches::new(1);
            if valid {
                sketch.add(0, column.as_primitive::<Float64Type>().value(row));
            }
            State::Sketch(sketch)
        }
        CellKind::Registers => {
            let mut registers = Registers::new(1);
            if valid {
                registers.add(0, column.as_primitive::<UInt64Type>().value(row));
            }
            State::Registers(registers)
        }
        CellKind::GreatestValue | CellKind::LeastValue if valid => {
            State::Value(kind == CellKind::GreatestValue, Packed::from(column.as_binary::<i32>().value(row)))
        }
        CellKind::First | CellKind::Last if valid => {
            State::Value(kind == CellKind::Last, stamped(stamp, column.as_binary::<i32>().value(row)))
        }
        CellKind::LastRows(most) => {
            let row = valid.then(|| stamped(stamp, column.as_binary::<i32>().value(row)));
            State::LastRows(LastRows::new(most, row.into_iter().collect()))
        }
        CellKind::Different => {
            State::Different(Different::new(valid.then(|| Packed::from(column.as_binary::<i32>().value(row)))))
        }
        CellKind::AllBits | CellKind::AnyBits | CellKind::OddBits if valid => {
            let of = match kind {
                CellKind::AllBits => Bits::All,
                CellKind::AnyBits => Bits::Any,
                _ => Bits::Odd,
            };
            State::Bits(of, column.as_primitive::<Int64Type>().value(row))
        }
        CellKind::AllBits
        | CellKind::AnyBits
        | CellKind::OddBits
        | CellKind::Greatest
        | CellKind::Least
        | CellKind::GreatestValue
        | CellKind::LeastValue
        | CellKind::First
        | CellKind::Last => State::Nothing,
    }
}
