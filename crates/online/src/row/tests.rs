//! Rows there and back, and what becomes of damaged ones.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Schema};
use asof_model::schema::{parse_sql_type, timestamp};
use proptest::prelude::*;

use super::checksum::checksum;
use super::*;
use crate::suite::sample::{columns, view};
use crate::{Codec, EVENT_TIME, KNOWN, SEQ};

/// A small source of arbitrary numbers, seeded by the property test.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.0 ^ (self.0 >> 29)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() >> 8) as usize % bound.max(1)
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(12)).map(|_| self.roll() as u8).collect()
    }

    fn some<T>(&mut self, rows: usize, mut value: impl FnMut(&mut Self) -> T) -> Vec<Option<T>> {
        (0..rows).map(|_| (self.below(4) > 0).then(|| value(self))).collect()
    }

    fn array(&mut self, data_type: &DataType, rows: usize) -> ArrayRef {
        use DataType::*;
        match data_type {
            Boolean => Arc::new(BooleanArray::from(self.some(rows, |d| d.below(2) == 0))),
            Int8 => Arc::new(Int8Array::from(self.some(rows, |d| d.roll() as i8))),
            Int16 => Arc::new(Int16Array::from(self.some(rows, |d| d.roll() as i16))),
            Int32 => Arc::new(Int32Array::from(self.some(rows, |d| d.roll() as i32))),
            Int64 => Arc::new(Int64Array::from(self.some(rows, |d| d.roll() as i64))),
            Float32 => Arc::new(Float32Array::from(self.some(rows, |d| f32::from_bits(d.roll() as u32)))),
            Float64 => Arc::new(Float64Array::from(self.some(rows, |d| f64::from_bits(d.roll())))),
            Date32 => Arc::new(Date32Array::from(self.some(rows, |d| d.roll() as i32))),
            Decimal128(_, _) => {
                let values = Decimal128Array::from(self.some(rows, |d| i128::from(d.roll() as i64) * 77));
                Arc::new(values.with_data_type(data_type.clone()))
            }
            Timestamp(_, _) => {
                Arc::new(TimestampMicrosecondArray::from(self.some(rows, |d| d.roll() as i64)).with_timezone("UTC"))
            }
            Utf8 => Arc::new(StringArray::from(self.some(rows, |d| String::from_utf8_lossy(&d.bytes()).into_owned()))),
            Binary => Arc::new(self.some(rows, Dice::bytes).iter().map(Option::as_deref).collect::<BinaryArray>()),
            List(element) => {
                let lengths = self.some(rows, |d| d.below(4));
                let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|l| l.unwrap_or(0)));
                let items = self.array(element.data_type(), lengths.iter().flatten().sum());
                let nulls = NullBuffer::from_iter(lengths.iter().map(Option::is_some));
                Arc::new(ListArray::new(element.clone(), offsets, items, Some(nulls)))
            }
            other => unreachable!("{other} is not normal"),
        }
    }
}

fn types() -> Vec<DataType> {
    let simple = ["BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE", "VARCHAR", "BINARY", "DATE"];
    let nested = ["DECIMAL(38,10)", "BOOLEAN[]", "DOUBLE[]", "VARCHAR[]", "INT[][]", "BINARY[][]", "DECIMAL(9,2)[]"];
    let mut types: Vec<_> = simple.iter().chain(&nested).map(|t| parse_sql_type(t).unwrap()).collect();
    types.push(timestamp());
    types
}

/// A codec over columns of arbitrary types, a batch of it, and the rows it makes.
struct Case {
    codec: Codec,
    batch: RecordBatch,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

fn case(seed: u64) -> (Case, Dice) {
    let mut dice = Dice(seed);
    let (types, rows) = (types(), 1 + dice.below(6));
    let names: Vec<String> = (0..dice.below(14)).map(|n| format!("c{n}")).collect();
    let chosen: Vec<_> = names.iter().map(|n| (n.as_str(), types[dice.below(types.len())].clone())).collect();
    let layout = Layout { key: columns(&[("k", DataType::Int64)]), values: columns(&chosen), tiles: None };
    let key: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| dice.roll() as i64));
    let mut batch: Vec<(&str, ArrayRef)> = vec![("k", key), (EVENT_TIME, Arc::new(times.with_timezone("UTC")))];
    // A slice of a longer array, so that offsets into buffers are not always zero.
    batch.extend(chosen.iter().map(|(n, t)| (*n, dice.array(t, rows + 3).slice(2, rows))));
    let batch = RecordBatch::try_from_iter(batch).unwrap();
    let codec = Codec::new(&view("v"), &layout).unwrap();
    let mut rows = Vec::new();
    let keep = |key: &[u8], row: &[u8]| -> Result<(), Error> {
        rows.push((key.to_vec(), row.to_vec()));
        Ok(())
    };
    codec.encode(&batch, &[], keep).unwrap();
    (Case { codec, batch, rows }, dice)
}

impl Case {
    fn all(&self) -> Vec<String> {
        self.codec.layout().values.names().map(str::to_owned).collect()
    }

    /// Decodes all columns of one row.
    fn decode(&self, key: &[u8], row: &[u8]) -> Result<RecordBatch, Error> {
        let rows = self.codec.rows().open_all([Some((key, row, false))].into_iter())?;
        let columns: Vec<_> = self.all().into_iter().enumerate().collect();
        let read = |(n, name): &(usize, String)| Ok((name.clone(), self.codec.rows().column(&rows, *n)?));
        let read: Vec<_> = columns.iter().map(read).collect::<Result<_, Error>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let schema = RecordBatch::try_from_iter_with_nullable(read.iter().map(|(n, a)| (n, a.clone(), true)));
        let schema = schema.map_or_else(|_| Arc::new(Schema::empty()), |batch| batch.schema());
        Ok(RecordBatch::try_new_with_options(schema, read.into_iter().map(|(_, a)| a).collect(), &options).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn rows_come_back_to_the_bit(seed: u64) {
        let (case, mut dice) = case(seed);
        let all = case.all();
        let wanted: Vec<_> = (0..dice.below(6)).filter_map(|_| all.get(dice.below(all.len())).cloned()).collect();
        for names in [&all, &wanted] {
            let positions = case.codec.positions(names).unwrap();
            let opened = case.codec.rows().open_all(case.rows.iter().map(|(key, row)| Some((key.as_slice(), row.as_slice(), false)))).unwrap();
            prop_assert_eq!(&(Arc::new(opened.event_times()) as ArrayRef), case.batch.column_by_name(EVENT_TIME).unwrap());
            for (name, position) in names.iter().zip(positions) {
                let written = case.batch.column_by_name(name).unwrap();
                prop_assert_eq!(&case.codec.rows().column(&opened, position).unwrap(), written);
                let whole = case.codec.rows().is_whole(&opened, position);
                prop_assert_eq!(whole, written.null_count() == 0);
                for row in 0..opened.len() {
                    prop_assert_eq!(case.codec.rows().has(&opened, row, position), written.is_valid(row));
                }
            }
        }
    }

    #[test]
    fn damaged_rows_are_refused(seed: u64) {
        let (case, mut dice) = case(seed);
        let (key, row) = &case.rows[0];
        for _ in 0..20 {
            let mut flipped = row.clone();
            flipped[dice.below(row.len())] ^= 1 << dice.below(8);
            prop_assert!(case.decode(key, &flipped).is_err());
            prop_assert!(case.decode(key, &row[..dice.below(row.len())]).is_err());
            prop_assert!(case.decode(key, &dice.bytes()).is_err());
        }
        prop_assert!(case.decode(&[key.as_slice(), b"x"].concat(), row).is_err());
    }

    #[test]
    fn even_rows_forged_behind_the_checksum_do_no_harm(seed: u64) {
        let (case, mut dice) = case(seed);
        for (key, row) in &case.rows {
            for _ in 0..20 {
                let mut forged = row[..row.len() - CHECKSUM].to_vec();
                for _ in 0..1 + dice.below(4) {
                    let at = VALIDITY + dice.below(forged.len() - VALIDITY);
                    if let Some(byte) = forged.get_mut(at) {
                        *byte = [0, 1, 0x7F, 0xFF, dice.roll() as u8][dice.below(5)];
                    }
                }
                if dice.below(3) == 0 {
                    forged.truncate(STAMP + dice.below(forged.len() - STAMP));
                }
                let sum = checksum(key, &forged);
                forged.extend_from_slice(&sum.to_le_bytes());
                // Right or refused, but never a panic nor an array that breaks Arrow's own rules.
                if let Ok(batch) = case.decode(key, &forged) {
                    batch.columns().iter().for_each(|c| c.to_data().validate_full().unwrap());
                }
            }
        }
    }
}

#[test]
fn golden_vector() {
    let types = [("b", "BOOLEAN"), ("i", "INT"), ("t", "VARCHAR"), ("n", "DOUBLE"), ("l", "VARCHAR[]")];
    let types = types.map(|(name, sql)| (name, parse_sql_type(sql).unwrap()));
    let layout = Layout { key: columns(&[("k", DataType::Utf8)]), values: columns(&types), tiles: None };
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("x"), None, Some("yz")]);
    let batch = RecordBatch::try_from_iter(vec![
        ("k", Arc::new(StringArray::from(vec!["JFK"])) as ArrayRef),
        (EVENT_TIME, Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"))),
        (KNOWN, Arc::new(TimestampMicrosecondArray::from(vec![2]).with_timezone("UTC"))),
        (SEQ, Arc::new(Int64Array::from(vec![3]))),
        ("b", Arc::new(BooleanArray::from(vec![true]))),
        ("i", Arc::new(Int32Array::from(vec![-2]))),
        ("t", Arc::new(StringArray::from(vec!["été"]))),
        ("n", Arc::new(Float64Array::from(vec![None]))),
        ("l", Arc::new(list.finish())),
    ]);
    let mut found = String::new();
    let codec = Codec::new(&view("v"), &layout).unwrap();
    codec
        .encode::<Error>(&batch.unwrap(), &[], |_, row| {
            found = row.iter().map(|b| format!("{b:02x}")).collect();
            Ok(())
        })
        .unwrap();
    let parts = [
        "02 8dc0397e",                                           // version, fingerprint
        "0100000000000000 0200000000000000 0300000000000000 17", // stamp, validity
        "01 feffffff 05000000 0000000000000000 19000000",        // slots
        "c3a974c3a9",                                            // t
        "03000000 05 01000000 01000000 03000000 78797a",         // l
        "d1e57e75",                                              // checksum
    ];
    assert_eq!(found, parts.concat().replace(' ', ""));
}

#[test]
fn other_versions_are_refused_as_such() {
    let (case, _) = case(7);
    let (key, row) = &case.rows[0];
    let mut newer = row.clone();
    newer[0] = 3;
    let error = asof_model::Error::from(case.decode(key, &newer).unwrap_err());
    assert_eq!(error.code(), "other_format");
    assert_eq!(error.message(), "rows of v@1 are in format 3, and this version reads format 2");
    assert_eq!(error.remedy_text(), Some("asof materialize v"));
}

#[test]
fn rows_of_another_layout_are_refused() {
    let of = |t| Layout { key: columns(&[("k", DataType::Int64)]), values: columns(&[("v", t)]), tiles: None };
    let view = view("v");
    let batch = RecordBatch::try_from_iter(vec![
        ("k", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        (EVENT_TIME, Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"))),
        ("v", Arc::new(Int64Array::from(vec![1]))),
    ]);
    let (double, integer) = (Codec::new(&view, &of(DataType::Float64)), Codec::new(&view, &of(DataType::Int64)));
    let mut refused = None;
    let check = |key: &[u8], row: &[u8]| -> Result<(), Error> {
        refused = double.as_ref().unwrap().verify(key, row).err();
        Ok(())
    };
    integer.unwrap().encode(&batch.unwrap(), &[], check).unwrap();
    assert!(refused.unwrap().to_string().contains("another layout"));
}
