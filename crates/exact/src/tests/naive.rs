//! Arithmetic as it is taught in school, and what it means to be the nearest float.

use std::cmp::Ordering;

/// An integer, as the difference of two without sign, in digits of 32 bits, the lowest first.
#[derive(Clone, Default)]
pub(super) struct Int(Vec<u32>, Vec<u32>);

fn plus(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut carry = 0;
    let digit = |digits: &[u32], at: usize| u64::from(digits.get(at).copied().unwrap_or(0));
    let add = |at| {
        carry = digit(left, at) + digit(right, at) + (carry >> 32);
        carry as u32
    };
    (0..left.len().max(right.len()) + 1).map(add).collect()
}

fn times(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut product = vec![0; left.len() + right.len()];
    for (at, digit) in left.iter().enumerate() {
        let mut carry = 0;
        for (other, place) in right.iter().chain(&[0]).zip(&mut product[at..]) {
            carry = u64::from(*digit) * u64::from(*other) + u64::from(*place) + (carry >> 32);
            *place = carry as u32;
        }
    }
    product
}

fn compare(left: &[u32], right: &[u32]) -> Ordering {
    let digit = |digits: &[u32], at: usize| digits.get(at).copied().unwrap_or(0);
    let mut orders = (0..left.len().max(right.len())).rev().map(|at| digit(left, at).cmp(&digit(right, at)));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Int {
    /// `value · 2^bits`.
    pub(super) fn new(value: u64, bits: i32) -> Int {
        let mut digits = vec![0; (bits / 32) as usize];
        let moved = u128::from(value) << (bits % 32);
        digits.extend((0..4).map(|digit| (moved >> (32 * digit)) as u32));
        Int(digits, Vec::new())
    }

    /// `value · 2^unit`, where that is whole.
    pub(super) fn float(value: f64, unit: i32) -> Int {
        let (fraction, exponent) = (value.to_bits() << 12 >> 12, (value.to_bits() << 1 >> 53) as i32);
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let sized = Int::new(mantissa, exponent.max(1) - 1075 + unit);
        if value < 0.0 { Int(sized.1, sized.0) } else { sized }
    }

    pub(super) fn add(&self, other: &Int) -> Int {
        Int(plus(&self.0, &other.0), plus(&self.1, &other.1))
    }

    pub(super) fn subtract(&self, other: &Int) -> Int {
        Int(plus(&self.0, &other.1), plus(&self.1, &other.0))
    }

    pub(super) fn multiply(&self, other: &Int) -> Int {
        let same = plus(&times(&self.0, &other.0), &times(&self.1, &other.1));
        Int(same, plus(&times(&self.0, &other.1), &times(&self.1, &other.0)))
    }

    pub(super) fn compare(&self, other: &Int) -> Ordering {
        compare(&plus(&self.0, &other.1), &plus(&other.0, &self.1))
    }
}

/// The sum of these as an integer in units of 2^-unit.
pub(super) fn sum(values: &[f64], unit: i32) -> Int {
    values.iter().fold(Int::default(), |sum, value| sum.add(&Int::float(*value, unit)))
}

/// Whether a float is the nearest to `numerator / denominator`, the former in units of 2^-unit: no other is
/// nearer, and if one is as near, this one is even.
pub(super) fn is_nearest(float: f64, numerator: &Int, denominator: &Int, unit: i32) -> bool {
    // The float after the greatest would be 2^1024, were there more; infinity begins half-way to it.
    let exact = |value: f64| match value {
        f64::INFINITY => Int::new(1, 1024 + unit),
        f64::NEG_INFINITY => Int::default().subtract(&Int::new(1, 1024 + unit)),
        _ => Int::float(value, unit),
    };
    let twice = numerator.add(numerator);
    let beside = |other: f64| twice.compare(&exact(float).add(&exact(other)).multiply(denominator));
    let tie = if float.to_bits() & 1 == 0 { Some(Ordering::Equal) } else { None };
    (float == f64::INFINITY || matches!(beside(float.next_up()), order if order.is_lt() || Some(order) == tie))
        && (float == f64::NEG_INFINITY
            || matches!(beside(float.next_down()), order if order.is_gt() || Some(order) == tie))
}
