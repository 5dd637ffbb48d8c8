//! What comes of the states of windows that are kept online.

use std::sync::Arc;

use asof_exact::{Of, deviation, variance};
use asof_model::{Error, ErrorKind};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, UInt64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};

use super::super::packed::unpack;
use super::super::state::{from_words, mean_of_decimals, more_digits, quantiles, typed};
use super::{Call, Frame, Read, States, Tiling};

impl Tiling {
    /// The names and types of the results of calls.
    pub(crate) fn results_schema(&self) -> Vec<(String, DataType)> {
        self.calls.iter().map(|call| (call.name.clone(), call.data_type.clone())).collect()
    }

    /// The results of all calls, by name, for so many rows.
    pub(crate) fn results(&self, view: &str, states: &dyn States, rows: usize) -> Result<Vec<(String, ArrayRef)>> {
        let windows = self.frames.len();
        let groups = |frame: usize| (0..rows).map(move |row| row * windows + frame);
        let of_rows = match &self.rows {
            None => Vec::new(),
            Some(kept) => {
                let all = self.frames.iter().position(|frame| *frame == Frame::All).unwrap_or_default();
                kept.results(view, states, groups(all))?
            }
        };
        let result = |call: &Call| {
            let result = match call.read {
                Read::Rows { place } => match of_rows.iter().find(|(of, _)| *of == place) {
                    Some((_, result)) => Arc::clone(result),
                    None => return internal_err!("{} has no result", call.written),
                },
                _ => call.result(view, states, groups(call.frame))?,
            };
            Ok((call.name.clone(), result))
        };
        self.calls.iter().map(result).collect()
    }
}

impl Call {
    fn result(&self, view: &str, states: &dyn States, groups: impl Iterator<Item = usize>) -> Result<ArrayRef> {
        let array: ArrayRef = match &self.read {
            Read::Count { count } => {
                Arc::new(groups.map(|group| Some(states.count(*count, group) as i64)).collect::<Int64Array>())
            }
            Read::Sum { sum, count } => {
                let sums = states.sums(*sum);
                let sum = |group| (states.count(*count, group) > 0).then(|| sums.round(group));
                Arc::new(groups.map(sum).collect::<Float64Array>())
            }
            Read::Mean { sum, count } => {
                let sums = states.sums(*sum);
                Arc::new(groups.map(|group| sums.mean(group, states.count(*count, group))).collect::<Float64Array>())
            }
            Read::Spread { sum, squares, count, sample, root } => {
                let (sum, squares) = (states.sums(*sum), states.sums(*squares));
                let of = if *sample { Of::Sample } else { Of::Population };
                let compute = if *root { deviation } else { variance };
                let spread = |group| compute(sum, squares, group, states.count(*count, group), of);
                Arc::new(groups.map(spread).collect::<Float64Array>())
            }
            Read::IntegerSum { sum, count } => {
                let sums = states.integers(*sum);
                let total = |group: usize| match states.count(*count, group) {
                    0 => Some(None),
                    _ => sums.total(group).map(Some),
                };
                self.fitting(view, groups.map(total).collect())?
            }
            Read::DecimalMean { sum, count, scale } => {
                let (sums, shift) = (states.integers(*sum), more_digits(*scale, &self.data_type)?);
                let mean = |group: usize| match states.count(*count, group) {
                    0 => Some(None),
                    count => mean_of_decimals(sums.total(group)?, count, shift).map(Some),
                };
                self.fitting(view, groups.map(mean).collect())?
            }
            Read::Extreme { cell, of } => {
                let words: Int64Array = groups.map(|group| states.extreme(*cell, group)).collect();
                from_words(&words, of)?
            }
            Read::Bits { cell, of } => {
                let words: Int64Array = groups.map(|group| states.extreme(*cell, group)).collect();
                match of {
                    DataType::UInt64 => {
                        let unsigned: UInt64Array = words.unary(|word| word as u64);
                        Arc::new(unsigned)
                    }
                    _ => cast(&words, of)?,
                }
            }
            Read::Quantile { cell, share } => {
                let sketches = states.sketches(*cell);
                quantiles(groups.map(|group| sketches.quantile(group, f64::from_bits(*share))), &self.data_type)?
            }
            Read::Registers { cell } => {
                let registers = states.registers(*cell);
                Arc::new(groups.map(|group| Some(registers.count(group))).collect::<UInt64Array>())
            }
            Read::Value { cell, of } => {
                let values = groups.map(|group| states.value(*cell, group));
                match unpack(std::slice::from_ref(of), values)?.pop() {
                    Some(values) => values,
                    None => return internal_err!("one column was kept"),
                }
            }
            Read::Different { cell } => {
                let count = |group| match states.different(*cell, group) {
                    Some(count) => Ok(Some(count as i64)),
                    None => Err(self.too_many(view)),
                };
                Arc::new(groups.map(count).collect::<Result<Int64Array>>()?)
            }
            Read::Rows { .. } => return internal_err!("{} is over rows", self.written),
        };
        match *array.data_type() == self.data_type {
            true => Ok(array),
            false => Ok(cast(&array, &self.data_type)?),
        }
    }

    /// Integers or decimals in the type of the result; none where one does not fit 128 bits.
    fn fitting(&self, view: &str, values: Option<Vec<Option<i128>>>) -> Result<ArrayRef> {
        let typed = values.map(|values| typed(values, &self.data_type)).transpose()?.flatten();
        typed.ok_or_else(|| {
            super::super::problem::overflow(view, &self.written, &asof_model::schema::sql_type(&self.data_type))
        })
    }

    fn too_many(&self, view: &str) -> DataFusionError {
        let message = format!("view `{view}`: {} has more different values than are kept online", self.written);
        let error = Error::new(ErrorKind::Unsupported, "too_many_different", message)
            .remedy("approx_distinct(x) is within 1.6 % and has no bound; training has none either");
        DataFusionError::External(Box::new(error))
    }
}
