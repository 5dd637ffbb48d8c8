//! What events add to the states of windows that are kept online.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{and, cast, is_not_null, not, nullif, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, UInt64Type};
use datafusion::common::internal_err;
use datafusion::error::Result;

use super::super::HIDDEN;
use super::super::packed::pack;
use super::super::state::{canonical, to_hashes, to_words};
use super::Tiling;

/// How an input is made of the columns of events.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    /// Whose values; none where events are only counted.
    pub(super) columns: Vec<usize>,
    pub(super) form: Form,
    /// Columns that must have a value.
    pub(super) valid: Vec<usize>,
    pub(super) filter: Option<usize>,
}

/// What the values of an input are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// Words that are in their order.
    Words,
    /// Integers of any width by their bits.
    Bits,
    /// Decimals without their points.
    Unscaled,
    /// Numbers as floats.
    Floats,
    /// The hashes of registers.
    Hashes,
    /// All columns together, as bytes that are in their order.
    Packed,
    /// The same of one column, with equal bytes for equal floats.
    Canonical,
}

/// The name of the n-th input.
pub(super) fn name(n: usize) -> String {
    format!("{HIDDEN}cell_{n}")
}

impl Tiling {
    /// What events add: the inputs of all cells, by name. Where an event does not count it is null or false.
    pub(crate) fn inputs(&self, events: &RecordBatch) -> Result<Vec<(String, ArrayRef)>> {
        self.inputs.iter().enumerate().map(|(n, input)| Ok((name(n), input.of(events)?))).collect()
    }
}

impl Input {
    fn of(&self, events: &RecordBatch) -> Result<ArrayRef> {
        let mut counts = BooleanArray::from(vec![true; events.num_rows()]);
        for column in &self.valid {
            counts = and(&counts, &is_not_null(events.column(*column))?)?;
        }
        if let Some(filter) = self.filter {
            let Some(filter) = events.column(filter).as_boolean_opt() else {
                return internal_err!("a FILTER is not a boolean");
            };
            // Null is not true.
            let filter = if filter.nulls().is_some() { prep_null_mask_filter(filter) } else { filter.clone() };
            counts = and(&counts, &filter)?;
        }
        let columns: Vec<&ArrayRef> = self.columns.iter().map(|column| events.column(*column)).collect();
        let values: ArrayRef = match (self.form, columns.as_slice()) {
            (Form::Plain, []) => return Ok(Arc::new(counts)),
            (Form::Plain, [values]) => Arc::clone(values),
            (Form::Words, [values]) => Arc::new(to_words(values)?),
            (Form::Bits, [values]) => match values.as_primitive_opt::<UInt64Type>() {
                Some(unsigned) => {
                    let signed: Int64Array = unsigned.unary(|value| value as i64);
                    Arc::new(signed)
                }
                None => cast(values, &DataType::Int64)?,
            },
            (Form::Unscaled, [values]) => {
                let Some(decimals) = values.as_primitive_opt::<Decimal128Type>() else {
                    return internal_err!("{} was planned as a decimal", values.data_type());
                };
                Arc::new(decimals.clone().with_data_type(DataType::Decimal128(38, 0)))
            }
            (Form::Floats, [values]) => cast(values, &DataType::Float64)?,
            (Form::Hashes, [values]) => Arc::new(to_hashes(values)?),
            (Form::Packed, columns) => Arc::new(pack(columns, events.num_rows())?),
            (Form::Canonical, [values]) => Arc::new(pack(&[&canonical(values)], events.num_rows())?),
            (form, columns) => return internal_err!("{} columns were planned as {form:?}", columns.len()),
        };
        Ok(nullif(&values, &not(&counts)?)?)
    }
}
