//! Quantiles.

use proptest::prelude::*;

use super::{float, shuffled};
use crate::Sketches;

fn sketches(values: &[f64]) -> Sketches {
    let mut sketches = Sketches::new(1);
    values.iter().for_each(|value| sketches.add(0, *value));
    sketches
}

fn bytes(sketches: &Sketches, group: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    sketches.encode(group, &mut bytes);
    bytes
}

/// The two values next to the rank of a quantile, and how far it is from the first to the second.
fn around(values: &[f64], q: f64) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = values.iter().map(|v| if v.is_nan() { f64::NAN } else { *v }).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = q * (sorted.len() - 1) as f64;
    (sorted[rank.floor() as usize], sorted[rank.ceil() as usize], rank.fract())
}

/// Holds a quantile against that of the sorted values.
fn check(values: &[f64], q: f64) {
    let Some(found) = sketches(values).quantile(0, q) else { return assert!(values.is_empty()) };
    let (low, high, part) = around(values, q);
    let exact = if low == high { low } else { low * (1.0 - part) + high * part };
    // Where the two have different signs, the error is that of the larger.
    let error = if low.is_sign_negative() == high.is_sign_negative() { exact.abs() } else { low.abs().max(high.abs()) };
    let near = (found - exact).abs() <= (error / 128.0 * (1.0 + 1e-12)).max(2f64.powi(-1028));
    assert!(near || found == exact || found.is_nan() && exact.is_nan(), "{found} for {exact} of {values:?}");
    assert!(!found.is_nan() || found.is_sign_positive());
}

proptest! {
    #[test]
    fn a_quantile_is_within_one_percent(values in proptest::collection::vec(float(), 0..60), q in 0.0..=1.0) {
        check(&values, q);
        check(&values, 0.5);
        check(&values, 0.0);
        check(&values, 1.0);
    }

    #[test]
    fn quantiles_of_ordinary_values_are_near(values in proptest::collection::vec(1e-3..1e3, 1..300), q in 0.0..=1.0) {
        check(&values, q);
    }

    #[test]
    fn order_partitions_and_trees_leave_no_trace(
        (values, others, cut) in proptest::collection::vec(float(), 0..60).prop_flat_map(shuffled),
        second in 0..60usize,
    ) {
        let expected = sketches(&values);
        let (left, right) = others.split_at(cut);
        let (middle, right) = right.split_at(second.min(right.len()));
        let mut found = sketches(middle);
        found.absorb(&sketches(right));
        found.absorb(&sketches(left));
        prop_assert_eq!(bytes(&found, 0), bytes(&expected, 0));
        prop_assert_eq!(found.count(0), values.len() as u64);
        // The same in groups of one state, and in states that were stored.
        let mut groups = Sketches::new(3);
        for (group, part) in [left, middle, right].into_iter().enumerate() {
            prop_assert_eq!(groups.decode(group, &mut &*bytes(&sketches(part), 0)), Ok(()));
        }
        groups.merge_group(1, 2);
        groups.merge_group(0, 1);
        prop_assert_eq!(bytes(&groups, 0), bytes(&expected, 0));
    }
}

#[test]
fn one_value_is_its_own_quantile() {
    for value in [0.1, -3.0, 5e-324, f64::MAX, f64::NEG_INFINITY] {
        assert_eq!(sketches(&[value, value]).quantile(0, 0.3), Some(value));
    }
}

#[test]
fn nan_is_above_all_and_zero_has_no_sign() {
    let middle = 129.0 / 128.0; // of its bin
    let values = [-f64::NAN, f64::INFINITY, middle, -0.0, f64::NEG_INFINITY];
    let quantile = |q| sketches(&values).quantile(0, q).map(f64::to_bits);
    let expected = [f64::NEG_INFINITY, 0.0, middle, f64::INFINITY, f64::from_bits(0x7ff8 << 48)];
    for (at, value) in expected.into_iter().enumerate() {
        assert_eq!(quantile(at as f64 / 4.0), Some(value.to_bits()), "{value}");
    }
    // Half-way between the infinities there is no number, and it has no sign either.
    let between = sketches(&[f64::NEG_INFINITY, f64::INFINITY]).quantile(0, 0.5);
    assert_eq!(between.map(f64::to_bits), Some(0x7ff8 << 48));
}

#[test]
fn bins_are_bounded_by_what_values_span() {
    let values: Vec<f64> = (0..200_000).map(|n| 1.001f64.powi(n % 13_816) / 1000.0).collect();
    let sketches = sketches(&values);
    assert!(sketches.size() <= 40 + 8 * 2048, "{}", sketches.size());
    check(&values, 0.95);
}
