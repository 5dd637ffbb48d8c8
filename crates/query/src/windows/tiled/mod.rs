//! As-of windows kept online: which states of a view's events are kept, what each event adds to them, and what results
//! come of them.
//!
//! The same exact states and the same rounding as where windows are computed from events (`super::state`, [`asof_exact`]), so
//! the results are the same to the bit.
//!
//! | kept online | state | of which types |
//! |---|---|---|
//! | counts, sums, means, deviations | exact sums | as trained on |
//! | least, greatest | the value | all but lists |
//! | `bit_and`, `bit_or`, `bit_xor` | a word | as trained on |
//! | first, last | the value behind its stamp | all but lists |
//! | percentiles, about how many different | sketch, registers | as trained on |
//! | how many different | the values, as far as they are not too many for a tile | all but lists |
//! | whatever, over `ROWS` | the last rows, up to [`MOST_ROWS`] | all but lists |
//!
//! # What it does not do
//! Rows that become known later, or are superseded, cannot be kept so: an event would have to be taken out again. Aggregates
//! whose states are the engine's own have no bytes of which an upgrade would not change the meaning, but over `ROWS`, where no
//! state of theirs is kept.

mod inputs;
mod results;
mod rows;

use asof_exact::{Integers, Registers, Sketches, Sums};
use datafusion::arrow::datatypes::{DataType, Schema};

use super::packed::may_pack;
use super::state::is_a_word;
use super::{Argument, Frame, Measure, WindowCall};
use inputs::{Form, Input};
use rows::KeptRows;

/// How many of the last rows are kept of each key at most, for `ROWS n PRECEDING`.
const MOST_ROWS: u32 = 1_000;

/// What is kept of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileKind {
    /// How many are true, of a boolean.
    Count,
    /// The exact sum of floats.
    Sum,
    /// The exact sum of squares of floats.
    Squares,
    /// The sum of signed integers.
    Integers,
    /// The sum of unsigned integers.
    Unsigned,
    /// The sum of decimals without their points.
    Decimals,
    /// The greatest 64-bit integer.
    Greatest,
    /// The least 64-bit integer.
    Least,
    /// A sketch of quantiles of floats.
    Quantiles,
    /// About how many different, by their hashes.
    Registers,
    /// The greatest in bytes.
    GreatestValue,
    /// The least in bytes.
    LeastValue,
    /// That of the first event, in bytes.
    First,
    /// That of the last event, in bytes.
    Last,
    /// Those of the last so many events, in bytes.
    LastRows(u32),
    /// The different ones, in bytes.
    Different,
    /// The bits that all have.
    AllBits,
    /// The bits that any has.
    AnyBits,
    /// The bits that an odd number has.
    OddBits,
}

impl TileKind {
    /// Whether it is a few words, which all tiles have. What may be long only those have that are read.
    fn is_short(self) -> bool {
        use TileKind::{AllBits, AnyBits, Count, Decimals, Greatest, Integers, Least, OddBits, Squares, Sum, Unsigned};
        matches!(
            self,
            Count | Sum | Squares | Integers | Unsigned | Decimals | Greatest | Least | AllBits | AnyBits | OddBits
        )
    }
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileCell {
    /// The name of its input among those that [`Tiling::inputs`] gives.
    pub input: String,
    /// What of it.
    pub kind: TileKind,
    /// Whether windows that slide read it.
    pub sliding: bool,
    /// Whether windows of all events, or the last rows, read it.
    pub endless: bool,
}

/// The states of windows of some rows; the window w of row r is the group `r · windows + w`.
pub trait States {
    /// How many, of a state that counts.
    fn count(&self, cell: usize, group: usize) -> u64;
    /// Sums of floats or of squares.
    fn sums(&self, cell: usize) -> &Sums;
    /// Sums of integers or decimals.
    fn integers(&self, cell: usize) -> &Integers;
    /// The greatest, the least, or bits, if there is any value.
    fn extreme(&self, cell: usize, group: usize) -> Option<i64>;
    /// Sketches of quantiles.
    fn sketches(&self, cell: usize) -> &Sketches;
    /// About how many different.
    fn registers(&self, cell: usize) -> &Registers;
    /// The greatest, least, first or last in bytes, if there is any.
    fn value(&self, cell: usize, group: usize) -> Option<&[u8]>;
    /// Event time, order of acceptance and bytes of the last rows, oldest first.
    fn last_rows(&self, cell: usize, group: usize) -> Vec<(i64, i64, &[u8])>;
    /// How many different; none if they are too many to be kept.
    fn different(&self, cell: usize, group: usize) -> Option<usize>;
}

/// The windows of a view, as they are kept.
#[derive(Clone, Debug)]
pub struct Tiling {
    /// The frames, each once; the last rows are of [`Frame::All`].
    frames: Vec<Frame>,
    cells: Vec<TileCell>,
    inputs: Vec<Input>,
    calls: Vec<Call>,
    rows: Option<KeptRows>,
}

#[derive(Clone, Debug)]
struct Call {
    name: String,
    written: String,
    data_type: DataType,
    frame: usize,
    read: Read,
}

/// What a call makes of the cells with these numbers. With `count` come those that say of how many events: none, and the result
/// is null.
#[derive(Clone, Debug)]
enum Read {
    Count {
        count: usize,
    },
    Sum {
        sum: usize,
        count: usize,
    },
    Mean {
        sum: usize,
        count: usize,
    },
    IntegerSum {
        sum: usize,
        count: usize,
    },
    DecimalMean {
        sum: usize,
        count: usize,
        scale: i8,
    },
    Spread {
        sum: usize,
        squares: usize,
        count: usize,
        sample: bool,
        root: bool,
    },
    Extreme {
        cell: usize,
        of: DataType,
    },
    Quantile {
        cell: usize,
        share: u64,
    },
    Registers {
        cell: usize,
    },
    Value {
        cell: usize,
        of: DataType,
    },
    Different {
        cell: usize,
    },
    Bits {
        cell: usize,
        of: DataType,
    },
    /// Of the last rows: the place of its result among those.
    Rows {
        place: usize,
    },
}

impl Tiling {
    /// For these calls over rows of this schema; or what cannot be kept.
    pub(crate) fn new(calls: &[WindowCall<usize>], rows: &Schema) -> Result<Self, String> {
        let mut tiling =
            Tiling { frames: Vec::new(), cells: Vec::new(), inputs: Vec::new(), calls: Vec::new(), rows: None };
        for (place, call) in calls.iter().enumerate() {
            let read = match call.frame {
                Frame::Rows(n) if n > MOST_ROWS => {
                    return Err(format!("{} is over more than the last {MOST_ROWS} rows", call.written));
                }
                Frame::Rows(_) => Read::Rows { place },
                _ => tiling.read(call, rows)?,
            };
            let frame = match call.frame {
                Frame::Rows(_) => Frame::All,
                other => other,
            };
            let frame = number(&mut tiling.frames, frame);
            let WindowCall { name, written, data_type, .. } = call.clone();
            tiling.calls.push(Call { name, written, data_type, frame, read });
        }
        tiling.rows = KeptRows::new(calls, rows, |input, most| tiling.of(input, TileKind::LastRows(most), Frame::All))?;
        Ok(tiling)
    }

    fn read(&mut self, call: &WindowCall<usize>, rows: &Schema) -> Result<Read, String> {
        let argument = call.arguments.first().and_then(|argument| match argument {
            Argument::Column(column) => Some((*column, rows.field(*column).data_type())),
            Argument::Constant(_) => None,
        });
        let mut cell = |column: usize, kind| self.cell(call, Some(column), Form::Plain, kind);
        Ok(match (&call.measure, argument) {
            (Measure::Count, _) => Read::Count { count: self.count(call) },
            (Measure::Sum, Some((column, DataType::Float64))) => {
                Read::Sum { sum: cell(column, TileKind::Sum), count: self.count(call) }
            }
            (Measure::Mean, Some((column, DataType::Float64))) => {
                Read::Mean { sum: cell(column, TileKind::Sum), count: self.count(call) }
            }
            (Measure::Spread { sample, root }, Some((column, DataType::Float64))) => Read::Spread {
                sum: cell(column, TileKind::Sum),
                squares: cell(column, TileKind::Squares),
                count: self.count(call),
                sample: *sample,
                root: *root,
            },
            (Measure::Sum, Some((column, of @ DataType::Int64))) if call.data_type == *of => {
                Read::IntegerSum { sum: cell(column, TileKind::Integers), count: self.count(call) }
            }
            (Measure::Sum, Some((column, of @ DataType::UInt64))) if call.data_type == *of => {
                Read::IntegerSum { sum: cell(column, TileKind::Unsigned), count: self.count(call) }
            }
            (Measure::Sum, Some((column, DataType::Decimal128(_, _)))) => {
                let sum = self.cell(call, Some(column), Form::Unscaled, TileKind::Decimals);
                Read::IntegerSum { sum, count: self.count(call) }
            }
            (Measure::Mean, Some((column, DataType::Decimal128(_, scale)))) => {
                let sum = self.cell(call, Some(column), Form::Unscaled, TileKind::Decimals);
                Read::DecimalMean { sum, count: self.count(call), scale: *scale }
            }
            (Measure::Extreme { greatest }, Some((column, of))) if is_a_word(of) => {
                let kind = if *greatest { TileKind::Greatest } else { TileKind::Least };
                let cell = self.cell(call, Some(column), Form::Words, kind);
                // It needs no count, but layouts of before have one.
                self.count(call);
                Read::Extreme { cell, of: of.clone() }
            }
            (Measure::Quantile(share), Some((column, _))) => {
                Read::Quantile { cell: self.cell(call, Some(column), Form::Floats, TileKind::Quantiles), share: *share }
            }
            (Measure::ApproxDistinct, Some((column, _))) => {
                Read::Registers { cell: self.cell(call, Some(column), Form::Hashes, TileKind::Registers) }
            }
            (Measure::Extreme { greatest }, Some((column, of))) if may_pack(of) => {
                let kind = if *greatest { TileKind::GreatestValue } else { TileKind::LeastValue };
                Read::Value { cell: self.cell(call, Some(column), Form::Packed, kind), of: of.clone() }
            }
            (Measure::End { last, ignore_nulls }, Some((column, of))) if may_pack(of) => {
                let valid = if *ignore_nulls { vec![column] } else { Vec::new() };
                let input = Input { columns: vec![column], form: Form::Packed, valid, filter: call.filter };
                let kind = if *last { TileKind::Last } else { TileKind::First };
                Read::Value { cell: self.of(input, kind, call.frame), of: of.clone() }
            }
            (Measure::CountDistinct, Some((column, of))) if may_pack(of) => {
                Read::Different { cell: self.cell(call, Some(column), Form::Canonical, TileKind::Different) }
            }
            (Measure::Engine { function, distinct, .. }, argument) => match (bits(function.name()), argument) {
                (Some(kind), Some((column, of))) if !distinct && of.is_integer() => {
                    Read::Bits { cell: self.cell(call, Some(column), Form::Bits, kind), of: of.clone() }
                }
                _ => return Err(format!("the states of {} are the engine's own", call.written)),
            },
            (_, Some((_, of))) => {
                let of = asof_model::schema::sql_type(of);
                return Err(format!("{} is of {of}, whose values are not kept in tiles yet", call.written));
            }
            _ => return Err(format!("the states of {} are not kept yet", call.written)),
        })
    }

    /// The cell that counts the events that count for a call.
    fn count(&mut self, call: &WindowCall<usize>) -> usize {
        self.cell(call, None, Form::Plain, TileKind::Count)
    }

    /// A cell of the events that count for a call: those with a value in every argument.
    fn cell(&mut self, call: &WindowCall<usize>, column: Option<usize>, form: Form, kind: TileKind) -> usize {
        let valid = call.arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) => Some(*column),
            Argument::Constant(_) => None,
        });
        let columns = column.into_iter().collect();
        self.of(Input { columns, form, valid: valid.collect(), filter: call.filter }, kind, call.frame)
    }

    /// A cell of an input, which a window of this frame reads.
    fn of(&mut self, input: Input, kind: TileKind, frame: Frame) -> usize {
        let input = inputs::name(number(&mut self.inputs, input));
        let known = self.cells.iter().position(|cell| cell.input == input && cell.kind == kind);
        let cell = known.unwrap_or_else(|| {
            let everywhere = kind.is_short();
            self.cells.push(TileCell { input, kind, sliding: everywhere, endless: everywhere });
            self.cells.len() - 1
        });
        match frame {
            Frame::Range { .. } => self.cells[cell].sliding = true,
            Frame::All | Frame::Rows(_) => self.cells[cell].endless = true,
        }
        cell
    }

    /// The states that are kept.
    pub fn cells(&self) -> &[TileCell] {
        &self.cells
    }

    /// The hops of windows that slide, in microseconds, each once.
    pub fn hops(&self) -> Vec<i64> {
        let mut hops = Vec::new();
        for frame in &self.frames {
            if let Frame::Range { hop, .. } = frame {
                number(&mut hops, hop.0.max(1));
            }
        }
        hops
    }

    /// Whether some window is of all events, or of the last rows.
    pub fn endless(&self) -> bool {
        self.frames.contains(&Frame::All)
    }

    /// How far back a window that slides reaches at most, in microseconds.
    pub fn reach(&self) -> i64 {
        let reach = |frame: &Frame| match frame {
            Frame::Range { width, hop } => width.0.saturating_add(hop.0),
            _ => 0,
        };
        self.frames.iter().map(reach).max().unwrap_or(0)
    }

    /// The windows at a moment: each one's hop and start, in microseconds; no start means all events.
    pub fn windows(&self, at: i64) -> Vec<(i64, Option<i64>)> {
        let window = |frame: &Frame| match frame {
            Frame::Range { hop, .. } => (hop.0.max(1), Some(frame.start(at).unwrap_or(i64::MIN))),
            _ => (0, None),
        };
        self.frames.iter().map(window).collect()
    }
}

/// What is kept for a function of bits.
fn bits(function: &str) -> Option<TileKind> {
    match function {
        "bit_and" => Some(TileKind::AllBits),
        "bit_or" => Some(TileKind::AnyBits),
        "bit_xor" => Some(TileKind::OddBits),
        _ => None,
    }
}

/// The number of something in a list that has each once.
fn number<T: PartialEq>(list: &mut Vec<T>, wanted: T) -> usize {
    list.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        list.push(wanted);
        list.len() - 1
    })
}
