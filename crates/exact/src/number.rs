//! One exact number.

use std::borrow::Cow;

use super::words;

/// `words · 2^(64 · low)`, an integer of any size at any place on either side of the point.
///
/// Words are two's complement, lowest first. A number that has been computed is trim: neither its lowest nor
/// its highest word could be left out, so equal numbers have equal words. One that is lent from a column may not be.
#[derive(Clone, Debug, Default)]
pub(super) struct Number<'a> {
    low: i32,
    words: Cow<'a, [u64]>,
}

impl<'a> Number<'a> {
    /// A number in words that are lent.
    pub(super) fn lent(low: i32, words: &'a [u64]) -> Self {
        Number { low, words: Cow::Borrowed(words) }
    }

    /// A number in words of its own.
    pub(super) fn new(low: i32, words: Vec<u64>) -> Number<'static> {
        let mut number = Number { low, words: Cow::Owned(words) };
        number.trim();
        number
    }

    /// A number without its sign, given back the sign.
    fn signed(low: i32, mut magnitude: Vec<u64>, negative: bool) -> Number<'static> {
        magnitude.push(0);
        if negative {
            words::negate(&mut magnitude);
        }
        Number::new(low, magnitude)
    }

    /// The place of the lowest word: it counts 2^(64 · low).
    pub(super) fn low(&self) -> i32 {
        self.low
    }

    /// The words.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether it is nothing.
    pub(super) fn is_zero(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether it is less than nothing.
    pub(super) fn is_negative(&self) -> bool {
        words::sign(&self.words) != 0
    }

    /// The same number, which needs nobody else's words.
    pub(super) fn into_owned(self) -> Number<'static> {
        Number::new(self.low, self.words.into_owned())
    }

    /// Adds another number.
    pub(super) fn add(&mut self, other: &Number) {
        let high = |number: &Number| number.low + number.words.len() as i32;
        let low = if self.words.is_empty() { other.low } else { self.low.min(other.low) };
        // One word more than either has, so that no carry is lost.
        let needed = (high(self).max(high(other)) + 1 - low) as usize;
        let sign = words::sign(&self.words);
        let below = if self.words.is_empty() { 0 } else { (self.low - low) as usize };
        let mut sum = vec![0; below];
        sum.reserve(needed - below);
        sum.extend_from_slice(&self.words);
        sum.resize(needed, sign);
        words::add(&mut sum, (other.low - low) as usize, &other.words);
        *self = Number { low, words: Cow::Owned(sum) };
        self.trim();
    }

    /// Subtracts another number.
    pub(super) fn subtract(&mut self, other: &Number) {
        let (negative, magnitude) = other.magnitude();
        self.add(&Number::signed(other.low, magnitude, !negative));
    }

    /// A multiple.
    pub(super) fn times(&self, factor: u64) -> Number<'static> {
        let (negative, mut magnitude) = self.magnitude();
        let mut carry = 0;
        for word in &mut magnitude {
            (*word, carry) = word.carrying_mul(factor, carry);
        }
        magnitude.push(carry);
        Number::signed(self.low, magnitude, negative)
    }

    /// The square.
    pub(super) fn squared(&self) -> Number<'static> {
        let (_, magnitude) = self.magnitude();
        let mut square = vec![0; 2 * magnitude.len()];
        for (at, left) in magnitude.iter().enumerate() {
            let mut carry = 0;
            for (right, word) in magnitude.iter().zip(&mut square[at..]) {
                (*word, carry) = left.carrying_mul_add(*right, carry, *word);
            }
            square[at + magnitude.len()] = carry;
        }
        Number::signed(2 * self.low, square, false)
    }

    /// Whether it is negative, and its words without that.
    pub(super) fn magnitude(&self) -> (bool, Vec<u64>) {
        let mut magnitude = self.words.to_vec();
        if self.is_negative() {
            // The lowest number of a width has no negative in two's complement, but as an unsigned one it has.
            words::negate(&mut magnitude);
        }
        (self.is_negative(), magnitude)
    }

    /// Leaves out what says nothing at both ends.
    fn trim(&mut self) {
        let words = self.words.to_mut();
        words.truncate(words::needed(words));
        let zeros = words.iter().take_while(|word| **word == 0).count();
        words.drain(..zeros);
        self.low = if words.is_empty() { 0 } else { self.low + zeros as i32 };
    }
}
