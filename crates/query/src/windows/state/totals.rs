//! Counts and exact sums: added at the first slot of an event's stretch, subtracted behind its last, and summed up
//! along each key's slots at the end. One or two additions per event, however long the window.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion::common::internal_err;
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::{Batch, is_valid};
use asof_exact::{Of, Sums};

/// How many events, or how many with a value.
pub(in super::super) struct Counts {
    input: Option<usize>,
    counts: Vec<i64>,
}

impl Counts {
    pub(super) fn new(input: Option<usize>, slots: usize) -> Self {
        Counts { input, counts: vec![0; slots] }
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) {
        let values = self.input.map(|input| batch.inputs[input].as_ref()).filter(|values| values.is_nullable());
        for placed in placed.iter().filter(|p| values.is_none_or(|values| is_valid(values, p.row))) {
            self.counts[placed.first_slot()] += 1;
            if let Some(end) = placed.end_slot() {
                self.counts[end] -= 1;
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Counts) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    pub(super) fn settle(&mut self, slots: &dyn Slots) {
        for key in 0..slots.keys() {
            let of = &mut self.counts[slots.of(key)];
            (1..of.len()).for_each(|slot| of[slot] += of[slot - 1]);
        }
    }

    /// Of a slot, after [`Counts::settle`].
    pub(in super::super) fn of(&self, slot: usize) -> u64 {
        // Each event is subtracted behind where it was added.
        self.counts[slot].max(0) as u64
    }

    pub(in super::super) fn finish(&self) -> ArrayRef {
        Arc::new(Int64Array::from(self.counts.clone()))
    }

    pub(super) fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

/// The exact sum of floats, or of their squares.
pub(in super::super) struct Floats {
    input: usize,
    squared: bool,
    sums: Sums,
}

impl Floats {
    pub(super) fn new(input: usize, squared: bool, slots: usize) -> Self {
        Floats { input, squared, sums: Sums::new(slots) }
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let array = batch.inputs[self.input].as_ref();
        let Some(values) = array.as_primitive_opt::<Float64Type>() else {
            return internal_err!("a sum of {} was planned as one of floats", array.data_type());
        };
        for placed in placed.iter().filter(|p| is_valid(array, p.row)) {
            let value = values.value(placed.row as usize);
            let (first, end) = (placed.first_slot(), placed.end_slot());
            match (self.squared, end) {
                (false, None) => self.sums.add(first, value),
                (true, None) => self.sums.add_square(first, value),
                (false, Some(end)) => {
                    self.sums.add(first, value);
                    self.sums.subtract(end, value);
                }
                (true, Some(end)) => {
                    self.sums.add_square(first, value);
                    self.sums.subtract_square(end, value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Floats) {
        self.sums.absorb(&other.sums);
    }

    pub(super) fn settle(&mut self, slots: &dyn Slots) {
        (0..slots.keys()).for_each(|key| self.sums.run(slots.of(key)));
    }

    /// The sum of each slot; null where there is nothing to add.
    pub(in super::super) fn finish(&self, counts: &Counts) -> ArrayRef {
        let sums = (0..counts.counts.len()).map(|slot| (counts.of(slot) > 0).then(|| self.sums.round(slot)));
        Arc::new(sums.collect::<Float64Array>())
    }

    pub(super) fn size(&self) -> usize {
        self.sums.size()
    }
}

/// The mean of each slot.
pub(in super::super) fn mean(sums: &Floats, counts: &Counts) -> ArrayRef {
    let means = (0..counts.counts.len()).map(|slot| sums.sums.mean(slot, counts.of(slot)));
    Arc::new(means.collect::<Float64Array>())
}

/// The variance of each slot, or its root.
pub(in super::super) fn deviation(
    sums: &Floats,
    squares: &Floats,
    counts: &Counts,
    sample: bool,
    root: bool,
) -> ArrayRef {
    let of = || if sample { Of::Sample } else { Of::Population };
    let spreads = (0..counts.counts.len()).map(|slot| {
        let compute = if root { asof_exact::deviation } else { asof_exact::variance };
        compute(&sums.sums, &squares.sums, slot, counts.of(slot), of())
    });
    Arc::new(spreads.collect::<Float64Array>())
}

/// The exact sum of integers or decimals.
pub(in super::super) struct Integers {
    input: usize,
    sums: asof_exact::Integers,
}

impl Integers {
    pub(super) fn new(input: usize, slots: usize) -> Self {
        Integers { input, sums: asof_exact::Integers::new(slots) }
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let array = batch.inputs[self.input].as_ref();
        match array.data_type() {
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>();
                self.add(array, placed, |row| i128::from(values.value(row)));
            }
            DataType::UInt64 => {
                let values = array.as_primitive::<UInt64Type>();
                self.add(array, placed, |row| i128::from(values.value(row)));
            }
            DataType::Decimal128(_, _) => {
                let values = array.as_primitive::<Decimal128Type>();
                self.add(array, placed, |row| values.value(row));
            }
            other => return internal_err!("a sum of {other} was planned as one of integers"),
        }
        Ok(())
    }

    fn add(&mut self, array: &dyn Array, placed: &[Placed], value: impl Fn(usize) -> i128) {
        for placed in placed.iter().filter(|p| is_valid(array, p.row)) {
            let value = value(placed.row as usize);
            self.sums.add(placed.first_slot(), value);
            if let Some(end) = placed.end_slot() {
                self.sums.subtract(end, value);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Integers) {
        self.sums.absorb(&other.sums);
    }

    pub(super) fn settle(&mut self, slots: &dyn Slots) {
        (0..slots.keys()).for_each(|key| self.sums.run(slots.of(key)));
    }

    /// The sum of each slot, in this type; null where there is nothing to add. None if one does not fit.
    pub(in super::super) fn finish(&self, counts: &Counts, data_type: &DataType) -> Result<Option<ArrayRef>> {
        let sums = (0..counts.counts.len()).map(|slot| match counts.of(slot) {
            0 => Some(None),
            _ => self.sums.total(slot).map(Some),
        });
        let Some(sums) = sums.collect::<Option<Vec<Option<i128>>>>() else { return Ok(None) };
        typed(sums, data_type)
    }

    pub(super) fn size(&self) -> usize {
        self.sums.size()
    }
}

/// The mean of each slot, in a decimal type; `scale` is how many digits the values have behind the point. None if one does
/// not fit.
pub(in super::super) fn mean_of_integers(
    sums: &Integers,
    counts: &Counts,
    scale: i8,
    data_type: &DataType,
) -> Result<Option<ArrayRef>> {
    let shift = more_digits(scale, data_type)?;
    let means = (0..counts.counts.len()).map(|slot| match counts.of(slot) {
        0 => Some(None),
        count => mean_of_decimals(sums.sums.total(slot)?, count, shift).map(Some),
    });
    let Some(means) = means.collect::<Option<Vec<Option<i128>>>>() else { return Ok(None) };
    typed(means, data_type)
}

/// A mean of decimals, with as many more digits behind the point as the power of ten `shift` has; cut off behind the last, as
/// the engine does it.
pub(in super::super) fn mean_of_decimals(total: i128, count: u64, shift: i128) -> Option<i128> {
    let count = i128::from(count);
    // In two parts, since the shifted sum may be too long where the mean is not.
    let whole = (total / count).checked_mul(shift)?;
    let rest = (total % count).checked_mul(shift)? / count;
    whole.checked_add(rest)
}

/// The power of ten by which a mean of this type counts finer than values with so many digits behind the point.
pub(in super::super) fn more_digits(scale: i8, data_type: &DataType) -> Result<i128> {
    let DataType::Decimal128(_, wanted) = data_type else {
        return internal_err!("a mean of decimals is a decimal, not {data_type}");
    };
    let digits = u32::try_from(i16::from(*wanted) - i16::from(scale)).ok();
    match digits.and_then(|digits| 10i128.checked_pow(digits)) {
        Some(shift) => Ok(shift),
        None => internal_err!("a mean of decimals has no fewer digits than they"),
    }
}

/// Integers in this type. None if one does not fit.
pub(in super::super) fn typed(values: Vec<Option<i128>>, data_type: &DataType) -> Result<Option<ArrayRef>> {
    let array: ArrayRef = match data_type {
        DataType::Int64 => {
            let narrow = |v: Option<i128>| v.map(i64::try_from).transpose().ok();
            let Some(narrow) = values.into_iter().map(narrow).collect::<Option<Vec<_>>>() else { return Ok(None) };
            Arc::new(Int64Array::from(narrow))
        }
        DataType::UInt64 => {
            let narrow = |v: Option<i128>| v.map(u64::try_from).transpose().ok();
            let Some(narrow) = values.into_iter().map(narrow).collect::<Option<Vec<_>>>() else { return Ok(None) };
            Arc::new(UInt64Array::from(narrow))
        }
        DataType::Decimal128(precision, scale) => {
            let array = Decimal128Array::from(values).with_precision_and_scale(*precision, *scale)?;
            if array.validate_decimal_precision(*precision).is_err() {
                return Ok(None);
            }
            Arc::new(array)
        }
        other => return internal_err!("a sum of integers is not {other}"),
    };
    Ok(Some(array))
}
