//! Which events can be in a window at all, decided by one word per key, and how an event's head is packed.
//!
//! Time from the earliest start of a window to the last moment of the spine is divided into at most 64 parts, a power of two
//! of microseconds each, and a key has a bit for each part that one of its windows reaches into. Most events of a long
//! view are in no window, and go no further; the words of 100,000 keys are 800 kB, so they stay in the cache. What
//! passes may still be in none, never the other way round.
//!
//! The head of an event is its time, its key's number within its range of keys, and its flags. Years of microseconds take
//! 45 bits, so all of it goes into one word as a rule, else into two.

use super::super::place::Slots;
use super::asked::Asked;

/// See the module.
#[derive(Debug)]
pub(super) struct Scope {
    /// The time from which others are counted; earlier is as good as this.
    first: i64,
    last: i64,
    /// The length of a part of time, as a power of two.
    part: u32,
    /// For each key the parts that its windows reach into.
    parts: Vec<u64>,
    /// Keys of one range have the same number but for so many bits.
    pub(super) key_bits: u32,
    pub(super) flag_bits: u32,
    /// Whether heads take two words.
    wide: bool,
}

/// A head, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The time, counted from [`Scope::first`].
    pub(super) time: u64,
    /// The key, counted from the first of its range.
    pub(super) key: usize,
    pub(super) flags: u64,
}

impl Scope {
    /// The scope of windows that end at these slots. Ranges have two to the `key_bits` keys.
    pub(super) fn new(asked: &Asked, slots: &dyn Slots, key_bits: u32) -> Self {
        let moments = slots.moments();
        let last = moments.iter().max().copied().unwrap_or_default();
        let least = moments.iter().min().copied().unwrap_or_default();
        // A start is less than a hop further back than the width.
        let reach = asked.reach();
        let first = reach.map_or(i64::MIN, |reach| least.saturating_sub(reach));
        let reach = reach.filter(|_| !asked.is_endless());
        let time_bits = u64::BITS - last.wrapping_sub(first).cast_unsigned().leading_zeros();
        let flag_bits = asked.flags.len() as u32;
        let wide = time_bits + key_bits + flag_bits > u64::BITS;
        let part = time_bits.saturating_sub(6);
        let mut scope = Scope { first, last, part, parts: Vec::new(), key_bits, flag_bits, wide };
        scope.parts = (0..slots.keys()).map(|key| scope.reached(&moments[slots.of(key)], reach)).collect();
        scope
    }

    fn reached(&self, moments: &[i64], reach: Option<i64>) -> u64 {
        let part = |time: i64| self.since(time) >> self.part;
        moments.iter().fold(0, |parts, moment| {
            let first = reach.map_or(0, |reach| part(moment.saturating_sub(reach)));
            parts | (u64::MAX << first) & (u64::MAX >> (63 - part(*moment)))
        })
    }

    /// A time, counted from the first.
    #[inline]
    pub(super) fn since(&self, time: i64) -> u64 {
        time.max(self.first).wrapping_sub(self.first).cast_unsigned()
    }

    /// Whether an event of this key, which the spine has, may be in a window.
    #[inline]
    pub(super) fn may_hold(&self, key: u32, time: i64) -> bool {
        time <= self.last && self.parts[key as usize] >> (self.since(time) >> self.part) & 1 == 1
    }

    /// How many words a head takes.
    pub(super) fn words(&self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    /// The range of a key.
    #[inline]
    pub(super) fn range(&self, key: u32) -> usize {
        (u64::from(key) >> self.key_bits) as usize
    }

    /// The one or two words of the head of an event.
    #[inline]
    pub(super) fn pack(&self, key: u32, time: i64, flags: u64) -> [u64; 2] {
        let key = u64::from(key) & ((1 << self.key_bits) - 1);
        let rest = key << self.flag_bits | flags;
        let time = self.since(time);
        if self.wide { [time, rest] } else { [time << (self.key_bits + self.flag_bits) | rest, 0] }
    }

    /// What was packed.
    #[inline]
    pub(super) fn unpack(&self, words: &[u64]) -> Head {
        let (time, rest) =
            if self.wide { (words[0], words[1]) } else { (words[0] >> (self.key_bits + self.flag_bits), words[0]) };
        let key = rest >> self.flag_bits & ((1 << self.key_bits) - 1);
        Head { time, key: key as usize, flags: rest & ((1 << self.flag_bits) - 1) }
    }

    /// Memory held, in bytes.
    pub(super) fn size(&self) -> usize {
        self.parts.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use asof_model::Micros;
    use proptest::prelude::*;

    use super::super::super::Frame;
    use super::*;

    struct One(Vec<i64>);

    impl Slots for One {
        fn keys(&self) -> u32 {
            1
        }

        fn of(&self, _: u32) -> Range<usize> {
            0..self.0.len()
        }

        fn moments(&self) -> &[i64] {
            &self.0
        }
    }

    proptest! {
        /// No event of a window is left out; and with enough parts those far from all are.
        #[test]
        fn what_a_window_holds_passes(
            moments in proptest::collection::btree_set(-5000..5000i64, 1..5),
            (width, hop, scale) in (1..900i64, 1..100i64, 0..40u32),
            time in -7000..7000i64,
        ) {
            let moments: Vec<i64> = moments.into_iter().map(|m| m << scale).collect();
            let (width, hop, time) = (width << scale, hop << scale, time << scale);
            let frame = Frame::Range { width: Micros(width), hop: Micros(hop) };
            let asked = Asked { frames: vec![frame], ..Asked::default() };
            let scope = Scope::new(&asked, &One(moments.clone()), 3);
            let held = moments.iter().any(|t| (t - width).div_euclid(hop) * hop < time && time <= *t);
            prop_assert!(!held || scope.may_hold(0, time));
            let part = (20_000 << scale) / 32;
            let far = moments.iter().all(|t| time > *t + part || *t - time > width + hop + part);
            prop_assert!(!far || time < moments[0] || !scope.may_hold(0, time));
        }

        #[test]
        fn a_head_is_read_as_it_was_packed(
            span in 1..i64::MAX, at in 0.0..1.0f64, key in 0..4000u32, key_bits in 1..12u32, flag in 0..4u64,
        ) {
            let flags = [super::super::asked::Flag::True(0), super::super::asked::Flag::True(1)].to_vec();
            let asked = Asked { frames: vec![Frame::All], flags, ..Asked::default() };
            let scope = Scope::new(&asked, &One(vec![-5, span - 5]), key_bits);
            let time = (span as f64 * at) as i64 - 5;
            let words = scope.pack(key, time, flag);
            let head = scope.unpack(&words);
            prop_assert_eq!(scope.range(key) << key_bits | head.key, key as usize);
            prop_assert_eq!((head.time, head.flags), (scope.since(time), flag));
        }
    }
}
