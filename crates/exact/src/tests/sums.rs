//! Sums, averages and variances.

use proptest::prelude::*;

use super::naive::{self, Int, is_nearest};
use super::{finite, float, shuffled};
use crate::{Of, Sums, deviation, spread, variance};

/// Units in which floats are whole numbers, and in which their squares are.
const UNIT: i32 = 1074;
const SQUARE: i32 = 2 * UNIT;

fn sums(values: &[f64]) -> Sums {
    let mut sums = Sums::new(1);
    values.iter().for_each(|value| sums.add(0, *value));
    sums
}

fn squares(values: &[f64]) -> Sums {
    let mut squares = Sums::new(1);
    values.iter().for_each(|value| squares.add_square(0, *value));
    squares
}

fn bytes(sums: &Sums, group: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    sums.encode(group, &mut bytes);
    bytes
}

/// Holds everything that is read from sums of these values against its definition.
fn check(values: &[f64]) {
    let (sums, squares) = (sums(values), squares(values));
    let count = values.len() as u64;
    let one = Int::new(1, 0);
    let sum = naive::sum(values, UNIT);
    let square = values.iter().fold(Int::default(), |squares, value| {
        let value = Int::float(*value, UNIT);
        squares.add(&value.multiply(&value))
    });
    assert!(is_nearest(sums.round(0), &sum, &one, UNIT), "sum {}", sums.round(0));
    assert!(is_nearest(squares.round(0), &square, &one, SQUARE), "squares {}", squares.round(0));
    let mean = sums.mean(0, count);
    assert_eq!(mean.is_some(), count > 0);
    assert!(mean.is_none_or(|mean| is_nearest(mean, &sum, &Int::new(count, 0), UNIT)), "mean {mean:?}");
    // Divisions of words take three ways, by how long the divisor is.
    for count in [1, 3, 510, 511, 512, 513, 1 << 31, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let mean = sums.mean(0, count);
        assert!(mean.is_some_and(|mean| is_nearest(mean, &sum, &Int::new(count, 0), UNIT)), "mean {mean:?} of {count}");
    }
    for (of, divisor) in [(Of::Population, count), (Of::Sample, count.saturating_sub(1))] {
        let spread = Int::new(count, 0).multiply(&square).subtract(&sum.multiply(&sum));
        let all = Int::new(count, 0).multiply(&Int::new(divisor, 0));
        let variance = variance(&sums, &squares, 0, count, of);
        assert_eq!(variance.is_some(), divisor > 0);
        assert!(variance.is_none_or(|variance| is_nearest(variance, &spread, &all, SQUARE)), "{of:?} {variance:?}");
        assert_eq!(deviation(&sums, &squares, 0, count, of), variance.map(f64::sqrt));
    }
}

/// A value that comes, or goes, at a group.
type Step = (usize, f64, bool);
const GROUPS: usize = 5;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0..GROUPS, float(), proptest::bool::weighted(0.7)), 0..40)
}

fn follow(steps: &[Step], groups: usize) -> [Sums; 2] {
    let [mut sums, mut squares] = [Sums::new(groups), Sums::new(groups)];
    for (group, value, comes) in steps {
        if *comes {
            sums.add(*group, *value);
            squares.add_square(*group, *value);
        } else {
            sums.subtract(*group, *value);
            squares.subtract_square(*group, *value);
        }
    }
    [sums, squares]
}

proptest! {
    #[test]
    fn every_answer_is_the_nearest_float(values in proptest::collection::vec(finite(), 0..12)) {
        check(&values);
    }

    /// Differences of running totals are the sums of what came between, however long the numbers are.
    #[test]
    fn what_came_between_is_what_was_added_there(
        before in proptest::collection::vec(float(), 0..6),
        values in proptest::collection::vec(float(), 0..6),
    ) {
        let [mut running, mut running_squares] = [Sums::new(2), Sums::new(2)];
        for (group, value) in before.iter().map(|v| (0, *v)).chain(values.iter().map(|v| (1, *v))) {
            running.add(group, value);
            running_squares.add_square(group, value);
        }
        running.run(0..2);
        running_squares.run(0..2);
        let (sums, squares) = (sums(&values), squares(&values));
        let (sum, square) = (running.between(Some(0), 1), running_squares.between(Some(0), 1));
        prop_assert_eq!(sum.round().to_bits(), sums.round(0).to_bits());
        prop_assert_eq!(square.round().to_bits(), squares.round(0).to_bits());
        prop_assert_eq!(running.between(None, 0).round().to_bits(), running.round(0).to_bits());
        for count in [0, 1, values.len() as u64, 700, 1 << 33] {
            prop_assert_eq!(sum.mean(count).map(f64::to_bits), sums.mean(0, count).map(f64::to_bits));
            for of in [Of::Population, Of::Sample] {
                let expected = variance(&sums, &squares, 0, count, of).map(f64::to_bits);
                prop_assert_eq!(spread(&sum, &square, count, of).map(f64::to_bits), expected);
            }
        }
    }

    #[test]
    fn what_cancels_leaves_the_rest(
        values in proptest::collection::vec(finite(), 0..8),
        large in proptest::collection::vec(finite(), 0..8),
    ) {
        let opposite = large.iter().map(|value| -value);
        let all: Vec<f64> = large.iter().copied().chain(values.iter().copied()).chain(opposite).collect();
        prop_assert_eq!(bytes(&sums(&all), 0), bytes(&sums(&values), 0));
        check(&all);
    }

    #[test]
    fn order_and_partitions_leave_no_trace(
        (steps, others, cut) in steps().prop_flat_map(shuffled),
        passing in proptest::collection::vec((0..GROUPS, float()), 0..20),
    ) {
        let expected = follow(&steps, GROUPS);
        let (left, right) = others.split_at(cut);
        let mut found = follow(right, GROUPS);
        for (group, value) in &passing {
            found[0].subtract(*group, *value);
            found[1].add_square(*group, *value);
        }
        for (found, left) in found.iter_mut().zip(follow(left, GROUPS)) {
            found.absorb(&left);
        }
        for (group, value) in &passing {
            found[0].add(*group, *value);
            found[1].subtract_square(*group, *value);
        }
        for (found, expected) in found.iter().zip(&expected) {
            for group in 0..GROUPS {
                prop_assert_eq!(bytes(found, group), bytes(expected, group));
                prop_assert_eq!(found.round(group).to_bits(), expected.round(group).to_bits());
            }
        }
    }

    #[test]
    fn a_running_total_is_the_sum_so_far(steps in steps(), from in 0..GROUPS, until in 0..=GROUPS) {
        let before = follow(&steps, GROUPS);
        let mut after = before.clone();
        after.iter_mut().for_each(|sums| sums.run(from..until));
        for group in 0..GROUPS {
            let first = if (from..until).contains(&group) { from } else { group };
            let so_far: Vec<Step> =
                steps.iter().filter(|step| (first..=group).contains(&step.0)).map(|step| (0, step.1, step.2)).collect();
            for (expected, found) in follow(&so_far, 1).iter().zip(&after) {
                prop_assert_eq!(bytes(found, group), bytes(expected, 0));
            }
        }
    }

    #[test]
    fn groups_merge_along_any_tree(
        steps in steps(),
        tree in proptest::collection::vec((0..GROUPS, 0..GROUPS), GROUPS - 1),
    ) {
        // Each branch goes into one that is still there, until one is left.
        let mut left: Vec<usize> = (0..GROUPS).collect();
        let mut found = follow(&steps, GROUPS);
        for (into, from) in tree {
            let from = left.swap_remove(from % left.len());
            let into = left[into % left.len()];
            found.iter_mut().for_each(|sums| sums.merge_group(into, from));
        }
        let together: Vec<Step> = steps.iter().map(|step| (0, step.1, step.2)).collect();
        for (found, expected) in found.iter().zip(follow(&together, 1)) {
            prop_assert_eq!(bytes(found, left[0]), bytes(&expected, 0));
        }
    }
}

#[test]
fn halves_go_to_the_even_neighbour() {
    let half = f64::EPSILON / 2.0;
    assert_eq!(sums(&[1.0, half]).round(0), 1.0);
    assert_eq!(sums(&[1.0, half, 5e-324]).round(0), 1.0 + f64::EPSILON);
    assert_eq!(sums(&[1.0 + f64::EPSILON, half]).round(0), 1.0 + 2.0 * f64::EPSILON);
    assert_eq!(sums(&[-1.0, -half, -5e-324]).round(0), -1.0 - f64::EPSILON);
    // Half of the least float there is; three halves of it.
    assert_eq!(sums(&[5e-324]).mean(0, 2), Some(0.0));
    assert_eq!(sums(&[15e-324]).mean(0, 2), Some(10e-324));
    let quarter = 2f64.powi(-538);
    assert_eq!(squares(&[quarter, quarter]).round(0), 0.0);
    assert_eq!(squares(&[quarter, quarter, 5e-324]).round(0), 5e-324);
    // Half-way from the greatest float to the one that would follow.
    let beyond = 2f64.powi(970);
    assert_eq!(sums(&[f64::MAX, beyond]).round(0), f64::INFINITY);
    assert_eq!(sums(&[f64::MAX, beyond, -5e-324]).round(0), f64::MAX);
    check(&[f64::MAX, beyond, -5e-324]);
}

#[test]
fn a_sum_may_be_too_large_while_its_average_is_not() {
    let sums = sums(&[f64::MAX; 1000]);
    assert_eq!((sums.round(0), sums.mean(0, 1000)), (f64::INFINITY, Some(f64::MAX)));
    check(&[f64::MAX; 1000]);
}

#[test]
fn equal_values_do_not_vary() {
    for value in [0.1, 1e300, -7.3e-200, 5e-324] {
        let (sums, squares) = (sums(&[value; 7]), squares(&[value; 7]));
        assert_eq!(variance(&sums, &squares, 0, 7, Of::Sample), Some(0.0));
    }
}

#[test]
fn zero_has_no_sign() {
    for values in [&[][..], &[-0.0, -0.0], &[1.5, -1.5]] {
        assert_eq!(sums(values).round(0).to_bits(), 0);
    }
}

#[test]
fn what_is_not_finite_shows_while_it_is_there() {
    let mut sums = sums(&[1.0]);
    let mut squares = squares(&[1.0]);
    let (nan, up, down) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
    let steps = [(up, up), (nan, nan), (down, nan)];
    for (value, expected) in steps {
        sums.add(0, value);
        squares.add_square(0, value);
        assert_eq!(sums.round(0).to_bits(), expected.to_bits());
        assert_eq!(sums.mean(0, 2).map(f64::to_bits), Some(expected.to_bits()));
        assert!(variance(&sums, &squares, 0, 2, Of::Sample).is_some_and(f64::is_nan));
    }
    assert!(squares.round(0).is_nan());
    for (value, expected) in [(nan, nan), (up, down), (down, 1.0)] {
        sums.subtract(0, value);
        squares.subtract_square(0, value);
        assert_eq!(sums.round(0).to_bits(), expected.to_bits());
    }
    assert_eq!(squares.round(0), 1.0);
}

#[test]
fn outliers_do_not_cost_the_others() {
    const MANY: usize = 10_000;
    let mut sums = Sums::new(MANY);
    let ordinary = sums.size();
    assert_eq!(ordinary, 16 * MANY);
    for group in 0..MANY {
        sums.add(group, group as f64 / 7.0);
    }
    assert_eq!(sums.size(), ordinary);
    for value in [1e300, 1e-300, -1e300] {
        sums.add(17, value);
    }
    assert!(sums.size() < ordinary + 1000, "{}", sums.size());
    // All of them need more now: six words.
    for group in 0..MANY {
        sums.add(group, 1e-9);
        sums.subtract(group, 1e60);
    }
    assert!(sums.size() < 48 * MANY + 1000, "{}", sums.size());
    for group in 0..MANY {
        let mut expected = self::sums(&[group as f64 / 7.0, 1e-9, -1e60]);
        if group == 17 {
            expected.add(0, 1e-300);
        }
        assert_eq!(bytes(&sums, group), bytes(&expected, 0));
    }
}

#[test]
fn what_comes_back_from_aside_may_carry() {
    let mut sums = Sums::new(1000);
    let (half, whole) = (1.5 * 2f64.powi(62), 2f64.powi(64));
    // What is left aside would fit into the window by now, but not beside what is there.
    sums.add(0, half);
    sums.add(0, whole + half);
    sums.subtract(0, whole);
    let before = sums.size();
    (1..500).for_each(|group| sums.add(group, 1e-20));
    assert!(sums.size() >= before + 8 * 1000, "the window has not been widened");
    assert_eq!(sums.round(0), 2.0 * half);
    assert_eq!(bytes(&sums, 0), bytes(&self::sums(&[half, half]), 0));
}
