//! Sums of many values at once are those of one after the other.

use proptest::prelude::*;

use super::float;
use crate::{Bulk, Sums};

const GROUPS: usize = 4;

/// Values that go together into 128 bits, then any.
fn batches() -> impl Strategy<Value = Vec<Vec<(usize, f64)>>> {
    let scaled = (-30..30i32, proptest::collection::vec((0..GROUPS, -1e3..1e3f64), 0..20));
    let near = scaled.prop_map(|(scale, values)| {
        values.into_iter().map(|(group, value)| (group, value * 2f64.powi(scale))).collect::<Vec<_>>()
    });
    let any = proptest::collection::vec((0..GROUPS, float()), 0..6);
    (proptest::collection::vec(near, 0..4), proptest::collection::vec(any, 0..2))
        .prop_map(|(near, any)| near.into_iter().chain(any).collect())
}

proptest! {
    #[test]
    fn many_at_once_are_one_after_the_other(batches in batches(), order in any::<bool>()) {
        let mut batches = batches;
        if order {
            batches.reverse();
        }
        let (mut bulk, mut sums) = (Bulk::new(GROUPS), Sums::new(GROUPS));
        for batch in &batches {
            bulk.add_all(batch.iter().copied());
            batch.iter().for_each(|(group, value)| sums.add(*group, *value));
        }
        let check = |bulk: &Bulk, sums: &Sums, from: Option<usize>, upto: usize| {
            let (found, expected) = (bulk.between(from, upto), sums.between(from, upto));
            prop_assert_eq!(found.round().to_bits(), expected.round().to_bits(), "{:?} {}", from, upto);
            for count in [1, 7, 1000, 1 << 40] {
                prop_assert_eq!(found.mean(count).map(f64::to_bits), expected.mean(count).map(f64::to_bits));
            }
            Ok(())
        };
        (0..GROUPS).try_for_each(|group| check(&bulk, &sums, None, group))?;
        bulk.run(0..GROUPS);
        sums.run(0..GROUPS);
        (1..GROUPS).try_for_each(|group| check(&bulk, &sums, Some(group - 1), group))?;
    }
}

/// What is one unit too fine or too great for 128 bits is still summed exactly.
#[test]
fn what_does_not_fit_is_no_less_exact() {
    let check = |first: f64, more: f64| {
        let mut bulk = Bulk::new(1);
        bulk.add_all([(0, first)].into_iter());
        bulk.add_all([(0, more)].into_iter());
        bulk.add_all([(0, -first)].into_iter());
        assert_eq!(bulk.between(None, 0).round().to_bits(), more.to_bits(), "{first} {more}");
    };
    for power in 0..140 {
        check(1.0, 2f64.powi(power));
        check(1.0, 2f64.powi(-power));
        check(-3.0, -2f64.powi(power));
    }
    check(1e300, 1e-300);
    check(1.0, f64::NAN);
    check(5e-324, f64::MAX);
}
