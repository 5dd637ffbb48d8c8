//! Sums of floats, exact until they are read.

use std::collections::HashMap;
use std::ops::Range;

use super::bytes::{self, Error};
use super::columns::Columns;
use super::number::Number;
use super::round;
use super::short;
use super::words;

/// Numbers between 2^-12 and 2^63 have all their bits in these two words, one on either side of the point.
const ORDINARY: Range<i32> = -1..1;

/// One exact sum of floats per group.
///
/// A sum is rounded to the nearest float, ties to even, subnormal numbers included; one that is too large is infinite.
/// Zero is 0.0, also where only -0.0 was added. NaN and the infinities are counted apart, so that they too can be taken
/// away again: while there is a NaN, or both infinities, the sum is NaN; while there is one infinity, it is that.
#[derive(Clone, Debug)]
pub struct Sums {
    finite: Columns,
    infinite: HashMap<usize, Infinite>,
}

/// How many values of a group are not numbers. Less than none where more were subtracted than added so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Infinite {
    pub(super) nan: i64,
    pub(super) positive: i64,
    pub(super) negative: i64,
}

impl Infinite {
    /// The float that a sum with these is; none if there are none.
    pub(super) fn float(self) -> Option<f64> {
        match self {
            Infinite { nan: 0, positive: 0, negative: 0 } => None,
            Infinite { nan: 0, positive: _, negative: 0 } => Some(f64::INFINITY),
            Infinite { nan: 0, positive: 0, negative: _ } => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

impl Sums {
    /// Sums of nothing.
    pub fn new(groups: usize) -> Self {
        Sums { finite: Columns::new(groups, ORDINARY), infinite: HashMap::new() }
    }

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, group: usize, value: f64) {
        self.count(group, value, 1);
    }

    /// Takes a value away, as if it had never been added, or will never be.
    #[inline]
    pub fn subtract(&mut self, group: usize, value: f64) {
        self.count(group, value, -1);
    }

    /// Adds the exact square of a value.
    #[inline]
    pub fn add_square(&mut self, group: usize, value: f64) {
        self.count_square(group, value, 1);
    }

    /// Takes the exact square of a value away.
    #[inline]
    pub fn subtract_square(&mut self, group: usize, value: f64) {
        self.count_square(group, value, -1);
    }

    /// Adds `value · 2^exponent`.
    pub(super) fn add_exactly(&mut self, group: usize, value: i128, exponent: i32) {
        let (place, up) = place(exponent);
        self.finite.add_array(group, place, words::moved(value, up));
    }

    /// Makes each of these groups the total of itself and those of them before it.
    pub fn run(&mut self, groups: Range<usize>) {
        self.finite.run(groups.clone());
        if !self.infinite.is_empty() {
            for group in groups.skip(1) {
                self.merge_infinite(group, group - 1);
            }
        }
    }

    /// Adds the sum of one group to that of another.
    pub fn merge_group(&mut self, into: usize, from: usize) {
        self.finite.merge_group(into, from);
        self.merge_infinite(into, from);
    }

    /// Adds all sums of others, group by group. There are as many.
    pub fn absorb(&mut self, other: &Self) {
        self.finite.absorb(&other.finite);
        for (group, infinite) in &other.infinite {
            self.add_infinite(*group, *infinite);
        }
    }

    /// The sum of a group as a float, 0.0 if there is none.
    pub fn round(&self, group: usize) -> f64 {
        self.exact(group).map_or_else(|infinite| infinite, |sum| round::round(&sum))
    }

    /// The sum of a group divided by a count, rounded once. None if the count is zero.
    pub fn mean(&self, group: usize, count: u64) -> Option<f64> {
        let mean = || self.exact(group).map_or_else(|infinite| infinite, |sum| short::mean(&sum, count));
        (count > 0).then(mean)
    }

    /// Appends the state of a group, which says where it ends. Equal sums have equal bytes.
    pub fn encode(&self, group: usize, out: &mut Vec<u8>) {
        let infinite = self.infinite.get(&group).copied().unwrap_or_default();
        bytes::write_sum(&self.finite.total(group).into_owned(), infinite, out);
    }

    /// Reads a state from the start of `bytes`, which move on behind it, and adds it to a group.
    ///
    /// # Errors
    /// [`Error`], and the group is as it was.
    pub fn decode(&mut self, group: usize, bytes: &mut &[u8]) -> Result<(), Error> {
        let (finite, infinite) = bytes::read_sum(bytes)?;
        self.finite.add_number(group, &finite);
        self.add_infinite(group, infinite);
        Ok(())
    }

    /// Memory held, in bytes.
    pub fn size(&self) -> usize {
        self.finite.size() + self.infinite.capacity() * size_of::<(usize, Infinite)>()
    }

    /// The exact sum, or the float that it is where it is not finite.
    pub(super) fn exact(&self, group: usize) -> Result<Number<'_>, f64> {
        self.infinite(group).float().map_or_else(|| Ok(self.finite.total(group)), Err)
    }

    /// Whether every value was a number so far.
    #[inline]
    pub(super) fn is_finite(&self) -> bool {
        self.infinite.is_empty()
    }

    /// How many values of a group were not.
    pub(super) fn infinite(&self, group: usize) -> Infinite {
        if self.infinite.is_empty() {
            Infinite::default()
        } else {
            self.infinite.get(&group).copied().unwrap_or_default()
        }
    }

    /// The sums of all that were.
    #[inline]
    pub(super) fn columns(&self) -> &Columns {
        &self.finite
    }

    #[inline]
    fn count(&mut self, group: usize, value: f64, times: i64) {
        let Some((mantissa, exponent)) = parts(value) else { return self.count_infinite(group, value, times) };
        let (place, up) = place(exponent);
        let moved = i128::from(mantissa) << up;
        let negative = value.is_sign_negative() != (times < 0);
        self.finite.add(group, place, if negative { -moved } else { moved });
    }

    #[inline]
    fn count_square(&mut self, group: usize, value: f64, times: i64) {
        let Some((mantissa, exponent)) = parts(value) else { return self.count_infinite(group, value * value, times) };
        // Up to 106 bits, moved by up to 63, in three words.
        let square = u128::from(mantissa) * u128::from(mantissa);
        let (place, up) = place(2 * exponent);
        let (low, high) = (u128::from(square as u64) << up, (square >> 64) << up);
        let mut words = [low as u64, (low >> 64) as u64 | high as u64, (high >> 64) as u64];
        if times < 0 {
            words::negate(&mut words);
        }
        self.finite.add_array(group, place, words);
    }

    #[cold]
    fn count_infinite(&mut self, group: usize, value: f64, times: i64) {
        let infinite = match value {
            f64::INFINITY => Infinite { positive: times, ..Infinite::default() },
            f64::NEG_INFINITY => Infinite { negative: times, ..Infinite::default() },
            _ => Infinite { nan: times, ..Infinite::default() },
        };
        self.add_infinite(group, infinite);
    }

    fn merge_infinite(&mut self, into: usize, from: usize) {
        if let Some(more) = self.infinite.get(&from).copied() {
            self.add_infinite(into, more);
        }
    }

    fn add_infinite(&mut self, group: usize, more: Infinite) {
        if more == Infinite::default() {
            return;
        }
        let counts = self.infinite.entry(group).or_default();
        // No data have so many; bytes from elsewhere may say so, and must not stop anybody.
        counts.nan = counts.nan.wrapping_add(more.nan);
        counts.positive = counts.positive.wrapping_add(more.positive);
        counts.negative = counts.negative.wrapping_add(more.negative);
        if *counts == Infinite::default() {
            self.infinite.remove(&group);
        }
    }
}

/// The word in which 2^exponent is, and its bit there.
#[inline]
fn place(exponent: i32) -> (i32, i32) {
    (exponent >> 6, exponent & 63)
}

/// A finite float without its sign, as `mantissa · 2^exponent` with an odd mantissa, or zero. None if it is not finite.
#[inline]
pub(super) fn parts(value: f64) -> Option<(u64, i32)> {
    const FRACTION: u32 = f64::MANTISSA_DIGITS - 1;
    const LEAST: i32 = f64::MIN_EXP - f64::MANTISSA_DIGITS as i32;
    let bits = value.to_bits() & !(1 << 63);
    let (exponent, fraction) = ((bits >> FRACTION) as i32, bits & ((1 << FRACTION) - 1));
    let (mantissa, exponent) = match (exponent, fraction) {
        (0x7ff, _) => return None,
        (0, 0) => return Some((0, 0)),
        (0, _) => (fraction, LEAST),
        _ => (fraction | 1 << FRACTION, LEAST + exponent - 1),
    };
    // So that whole numbers stay above the point, where their lowest bit is.
    let zeros = mantissa.trailing_zeros();
    Some((mantissa >> zeros, exponent + zeros as i32))
}
