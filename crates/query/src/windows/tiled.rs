//! As-of windows kept online: which states of a view's events are kept, what each event adds to them, and what results
//! come of them.
//!
//! The same exact states and the same rounding as where windows are computed from events (`super::state`, [`asof_exact`]), so
//! the results are the same to the bit. Which calls: those whose states are a word or two ([`super::tiles`] has the same
//! list) over `RANGE` and `OVER ()`. A view whose rows become known later, or are superseded, cannot be kept so: an event would
//! have to be taken out again.

use std::sync::Arc;

use asof_exact::{Integers, Of, Sums, deviation, variance};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, UInt64Array,
};
use datafusion::arrow::compute::{and, cast, is_not_null, nullif, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::internal_err;
use datafusion::error::Result;

use super::state::{from_words, is_a_word, to_words};
use super::{Argument, Frame, Measure, WindowCall};

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
    /// The greatest 64-bit integer.
    Greatest,
    /// The least 64-bit integer.
    Least,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileCell {
    /// The name of its input among those that [`Tiling::inputs`] gives.
    pub input: String,
    /// What of it.
    pub kind: TileKind,
}

/// The states of windows of some rows; the window w of row r is the group `r · windows + w`.
pub trait States {
    /// How many, of a state that counts.
    fn count(&self, cell: usize, group: usize) -> u64;
    /// Sums of floats or of squares.
    fn sums(&self, cell: usize) -> &Sums;
    /// Sums of integers.
    fn integers(&self, cell: usize) -> &Integers;
    /// The greatest or least, if there is any.
    fn extreme(&self, cell: usize, group: usize) -> Option<i64>;
}

/// The windows of a view, as they are kept.
#[derive(Clone, Debug)]
pub struct Tiling {
    /// The frames, each once.
    frames: Vec<Frame>,
    cells: Vec<TileCell>,
    inputs: Vec<Input>,
    calls: Vec<Call>,
}

/// How an input is made of the columns of events.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    /// Whose values; none where they are only counted.
    column: Option<usize>,
    /// As words that are in the order of the values.
    ordered: bool,
    /// Columns that must have a value.
    valid: Vec<usize>,
    filter: Option<usize>,
}

#[derive(Clone, Debug)]
struct Call {
    name: String,
    written: String,
    data_type: DataType,
    frame: usize,
    /// How many events it is computed of: none, and the result is null.
    count: usize,
    read: Read,
}

/// What a call makes of the cells with these numbers.
#[derive(Clone, Debug)]
enum Read {
    Count,
    Sum(usize),
    Mean(usize),
    IntegerSum(usize),
    Spread { sum: usize, squares: usize, sample: bool, root: bool },
    Extreme { cell: usize, of: DataType },
}

impl Tiling {
    /// For these calls over rows of this schema; or what cannot be kept.
    pub(crate) fn new(calls: &[WindowCall<usize>], rows: &Schema) -> Result<Self, String> {
        let mut tiling = Tiling { frames: Vec::new(), cells: Vec::new(), inputs: Vec::new(), calls: Vec::new() };
        for call in calls {
            if matches!(call.frame, Frame::Rows(_)) {
                return Err(format!("{} is over ROWS, which are not kept online yet", call.written));
            }
            let read = tiling.read(call, rows);
            let read = read.ok_or_else(|| format!("the states of {} are not kept online yet", call.written))?;
            let count = tiling.cell(call, None, false, TileKind::Count);
            let frame = number(&mut tiling.frames, call.frame);
            let WindowCall { name, written, data_type, .. } = call.clone();
            tiling.calls.push(Call { name, written, data_type, frame, count, read });
        }
        Ok(tiling)
    }

    fn read(&mut self, call: &WindowCall<usize>, rows: &Schema) -> Option<Read> {
        let argument = call.arguments.first().and_then(|argument| match argument {
            Argument::Column(column) => Some((*column, rows.field(*column).data_type())),
            Argument::Constant(_) => None,
        });
        let mut cell = |column: usize, kind| self.cell(call, Some(column), false, kind);
        Some(match (&call.measure, argument) {
            (Measure::Count, _) => Read::Count,
            (Measure::Sum, Some((column, DataType::Float64))) => Read::Sum(cell(column, TileKind::Sum)),
            (Measure::Mean, Some((column, DataType::Float64))) => Read::Mean(cell(column, TileKind::Sum)),
            (Measure::Spread { sample, root }, Some((column, DataType::Float64))) => Read::Spread {
                sum: cell(column, TileKind::Sum),
                squares: cell(column, TileKind::Squares),
                sample: *sample,
                root: *root,
            },
            (Measure::Sum, Some((column, of @ DataType::Int64))) if call.data_type == *of => {
                Read::IntegerSum(cell(column, TileKind::Integers))
            }
            (Measure::Sum, Some((column, of @ DataType::UInt64))) if call.data_type == *of => {
                Read::IntegerSum(cell(column, TileKind::Unsigned))
            }
            (Measure::Extreme { greatest }, Some((column, of))) if is_a_word(of) => {
                let kind = if *greatest { TileKind::Greatest } else { TileKind::Least };
                Read::Extreme { cell: self.cell(call, Some(column), true, kind), of: of.clone() }
            }
            _ => return None,
        })
    }

    /// A cell of the events that count for a call.
    fn cell(&mut self, call: &WindowCall<usize>, column: Option<usize>, ordered: bool, kind: TileKind) -> usize {
        let valid = call.arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) => Some(*column),
            Argument::Constant(_) => None,
        });
        let input = Input { column, ordered, valid: valid.collect(), filter: call.filter };
        let input = format!("{}cell_{}", super::HIDDEN, number(&mut self.inputs, input));
        number(&mut self.cells, TileCell { input, kind })
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

    /// Whether some window is of all events.
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

    /// What events add: the inputs of all cells, by name. Where an event does not count it is null or false.
    pub(crate) fn inputs(&self, events: &RecordBatch) -> Result<Vec<(String, ArrayRef)>> {
        let input = |(n, input): (usize, &Input)| {
            let mut counts = BooleanArray::from(vec![true; events.num_rows()]);
            for column in &input.valid {
                counts = and(&counts, &is_not_null(events.column(*column))?)?;
            }
            if let Some(filter) = input.filter {
                let Some(filter) = events.column(filter).as_boolean_opt() else {
                    return internal_err!("a FILTER is not a boolean");
                };
                // Null is not true.
                let filter = if filter.nulls().is_some() { prep_null_mask_filter(filter) } else { filter.clone() };
                counts = and(&counts, &filter)?;
            }
            let column: ArrayRef = match input.column {
                None => Arc::new(counts),
                Some(column) => {
                    let values = events.column(column);
                    let values = if input.ordered { Arc::new(to_words(values)?) } else { Arc::clone(values) };
                    nullif(&values, &datafusion::arrow::compute::not(&counts)?)?
                }
            };
            Ok((format!("{}cell_{n}", super::HIDDEN), column))
        };
        self.inputs.iter().enumerate().map(input).collect()
    }

    /// The names and types of the results of calls.
    pub(crate) fn results_schema(&self) -> Vec<(String, DataType)> {
        self.calls.iter().map(|call| (call.name.clone(), call.data_type.clone())).collect()
    }

    /// The results of all calls, by name, for so many rows.
    pub(crate) fn results(&self, view: &str, states: &dyn States, rows: usize) -> Result<Vec<(String, ArrayRef)>> {
        let windows = self.frames.len();
        let result = |call: &Call| {
            let groups = (0..rows).map(|row| row * windows + call.frame);
            Ok((call.name.clone(), call.result(view, states, groups)?))
        };
        self.calls.iter().map(result).collect()
    }
}

impl Call {
    fn result(&self, view: &str, states: &dyn States, groups: impl Iterator<Item = usize>) -> Result<ArrayRef> {
        let count = |group: usize| states.count(self.count, group);
        let array: ArrayRef = match &self.read {
            Read::Count => Arc::new(groups.map(|group| Some(count(group) as i64)).collect::<Int64Array>()),
            Read::Sum(cell) => {
                let sums = states.sums(*cell);
                Arc::new(groups.map(|group| (count(group) > 0).then(|| sums.round(group))).collect::<Float64Array>())
            }
            Read::Mean(cell) => {
                let sums = states.sums(*cell);
                Arc::new(groups.map(|group| sums.mean(group, count(group))).collect::<Float64Array>())
            }
            Read::Spread { sum, squares, sample, root } => {
                let (sum, squares) = (states.sums(*sum), states.sums(*squares));
                let of = if *sample { Of::Sample } else { Of::Population };
                let compute = if *root { deviation } else { variance };
                let spread = |group| compute(sum, squares, group, count(group), of);
                Arc::new(groups.map(spread).collect::<Float64Array>())
            }
            Read::IntegerSum(cell) => {
                let sums = states.integers(*cell);
                let total = |group: usize| match count(group) {
                    0 => Ok(None),
                    _ => sums.total(group).map(Some).ok_or_else(|| self.overflow(view)),
                };
                let totals = groups.map(total).collect::<Result<Vec<Option<i128>>>>()?;
                self.integers(view, totals)?
            }
            Read::Extreme { cell, of } => {
                let words: Int64Array = groups.map(|group| states.extreme(*cell, group)).collect();
                from_words(&words, of)?
            }
        };
        match *array.data_type() == self.data_type {
            true => Ok(array),
            false => Ok(cast(&array, &self.data_type)?),
        }
    }

    fn integers(&self, view: &str, totals: Vec<Option<i128>>) -> Result<ArrayRef> {
        let fits = |total: Option<i128>| total.map(i64::try_from).transpose().map_err(|_| self.overflow(view));
        if self.data_type != DataType::UInt64 {
            return Ok(Arc::new(totals.into_iter().map(fits).collect::<Result<Int64Array>>()?));
        }
        let fits = |total: Option<i128>| total.map(u64::try_from).transpose().map_err(|_| self.overflow(view));
        Ok(Arc::new(totals.into_iter().map(fits).collect::<Result<UInt64Array>>()?))
    }

    fn overflow(&self, view: &str) -> datafusion::error::DataFusionError {
        super::problem::overflow(view, &self.written, &asof_model::schema::sql_type(&self.data_type))
    }
}

/// The number of something in a list that has each once.
fn number<T: PartialEq>(list: &mut Vec<T>, wanted: T) -> usize {
    list.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        list.push(wanted);
        list.len() - 1
    })
}
