//! Of many rows the newest of each key.
//!
//! # What it promises
//! Of rows of one key the one with the greatest (event time, known-at time, order of acceptance) comes out, in whatever order they
//! went in; keys come out in order. Integers (dates too) are looked up as numbers, all other keys as comparable bytes.
//!
//! # What it costs
//! A look-up a row. Batches are kept as they came as long as they have a newest row in them, and are rewritten when they have twice as
//! many rows as there are keys. So memory is in proportion to keys, and a row that is replaced is never copied; who brings
//! the newest rows first brings few others. It says how much it holds; a caller that has no room for that takes what there is
//! ([`Newest::drain`]) and goes on, since of what comes out then, too, the newest row is to be taken.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use asof_model::{Column, Columns, Error, Result};
use asof_online::{EVENT_TIME, KNOWN, SEQ};
use datafusion::common::HashMap;

/// Rows that may be held besides twice as many as there are keys.
const SLACK: usize = if cfg!(test) { 20 } else { 1 << 18 };
/// Rows that come out at a time.
const BATCH: usize = if cfg!(test) { 7 } else { 8192 };

/// See the module.
pub(super) struct Newest {
    key: Columns,
    keys: Keys,
    /// What the newest row of each key is ordered by.
    stamps: Vec<Stamp>,
    /// Where it is: the number of a batch, and of a row in it.
    places: Vec<(u32, u32)>,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// Event time, known-at time, order of acceptance.
type Stamp = (i64, i64, i64);

/// The numbers of keys.
enum Keys {
    Integers { numbers: HashMap<i64, u32>, keys: Vec<i64> },
    Bytes { converter: Box<RowConverter>, numbers: HashMap<Arc<[u8]>, u32>, keys: Vec<Arc<[u8]>>, bytes: usize },
}

impl Newest {
    /// Of rows with these key columns.
    pub(super) fn new(key: &Columns) -> Result<Self> {
        Ok(Newest {
            key: key.clone(),
            keys: Keys::new(key)?,
            stamps: Vec::new(),
            places: Vec::new(),
            batches: Vec::new(),
            rows: 0,
            bytes: 0,
        })
    }

    /// Takes rows: whole keys, the event time and where there are any known-at time and order of acceptance.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let typed = |key: &Column| cast(&column(batch, &key.name)?, &key.data_type).map_err(Error::internal);
        let key: Vec<ArrayRef> = self.key.0.iter().map(typed).collect::<Result<_>>()?;
        let stamps = Stamps::of(batch)?;
        let number = u32::try_from(self.batches.len()).map_err(Error::internal)?;
        let (held, places, mut won) = (&mut self.stamps, &mut self.places, false);
        self.keys.numbers(&key, |row, slot| {
            let stamp = stamps.of_row(row);
            let place = (number, row as u32);
            match held.get_mut(slot as usize) {
                Some(best) if *best >= stamp => return,
                Some(best) => {
                    *best = stamp;
                    places[slot as usize] = place;
                }
                None => {
                    held.push(stamp);
                    places.push(place);
                }
            }
            won = true;
        })?;
        if won {
            self.rows += batch.num_rows();
            self.bytes += batch.get_array_memory_size();
            self.batches.push(batch.clone());
        }
        if self.rows > 2 * self.places.len() + SLACK {
            self.compact()?;
        }
        Ok(())
    }

    /// About how many bytes it holds.
    pub(super) fn size(&self) -> usize {
        let of_keys = match &self.keys {
            Keys::Integers { .. } => 26,
            Keys::Bytes { .. } => 90,
        };
        let bytes = if let Keys::Bytes { bytes, .. } = &self.keys { *bytes } else { 0 };
        self.bytes + bytes + self.places.len() * (of_keys + size_of::<Stamp>() + 8)
    }

    /// Leaves the newest rows alone.
    fn compact(&mut self) -> Result<()> {
        let order: Vec<u32> = (0..self.places.len() as u32).collect();
        let batches = order.chunks(BATCH).map(|slots| self.gathered(slots)).collect::<Result<Vec<_>>>()?;
        self.places = (0..self.places.len()).map(|slot| ((slot / BATCH) as u32, (slot % BATCH) as u32)).collect();
        self.rows = self.places.len();
        self.bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        self.batches = batches;
        Ok(())
    }

    /// The newest rows of some keys.
    fn gathered(&self, slots: &[u32]) -> Result<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let places = slots.iter().map(|slot| self.places[*slot as usize]);
        let places: Vec<_> = places.map(|(batch, row)| (batch as usize, row as usize)).collect();
        interleave_record_batch(&batches, &places).map_err(Error::internal)
    }

    /// Takes in what another one has.
    pub(super) fn absorb(&mut self, other: Newest) -> Result<()> {
        let offset = u32::try_from(self.batches.len()).map_err(Error::internal)?;
        for (slot, stamp) in other.stamps.iter().enumerate() {
            let mine = self.keys.number(&other.keys, slot) as usize;
            let (batch, row) = other.places[slot];
            let place = (batch + offset, row);
            match self.stamps.get_mut(mine) {
                Some(best) if *best >= *stamp => {}
                Some(best) => {
                    *best = *stamp;
                    self.places[mine] = place;
                }
                None => {
                    self.stamps.push(*stamp);
                    self.places.push(place);
                }
            }
        }
        self.batches.extend(other.batches);
        (self.rows, self.bytes) = (self.rows + other.rows, self.bytes + other.bytes);
        Ok(())
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Hands out the newest rows in the order of their keys, some at a time, and is empty then.
    pub(super) fn drain(&mut self, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let order = self.keys.in_order();
        order.chunks(BATCH).try_for_each(|slots| each(self.gathered(slots)?))?;
        self.keys.clear();
        self.stamps.clear();
        self.places.clear();
        self.batches.clear();
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Keys {
    fn new(key: &Columns) -> Result<Self> {
        if let [only] = key.0.as_slice()
            && (only.data_type.is_integer() || only.data_type == DataType::Date32)
        {
            return Ok(Keys::Integers { numbers: HashMap::new(), keys: Vec::new() });
        }
        let fields = key.0.iter().map(|column| SortField::new(column.data_type.clone())).collect();
        let converter = Box::new(RowConverter::new(fields).map_err(Error::internal)?);
        Ok(Keys::Bytes { converter, numbers: HashMap::new(), keys: Vec::new(), bytes: 0 })
    }

    /// The number of the key of each row; new keys get the next ones.
    fn numbers(&mut self, key: &[ArrayRef], mut each: impl FnMut(usize, u32)) -> Result<()> {
        match self {
            Keys::Integers { numbers, keys } => {
                let words = match key {
                    [only] => integers(only)?,
                    _ => return Err(Error::internal("a key of one column has several")),
                };
                for (row, word) in words.values().iter().enumerate() {
                    let slot = *numbers.entry(*word).or_insert_with(|| {
                        keys.push(*word);
                        keys.len() as u32 - 1
                    });
                    each(row, slot);
                }
            }
            Keys::Bytes { converter, numbers, keys, bytes } => {
                let rows = converter.convert_columns(key).map_err(Error::internal)?;
                for (row, encoded) in rows.iter().enumerate() {
                    let encoded = encoded.as_ref();
                    let slot = match numbers.get(encoded) {
                        Some(slot) => *slot,
                        None => {
                            let (key, slot) = (Arc::<[u8]>::from(encoded), keys.len() as u32);
                            *bytes += key.len();
                            numbers.insert(Arc::clone(&key), slot);
                            keys.push(key);
                            slot
                        }
                    };
                    each(row, slot);
                }
            }
        }
        Ok(())
    }

    /// The number here of a key that has one there.
    fn number(&mut self, there: &Keys, slot: usize) -> u32 {
        match (self, there) {
            (Keys::Integers { numbers, keys }, Keys::Integers { keys: there, .. }) => {
                *numbers.entry(there[slot]).or_insert_with(|| {
                    keys.push(there[slot]);
                    keys.len() as u32 - 1
                })
            }
            (Keys::Bytes { numbers, keys, bytes, .. }, Keys::Bytes { keys: there, .. }) => {
                *numbers.entry(Arc::clone(&there[slot])).or_insert_with(|| {
                    *bytes += there[slot].len();
                    keys.push(Arc::clone(&there[slot]));
                    keys.len() as u32 - 1
                })
            }
            _ => unreachable!("both are of the same key columns"),
        }
    }

    fn in_order(&self) -> Vec<u32> {
        match self {
            Keys::Integers { keys, .. } => {
                let mut order: Vec<_> = keys.iter().zip(0..).map(|(key, slot)| (*key, slot)).collect();
                order.sort_unstable();
                order.into_iter().map(|(_, slot)| slot).collect()
            }
            Keys::Bytes { keys, .. } => {
                let mut order: Vec<u32> = (0..keys.len() as u32).collect();
                order.sort_unstable_by(|a, b| keys[*a as usize].cmp(&keys[*b as usize]));
                order
            }
        }
    }

    fn clear(&mut self) {
        match self {
            Keys::Integers { numbers, keys } => {
                numbers.clear();
                keys.clear();
            }
            Keys::Bytes { numbers, keys, bytes, .. } => {
                numbers.clear();
                keys.clear();
                *bytes = 0;
            }
        }
    }
}

/// The stamps of the rows of a batch.
struct Stamps {
    times: TimestampMicrosecondArray,
    known: Option<TimestampMicrosecondArray>,
    seqs: Option<Int64Array>,
}

impl Stamps {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let moments = |array: ArrayRef| array.as_primitive_opt::<TimestampMicrosecondType>().cloned();
        let times = moments(column(batch, EVENT_TIME)?);
        let known = batch.column_by_name(KNOWN).cloned().and_then(moments);
        let seqs = batch.column_by_name(SEQ).and_then(|seqs| seqs.as_primitive_opt::<Int64Type>()).cloned();
        let times = times.ok_or_else(|| Error::internal("rows of a view have no event time"))?;
        Ok(Stamps { times, known, seqs })
    }

    fn of_row(&self, row: usize) -> Stamp {
        let time = self.times.value(row);
        let known = self.known.as_ref().filter(|known| known.is_valid(row)).map_or(time, |known| known.value(row));
        let seq = self.seqs.as_ref().filter(|seqs| seqs.is_valid(row)).map_or(0, |seqs| seqs.value(row));
        (time, known, seq)
    }
}

fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    let column = batch.column_by_name(name).cloned();
    column.ok_or_else(|| Error::internal(format!("rows of a view have no `{name}`")))
}

fn integers(array: &ArrayRef) -> Result<Int64Array> {
    let array = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32).map_err(Error::internal)?,
        _ => Arc::clone(array),
    };
    Ok(cast(&array, &DataType::Int64).map_err(Error::internal)?.as_primitive::<Int64Type>().clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::StringArray;
    use proptest::prelude::*;

    use super::*;

    /// Two key columns, event time, known-at time, order of acceptance.
    type Row = (i64, Option<&'static str>, i64, Option<i64>, i64);

    fn batch(rows: &[Row]) -> RecordBatch {
        let times =
            |times: Vec<Option<i64>>| Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) as ArrayRef;
        RecordBatch::try_from_iter_with_nullable([
            ("number", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0))) as ArrayRef, true),
            ("text", Arc::new(rows.iter().map(|r| r.1).collect::<StringArray>()), true),
            (EVENT_TIME, times(rows.iter().map(|r| Some(r.2)).collect()), true),
            (KNOWN, times(rows.iter().map(|r| r.3).collect()), true),
            (SEQ, Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.4))), true),
        ])
        .unwrap()
    }

    fn drained(newest: &mut Newest) -> Vec<RecordBatch> {
        let mut all = Vec::new();
        let take = |rows| {
            all.push(rows);
            Ok(())
        };
        newest.drain(take).unwrap();
        all
    }

    fn check(rows: &[Row], key: &[(&str, DataType)], cuts: usize, parts: usize, every: usize) {
        let key = Columns(key.iter().map(|(name, t)| Column::new(*name, t.clone())).collect());
        let by_text = key.names().any(|name| name == "text");
        let of = |row: &Row| (row.0, if by_text { row.1 } else { None });
        let mut expected: BTreeMap<_, Row> = BTreeMap::new();
        for row in rows {
            let stamp = |row: &Row| (row.2, row.3.unwrap_or(row.2), row.4);
            let held = expected.entry(of(row)).or_insert(*row);
            if stamp(row) > stamp(held) {
                *held = *row;
            }
        }
        let mut all: Vec<_> = (0..parts).map(|_| Newest::new(&key).unwrap()).collect();
        let mut early = Vec::new();
        for (n, some) in rows.chunks(cuts).enumerate() {
            let part = &mut all[n % parts];
            part.add(&batch(some)).unwrap();
            assert!(part.rows <= 2 * part.len() + SLACK, "{} rows of {} keys", part.rows, part.len());
            if every > 0 && n % every == 0 {
                early.extend(drained(part));
                assert_eq!((part.len(), part.size()), (0, 0));
            }
        }
        let mut one = all.remove(0);
        all.into_iter().for_each(|other| one.absorb(other).unwrap());
        early.iter().for_each(|rows| one.add(rows).unwrap());
        let found = drained(&mut one);
        let expected: Vec<Row> = expected.into_values().collect();
        let schema = batch(&expected).schema();
        assert_eq!(arrow::compute::concat_batches(&schema, &found).unwrap(), batch(&expected));
    }

    proptest! {
        #[test]
        fn the_newest_of_each_key_comes_out_in_order(
            rows in proptest::collection::vec((0..12i64, 0..3usize, 0..9i64, proptest::option::of(0..9i64)), 0..90),
            cuts in 1..9usize, parts in 1..4usize, every in 0..4usize,
        ) {
            let text = |n: usize| Some(["", "a", "é"][n]);
            let rows: Vec<Row> = rows.iter().zip(1..).map(|(r, seq)| (r.0 - 6, text(r.1), r.2, r.3, seq)).collect();
            check(&rows, &[("number", DataType::Int64)], cuts, parts, every);
            check(&rows, &[("number", DataType::Int64), ("text", DataType::Utf8)], cuts, parts, every);
        }
    }
}
