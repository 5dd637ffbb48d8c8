//! Sums of integers.

use proptest::prelude::*;

use super::shuffled;
use crate::Integers;

fn value() -> impl Strategy<Value = i128> {
    let edge = proptest::sample::select(vec![i128::MIN, i128::MAX, -1, 0, 1, 1 << 63, -(1 << 63), i64::MAX.into()]);
    prop_oneof![3 => any::<i64>().prop_map(i128::from), 1 => -100..100i128, 1 => any::<i128>(), 1 => edge]
}

/// The sum in two parts, which never overflow: what counts 2^64, and what counts 1.
fn oracle(steps: &[(i128, bool)]) -> Option<i128> {
    let (mut high, mut low) = (0, 0);
    for (value, comes) in steps {
        let sign = if *comes { 1 } else { -1 };
        high += sign * (value >> 64);
        low += sign * i128::from(*value as u64);
    }
    high += low >> 64;
    let high = i64::try_from(high).ok()?;
    Some(i128::from(high) << 64 | i128::from(low as u64))
}

fn follow(steps: &[(i128, bool)]) -> Integers {
    let mut integers = Integers::new(1);
    for (value, comes) in steps {
        if *comes { integers.add(0, *value) } else { integers.subtract(0, *value) }
    }
    integers
}

fn bytes(integers: &Integers, group: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    integers.encode(group, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn only_the_end_can_overflow(
        (steps, others, cut) in proptest::collection::vec((value(), any::<bool>()), 0..20).prop_flat_map(shuffled)
    ) {
        let integers = follow(&steps);
        prop_assert_eq!(integers.total(0), oracle(&steps));
        let (left, right) = others.split_at(cut);
        let mut found = follow(left);
        found.absorb(&follow(right));
        prop_assert_eq!(bytes(&found, 0), bytes(&integers, 0));
        let mut read = Integers::new(1);
        for part in [left, right] {
            prop_assert_eq!(read.decode(0, &mut &*bytes(&follow(part), 0)), Ok(()));
        }
        prop_assert_eq!(bytes(&read, 0), bytes(&integers, 0));
    }
}

#[test]
fn totals_run_and_merge() {
    let mut integers = Integers::new(4);
    for (group, value) in [(0, 5), (1, -7), (2, i128::MAX), (3, 1)] {
        integers.add(group, value);
    }
    integers.run(1..4);
    let totals = |integers: &Integers| (0..4).map(|group| integers.total(group)).collect::<Vec<_>>();
    assert_eq!(totals(&integers), [Some(5), Some(-7), Some(i128::MAX - 7), Some(i128::MAX - 6)]);
    integers.merge_group(3, 0);
    integers.merge_group(0, 3);
    assert_eq!(totals(&integers), [None, Some(-7), Some(i128::MAX - 7), Some(i128::MAX - 1)]);
}

#[test]
fn sums_of_64_bits_take_one_word() {
    let mut integers = Integers::new(1000);
    (0..1000).for_each(|group| integers.add(group, i64::MAX.into()));
    assert_eq!(integers.size(), 8000);
    (0..1000).for_each(|group| integers.add(group, i64::MAX.into()));
    assert!((0..1000).all(|group| integers.total(group) == Some(2 * i128::from(i64::MAX))));
}
