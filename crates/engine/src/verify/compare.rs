//! What differs, looked at closely: rows of a few buckets, from three computations.
//!
//! With all sources, with the sources cut off, and with all sources once more, in another order. What the third shows too
//! has nothing to do with the cut.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use asof_model::{Error, Micros, Result};

use super::Example;
use super::count::bucket_of;
use super::rows::{Reader, Row};

/// Floats that differ by less, relative to the larger, differ by how they were rounded.
const ROUNDING: f64 = 1e-12;

/// How many rows that differ are remembered.
const NAMED: usize = 1_000;

/// Rows of some buckets that count at a moment: what they say, by what they are.
#[derive(Debug)]
pub(super) struct Gathered {
    at: Micros,
    buckets: BTreeSet<usize>,
    rows: BTreeMap<Box<[u8]>, Vec<Box<[u8]>>>,
}

/// How computations of a view differ.
#[derive(Debug)]
pub(super) enum Difference {
    /// In the last bits of floats.
    Rounding,
    /// By another order too.
    Unstable(Shown),
    /// By the cut.
    Cut(Shown),
}

/// What is shown of it.
#[derive(Debug)]
pub(super) struct Shown {
    /// The features that differ, in the order of the view.
    pub(super) features: Vec<String>,
    /// The first row that differs; one that is there both times, if there is one.
    pub(super) example: Example,
}

impl Gathered {
    pub(super) fn new(at: Micros, buckets: BTreeSet<usize>) -> Self {
        Gathered { at, buckets, rows: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, row: &Row<'_>) {
        let counts = row.from <= self.at.0 && self.at.0 < row.until;
        if counts && self.buckets.contains(&bucket_of(row.identity)) {
            self.rows.entry(row.identity.into()).or_default().push(row.features.into());
        }
    }

    fn at(&self, identity: &[u8]) -> Vec<&[u8]> {
        let mut rows: Vec<&[u8]> = self.rows.get(identity).into_iter().flatten().map(AsRef::as_ref).collect();
        rows.sort_unstable();
        rows
    }
}

/// Looks at the rows that differ between `all` and `cut`; none if none does. A feature in which rows differ between
/// `all` and `again` too is not held against the cut.
pub(super) fn compare(reader: &Reader, all: &Gathered, cut: &Gathered, again: &Gathered) -> Result<Option<Difference>> {
    let (by_cut, rounded) = gaps(reader, all, cut)?;
    let (by_chance, _) = gaps(reader, all, again)?;
    if by_cut.is_empty() {
        return Ok(rounded.then_some(Difference::Rounding));
    }
    let by_chance: BTreeSet<Aspect> = by_chance.iter().flat_map(Gap::aspects).collect();
    let leak = shown(reader, &by_cut, |aspect| !by_chance.contains(aspect))?.map(Difference::Cut);
    leak.map_or_else(|| Ok(shown(reader, &by_cut, |_| true)?.map(Difference::Unstable)), |leak| Ok(Some(leak)))
}

/// What can differ: whether a row is there, or one of its features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Aspect {
    Presence,
    Feature(usize),
}

/// A row that differs, by more than rounding.
struct Gap<'a> {
    identity: &'a [u8],
    own: Option<&'a [u8]>,
    other: Option<&'a [u8]>,
    /// Where both are there: the features that differ.
    features: Vec<usize>,
}

impl Gap<'_> {
    fn aspects(&self) -> Vec<Aspect> {
        match (self.own, self.other) {
            (Some(_), Some(_)) => self.features.iter().copied().map(Aspect::Feature).collect(),
            _ => vec![Aspect::Presence],
        }
    }
}

/// One gap for each of the first rows that differ, and whether some row differs by rounding.
fn gaps<'a>(reader: &Reader, own: &'a Gathered, other: &'a Gathered) -> Result<(Vec<Gap<'a>>, bool)> {
    let (mut gaps, mut by_rounding) = (Vec::new(), false);
    let identities: BTreeSet<&[u8]> = own.rows.keys().chain(other.rows.keys()).map(AsRef::as_ref).collect();
    for identity in identities {
        let (left, right) = (own.at(identity), other.at(identity));
        let (left, right) = (without(&left, &right), without(&right, &left));
        match (left.first().copied(), right.first().copied()) {
            (None, None) => continue,
            (Some(own), Some(other)) if left.len() == right.len() => {
                let columns = differing(&reader.features(&[own, other])?)?;
                by_rounding |= columns.iter().any(|(_, rounded)| *rounded);
                let features: Vec<_> = columns.into_iter().filter(|(_, rounded)| !rounded).map(|(i, _)| i).collect();
                if !features.is_empty() {
                    gaps.push(Gap { identity, own: Some(own), other: Some(other), features });
                }
            }
            (own, other) => {
                // A row more or less; which of them are one another's is not known.
                let (own, other) = if left.len() > right.len() { (own, None) } else { (None, other) };
                gaps.push(Gap { identity, own, other, features: Vec::new() });
            }
        }
        if gaps.len() == NAMED {
            break;
        }
    }
    Ok((gaps, by_rounding))
}

/// What is shown of gaps, as far as they are of the aspects that count; none if none is.
fn shown(reader: &Reader, gaps: &[Gap<'_>], counts: impl Fn(&Aspect) -> bool) -> Result<Option<Shown>> {
    let relevant = |gap: &&Gap<'_>| gap.aspects().iter().any(&counts);
    let both = |gap: &&Gap<'_>| gap.own.is_some() && gap.other.is_some();
    let Some(example) = gaps.iter().filter(relevant).find(both).or(gaps.iter().find(relevant)) else {
        return Ok(None);
    };
    let mut features: BTreeSet<usize> =
        gaps.iter().flat_map(|g| &g.features).copied().filter(|f| counts(&Aspect::Feature(*f))).collect();
    let columns = reader.feature_names();
    if gaps.iter().filter(relevant).any(|gap| !both(&gap)) {
        features.extend(0..columns.len());
    }
    let columns_shown: Vec<usize> = match both(&example) {
        true => features.iter().copied().filter(|f| example.features.contains(f)).collect(),
        false => (0..columns.len()).collect(),
    };
    let side = |row: Option<&[u8]>| {
        let project = |row| reader.features(&[row])?.project(&columns_shown).map_err(Error::internal);
        row.map(project).transpose()
    };
    let row = reader.identity(&[example.identity])?;
    let example = Example { row, with_all: side(example.own)?, cut_off: side(example.other)? };
    Ok(Some(Shown { features: features.into_iter().map(|index| columns[index].clone()).collect(), example }))
}

/// The rows of one sorted list that another has no match for.
fn without<'a>(rows: &[&'a [u8]], others: &[&[u8]]) -> Vec<&'a [u8]> {
    let mut others = others.iter().peekable();
    let mut left = Vec::new();
    for row in rows {
        while others.next_if(|other| *other < row).is_some() {}
        if others.next_if(|other| *other == row).is_none() {
            left.push(*row);
        }
    }
    left
}

/// The columns in which two rows differ, and whether by rounding only.
fn differing(pair: &RecordBatch) -> Result<Vec<(usize, bool)>> {
    let mut found = Vec::new();
    for (index, column) in pair.columns().iter().enumerate() {
        let order = make_comparator(column, column, SortOptions::default()).map_err(Error::internal)?;
        if order(0, 1) != Ordering::Equal {
            found.push((index, rounded(column)));
        }
    }
    Ok(found)
}

/// Whether two floats are equal but for rounding.
fn rounded(pair: &ArrayRef) -> bool {
    let floats = match pair.data_type() {
        _ if pair.null_count() > 0 => None,
        DataType::Float64 => Some(pair.as_primitive::<Float64Type>()).map(|p| (p.value(0), p.value(1))),
        DataType::Float32 => {
            Some(pair.as_primitive::<Float32Type>()).map(|p| (f64::from(p.value(0)), f64::from(p.value(1))))
        }
        _ => None,
    };
    floats.is_some_and(|(a, b)| a == b || (a - b).abs() <= ROUNDING * a.abs().max(b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_list_has_is_taken_away_as_often_as_it_is_there() {
        let check = |rows: &[&'static str], others: &[&'static str], expected: &[&'static str]| {
            let bytes = |rows: &[&'static str]| rows.iter().map(|r| r.as_bytes()).collect::<Vec<_>>();
            assert_eq!(without(&bytes(rows), &bytes(others)), bytes(expected));
        };
        check(&["a", "a", "b"], &["a", "c"], &["a", "b"]);
        check(&["b", "d"], &["a", "c", "d", "d"], &["b"]);
        check(&["a"], &[], &["a"]);
        check(&[], &["a"], &[]);
    }

    #[test]
    fn floats_are_equal_but_for_rounding_in_their_last_bits_only() {
        use arrow::array::{Float64Array, Int64Array};
        use std::sync::Arc;
        let check = |a: f64, b: f64, expected: bool| {
            let pair: ArrayRef = Arc::new(Float64Array::from(vec![a, b]));
            assert_eq!(rounded(&pair), expected, "{a} {b}");
        };
        check(0.1 + 0.2, 0.3, true);
        check(0.0, -0.0, true);
        check(1.0, 1.000_000_1, false);
        check(1e-300, 2e-300, false);
        check(f64::NAN, 1.0, false);
        let integers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert!(!rounded(&integers));
    }
}
