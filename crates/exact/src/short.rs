//! Exact numbers that fit into 128 bits, and what is between two running totals.
//!
//! Nearly every sum is so short once the words that say nothing are left out, and then one conversion rounds it, and one
//! or two divisions of words are its mean: about 5 and 10 ns where the general way takes 20 and 90. What is longer goes
//! the general way; both round the exact value once, so they agree to the bit.

use super::number::Number;
use super::round;
use super::sums::{Infinite, Sums};
use super::words;

/// What a short number may count in, so that every power of two here is a normal float.
const EXPONENTS: std::ops::RangeInclusive<i32> = -600..=600;

/// `value · 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    value: i128,
    exponent: i32,
}

impl Short {
    /// A value in these units.
    #[inline]
    pub(super) fn new(value: i128, exponent: i32) -> Option<Self> {
        EXPONENTS.contains(&exponent).then_some(Short { value, exponent })
    }

    /// The number in two's complement words, lowest first; none if it is longer.
    #[inline]
    pub(super) fn of(words: &[u64], low: i32) -> Option<Self> {
        let words = &words[..words::needed(words)];
        let zeros = words.iter().take_while(|word| **word == 0).count();
        let sign = words::sign(words);
        let value = |low: u64, high: u64| (u128::from(high) << 64 | u128::from(low)) as i128;
        match &words[zeros..] {
            [] => Short::new(0, 0),
            [only] => Short::new(value(*only, sign), 64 * (low + zeros as i32)),
            [first, second] => Short::new(value(*first, *second), 64 * (low + zeros as i32)),
            _ => None,
        }
    }

    /// As words around the point.
    fn number(self) -> Number<'static> {
        let (place, up) = (self.exponent >> 6, self.exponent & 63);
        Number::new(place, words::moved(self.value, up).to_vec())
    }

    /// The nearest float.
    #[inline]
    pub(super) fn round(self) -> f64 {
        // A conversion rounds to the nearest, ties to even; the power of two loses nothing.
        self.value as f64 * power(self.exponent)
    }

    /// The nearest float to the number divided by a count that is not zero; none where that takes longer.
    #[inline]
    pub(super) fn quotient(self, count: u64) -> Option<f64> {
        if self.value == 0 {
            return Some(0.0);
        }
        let magnitude = self.value.unsigned_abs();
        let zeros = magnitude.leading_zeros();
        let shifted = magnitude << zeros;
        let (high, low) = ((shifted >> 64) as u64, shifted as u64);
        let (whole, rest) = (high / count, high % count);
        // A float needs 53 bits, one for the half, and whether anything follows, which may share the lowest bit of 55.
        let (nearest, exponent) = if count < 1 << 9 {
            let follows = u64::from(rest != 0 || low != 0);
            ((whole | follows) as f64, 64)
        } else if let Ok(count) = u32::try_from(count) {
            let (count, part) = (u64::from(count), rest << 32 | low >> 32);
            let (next, rest) = (part / count, part % count);
            let follows = u128::from(rest != 0 || low as u32 != 0);
            ((((u128::from(whole) << 32 | u128::from(next)) | follows) as f64), 32)
        } else {
            return None;
        };
        let quotient = nearest * power(exponent - zeros as i32 + self.exponent);
        Some(if self.value < 0 { -quotient } else { quotient })
    }
}

/// 2^exponent, which is a normal float.
#[inline]
fn power(exponent: i32) -> f64 {
    f64::from_bits(((f64::MAX_EXP - 1 + exponent) as u64) << (f64::MANTISSA_DIGITS - 1))
}

/// The nearest float to a number divided by a count that is not zero.
#[inline]
pub(super) fn mean(number: &Number, count: u64) -> f64 {
    let short = Short::of(number.words(), number.low()).and_then(|short| short.quotient(count));
    short.unwrap_or_else(|| round::quotient(number, &[count]))
}

/// An exact sum that is not held anywhere.
#[derive(Clone, Debug)]
pub enum Total {
    /// One of 128 bits.
    Short(ShortTotal),
    /// A longer one.
    Long(LongTotal),
    /// One that is not finite, as the float that it is.
    Infinite(f64),
}

/// See [`Total`].
#[derive(Clone, Copy, Debug)]
pub struct ShortTotal(pub(super) Short);

/// See [`Total`].
#[derive(Clone, Debug)]
pub struct LongTotal(Number<'static>);

impl Total {
    /// Nothing.
    pub(super) const ZERO: Total = Total::Short(ShortTotal(Short { value: 0, exponent: 0 }));

    /// `value · 2^exponent`, whatever that is.
    pub(super) fn long(value: i128, exponent: i32) -> Self {
        Total::Long(LongTotal(Short { value, exponent }.number()))
    }

    /// As a float, 0.0 if it is nothing.
    #[inline]
    pub fn round(&self) -> f64 {
        match self {
            Total::Short(ShortTotal(short)) => short.round(),
            Total::Long(LongTotal(number)) => round::round(number),
            Total::Infinite(infinite) => *infinite,
        }
    }

    /// Divided by a count, rounded once. None if the count is zero.
    #[inline]
    pub fn mean(&self, count: u64) -> Option<f64> {
        let mean = || match self {
            Total::Short(ShortTotal(short)) => {
                short.quotient(count).unwrap_or_else(|| round::quotient(&short.number(), &[count]))
            }
            Total::Long(LongTotal(number)) => mean(number, count),
            Total::Infinite(infinite) => *infinite,
        };
        (count > 0).then(mean)
    }

    /// As a number, or the float that it is where it is not finite.
    pub(super) fn exact(&self) -> Result<Number<'static>, f64> {
        match self {
            Total::Short(ShortTotal(short)) => Ok(short.number()),
            Total::Long(LongTotal(number)) => Ok(number.clone()),
            Total::Infinite(infinite) => Err(*infinite),
        }
    }
}

impl Sums {
    /// The sum of what one group has and another, if there is one, has not. Of running totals that is what came between.
    #[inline]
    pub fn between(&self, from: Option<usize>, upto: usize) -> Total {
        if self.is_finite()
            && let Some(short) = self.columns().between(from, upto)
        {
            return Total::Short(ShortTotal(short));
        }
        self.between_any(from, upto)
    }

    #[cold]
    fn between_any(&self, from: Option<usize>, upto: usize) -> Total {
        let before = from.map(|from| self.infinite(from)).unwrap_or_default();
        let after = self.infinite(upto);
        let infinite = Infinite {
            nan: after.nan.wrapping_sub(before.nan),
            positive: after.positive.wrapping_sub(before.positive),
            negative: after.negative.wrapping_sub(before.negative),
        };
        if let Some(infinite) = infinite.float() {
            return Total::Infinite(infinite);
        }
        let mut total = self.columns().total(upto).into_owned();
        if let Some(from) = from {
            total.subtract(&self.columns().total(from));
        }
        match Short::of(total.words(), total.low()) {
            Some(short) => Total::Short(ShortTotal(short)),
            None => Total::Long(LongTotal(total)),
        }
    }
}
