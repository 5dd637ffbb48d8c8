//! Distinct integers, in order.
//!
//! Keys that are numbers mostly lie close together. Then each is a bit in a row of them, which fits a processor's cache where
//! a hash table does not, and comes out in order by itself: finding the million keys of ten million rows took a tenth of a second
//! on two processors, and three with a hash table and a sort. Where they are spread so far that a hash table takes less memory, they are in one.

use datafusion::common::HashSet;

/// Bits that may be there however few integers there are: 1 MiB.
const FREE: u64 = 1 << 23;
/// Bits for each integer, beyond these; a hash table takes at least 72.
const BITS_EACH: u64 = 64;
const WORD: u64 = u64::BITS as u64;

/// See the module.
#[derive(Debug)]
pub(super) enum Integers {
    /// Bit i of word n says whether there is `first + 64 n + i`; `first` is a multiple of 64.
    Near {
        first: i64,
        words: Vec<u64>,
        count: u64,
    },
    Far(HashSet<i64>),
}

impl Integers {
    pub(super) fn new() -> Integers {
        Integers::Near { first: 0, words: Vec::new(), count: 0 }
    }

    /// Adds some.
    pub(super) fn add(&mut self, values: &[i64]) {
        let (Some(least), Some(most)) = (values.iter().min(), values.iter().max()) else { return };
        if !self.reach(*least, *most) {
            self.spread();
        }
        match self {
            Integers::Near { first, words, count } => {
                for value in values {
                    let place = value.abs_diff(*first);
                    let (word, bit) = (&mut words[(place / WORD) as usize], 1 << (place % WORD));
                    *count += u64::from(*word & bit == 0);
                    *word |= bit;
                }
            }
            Integers::Far(all) => all.extend(values),
        }
    }

    /// Makes room for bits from the least to the most; false where there may not be so many.
    fn reach(&mut self, least: i64, most: i64) -> bool {
        let Integers::Near { first, words, count } = self else { return true };
        let held = words.len() as u64 * WORD;
        if held > 0 && *first <= least && most.abs_diff(*first) < held {
            return true;
        }
        // Those that there are, in whole words.
        let (low, high) = match held {
            0 => (least, most),
            held => (least.min(*first), most.max(first.saturating_add((held - 1) as i64))),
        };
        let span = high.abs_diff(low);
        let limit = FREE.max(BITS_EACH.saturating_mul(*count));
        if span >= limit {
            return false;
        }
        // As much again, so that it does not grow often; downwards only what is needed, and in whole words.
        let before = match held {
            0 => 0,
            _ => first.abs_diff(low).div_ceil(WORD),
        };
        let Some(begin) = (if held == 0 {
            low.checked_sub(low.rem_euclid(WORD as i64))
        } else {
            first.checked_sub((before * WORD) as i64)
        }) else {
            return false;
        };
        let needed = (high.abs_diff(begin) / WORD + 1) as usize;
        let ample = needed.max((2 * words.len()).min((limit / WORD) as usize));
        // The last bit must be an integer.
        let most_words = (i64::MAX.abs_diff(begin) / WORD) as usize;
        if needed > most_words {
            return false;
        }
        let mut grown = vec![0; before as usize];
        grown.append(words);
        grown.resize(ample.min(most_words), 0);
        (*first, *words) = (begin, grown);
        true
    }

    fn spread(&mut self) {
        if let Integers::Near { .. } = self {
            let near = std::mem::replace(self, Integers::Far(HashSet::new()));
            if let Integers::Far(all) = self {
                all.extend(near.in_order());
            }
        }
    }

    /// Adds all of another.
    pub(super) fn absorb(&mut self, other: Integers) {
        // Both have bits for what the other has.
        if let Integers::Near { first, words, count } = &other
            && *count > 0
            && self.reach(*first, first.saturating_add((words.len() as u64 * WORD - 1) as i64))
            && let Integers::Near { first: own, words: held, count } = self
        {
            let held = held[(own.abs_diff(*first) / WORD) as usize..].iter_mut();
            for (held, word) in held.zip(words) {
                *count += u64::from((*word & !*held).count_ones());
                *held |= word;
            }
            return;
        }
        match (&mut *self, other) {
            (Integers::Far(all), Integers::Far(more)) => all.extend(more),
            (_, other) => other.in_order().chunks(8192).for_each(|some| self.add(some)),
        }
    }

    /// How many bytes they take.
    pub(super) fn size(&self) -> usize {
        match self {
            Integers::Near { words, .. } => words.capacity() * size_of::<u64>(),
            Integers::Far(all) => all.capacity() * 9,
        }
    }

    /// All, from the least to the most.
    pub(super) fn in_order(self) -> Vec<i64> {
        match self {
            Integers::Near { first, words, count } => {
                let mut all = Vec::with_capacity(count as usize);
                for (n, mut word) in words.into_iter().enumerate() {
                    while word != 0 {
                        all.push(first + (n as u64 * WORD) as i64 + i64::from(word.trailing_zeros()));
                        word &= word - 1;
                    }
                }
                all
            }
            Integers::Far(all) => {
                let mut all: Vec<i64> = all.into_iter().collect();
                all.sort_unstable();
                all
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Vec<i64>> {
        let near = prop::collection::vec(-300i64..300, 0..40);
        let around = (any::<i64>(), prop::collection::vec(-1_000i64..1_000, 1..40))
            .prop_map(|(center, offsets)| offsets.iter().map(|offset| center.saturating_add(*offset)).collect());
        let wide = prop::collection::vec(-20_000_000i64..20_000_000, 0..40);
        let ends =
            prop::collection::vec(prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]), 0..4);
        prop_oneof![4 => near, 2 => around, 2 => wide, 1 => ends]
    }

    proptest! {
        #[test]
        fn they_come_out_once_in_order(parts in prop::collection::vec(prop::collection::vec(some(), 0..5), 0..4)) {
            let expected: BTreeSet<i64> = parts.iter().flatten().flatten().copied().collect();
            let mut all = Integers::new();
            for part in &parts {
                let mut own = Integers::new();
                part.iter().for_each(|values| own.add(values));
                all.absorb(own);
            }
            prop_assert!(all.size() <= 2 * (1 << 20) + expected.len() * 40, "{} bytes", all.size());
            prop_assert_eq!(all.in_order(), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn those_that_lie_together_are_bits_and_others_are_not() {
        let mut near = Integers::new();
        (0..100).rev().for_each(|n| near.add(&[7_000_000_000 + n * 1_000, 7_000_000_000 - n * 1_000]));
        assert!(matches!(near, Integers::Near { .. }));
        near.add(&[0]);
        assert!(matches!(near, Integers::Far(_)));
        assert_eq!(near.in_order().len(), 200);
    }
}
