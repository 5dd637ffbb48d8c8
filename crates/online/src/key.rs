//! Keys as bytes, version 1.
//!
//! ```text
//! key  = 01, part…                  one part per key column
//! part = 01, 00 or 01               BOOLEAN
//!      | 02, 8 bytes                integers of every width: big-endian, sign bit flipped
//!      | 03, escaped, 00 00         VARCHAR: UTF-8 with each 00 written as 00 FF
//!      | 04, escaped, 00 00         BINARY, likewise
//!      | 05, 4 bytes                DATE: days since the epoch, big-endian, sign bit flipped
//! ```
//! - Every part ends by itself, so no two keys run into each other, and bytes compare as the values do.
//! - Integer widths are unified: an `INT` spine finds the keys of a `BIGINT` view.
//! - A key with a null part has no bytes: null equals nothing.
//!
//! The format is durable. The golden vectors below hold it; a change is a new version byte.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Int64Array, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Int64Type};
use asof_model::schema::{common_key_type, normal, sql_type};

use crate::{Error, Layout};

/// The version byte that every key begins with.
pub(crate) const VERSION: u8 = 1;

/// Encodes the keys of one layout.
#[derive(Debug)]
pub(crate) struct KeyCodec {
    view: String,
    columns: Vec<(String, DataType)>,
}

/// The keys of a batch, encoded one after the other behind a store's own prefix.
#[derive(Debug, Default)]
pub struct Keys {
    prefix: usize,
    bytes: Vec<u8>,
    /// Where each key ends, and whether all its parts are there.
    ends: Vec<(usize, bool)>,
}

impl Keys {
    /// How many keys were given, those with nulls included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The n-th key behind the prefix; none where a part of it is null.
    pub fn prefixed(&self, n: usize) -> Option<&[u8]> {
        let (end, whole) = self.ends[n];
        let start = if n == 0 { 0 } else { self.ends[n - 1].0 };
        whole.then(|| &self.bytes[start..end])
    }

    /// The n-th key; none where a part of it is null.
    pub fn get(&self, n: usize) -> Option<&[u8]> {
        self.prefixed(n).map(|key| &key[self.prefix..])
    }

    /// Adds one more key behind the n-th and some bytes more; none where that has a null part.
    pub(crate) fn add(&mut self, n: usize, suffix: &[u8]) {
        let (end, whole) = self.ends[n];
        let start = if n == 0 { 0 } else { self.ends[n - 1].0 };
        if whole {
            self.bytes.extend_from_within(start..end);
            self.bytes.extend_from_slice(suffix);
        }
        self.ends.push((self.bytes.len(), whole));
    }

    /// All keys behind the prefix, in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|n| self.prefixed(n))
    }
}

impl KeyCodec {
    pub(crate) fn new(view: &str, layout: &Layout) -> Self {
        let columns = layout.key.0.iter().map(|c| (c.name.clone(), c.data_type.clone()));
        KeyCodec { view: view.into(), columns: columns.collect() }
    }

    /// Encodes one key per row, each behind `prefix`.
    pub(crate) fn encode(&self, arrays: &[ArrayRef], prefix: &[u8]) -> Result<Keys, Error> {
        let parts = self.parts(arrays)?;
        let rows = arrays.first().map_or(0, |a| a.len());
        let mut keys = Keys { prefix: prefix.len(), ..Keys::default() };
        keys.ends.reserve(rows);
        keys.bytes.reserve(rows * (prefix.len() + 1 + 9 * parts.len()));
        for row in 0..rows {
            let start = keys.bytes.len();
            keys.bytes.extend_from_slice(prefix);
            keys.bytes.push(VERSION);
            let whole = parts.iter().all(|part| part.write(row, &mut keys.bytes));
            if !whole {
                keys.bytes.truncate(start);
            }
            keys.ends.push((keys.bytes.len(), whole));
        }
        Ok(keys)
    }

    fn parts(&self, arrays: &[ArrayRef]) -> Result<Vec<Part>, Error> {
        let mismatch = |reason| Error::KeyMismatch { view: self.view.clone(), reason };
        if arrays.len() != self.columns.len() {
            let names: Vec<_> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
            return Err(mismatch(format!(
                "its key is ({}), and {} columns were given",
                names.join(", "),
                arrays.len()
            )));
        }
        let length = arrays.first().map_or(0, |a| a.len());
        let columns = arrays.iter().zip(&self.columns);
        let parts = columns.map(|(array, (name, wanted))| {
            if array.len() != length {
                return Err(mismatch(format!(
                    "`{name}` has {} values where the first key column has {length}",
                    array.len()
                )));
            }
            let target =
                normal(array.data_type()).and_then(|given| common_key_type(&given, wanted)).ok_or_else(|| {
                    mismatch(format!("`{name}` is {}, and {} was given", sql_type(wanted), sql_type(array.data_type())))
                })?;
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let array = match *array.data_type() == target {
                true => ArrayRef::clone(array),
                false => cast_with_options(array, &target, &strict).map_err(|e| mismatch(format!("`{name}`: {e}")))?,
            };
            Part::of(&array).ok_or_else(|| mismatch(format!("`{name}` is {}, which is no key", sql_type(&target))))
        });
        parts.collect()
    }
}

/// One key column, ready to be written row by row.
enum Part {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Text(StringArray),
    Bytes(BinaryArray),
    Date(Date32Array),
}

impl Part {
    fn of(array: &ArrayRef) -> Option<Part> {
        Some(match array.data_type() {
            DataType::Boolean => Part::Boolean(array.as_boolean().clone()),
            DataType::Int64 => Part::Integer(array.as_primitive::<Int64Type>().clone()),
            DataType::Utf8 => Part::Text(array.as_string::<i32>().clone()),
            DataType::Binary => Part::Bytes(array.as_binary::<i32>().clone()),
            DataType::Date32 => Part::Date(array.as_primitive::<Date32Type>().clone()),
            _ => return None,
        })
    }

    /// Appends the part of a row; false where it is null.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Part::Boolean(a) if a.is_valid(row) => out.extend_from_slice(&[1, u8::from(a.value(row))]),
            Part::Integer(a) if a.is_valid(row) => {
                out.push(2);
                out.extend_from_slice(&(a.value(row) ^ i64::MIN).to_be_bytes());
            }
            Part::Text(a) if a.is_valid(row) => escape(3, a.value(row).as_bytes(), out),
            Part::Bytes(a) if a.is_valid(row) => escape(4, a.value(row), out),
            Part::Date(a) if a.is_valid(row) => {
                out.push(5);
                out.extend_from_slice(&(a.value(row) ^ i32::MIN).to_be_bytes());
            }
            _ => return false,
        }
        true
    }
}

fn escape(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    for (n, run) in bytes.split(|b| *b == 0).enumerate() {
        if n > 0 {
            out.extend_from_slice(&[0, 0xFF]);
        }
        out.extend_from_slice(run);
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int8Array, Int32Array, LargeStringArray, UInt64Array};
    use asof_model::{Column, Columns};
    use proptest::prelude::*;

    use super::*;

    fn codec(types: &[DataType]) -> KeyCodec {
        let columns = types.iter().enumerate().map(|(n, t)| Column::new(format!("k{n}"), t.clone())).collect();
        KeyCodec::new("v@1", &Layout { key: Columns(columns), values: Columns::default(), tiles: None })
    }

    fn hex(arrays: &[ArrayRef], types: &[DataType]) -> Vec<Option<String>> {
        let keys = codec(types).encode(arrays, &[]).unwrap();
        let text = |key: &[u8]| key.iter().map(|b| format!("{b:02x}")).collect::<String>();
        (0..keys.len()).map(|n| keys.get(n).map(text)).collect()
    }

    #[test]
    fn golden_vectors() {
        use DataType::*;
        let check = |array: ArrayRef, t: DataType, expected: &[&str]| {
            let found: Vec<_> = hex(&[array], std::slice::from_ref(&t)).into_iter().map(Option::unwrap).collect();
            assert_eq!(found, expected, "{t}");
        };
        check(Arc::new(BooleanArray::from(vec![false, true])), Boolean, &["010100", "010101"]);
        let integers = ["01027fffffffffffffff", "01028000000000000000", "01028000000000000001"];
        check(Arc::new(Int64Array::from(vec![-1, 0, 1])), Int64, &integers);
        check(Arc::new(Int8Array::from(vec![-1, 0, 1])), Int64, &integers);
        check(Arc::new(Int64Array::from(vec![-1, 0, 1])), Int8, &integers);
        let text = vec!["", "JFK", "a\0b", "é"];
        let texts = ["01030000", "01034a464b0000", "01036100ff620000", "0103c3a90000"];
        check(Arc::new(StringArray::from(text.clone())), Utf8, &texts);
        check(Arc::new(LargeStringArray::from(text)), Utf8, &texts);
        let bytes: Vec<&[u8]> = vec![b"", b"\x00", b"\x00\xff", b"\xff"];
        check(
            Arc::new(BinaryArray::from(bytes)),
            Binary,
            &["01040000", "010400ff0000", "010400ffff0000", "0104ff0000"],
        );
        check(
            Arc::new(Date32Array::from(vec![-1, 0, 19000])),
            Date32,
            &["01057fffffff", "010580000000", "010580004a38"],
        );
    }

    #[test]
    fn composite_keys_hold_their_parts_apart_and_nulls_have_no_bytes() {
        let left = Arc::new(StringArray::from(vec![Some("a"), Some("ab"), None, Some("a")]));
        let right = Arc::new(StringArray::from(vec![Some("bc"), Some("c"), Some("x"), None]));
        let keys = hex(&[left, right], &[DataType::Utf8, DataType::Utf8]);
        assert_eq!(keys[0].as_deref(), Some("01036100000362630000"));
        assert_eq!(keys[1].as_deref(), Some("01036162000003630000"));
        assert_eq!(keys[2..], [None, None]);
    }

    #[test]
    fn a_prefix_comes_first_and_is_not_part_of_the_key() {
        let array: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let keys = codec(&[DataType::Boolean]).encode(&[array], b"px").unwrap();
        assert_eq!(
            keys.iter().collect::<Vec<_>>(),
            [Some(b"px\x01\x01\x01".as_slice()), None, Some(b"px\x01\x01\x00")]
        );
        assert_eq!(keys.get(2), Some(b"\x01\x01\x00".as_slice()));
    }

    #[test]
    fn keys_that_do_not_fit_say_why() {
        let check = |arrays: &[ArrayRef], types: &[DataType], why: &str| {
            let error = asof_model::Error::from(codec(types).encode(arrays, &[]).unwrap_err());
            assert_eq!(error.code(), "key_mismatch");
            assert!(error.message().contains(why), "{error}");
        };
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        check(&[], &[DataType::Int64], "its key is (k0), and 0 columns were given");
        check(std::slice::from_ref(&text), &[DataType::Int64], "`k0` is BIGINT, and VARCHAR was given");
        check(std::slice::from_ref(&numbers), &[DataType::Utf8], "`k0` is VARCHAR, and INT was given");
        check(
            &[text, numbers],
            &[DataType::Utf8, DataType::Int32],
            "`k1` has 2 values where the first key column has 1",
        );
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        check(&[huge], &[DataType::Int64], "`k0`: ");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn bytes_compare_as_values(mut rows in proptest::collection::vec((any::<i32>(), proptest::collection::vec(0u8..3, 0..4)), 2..20)) {
            rows.sort();
            let integers: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.0 % 3)));
            let binary: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|r| &r.1)));
            let keys = codec(&[DataType::Int64, DataType::Binary]).encode(&[integers, binary], &[]).unwrap();
            for (a, left) in rows.iter().enumerate() {
                for (b, right) in rows.iter().enumerate() {
                    prop_assert_eq!(keys.get(a).cmp(&keys.get(b)), (left.0 % 3, &left.1).cmp(&(right.0 % 3, &right.1)));
                }
            }
        }
    }
}
