use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Float64Type, Schema};
use asof_model::schema;
use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Column, Int64s, Lists, Nulls, Strings};
use proptest::prelude::*;
use prost::Message;

use super::*;

const ROWS: usize = 1_000;

fn batch(arrays: Vec<ArrayRef>) -> RecordBatch {
    let field = |(i, array): (usize, &ArrayRef)| Field::new(format!("c{i}"), array.data_type().clone(), true);
    let schema = Schema::new(arrays.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

/// Through the encoded message and back.
fn round_trip(given: &RecordBatch) -> RecordBatch {
    let columns = from_batch(given).unwrap().into_iter().map(|c| Column::decode(c.encode_to_vec().as_slice()).unwrap());
    to_batch(columns.collect(), ROWS).unwrap()
}

/// Equal to the bit, where `==` on floats is not.
fn assert_same(left: &RecordBatch, right: &RecordBatch) {
    assert_eq!(left.schema(), right.schema());
    for (left, right) in left.columns().iter().zip(right.columns()) {
        let (left, right) = (left.to_data(), right.to_data());
        assert!(left == right || format!("{left:?}") == format!("{right:?}"), "{left:?}\n{right:?}");
    }
}

fn columns(rows: Vec<Row>) -> Vec<ArrayRef> {
    let rows = &rows;
    let ints = || rows.iter().map(|r| r.0);
    vec![
        Arc::new(ints().collect::<Int64Array>()),
        Arc::new(ints().map(|v| v.map(|v| v as i8)).collect::<Int8Array>()),
        Arc::new(ints().map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        Arc::new(ints().map(|v| v.map(|v| v % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(ints().map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
        Arc::new(ints().collect::<TimestampMicrosecondArray>().with_data_type(schema::timestamp())),
        Arc::new(
            ints().map(|v| v.map(i128::from)).collect::<Decimal128Array>().with_precision_and_scale(38, 4).unwrap(),
        ),
        Arc::new(rows.iter().map(|r| r.1.map(f64::from_bits)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.1.map(|b| f32::from_bits(b as u32))).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|r| r.2.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.2.as_ref().map(|t| t.as_bytes())).collect::<BinaryArray>()),
        Arc::new(list(rows.iter().map(|r| r.3.clone()))),
    ]
}

fn list(rows: impl Iterator<Item = Option<Vec<Option<f64>>>>) -> ListArray {
    let built = ListArray::from_iter_primitive::<Float64Type, _, _>(rows);
    let (_, offsets, items, nulls) = built.into_parts();
    ListArray::new(Arc::new(Field::new("element", items.data_type().clone(), true)), offsets, items, nulls)
}

type Row = (Option<i64>, Option<u64>, Option<String>, Option<Vec<Option<f64>>>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let items = proptest::option::of(proptest::collection::vec(proptest::option::of(any::<f64>()), 0..4));
    let row = (any::<Option<i64>>(), any::<Option<u64>>(), proptest::option::of(".{0,6}"), items);
    proptest::collection::vec(row, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_normal_type_goes_there_and_back(rows in rows(), skip in 0usize..5) {
        let given = batch(columns(rows));
        let skip = skip.min(given.num_rows());
        let part = given.slice(skip, given.num_rows() - skip);
        assert_same(&round_trip(&given), &given);
        // A part of a larger array goes like one of its own.
        assert_same(&round_trip(&part), &round_trip(&round_trip(&part)));
        prop_assert_eq!(round_trip(&part).num_rows(), part.num_rows());
    }

    #[test]
    fn damaged_messages_are_refused_or_read_but_never_panic(
        rows in rows(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for column in from_batch(&batch(columns(rows))).unwrap() {
            let mut bytes = column.encode_to_vec();
            for (index, byte) in &damage {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Ok(column) = Column::decode(bytes.as_slice())
                && let Ok(read) = to_batch(vec![column], ROWS)
            {
                prop_assert!(read.num_rows() <= ROWS);
                read.column(0).to_data().validate_full().unwrap();
            }
        }
    }
}

fn ints(values: &[i64]) -> Values {
    Values::Int64s(Int64s { values: values.to_vec() })
}

fn column(r#type: &str, validity: &[u8], values: Values) -> Column {
    Column { name: "a".into(), r#type: r#type.into(), validity: validity.into(), values: Some(values) }
}

fn texts(values: &[&str]) -> Strings {
    Strings { values: values.iter().map(|v| (*v).to_owned()).collect() }
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let check = |columns: Vec<Column>, code: &str, says: &str| {
        let error = to_batch(columns, 4).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(says), "{error}");
    };
    let one = |column| vec![column];
    let lists = |offsets: &[u32], items: Option<Column>| {
        Values::Lists(Box::new(Lists { offsets: offsets.into(), items: items.map(Box::new) }))
    };
    check(one(Column { name: "a".into(), ..Column::default() }), "invalid_column", "column `a` has no values");
    check(
        vec![column("", &[], ints(&[1])), column("", &[], ints(&[1, 2]))],
        "invalid_column",
        "has 2 values where the columns before it have 1",
    );
    check(one(column("", &[], ints(&[1; 5]))), "too_many_entities", "5 entities in one request; at most 4");
    check(one(column("", &[], Values::Nulls(Nulls { count: u32::MAX }))), "too_many_entities", "4294967295 entities");
    check(one(column("", &[1, 1], ints(&[1]))), "invalid_column", "2 bytes of validity for 1 values");
    check(one(column("NUMBER", &[], ints(&[1]))), "invalid_column", "unknown type `NUMBER`");
    check(
        one(column("VARCHAR", &[], ints(&[1]))),
        "invalid_column",
        "says it is VARCHAR and carries values of another type",
    );
    check(one(column("TINYINT", &[], ints(&[300]))), "invalid_column", "has 300, which no TINYINT holds");
    check(one(column("", &[], Values::Decimals(texts(&["1"])))), "invalid_column", "must say which, as DECIMAL(p,s)");
    for bad in ["", "x", "1.234", "1e3", "--1", "1000", ".5", "٣"] {
        check(
            one(column("DECIMAL(3,2)", &[], Values::Decimals(texts(&[bad])))),
            "invalid_column",
            "is not a DECIMAL(3,2)",
        );
    }
    check(one(column("", &[], lists(&[], None))), "invalid_column", "has no offsets");
    check(one(column("", &[], lists(&[0, 1], None))), "invalid_column", "has no items");
    for offsets in [&[0, 2][..], &[1, 1], &[0, 1, 0, 1], &[0, u32::MAX]] {
        check(
            one(column("", &[], lists(offsets, Some(column("", &[], ints(&[7])))))),
            "invalid_column",
            "offsets that do not lead from 0 to its 1 items",
        );
    }
    let nulls = Some(column("", &[], Values::Nulls(Nulls { count: u32::MAX })));
    check(one(column("", &[], lists(&[0, u32::MAX], nulls))), "invalid_column", "items that are all null");
    let deep = (0..20).fold(column("", &[], ints(&[])), |items, _| column("", &[], lists(&[0], Some(items))));
    check(one(deep), "invalid_column", "nests lists deeper than 8");
}

#[test]
fn values_in_place_of_nulls_do_not_matter() {
    let read = to_batch(vec![column("TINYINT", &[0b10], ints(&[300, 7]))], ROWS).unwrap();
    assert_eq!(read.column(0).as_ref(), &Int8Array::from(vec![None, Some(7)]) as &dyn Array);
    let decimals = column("DECIMAL(3,2)", &[0b10], Values::Decimals(texts(&["what", "-1.5"])));
    let read = to_batch(vec![decimals], ROWS).unwrap();
    let expected = Decimal128Array::from(vec![None, Some(-150)]).with_precision_and_scale(3, 2).unwrap();
    assert_eq!(read.column(0).as_ref(), &expected as &dyn Array);
}

#[test]
fn without_a_column_there_is_one_row() {
    assert_eq!(to_batch(vec![], ROWS).unwrap().num_rows(), 1);
}
