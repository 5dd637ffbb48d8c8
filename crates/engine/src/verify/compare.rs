//! What differs, looked at closely: rows of a few buckets, from three computations.
//!
//! With all sources, with the sources cut off, and with all sources once more on other terms (more threads, other
//! batches). What the third shows too has nothing to do with the cut.

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

/// Of how many rows that differ the features are named.
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
    /// On other terms too.
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

/// How two sets of rows of one identity differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Rounding,
    Real,
}

/// Looks at the rows that differ between `all` and `cut`; none if none does.
pub(super) fn compare(reader: &Reader, all: &Gathered, cut: &Gathered, again: &Gathered) -> Result<Option<Difference>> {
    let (mut leaks, mut unstable) = (Notes::default(), Notes::default());
    let mut rounding = false;
    let identities: BTreeSet<&[u8]> = all.rows.keys().chain(cut.rows.keys()).map(AsRef::as_ref).collect();
    for identity in identities {
        let (own, other) = (all.at(identity), cut.at(identity));
        match gap(reader, &own, &other)? {
            Gap::None => {}
            Gap::Rounding => rounding = true,
            Gap::Real if gap(reader, &own, &again.at(identity))? == Gap::Real => {
                unstable.note(reader, identity, &own, &again.at(identity))?;
            }
            Gap::Real => leaks.note(reader, identity, &own, &other)?,
        }
        if leaks.count == NAMED {
            break;
        }
    }
    Ok(match (leaks.shown(), unstable.shown()) {
        (Some(leak), _) => Some(Difference::Cut(leak)),
        (None, Some(unstable)) => Some(Difference::Unstable(unstable)),
        (None, None) if rounding => Some(Difference::Rounding),
        (None, None) => None,
    })
}

fn gap(reader: &Reader, own: &[&[u8]], other: &[&[u8]]) -> Result<Gap> {
    let (own, other) = (without(own, other), without(other, own));
    if own.len() != other.len() {
        return Ok(Gap::Real);
    }
    let mut widest = Gap::None;
    for (own, other) in own.iter().zip(&other) {
        let columns = differing(&reader.features(&[*own, *other])?)?;
        widest = columns.into_iter().map(|(_, gap)| gap).max().unwrap_or(Gap::None).max(widest);
    }
    Ok(widest)
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

/// The columns in which two rows differ, and how far.
fn differing(pair: &RecordBatch) -> Result<Vec<(usize, Gap)>> {
    let mut found = Vec::new();
    for (index, column) in pair.columns().iter().enumerate() {
        let order = make_comparator(column, column, SortOptions::default()).map_err(Error::internal)?;
        if order(0, 1) != Ordering::Equal {
            found.push((index, if rounded(column) { Gap::Rounding } else { Gap::Real }));
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

/// What was seen of one kind of difference.
#[derive(Default)]
struct Notes {
    count: usize,
    features: BTreeMap<usize, String>,
    changed: Option<Example>,
    one_sided: Option<Example>,
}

impl Notes {
    fn note(&mut self, reader: &Reader, identity: &[u8], own: &[&[u8]], other: &[&[u8]]) -> Result<()> {
        self.count += 1;
        let (own, other) = (without(own, other), without(other, own));
        if let (Some(own), Some(other)) = (own.first(), other.first()) {
            let pair = reader.features(&[*own, *other])?;
            let columns: Vec<usize> = differing(&pair)?.into_iter().map(|(index, _)| index).collect();
            self.name(&pair, columns.iter().copied());
            if self.changed.is_none() {
                let shown = pair.project(&columns).map_err(Error::internal)?;
                let (with_all, cut_off) = (Some(shown.slice(0, 1)), Some(shown.slice(1, 1)));
                self.changed = Some(Example { row: reader.identity(&[identity])?, with_all, cut_off });
            }
        } else if self.one_sided.is_none()
            && let Some(only) = own.first().or(other.first())
        {
            let shown = reader.features(&[*only])?;
            self.name(&shown, 0..shown.num_columns());
            let (with_all, cut_off) = if own.is_empty() { (None, Some(shown)) } else { (Some(shown), None) };
            self.one_sided = Some(Example { row: reader.identity(&[identity])?, with_all, cut_off });
        }
        Ok(())
    }

    fn name(&mut self, batch: &RecordBatch, columns: impl Iterator<Item = usize>) {
        self.features.extend(columns.map(|index| (index, batch.schema().field(index).name().clone())));
    }

    fn shown(self) -> Option<Shown> {
        let example = self.changed.or(self.one_sided)?;
        Some(Shown { features: self.features.into_values().collect(), example })
    }
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
