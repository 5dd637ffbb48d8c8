//! About the value below which a share of the values lies: one sketch per node, merged down to the leaves.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::tree::places;
use super::{Batch, is_valid};
use asof_exact::Sketches;

/// The sketches of one input.
pub(in super::super) struct Quantiles {
    input: usize,
    sketches: Sketches,
}

impl Quantiles {
    pub(super) fn new(input: usize, slots: usize) -> Self {
        Quantiles { input, sketches: Sketches::new(2 * slots) }
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let values = cast(&batch.inputs[self.input], &DataType::Float64)?;
        let floats = values.as_primitive::<Float64Type>();
        for placed in placed.iter().filter(|p| is_valid(values.as_ref(), p.row)) {
            let value = floats.value(placed.row as usize);
            places(placed).for_each(|place| self.sketches.add(place, value));
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Quantiles) {
        self.sketches.absorb(&other.sketches);
    }

    /// Brings each node down to those below it.
    pub(super) fn settle(&mut self, slots: &dyn Slots) {
        for key in 0..slots.keys() {
            let of = slots.of(key);
            for node in 1..of.len() {
                for below in [2 * node, 2 * node + 1] {
                    self.sketches.merge_group(2 * of.start + below, 2 * of.start + node);
                }
            }
        }
    }

    /// Per slot, in this type; whole numbers are the nearest.
    pub(in super::super) fn finish(&self, slots: &dyn Slots, share: f64, data_type: &DataType) -> Result<ArrayRef> {
        let mut found: Vec<Option<f64>> = vec![None; slots.moments().len()];
        for key in 0..slots.keys() {
            let of = slots.of(key);
            for slot in of.clone() {
                let leaf = 2 * of.start + of.len() + slot - of.start;
                found[slot] = self.sketches.quantile(leaf, share);
            }
        }
        quantiles(found.into_iter(), data_type)
    }

    pub(super) fn size(&self) -> usize {
        self.sketches.size()
    }
}

/// Quantiles in this type; whole numbers are the nearest.
pub(in super::super) fn quantiles(found: impl Iterator<Item = Option<f64>>, data_type: &DataType) -> Result<ArrayRef> {
    let nearest = |v: f64| if data_type.is_integer() { v.round() } else { v };
    let found: Float64Array = found.map(|v| v.map(nearest)).collect();
    Ok(cast(&(Arc::new(found) as ArrayRef), data_type)?)
}
