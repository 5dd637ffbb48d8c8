//! About how many different values: HyperLogLog (Flajolet et al. 2007) with the estimator of Ertl 2017, which needs no
//! correction for small counts.
//!
//! 4,096 registers: a standard error of 1.6 %. A register holds a maximum, so neither order nor merging matters. The
//! hash is fixed here: a version's values must not change with an upgrade of the engine. Few registers of a node are ever
//! touched, so they are held as (node, register) → value.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::tree::{Step, places, walk};
use super::values::{Encoding, canonical};
use super::{Batch, is_valid};

/// How many bits of a hash choose the register.
const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// The greatest value of a register: one more than the bits left can have leading zeros.
const GREATEST: usize = (64 - BITS + 1) as usize;

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
        let values = canonical(&batch.inputs[self.input]);
        let rows = self.encoding.encode(&values)?;
        for placed in placed.iter().filter(|p| is_valid(values.as_ref(), p.row)) {
            let (register, value) = register(hash(rows.row(placed.row as usize).data()));
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
                    let old = now.registers[*register as usize];
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

/// Which register a hash belongs to, and its value: the leading zeros of the rest, and one.
fn register(hash: u64) -> (u16, u8) {
    let register = hash >> (64 - BITS);
    let rest = hash << BITS | 1 << (BITS - 1);
    (register as u16, (rest.leading_zeros() + 1) as u8)
}

/// FNV-1a over the bytes, then a finalizer that lets each bit bear on each other one (MurmurHash3's).
fn hash(bytes: &[u8]) -> u64 {
    let fold = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let mix = |h: u64, by: u64| (h ^ (h >> 33)).wrapping_mul(by);
    let mixed = mix(mix(fold, 0xff51_afd7_ed55_8ccd), 0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// Registers with a count of each value.
struct Estimate {
    registers: Vec<u8>,
    counts: [u32; GREATEST + 1],
}

impl Estimate {
    fn new() -> Self {
        let mut counts = [0; GREATEST + 1];
        counts[0] = REGISTERS as u32;
        Estimate { registers: vec![0; REGISTERS], counts }
    }

    fn set(&mut self, register: u16, value: u8) {
        let old = std::mem::replace(&mut self.registers[register as usize], value);
        self.counts[old as usize] -= 1;
        self.counts[value as usize] += 1;
    }

    /// Only sums, products and roots of a few counts in a fixed order: the same bits everywhere.
    fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let share = |value: usize| f64::from(self.counts[value]) / m;
        if self.counts[0] == REGISTERS as u32 {
            return 0;
        }
        let mut z = m * tau(1.0 - share(GREATEST));
        for value in (1..GREATEST).rev() {
            z = 0.5 * (z + f64::from(self.counts[value]));
        }
        z += m * sigma(share(0));
        let alpha = 0.5 / std::f64::consts::LN_2;
        (alpha * m * m / z).round() as u64
    }
}

/// The share of registers that are untouched, summed over all finer counts.
fn sigma(share: f64) -> f64 {
    let (mut x, mut y, mut z) = (share, 1.0, share);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// The same for registers at their greatest value.
fn tau(share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (share, 1.0, 1.0 - share);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(values: std::ops::Range<u64>) -> u64 {
        let mut estimate = Estimate::new();
        for value in values {
            let (register, value) = register(hash(&value.to_be_bytes()));
            if value > estimate.registers[register as usize] {
                estimate.set(register, value);
            }
        }
        estimate.count()
    }

    #[test]
    fn few_are_counted_as_they_are_and_many_within_the_error() {
        let check = |count: u64, error: f64| {
            let found = estimate(0..count);
            assert!((found as f64 - count as f64).abs() <= error * count as f64, "{found} of {count}");
        };
        check(0, 0.0);
        check(1, 0.0);
        check(10, 0.0);
        check(100, 0.02);
        check(1_000, 0.05);
        check(20_000, 0.05);
        check(300_000, 0.05);
    }

    #[test]
    fn the_hash_is_fixed_for_ever() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!((register(0), register(u64::MAX)), ((0, 53), (4095, 1)));
    }
}
