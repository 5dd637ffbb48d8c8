//! Whatever the way to a state, it is the one that the values have.

mod bulk;
mod bytes;
mod integers;
mod naive;
mod registers;
mod sketches;
mod sums;

use proptest::prelude::*;

/// Floats that are finite: ordinary ones, whole ones, huge and tiny ones, those at the edges, and any at all.
fn finite() -> impl Strategy<Value = f64> {
    let edge = [0.0, -0.0, 5e-324, f64::MIN_POSITIVE, 1.0, f64::EPSILON, 9_007_199_254_740_993.0, 1e300, f64::MAX];
    let edge =
        proptest::sample::select(edge.to_vec()).prop_flat_map(|edge| proptest::sample::select(vec![edge, -edge]));
    let any = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
    prop_oneof![
        4 => -1e4..1e4,
        2 => (-1_000_000..1_000_000i64).prop_map(|cents| cents as f64 / 100.0),
        2 => (-1000..1000i32).prop_map(f64::from),
        1 => (1..10i32, -20..20i32).prop_map(|(digit, power)| f64::from(digit) * 10f64.powi(power)),
        1 => edge,
        2 => any,
    ]
}

/// Any float, also those that are not finite.
fn float() -> impl Strategy<Value = f64> {
    let other = proptest::sample::select(vec![f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    prop_oneof![12 => finite(), 1 => other]
}

/// The same values in two orders, and where to cut the second.
fn shuffled<T: Clone + std::fmt::Debug>(values: Vec<T>) -> impl Strategy<Value = (Vec<T>, Vec<T>, usize)> {
    let len = values.len();
    (Just(values.clone()), Just(values).prop_shuffle(), 0..=len)
}
