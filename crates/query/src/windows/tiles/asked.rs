//! What is asked of tiles: which words are kept of an event, which states a tile has, and how calls read them.

use datafusion::arrow::datatypes::{DataType, Schema};

use super::super::state::is_a_word;
use super::super::{Argument, Frame, Measure, WindowCall};

/// Calls over the tiles of one view.
#[derive(Debug, Default)]
pub(in super::super) struct Asked {
    /// The frames, each once: `RANGE`s and `OVER ()`.
    pub(super) frames: Vec<Frame>,
    /// The values that are kept of an event, a word each.
    pub(super) values: Vec<Value>,
    /// What is kept of an event as a bit.
    pub(super) flags: Vec<Flag>,
    /// The states of a tile.
    pub(super) cells: Vec<Cell>,
    pub(super) calls: Vec<Call>,
}

/// A column of the view's rows, a word for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) column: usize,
    pub(super) form: Form,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The bits of a float.
    Float,
    /// An integer in the order of the values.
    Integer,
}

/// Something that is true of an event or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// This column has a value.
    Valid(usize),
    /// This column is true.
    True(usize),
}

/// One state of a tile, of the events that have all these flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) needs: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// How many.
    Count,
    /// The exact sum of floats, or of their squares.
    Floats { value: usize, squared: bool },
    /// The exact sum of integers.
    Integers { value: usize, unsigned: bool },
    /// The greatest word, or of all complements: the least.
    Extreme { value: usize, form: Form, greatest: bool },
}

#[derive(Debug)]
pub(super) struct Call {
    /// Its place among all calls of the view.
    pub(super) place: usize,
    pub(super) written: String,
    pub(super) data_type: DataType,
    /// The number of its frame.
    pub(super) frame: usize,
    /// How many events there are of those it is computed of: none, and the result is null.
    pub(super) count: usize,
    pub(super) read: Read,
}

/// What a call makes of the cells with these numbers.
#[derive(Debug)]
pub(super) enum Read {
    Count,
    Sum(usize),
    Mean(usize),
    IntegerSum { cell: usize, unsigned: bool },
    Spread { sum: usize, squares: usize, sample: bool, root: bool },
    Extreme { cell: usize, greatest: bool, of: DataType },
}

/// More would leave too little of a word for moments and keys.
const MOST_FLAGS: usize = 12;

impl Asked {
    /// Takes a call in, if tiles can answer it.
    pub(in super::super) fn take(&mut self, place: usize, call: &WindowCall<usize>, rows: &Schema) -> bool {
        // A call adds a column and a filter.
        if matches!(call.frame, Frame::Rows(_)) || self.flags.len() + 2 > MOST_FLAGS {
            return false;
        }
        let argument = call.arguments.first().and_then(|argument| match argument {
            Argument::Column(column) => Some((*column, rows.field(*column).data_type())),
            Argument::Constant(_) => None,
        });
        let read = match (&call.measure, argument) {
            (Measure::Count, _) => Read::Count,
            (Measure::Sum, Some((column, DataType::Float64))) => Read::Sum(self.floats(call, column, false)),
            (Measure::Mean, Some((column, DataType::Float64))) => Read::Mean(self.floats(call, column, false)),
            (Measure::Spread { sample, root }, Some((column, DataType::Float64))) => Read::Spread {
                sum: self.floats(call, column, false),
                squares: self.floats(call, column, true),
                sample: *sample,
                root: *root,
            },
            (Measure::Sum, Some((column, of @ (DataType::Int64 | DataType::UInt64)))) if call.data_type == *of => {
                let unsigned = *of == DataType::UInt64;
                let value = self.value(column, Form::Integer);
                Read::IntegerSum { cell: self.cell(call, Kind::Integers { value, unsigned }), unsigned }
            }
            (Measure::Extreme { greatest }, Some((column, of))) if is_a_word(of) => {
                let form = if of.is_floating() { Form::Float } else { Form::Integer };
                let (value, greatest) = (self.value(column, form), *greatest);
                let cell = self.cell(call, Kind::Extreme { value, form, greatest });
                Read::Extreme { cell, greatest, of: of.clone() }
            }
            _ => return false,
        };
        let count = self.cell(call, Kind::Count);
        let frame = number(&mut self.frames, call.frame);
        let WindowCall { written, data_type, .. } = call.clone();
        self.calls.push(Call { place, written, data_type, frame, count, read });
        true
    }

    fn floats(&mut self, call: &WindowCall<usize>, column: usize, squared: bool) -> usize {
        let value = self.value(column, Form::Float);
        self.cell(call, Kind::Floats { value, squared })
    }

    fn value(&mut self, column: usize, form: Form) -> usize {
        number(&mut self.values, Value { column, form })
    }

    /// A cell of the events that count for a call.
    fn cell(&mut self, call: &WindowCall<usize>, kind: Kind) -> usize {
        let columns = call.arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) => Some(Flag::Valid(*column)),
            Argument::Constant(_) => None,
        });
        let flags: Vec<_> = columns.chain(call.filter.map(Flag::True)).collect();
        let needs = flags.into_iter().fold(0, |needs, flag| needs | 1 << number(&mut self.flags, flag));
        number(&mut self.cells, Cell { needs, kind })
    }

    /// How far back the windows of a `RANGE` reach at most; none if that is more than can be said.
    pub(super) fn reach(&self) -> Option<i64> {
        let reaches = self.frames.iter().map(|frame| match frame {
            Frame::Range { width, hop } => width.0.checked_add(hop.0),
            _ => Some(0),
        });
        reaches.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// How many frames there are.
    pub(in super::super) fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Whether some window has no end in the past.
    pub(super) fn is_endless(&self) -> bool {
        self.frames.contains(&Frame::All)
    }

    /// What the states of a tile take, in words.
    pub(in super::super) fn words(&self) -> usize {
        let words = self.cells.iter().map(|cell| match cell.kind {
            Kind::Count | Kind::Extreme { .. } => 1,
            Kind::Floats { .. } | Kind::Integers { .. } => 2,
        });
        words.sum()
    }
}

/// The number of something in a list that has each once.
fn number<T: PartialEq>(list: &mut Vec<T>, wanted: T) -> usize {
    list.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        list.push(wanted);
        list.len() - 1
    })
}
