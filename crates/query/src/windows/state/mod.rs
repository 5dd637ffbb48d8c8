//! What is kept of the events of a window while they come, in any order, and what comes of it per slot.

mod distinct;
mod ends;
mod engine;
mod extremes;
mod quantiles;
mod registers;
mod totals;
mod tree;
mod values;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::place::{Placed, Slots};
use distinct::Distinct;
use ends::Ends;
use engine::Engine;
pub(super) use engine::{Aggregate, type_of};
use extremes::Extremes;
pub(super) use extremes::{float_to_word, from_words, is_a_word, to_words};
use quantiles::Quantiles;
pub(super) use quantiles::quantiles;
use registers::Registers;
pub(super) use registers::to_hashes;
use totals::{Counts, Floats, Integers};
pub(super) use totals::{deviation, mean, mean_of_decimals, mean_of_integers, more_digits, typed};
pub(super) use values::canonical;

/// Some events: what windows are computed of, and what ranks them.
pub(super) struct Batch<'a> {
    /// The columns that windows read, as [`super::evaluate`] numbers them.
    pub(super) inputs: Vec<ArrayRef>,
    pub(super) times: &'a Int64Array,
    pub(super) known: Option<&'a Int64Array>,
    pub(super) seq: Option<&'a Int64Array>,
}

/// The rank of an event (rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) time: i64,
    pub(super) known: i64,
    pub(super) seq: i64,
}

impl Batch<'_> {
    pub(super) fn rank(&self, row: u32) -> Rank {
        let row = row as usize;
        let time = self.times.value(row);
        let at = |column: Option<&Int64Array>| column.filter(|c| c.is_valid(row)).map(|c| c.value(row));
        Rank { time, known: at(self.known).unwrap_or(time), seq: at(self.seq).unwrap_or(i64::MIN) }
    }
}

/// What a state is of: inputs are numbered as in [`Batch::inputs`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// How many events, or how many with a value.
    Count(Option<usize>),
    /// The exact sum of floats, or of their squares.
    Floats { input: usize, squared: bool },
    /// The exact sum of integers or decimals.
    Integers(usize),
    /// The least or greatest value.
    Extreme { input: usize, greatest: bool },
    /// The value of the first or last event.
    End { input: usize, last: bool, ignore_nulls: bool },
    /// The different values.
    Distinct(usize),
    /// HyperLogLog registers of the values.
    Registers(usize),
    /// A quantile sketch of the values.
    Quantiles(usize),
    /// An aggregate of the engine's.
    Engine(Aggregate),
}

impl Kind {
    /// What it takes before anything comes, in words per slot.
    pub(super) fn words(&self) -> usize {
        match self {
            Kind::Count(_) => 1,
            Kind::Floats { .. } | Kind::Integers(_) | Kind::Extreme { .. } | Kind::End { .. } => 2,
            Kind::Quantiles(_) => 4,
            Kind::Distinct(_) | Kind::Registers(_) | Kind::Engine(_) => 0,
        }
    }
}

/// One state, for all slots.
pub(super) enum State {
    Counts(Counts),
    Floats(Floats),
    Integers(Integers),
    Extremes(Extremes),
    Ends(Ends),
    Distinct(Distinct),
    Registers(Registers),
    Quantiles(Quantiles),
    Engine(Engine),
}

impl State {
    /// Of no events yet. `types` are those of the inputs.
    pub(super) fn new(kind: &Kind, slots: usize, types: &[DataType]) -> Result<Self> {
        Ok(match kind {
            Kind::Count(input) => State::Counts(Counts::new(*input, slots)),
            Kind::Floats { input, squared } => State::Floats(Floats::new(*input, *squared, slots)),
            Kind::Integers(input) => State::Integers(Integers::new(*input, slots)),
            Kind::Extreme { input, greatest } => {
                State::Extremes(Extremes::new(*input, *greatest, slots, &types[*input])?)
            }
            Kind::End { input, last, ignore_nulls } => {
                State::Ends(Ends::new(*input, *last, *ignore_nulls, slots, &types[*input])?)
            }
            Kind::Distinct(input) => State::Distinct(Distinct::new(*input, &types[*input])?),
            Kind::Registers(input) => State::Registers(Registers::new(*input, &types[*input])?),
            Kind::Quantiles(input) => State::Quantiles(Quantiles::new(*input, slots)),
            Kind::Engine(aggregate) => State::Engine(Engine::new(aggregate.clone())?),
        })
    }

    /// Takes events in, each for its stretch of slots.
    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        match self {
            State::Counts(state) => state.absorb(placed, batch),
            State::Floats(state) => state.absorb(placed, batch)?,
            State::Integers(state) => state.absorb(placed, batch)?,
            State::Extremes(state) => state.absorb(placed, batch)?,
            State::Ends(state) => state.absorb(placed, batch)?,
            State::Distinct(state) => state.absorb(placed, batch)?,
            State::Registers(state) => state.absorb(placed, batch)?,
            State::Quantiles(state) => state.absorb(placed, batch)?,
            State::Engine(state) => state.absorb(placed, batch)?,
        }
        Ok(())
    }

    /// Takes in what another partition found. Both are of one kind.
    pub(super) fn merge(&mut self, other: State) -> Result<()> {
        match (self, other) {
            (State::Counts(all), State::Counts(more)) => all.merge(&more),
            (State::Floats(all), State::Floats(more)) => all.merge(&more),
            (State::Integers(all), State::Integers(more)) => all.merge(&more),
            (State::Extremes(all), State::Extremes(more)) => all.merge(more),
            (State::Ends(all), State::Ends(more)) => all.merge(more),
            (State::Distinct(all), State::Distinct(more)) => all.merge(more),
            (State::Registers(all), State::Registers(more)) => all.merge(more),
            (State::Quantiles(all), State::Quantiles(more)) => all.merge(&more),
            (State::Engine(all), State::Engine(more)) => all.merge(more)?,
            _ => return datafusion::common::internal_err!("states of two kinds are merged"),
        }
        Ok(())
    }

    /// From what came where to what each slot has: running totals, or the tree's nodes brought down to its leaves.
    pub(super) fn settle(&mut self, slots: &dyn Slots) {
        match self {
            State::Counts(state) => state.settle(slots),
            State::Floats(state) => state.settle(slots),
            State::Integers(state) => state.settle(slots),
            State::Extremes(state) => state.settle(slots),
            State::Quantiles(state) => state.settle(slots),
            // These look along the path from leaf to root when they are asked.
            State::Ends(_) | State::Distinct(_) | State::Registers(_) | State::Engine(_) => {}
        }
    }

    /// Memory held, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            State::Counts(state) => state.size(),
            State::Floats(state) => state.size(),
            State::Integers(state) => state.size(),
            State::Extremes(state) => state.size(),
            State::Ends(state) => state.size(),
            State::Distinct(state) => state.size(),
            State::Registers(state) => state.size(),
            State::Quantiles(state) => state.size(),
            State::Engine(state) => state.size(),
        }
    }
}

/// Whether an event has a value.
fn is_valid(values: &dyn Array, row: u32) -> bool {
    values.is_valid(row as usize)
}
