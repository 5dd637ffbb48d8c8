//! From an exact number to the nearest float: once, to the nearest, ties to even.

use super::number::Number;

/// The nearest float; zero is 0.0, and what is too large is infinite.
pub(super) fn round(number: &Number) -> f64 {
    let words = number.words();
    if !number.is_negative() {
        return nearest(words.len(), |at| words[at], number.low(), false);
    }
    // The negative of two's complement, word by word: zeros stay, the first other word is negated, the rest inverted.
    let first = words.iter().position(|word| *word != 0).unwrap_or(words.len());
    let word = |at: usize| match at {
        _ if at > first => !words[at],
        _ => words[at].wrapping_neg(),
    };
    -nearest(words.len(), word, number.low(), false)
}

/// The float that is nearest to a number divided by all of these. None of them is zero.
pub(super) fn quotient(number: &Number, divisors: &[u64]) -> f64 {
    let (negative, magnitude) = number.magnitude();
    // Each division takes at most one word away; one more leaves at least 65 bits, and a float needs 54.
    let more = divisors.len() + 1;
    let mut words = vec![0; more];
    words.extend(magnitude);
    // Dividing by one after the other, each time rounding down, is dividing by their product and rounding down.
    let mut inexact = false;
    for divisor in divisors {
        inexact |= divide(&mut words, *divisor) != 0;
    }
    let quotient = nearest(words.len(), |at| words[at], number.low() - more as i32, inexact);
    if negative { -quotient } else { quotient }
}

/// Divides an integer without sign; says what remains.
fn divide(words: &mut [u64], divisor: u64) -> u64 {
    let mut remainder = 0;
    for word in words.iter_mut().rev() {
        let (quotient, rest) = match remainder {
            0 => (*word / divisor, *word % divisor),
            _ => {
                let both = u128::from(remainder) << 64 | u128::from(*word);
                let quotient = (both / u128::from(divisor)) as u64; // fits: the remainder is less than the divisor
                (quotient, word.wrapping_sub(quotient.wrapping_mul(divisor)))
            }
        };
        (*word, remainder) = (quotient, rest);
    }
    remainder
}

/// The nearest float to `words · 2^(64 · low)`, and a little more than that if it is `inexact`. The words are
/// without sign, lowest first.
fn nearest(len: usize, word: impl Fn(usize) -> u64, low: i32, mut inexact: bool) -> f64 {
    let Some(top) = (0..len).rev().find(|at| word(*at) != 0) else { return 0.0 };
    let below = if top > 0 { word(top - 1) } else { 0 };
    let zeros = word(top).leading_zeros();
    let leading = (u128::from(word(top)) << 64 | u128::from(below)) << zeros;
    inexact |= leading as u64 != 0 || (0..top.saturating_sub(1)).any(|at| word(at) != 0);
    pack((leading >> 64) as u64, 64 * (low + top as i32) + 63 - zeros as i32, inexact)
}

/// The nearest float to a number by its 64 highest bits, the first of which is set and counts 2^exponent. If it is
/// `inexact`, there are more bits.
fn pack(leading: u64, exponent: i32, inexact: bool) -> f64 {
    const MOST: i32 = f64::MAX_EXP - 1;
    const LEAST: i32 = f64::MIN_EXP - 1;
    if exponent > MOST {
        return f64::INFINITY;
    }
    // A float keeps 53 bits; below the least exponent it keeps fewer, down to none.
    let dropped = (64 - f64::MANTISSA_DIGITS).saturating_add((LEAST - exponent).max(0).unsigned_abs());
    let kept = leading.checked_shr(dropped).unwrap_or(0);
    let rest = match dropped {
        ..=64 => leading << (64 - dropped),
        _ => 1, // less than half of the least
    };
    const HALF: u64 = 1 << 63;
    let up = rest > HALF || rest == HALF && (inexact || kept & 1 == 1);
    // The highest bit kept adds one to the exponent of a normal number; so does rounding up where it carries that far,
    // from the subnormal numbers to the normal and from the greatest to infinity.
    f64::from_bits((((exponent.max(LEAST) - LEAST) as u64) << 52) + kept + u64::from(up))
}
