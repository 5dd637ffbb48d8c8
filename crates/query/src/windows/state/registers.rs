//! About how many different values, by the registers of [`asof_exact`].
//!
//! A register holds a maximum, so neither order nor merging matters. Few registers of a node are ever touched, so they are held
//! as (node, register) → value.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::tree::{Step, places, walk};
use super::values::{Encoding, canonical};
use super::{Batch, is_valid};
use asof_exact::{Estimate, hash, register};

/// The registers of one input.
pub(in super::super) struct Registers {
    input: usize,
    encoding: Encoding,
    held: HashMap<(usize, u16), u8>,
}

impl Registers {
    pub(super) fn new(input: usize, data_type: &DataType) -> Result<Self> {
        Ok(Registers { input, encoding: Encoding::new(data_type)?, held: HashMap::new() })
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let values = &batch.inputs[self.input];
        let hashes = hashes(&self.encoding, values)?;
        for placed in placed.iter().filter(|p| is_valid(values.as_ref(), p.row)) {
            let (register, value) = register(hashes.value(placed.row as usize));
            places(placed).for_each(|place| self.offer(place, register, value));
        }
        Ok(())
    }

    fn offer(&mut self, place: usize, register: u16, value: u8) {
        let held = self.held.entry((place, register)).or_default();
        *held = value.max(*held);
    }

    pub(super) fn merge(&mut self, other: Registers) {
        other.held.into_iter().for_each(|((place, register), value)| self.offer(place, register, value));
    }

    /// Per slot.
    pub(in super::super) fn finish(&self, slots: &dyn Slots) -> ArrayRef {
        let mut held: Vec<(usize, u16, u8)> =
            self.held.iter().map(|((place, r), value)| (*place, *r, *value)).collect();
        held.sort_unstable();
        let mut now = Estimate::new();
        // What the nodes on the way have replaced, to be put back behind them.
        let mut replaced: Vec<Vec<(u16, u8)>> = Vec::new();
        let mut found = vec![0u64; slots.moments().len()];
        walk(slots, |step| match step {
            Step::Enter(place) => {
                let from = held.partition_point(|(p, _, _)| *p < place);
                let here = held[from..].iter().take_while(|(p, _, _)| *p == place);
                let better = here.filter_map(|(_, register, value)| {
                    let old = now.get(*register);
                    (*value > old).then(|| {
                        now.set(*register, *value);
                        (*register, old)
                    })
                });
                replaced.push(better.collect());
            }
            Step::Slot(slot) => found[slot] = now.count(),
            Step::Leave(_) => {
                for (register, old) in replaced.pop().unwrap_or_default() {
                    now.set(register, old);
                }
            }
        });
        Arc::new(UInt64Array::from(found))
    }

    pub(super) fn size(&self) -> usize {
        2 * self.held.capacity() * size_of::<((usize, u16), u8)>()
    }
}

/// The hashes of values, of which equal ones have equal hashes; also of what is null.
fn hashes(encoding: &Encoding, values: &ArrayRef) -> Result<UInt64Array> {
    let rows = encoding.encode(&canonical(values))?;
    Ok((0..rows.num_rows()).map(|row| Some(hash(rows.row(row).data()))).collect())
}

/// The same for values of a batch of their own.
pub(in super::super) fn to_hashes(values: &ArrayRef) -> Result<UInt64Array> {
    hashes(&Encoding::new(values.data_type())?, values)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    /// A version's values, and what is kept online, depend on it.
    #[test]
    fn what_is_hashed_of_values_is_fixed_for_ever() {
        let check = |values: ArrayRef, expected: &[u64]| {
            assert_eq!(to_hashes(&values).unwrap().values(), expected, "{:?}", values.data_type());
        };
        check(Arc::new(Int64Array::from(vec![7, -7])), &[0xc831_884a_a28a_4346, 0xf1b3_6061_9434_d19b]);
        check(Arc::new(StringArray::from(vec!["", "ab\0"])), &[0x0d7c_ea42_b505_7e4c, 0x69bf_7f8f_8b08_b8ec]);
        check(Arc::new(Float64Array::from(vec![-0.0, f64::NAN])), &[0x20d9_c5c3_6389_16f3, 0xa31d_5791_9ddb_1276]);
    }
}
