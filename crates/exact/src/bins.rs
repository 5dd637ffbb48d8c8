//! The bins of a sketch: which values are counted together.
//!
//! A power of two is cut into 64 bins of equal width, so the key of a bin is nothing but the upper bits of the
//! floats in it: no logarithm, which machines compute differently. Next to the logarithm's own bins for the same
//! error these are 44 % more, and their keys take one shift. A value is within 1/128 of the middle of its bin, and
//! one that is not a normal float, below 2^-1022, within 2^-1028.

/// The one NaN; whether machines give theirs a sign differs.
pub(super) const NAN: f64 = f64::from_bits(0x7ff8 << 48);

/// A value as it has its place in the total order of floats: there is one zero, and one NaN, above all.
pub(super) fn ordered(value: f64) -> f64 {
    if value.is_nan() { NAN } else { value + 0.0 }
}

/// A power of two has 2^STEPS bins.
const STEPS: u32 = 6;
/// How much of a float is below its bin.
const BELOW: u32 = f64::MANTISSA_DIGITS - 1 - STEPS;

/// The key of a bin. Keys have the order of the values in them: -∞, negative numbers, zero, positive numbers, ∞ and
/// NaN. Zero's bin holds what is nearer to it than 2^-1028 on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(i32);

const INFINITY: i32 = (f64::INFINITY.to_bits() >> BELOW) as i32;
const ABOVE_ALL: i32 = (NAN.to_bits() >> BELOW) as i32;

impl Key {
    /// The bin of a value that is [`ordered`].
    pub(super) fn of(value: f64) -> Self {
        let key = (value.abs().to_bits() >> BELOW) as i32;
        Key(if value < 0.0 { -key } else { key })
    }

    /// The middle of a bin, which stands for all in it.
    pub(super) fn middle(self) -> f64 {
        let middle = match self.0.abs() {
            0 => 0.0,
            INFINITY => f64::INFINITY,
            ABOVE_ALL => NAN,
            key => f64::from_bits((key as u64) << BELOW | 1 << (BELOW - 1)),
        };
        if self.0 < 0 { -middle } else { middle }
    }

    /// The key as a number.
    pub(super) fn number(self) -> i64 {
        i64::from(self.0)
    }

    /// The key of that number, if there is one.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        let key = i32::try_from(number).ok()?;
        (-INFINITY..=INFINITY).contains(&key).then_some(Key(key)).or((key == ABOVE_ALL).then_some(Key(ABOVE_ALL)))
    }
}

/// How many values of a group are in one bin, packed so that bins sort by their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bin(u64);

impl Bin {
    /// For the key; a count of 7 · 10^13 is more than anybody has rows.
    const COUNT: u32 = 46;
    /// The greatest count. More is counted as this, in whatever order it came.
    pub(super) const MOST: u64 = (1 << Self::COUNT) - 1;

    /// So many values in the bin of this key.
    pub(super) fn new(key: Key, count: u64) -> Self {
        Bin(((key.0 + ABOVE_ALL) as u64) << Self::COUNT | count.min(Self::MOST))
    }

    /// The key.
    pub(super) fn key(self) -> Key {
        Key((self.0 >> Self::COUNT) as i32 - ABOVE_ALL)
    }

    /// The count.
    pub(super) fn count(self) -> u64 {
        self.0 & Self::MOST
    }

    /// With more values of the same bin.
    pub(super) fn with(self, more: u64) -> Self {
        Bin::new(self.key(), self.count().saturating_add(more))
    }
}
