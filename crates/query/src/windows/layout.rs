//! What is kept for a view's windows: calls with equal frame, filter and argument share their states.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::internal_err;
use datafusion::error::Result;

use super::place::Slots;
use super::state::{Aggregate, Kind, State, deviation, mean, mean_of_integers, type_of};
use super::{Argument, Frame, Measure, WindowCall};

/// The states of a view's windows, and how its calls read them. Inputs are the columns that windows read, each once.
#[derive(Debug)]
pub(super) struct Layout {
    /// For each input its column in the view's rows.
    pub(super) inputs: Vec<usize>,
    pub(super) types: Vec<DataType>,
    /// What is held, by frame and filter.
    pub(super) holdings: Vec<Holding>,
    calls: Vec<Call>,
}

/// The states of events of one frame that meet one filter.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) frame: Frame,
    /// The input that must be true.
    pub(super) filter: Option<usize>,
    pub(super) kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Call {
    /// Its place among all calls of the view.
    place: usize,
    written: String,
    measure: Measure,
    data_type: DataType,
    holding: usize,
    /// The states it reads, in the order of [`kinds`].
    states: Vec<usize>,
    /// The type of its first argument.
    of: Option<DataType>,
}

impl Layout {
    /// `rows` is the schema of the view's rows; calls come with their places among all of the view.
    pub(super) fn new(calls: &[(usize, &WindowCall<usize>)], rows: &Schema) -> Result<Self> {
        let mut layout = Layout { inputs: Vec::new(), types: Vec::new(), holdings: Vec::new(), calls: Vec::new() };
        for (place, call) in calls {
            let call =
                call.renamed(|column| Ok::<_, datafusion::error::DataFusionError>(layout.input(*column, rows)))?;
            let kinds = kinds(&call, &layout.types)?;
            let holding = layout.holding(call.frame, call.filter);
            let held = &mut layout.holdings[holding].kinds;
            let states = kinds.into_iter().map(|kind| {
                held.iter().position(|k| *k == kind).unwrap_or_else(|| {
                    held.push(kind);
                    held.len() - 1
                })
            });
            let states = states.collect();
            let of = call.arguments.first().map(|argument| type_of(argument, &layout.types));
            let WindowCall { written, measure, data_type, .. } = call;
            layout.calls.push(Call { place: *place, written, measure, data_type, holding, states, of });
        }
        Ok(layout)
    }

    fn input(&mut self, column: usize, rows: &Schema) -> usize {
        self.inputs.iter().position(|input| *input == column).unwrap_or_else(|| {
            self.inputs.push(column);
            self.types.push(rows.field(column).data_type().clone());
            self.inputs.len() - 1
        })
    }

    fn holding(&mut self, frame: Frame, filter: Option<usize>) -> usize {
        self.holdings.iter().position(|h| h.frame == frame && h.filter == filter).unwrap_or_else(|| {
            self.holdings.push(Holding { frame, filter, kinds: Vec::new() });
            self.holdings.len() - 1
        })
    }

    /// How many of the last rows of each slot are wanted; 0 if none.
    pub(super) fn last_rows(&self) -> usize {
        let rows = self.holdings.iter().map(|h| if let Frame::Rows(n) = h.frame { n as usize } else { 0 });
        rows.max().unwrap_or(0)
    }

    /// The frames that stretches of slots follow from, each once.
    pub(super) fn frames(&self) -> Vec<Frame> {
        let mut frames: Vec<_> = self.holdings.iter().map(|h| h.frame).collect();
        frames.retain(|frame| !matches!(frame, Frame::Rows(_)));
        frames.sort_unstable();
        frames.dedup();
        frames
    }

    /// What the states of no events take, in words per slot.
    pub(super) fn words(&self) -> usize {
        self.holdings.iter().flat_map(|h| &h.kinds).map(Kind::words).sum()
    }

    /// The states of no events.
    pub(super) fn states(&self, slots: usize) -> Result<Vec<Vec<State>>> {
        let states = |h: &Holding| h.kinds.iter().map(|kind| State::new(kind, slots, &self.types)).collect();
        self.holdings.iter().map(states).collect()
    }

    /// The result of each call, per slot, with its place among all, from settled states.
    pub(super) fn results(
        &self,
        view: &str,
        states: &mut [Vec<State>],
        slots: &dyn Slots,
    ) -> Result<Vec<(usize, ArrayRef)>> {
        let mut result = |call: &Call| Ok((call.place, call.result(view, &mut states[call.holding], slots)?));
        self.calls.iter().map(&mut result).collect()
    }
}

/// The states that a call needs.
fn kinds(call: &WindowCall<usize>, types: &[DataType]) -> Result<Vec<Kind>> {
    let argument = match call.arguments.first() {
        Some(Argument::Column(input)) => Ok(*input),
        _ => internal_err!("{} has no column to be computed of", call.written),
    };
    let count = |input| Kind::Count(Some(input));
    Ok(match &call.measure {
        Measure::Count => vec![Kind::Count(argument.ok())],
        Measure::CountDistinct => vec![Kind::Distinct(argument?)],
        Measure::Sum | Measure::Mean => {
            let input = argument?;
            let sum = match types[input] {
                DataType::Float64 => Kind::Floats { input, squared: false },
                _ => Kind::Integers(input),
            };
            vec![count(input), sum]
        }
        Measure::Spread { .. } => {
            let input = argument?;
            vec![count(input), Kind::Floats { input, squared: false }, Kind::Floats { input, squared: true }]
        }
        Measure::Extreme { greatest } => vec![Kind::Extreme { input: argument?, greatest: *greatest }],
        Measure::End { last, ignore_nulls } => {
            vec![Kind::End { input: argument?, last: *last, ignore_nulls: *ignore_nulls }]
        }
        Measure::ApproxDistinct => vec![Kind::Registers(argument?)],
        Measure::Quantile(_) => vec![Kind::Quantiles(argument?)],
        Measure::Engine { function, distinct, ignore_nulls } => vec![Kind::Engine(Aggregate {
            function: function.clone(),
            arguments: call.arguments.clone(),
            types: call.arguments.iter().map(|argument| type_of(argument, types)).collect(),
            distinct: *distinct,
            ignore_nulls: *ignore_nulls,
            in_order: matches!(call.frame, Frame::Rows(_)),
        })],
    })
}

impl Call {
    fn result(&self, view: &str, states: &mut [State], slots: &dyn Slots) -> Result<ArrayRef> {
        if let ([one], Measure::Engine { .. }) = (self.states.as_slice(), &self.measure) {
            return match &mut states[*one] {
                State::Engine(engine) => engine.finish(slots),
                _ => self.defect(),
            };
        }
        let found: Vec<&State> = self.states.iter().map(|state| &states[*state]).collect();
        let of = self.of.as_ref().unwrap_or(&self.data_type);
        let array = match (found.as_slice(), &self.measure) {
            ([State::Counts(counts)], Measure::Count) => counts.finish(),
            ([State::Distinct(distinct)], Measure::CountDistinct) => distinct.finish(slots),
            ([State::Counts(counts), State::Floats(sums)], Measure::Sum) => sums.finish(counts),
            ([State::Counts(counts), State::Integers(sums)], Measure::Sum) => {
                sums.finish(counts, &self.data_type)?.ok_or_else(|| self.overflow(view))?
            }
            ([State::Counts(counts), State::Floats(sums)], Measure::Mean) => mean(sums, counts),
            ([State::Counts(counts), State::Integers(sums)], Measure::Mean) => {
                let DataType::Decimal128(_, scale) = of else { return self.defect() };
                mean_of_integers(sums, counts, *scale, &self.data_type)?.ok_or_else(|| self.overflow(view))?
            }
            (
                [State::Counts(counts), State::Floats(sums), State::Floats(squares)],
                Measure::Spread { sample, root },
            ) => deviation(sums, squares, counts, *sample, *root),
            ([State::Extremes(extremes)], Measure::Extreme { .. }) => extremes.finish(slots, of)?,
            ([State::Ends(ends)], Measure::End { .. }) => ends.finish(slots, of)?,
            ([State::Registers(registers)], Measure::ApproxDistinct) => registers.finish(slots),
            ([State::Quantiles(quantiles)], Measure::Quantile(share)) => {
                quantiles.finish(slots, f64::from_bits(*share), &self.data_type)?
            }
            _ => return self.defect(),
        };
        Ok(datafusion::arrow::compute::cast(&array, &self.data_type)?)
    }

    fn overflow(&self, view: &str) -> datafusion::error::DataFusionError {
        let found = asof_model::schema::sql_type(&self.data_type);
        super::problem::overflow(view, &self.written, &found)
    }

    fn defect<T>(&self) -> Result<T> {
        internal_err!("{} has states of another kind", self.written)
    }
}
