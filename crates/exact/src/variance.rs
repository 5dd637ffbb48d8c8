//! Variance and standard deviation from exact sums.

use super::number::Number;
use super::round;
use super::short::Total;
use super::sums::Sums;

/// What the values of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All there are: squares are divided by their count.
    Population,
    /// A sample of more: by one less.
    Sample,
}

/// The variance of `count` values, of which these are the exact sum and sum of squares; rounded once. None for too
/// few: no value, or one value of a sample. NaN where one is not finite.
pub fn variance(sums: &Sums, squares: &Sums, group: usize, count: u64, of: Of) -> Option<f64> {
    let exact = || Some((sums.exact(group).ok()?, squares.exact(group).ok()?));
    rounded(exact, count, of)
}

/// The same of sums that no group holds.
pub fn spread(sum: &Total, squares: &Total, count: u64, of: Of) -> Option<f64> {
    let exact = || Some((sum.exact().ok()?, squares.exact().ok()?));
    rounded(exact, count, of)
}

/// `exact` gives sum and sum of squares, or none if one is not finite.
fn rounded<'a>(exact: impl FnOnce() -> Option<(Number<'a>, Number<'a>)>, count: u64, of: Of) -> Option<f64> {
    let divisor = match of {
        Of::Population => count,
        Of::Sample => count.checked_sub(1)?,
    };
    if divisor == 0 {
        return None;
    }
    let Some((sum, squares)) = exact() else { return Some(f64::NAN) };
    // Σ(x - mean)² = (n·Σx² - (Σx)²) / n: nothing is lost where the two are nearly equal, because they are exact.
    let mut spread = squares.times(count);
    spread.subtract(&sum.squared());
    Some(round::quotient(&spread, &[count, divisor]))
}

/// The standard deviation: the root of the variance, which IEEE 754 rounds to the nearest float.
pub fn deviation(sums: &Sums, squares: &Sums, group: usize, count: u64, of: Of) -> Option<f64> {
    variance(sums, squares, group, count, of).map(f64::sqrt)
}
