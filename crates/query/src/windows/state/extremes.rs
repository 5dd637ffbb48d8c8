//! The least or greatest value: a maximum in a total order.
//!
//! Numbers, booleans, dates and moments are held as integers of the same order, in a word per place; other values as
//! bytes. NaN is the greatest float, and −0 is less than 0.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::tree::{each_slot, places};
use super::values::{Bytes, Encoding};
use super::{Batch, is_valid};

/// The extremes of one input.
pub(in super::super) struct Extremes {
    input: usize,
    greatest: bool,
    best: Best,
}

enum Best {
    Words(Maxima<i64>),
    Decimals(Maxima<i128>),
    Values { encoding: Encoding, places: Vec<Option<Bytes>>, bytes: usize },
}

/// The maximum per place.
struct Maxima<T> {
    places: Vec<T>,
    /// The places whose maximum is the least value there is: elsewhere that means that there is none.
    least: HashSet<usize>,
}

trait Word: Copy + Ord {
    const LEAST: Self;
}

impl Word for i64 {
    const LEAST: i64 = i64::MIN;
}

impl Word for i128 {
    const LEAST: i128 = i128::MIN;
}

impl<T: Word> Maxima<T> {
    fn new(slots: usize) -> Self {
        Maxima { places: vec![T::LEAST; 2 * slots], least: HashSet::new() }
    }

    fn offer(&mut self, place: usize, value: T) {
        if value > self.places[place] {
            self.places[place] = value;
        } else if value == T::LEAST {
            self.least.insert(place);
        }
    }

    fn merge(&mut self, other: Maxima<T>) {
        for (place, more) in self.places.iter_mut().zip(other.places) {
            *place = more.max(*place);
        }
        self.least.extend(other.least);
    }

    /// Brings each node down to those below it.
    fn settle(&mut self, slots: &dyn Slots) {
        for key in 0..slots.keys() {
            let of = slots.of(key);
            let tree = &mut self.places[2 * of.start..2 * of.end];
            for node in 1..of.len() {
                for below in [2 * node, 2 * node + 1] {
                    tree[below] = tree[below].max(tree[node]);
                }
            }
        }
    }

    /// Per slot, after [`Maxima::settle`].
    fn finish(&self, slots: &dyn Slots) -> Vec<Option<T>> {
        let mut found = vec![None; slots.moments().len()];
        each_slot(slots, |slot, mut path| {
            // The leaf comes first.
            let best = path.next().map(|leaf| (leaf, self.places[leaf]));
            found[slot] = best.and_then(|(leaf, best)| {
                let is_there = best > T::LEAST
                    || (!self.least.is_empty()
                        && (self.least.contains(&leaf) || path.any(|p| self.least.contains(&p))));
                is_there.then_some(best)
            });
        });
        found
    }

    fn size(&self) -> usize {
        self.places.capacity() * size_of::<T>() + self.least.capacity() * 2 * size_of::<usize>()
    }
}

impl Extremes {
    pub(super) fn new(input: usize, greatest: bool, slots: usize, data_type: &DataType) -> Result<Self> {
        let best = match data_type {
            word if is_a_word(word) => Best::Words(Maxima::new(slots)),
            DataType::Decimal128(_, _) => Best::Decimals(Maxima::new(slots)),
            other => Best::Values { encoding: Encoding::new(other)?, places: vec![None; 2 * slots], bytes: 0 },
        };
        Ok(Extremes { input, greatest, best })
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let values = &batch.inputs[self.input];
        let greatest = self.greatest;
        let valid = placed.iter().filter(|p| is_valid(values.as_ref(), p.row));
        match &mut self.best {
            Best::Words(maxima) => {
                let words = to_words(values)?;
                for placed in valid {
                    let word = words.value(placed.row as usize);
                    // The complement turns the order round.
                    let word = if greatest { word } else { !word };
                    places(placed).for_each(|place| maxima.offer(place, word));
                }
            }
            Best::Decimals(maxima) => {
                let decimals = values.as_primitive::<Decimal128Type>();
                for placed in valid {
                    let value = decimals.value(placed.row as usize);
                    let value = if greatest { value } else { !value };
                    places(placed).for_each(|place| maxima.offer(place, value));
                }
            }
            Best::Values { encoding, places: best, bytes } => {
                let rows = encoding.encode(values)?;
                for placed in valid {
                    let row = rows.row(placed.row as usize);
                    places(placed).for_each(|place| offer(&mut best[place], row.data(), greatest, bytes));
                }
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Extremes) {
        match (&mut self.best, other.best) {
            (Best::Words(all), Best::Words(more)) => all.merge(more),
            (Best::Decimals(all), Best::Decimals(more)) => all.merge(more),
            (Best::Values { places, bytes, .. }, Best::Values { places: more, .. }) => {
                for (place, value) in places.iter_mut().zip(more) {
                    if let Some(value) = value {
                        offer(place, &value, self.greatest, bytes);
                    }
                }
            }
            _ => debug_assert!(false, "one input has one type"),
        }
    }

    pub(super) fn settle(&mut self, slots: &dyn Slots) {
        match &mut self.best {
            Best::Words(maxima) => maxima.settle(slots),
            Best::Decimals(maxima) => maxima.settle(slots),
            Best::Values { .. } => {}
        }
    }

    /// Per slot, in the type of the input.
    pub(in super::super) fn finish(&self, slots: &dyn Slots, data_type: &DataType) -> Result<ArrayRef> {
        match &self.best {
            Best::Words(maxima) => {
                let words = maxima.finish(slots).into_iter().map(|w| w.map(|w| if self.greatest { w } else { !w }));
                from_words(&words.collect::<Int64Array>(), data_type)
            }
            Best::Decimals(maxima) => {
                let values = maxima.finish(slots).into_iter().map(|v| v.map(|v| if self.greatest { v } else { !v }));
                Ok(Arc::new(values.collect::<Decimal128Array>().with_data_type(data_type.clone())))
            }
            Best::Values { encoding, places, .. } => {
                let mut found: Vec<Option<&[u8]>> = vec![None; slots.moments().len()];
                each_slot(slots, |slot, path| {
                    let values = path.filter_map(|place| places[place].as_deref());
                    found[slot] = if self.greatest { values.max() } else { values.min() };
                });
                encoding.decode(found.into_iter(), data_type)
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        match &self.best {
            Best::Words(maxima) => maxima.size(),
            Best::Decimals(maxima) => maxima.size(),
            Best::Values { places, bytes, .. } => places.capacity() * size_of::<Option<Bytes>>() + bytes,
        }
    }
}

fn offer(place: &mut Option<Bytes>, value: &[u8], greatest: bool, bytes: &mut usize) {
    let better = place.as_deref().is_none_or(|best| if greatest { value > best } else { value < best });
    if better {
        *bytes += value.len();
        *bytes -= place.as_ref().map_or(0, |old| old.len());
        *place = Some(value.into());
    }
}

/// Whether values of a type are held as integers of the same order, a word each.
pub(in super::super) fn is_a_word(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(
        data_type,
        Boolean
            | Int8
            | Int16
            | Int32
            | Int64
            | UInt8
            | UInt16
            | UInt32
            | UInt64
            | Float16
            | Float32
            | Float64
            | Date32
            | Date64
            | Timestamp(_, _)
    )
}

/// A float as an integer of the same order.
#[inline]
pub(in super::super) fn float_to_word(value: f64) -> i64 {
    let bits = (if value.is_nan() { f64::NAN.abs() } else { value }).to_bits() as i64;
    // Negative floats have their magnitude turned round.
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// Values as integers of the same order.
pub(in super::super) fn to_words(values: &ArrayRef) -> Result<Int64Array> {
    Ok(match values.data_type() {
        DataType::Boolean => {
            cast(&cast(values, &DataType::Int8)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone()
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let floats = cast(values, &DataType::Float64)?;
            floats.as_primitive::<Float64Type>().unary(float_to_word)
        }
        DataType::UInt64 => values.as_primitive::<UInt64Type>().unary(|v| (v ^ (1 << 63)) as i64),
        DataType::Date32 => {
            cast(&cast(values, &DataType::Int32)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone()
        }
        _ => cast(values, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
    })
}

/// The values that such integers stand for.
pub(in super::super) fn from_words(words: &Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    let array: ArrayRef = match data_type {
        DataType::Boolean => Arc::new(words.iter().map(|w| w.map(|w| w != 0)).collect::<BooleanArray>()),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let floats: Float64Array = words.unary(|w| f64::from_bits((w ^ (((w >> 63) as u64) >> 1) as i64) as u64));
            return Ok(cast(&floats, data_type)?);
        }
        DataType::UInt64 => {
            let unsigned: UInt64Array = words.unary(|w| w as u64 ^ (1 << 63));
            Arc::new(unsigned)
        }
        DataType::Date32 => return Ok(cast(&cast(words, &DataType::Int32)?, data_type)?),
        _ => return Ok(cast(words, data_type)?),
    };
    Ok(array)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Date32Array, Float32Array, Int8Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn words_have_the_order_of_the_values_and_lead_back() {
        let floats = [f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-300, 2.0, f64::INFINITY, f64::NAN];
        let array: ArrayRef = Arc::new(Float64Array::from(floats.to_vec()));
        let words = to_words(&array).unwrap();
        assert!(words.values().is_sorted_by(|a, b| a < b), "{words:?}");
        let back = from_words(&words, &DataType::Float64).unwrap();
        let bits =
            |a: &dyn Array| a.as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&array));
        let negative_nan: ArrayRef = Arc::new(Float64Array::from(vec![-f64::NAN]));
        assert_eq!(to_words(&negative_nan).unwrap().value(0), words.value(8));
    }

    #[test]
    fn words_of_every_type_lead_back() {
        let check = |array: ArrayRef| {
            let words = to_words(&array).unwrap();
            assert!(words.values().is_sorted_by(|a, b| a < b), "{words:?}");
            assert_eq!(&from_words(&words, array.data_type()).unwrap(), &array);
        };
        check(Arc::new(UInt64Array::from(vec![0, 1, 1 << 63, u64::MAX])));
        check(Arc::new(BooleanArray::from(vec![false, true])));
        check(Arc::new(Date32Array::from(vec![i32::MIN, -1, 0, i32::MAX])));
        check(Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN, -1, 0, i64::MAX]).with_timezone("UTC")));
        check(Arc::new(Int8Array::from(vec![i8::MIN, -1, 0, i8::MAX])));
        check(Arc::new(Float32Array::from(vec![f32::NEG_INFINITY, -0.0, 0.0, 1e-40, f32::INFINITY])));
    }

    #[test]
    fn the_least_value_of_all_is_a_value() {
        let mut maxima = Maxima::<i64>::new(1);
        maxima.offer(1, i64::MIN);
        assert!(maxima.least.contains(&1));
    }
}
