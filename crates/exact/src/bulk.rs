//! Sums of floats that come many at a time.
//!
//! What [`Sums`] find out value by value can be found out at once of many: what their lowest and highest bits are. Where those
//! lie less than 126 bits apart, the number of values counted in, as nearly always, every sum is an integer of 128 bits
//! in units of the lowest: a value is a shift and an addition, and so is a running total. The unit leaves room on both sides
//! for values yet to come; what does not fit turns all into [`Sums`], which take anything.

use std::ops::Range;

use super::Sums;
use super::short::{Short, ShortTotal, Total};
use super::sums::parts;

/// One exact sum of floats per group.
#[derive(Clone, Debug)]
pub struct Bulk {
    groups: usize,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    Nothing,
    /// Sums in units of 2^unit, of so many values, none of them as great as 2^high.
    Short {
        unit: i32,
        high: i32,
        count: u64,
        sums: Vec<i128>,
    },
    Any(Sums),
}

/// The bits of a 128-bit integer that are not its sign, less one to be sure.
const BITS: i32 = 126;

impl Bulk {
    /// Sums of nothing.
    pub fn new(groups: usize) -> Self {
        Bulk { groups, held: Held::Nothing }
    }

    /// Adds values to groups. They are gone through twice.
    pub fn add_all(&mut self, values: impl Iterator<Item = (usize, f64)> + Clone) {
        let found = Bits::of(values.clone().map(|(_, value)| value));
        if let Held::Nothing = self.held {
            self.held = match found {
                Some(Bits { count: 0, .. }) => return,
                Some(Bits { low, high, count }) if high - low + log2(count) <= BITS => {
                    let unit = low - (BITS - (high - low + log2(count))) / 2;
                    Held::Short { unit, high, count: 0, sums: vec![0; self.groups] }
                }
                _ => Held::Any(Sums::new(self.groups)),
            };
        }
        if let Held::Short { unit, high, count, sums } = &mut self.held {
            match found {
                Some(bits) if bits.low >= *unit && bits.high.max(*high) + log2(*count + bits.count) <= *unit + BITS => {
                    (*high, *count) = (bits.high.max(*high), *count + bits.count);
                    for (group, value) in values {
                        sums[group] += in_units(value, *unit);
                    }
                    return;
                }
                _ => {
                    let mut any = Sums::new(self.groups);
                    for (group, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum != 0) {
                        any.add_exactly(group, *sum, *unit);
                    }
                    self.held = Held::Any(any);
                }
            }
        }
        if let Held::Any(sums) = &mut self.held {
            values.for_each(|(group, value)| sums.add(group, value));
        }
    }

    /// Makes each of these groups the total of itself and those of them before it.
    pub fn run(&mut self, groups: Range<usize>) {
        match &mut self.held {
            Held::Nothing => {}
            Held::Short { sums, .. } => {
                let mut total = 0;
                for sum in &mut sums[groups] {
                    total += *sum;
                    *sum = total;
                }
            }
            Held::Any(sums) => sums.run(groups),
        }
    }

    /// The sum of what one group has and another, if there is one, has not. Of running totals that is what came between.
    #[inline]
    pub fn between(&self, from: Option<usize>, upto: usize) -> Total {
        match &self.held {
            Held::Nothing => Total::ZERO,
            Held::Short { unit, sums, .. } => {
                let value = sums[upto] - from.map_or(0, |from| sums[from]);
                Short::new(value, *unit)
                    .map_or_else(|| Total::long(value, *unit), |short| Total::Short(ShortTotal(short)))
            }
            Held::Any(sums) => sums.between(from, upto),
        }
    }
}

/// Where the bits of some values lie: none below 2^low, none from 2^high on.
#[derive(Clone, Copy, Debug)]
struct Bits {
    low: i32,
    high: i32,
    count: u64,
}

impl Bits {
    /// None if one is not finite. Zeros do not count.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut bits = Bits { low: i32::MAX / 2, high: i32::MIN / 2, count: 0 };
        let mut finite = true;
        for value in values {
            let (mantissa, exponent) = parts(value).unwrap_or_else(|| {
                finite = false;
                (0, 0)
            });
            if mantissa != 0 {
                bits.low = bits.low.min(exponent);
                bits.high = bits.high.max(exponent + (u64::BITS - mantissa.leading_zeros()) as i32);
                bits.count += 1;
            }
        }
        finite.then_some(bits)
    }
}

/// A value that fits, in units of 2^unit.
#[inline]
fn in_units(value: f64, unit: i32) -> i128 {
    // Finite, or it would not fit.
    let (mantissa, exponent) = parts(value).unwrap_or_default();
    let moved = i128::from(mantissa) << ((exponent - unit) & 127);
    let moved = if mantissa == 0 { 0 } else { moved };
    if value.is_sign_negative() { -moved } else { moved }
}

/// The number of bits that a sum of so many may be longer.
fn log2(count: u64) -> i32 {
    (u64::BITS - count.leading_zeros()) as i32
}
