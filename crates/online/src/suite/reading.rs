//! What `get` answers.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type};
use asof_model::schema::timestamp;

use super::sample::{self, AT, columns, delays, get, layout, numbers, publish, rows, view};
use super::{Make, refused};
use crate::{EVENT_TIME, Layout, Lookup};

/// A view without a publication is an error with the way out, never an empty answer.
pub fn what_was_never_published_says_so(make: Make<'_>) {
    let store = make();
    let (known, unknown) = (view("carrier_delays"), view("airport_weather"));
    assert_eq!(store.list(), Ok(vec![]));
    assert_eq!(store.published(&known), Ok(None));
    let words = ["carrier_delays@1", "asof materialize carrier_delays"];
    refused(store.get(&[delays(&known, &["UA"])]), "not_materialized", &words);
    refused(store.check(&known), "not_materialized", &words);
    publish(&*store, &known, &layout(), &[]);
    let both = [delays(&known, &["UA"]), delays(&unknown, &["UA"])];
    refused(store.get(&both), "not_materialized", &["airport_weather@1"]);
}

/// Values, nulls and event times of every normal type, NaN payloads and negative zero included.
pub fn every_type_comes_back_to_the_bit(make: Make<'_>) {
    let store = make();
    let strings = |list: &[Option<&str>]| -> ArrayRef { Arc::new(StringArray::from(list.to_vec())) };
    let nan = f64::from_bits(0x7ff8_dead_beef_0001);
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    tags.append_value([Some("a"), None, Some("")]);
    tags.append_null();
    tags.append_value([] as [Option<&str>; 0]);
    let numbers = [Some(vec![Some(nan), None, Some(-0.0)]), Some(vec![]), None];
    let numbers = ListArray::from_iter_primitive::<Float64Type, _, _>(numbers);
    let element = Arc::new(Field::new("element", DataType::Float64, true));
    let numbers =
        ListArray::new(element, numbers.offsets().clone(), numbers.values().clone(), numbers.nulls().cloned());
    let decimals =
        Decimal128Array::from(vec![Some(i128::MIN / 2), None, Some(7)]).with_data_type(DataType::Decimal128(38, 4));
    let values: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("tiny", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)]))),
        ("small", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)]))),
        ("int", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)]))),
        ("big", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("text", strings(&[Some("é\0"), None, Some("")])),
        ("real", Arc::new(Float32Array::from(vec![Some(f32::from_bits(0x7fc0_1234)), None, Some(-0.0)]))),
        ("double", Arc::new(Float64Array::from(vec![Some(nan), None, Some(-0.0)]))),
        ("decimal", Arc::new(decimals)),
        ("binary", Arc::new(BinaryArray::from(vec![Some(b"\0\xff".as_slice()), None, Some(b"")]))),
        ("date", Arc::new(Date32Array::from(vec![Some(i32::MIN), None, Some(19_000)]))),
        ("moment", Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), None, Some(1)]).with_timezone("UTC"))),
        ("tags", Arc::new(tags.finish())),
        ("numbers", Arc::new(numbers)),
    ];
    let types: Vec<_> = values.iter().map(|(name, array)| (*name, array.data_type().clone())).collect();
    let layout = Layout { key: columns(&[("id", DataType::Int64)]), values: columns(&types), tiles: None };
    let mut batch = vec![("id", Arc::new(Int64Array::from(vec![10, 20, 30])) as ArrayRef)];
    batch.push((EVENT_TIME, sample::times([i64::MIN, 0, i64::MAX])));
    batch.extend(values.iter().cloned());
    let view = view("everything");
    publish(&*store, &view, &layout, &[sample::batch(batch)]);

    let keys: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30]));
    let names: Vec<String> = layout.values.names().map(str::to_owned).collect();
    let found = get(&*store, Lookup { view: &view, keys: vec![keys], columns: names, windows: None });
    let times = [Some(i64::MIN), Some(0), Some(i64::MAX)];
    assert_eq!(found.event_times.iter().collect::<Vec<_>>(), times);
    assert_eq!(*found.event_times.data_type(), timestamp());
    for (name, written) in &values {
        let read = found.values.column_by_name(name).expect("it was asked for");
        assert_eq!(read, written, "{name}");
    }
    assert_eq!(store.check(&view), Ok(()));
}

/// Rows answer in the order of the keys, columns in the order asked for, as often as asked for.
pub fn any_columns_are_read_in_any_order(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let published = publish(&*store, &view, &layout(), &[rows(&[("UA", 5, 50, Some("late")), ("AA", 6, 60, None)])]);
    let ask = |columns: &[&str]| {
        let mut lookup = delays(&view, &["AA", "XX", "UA", "AA"]);
        lookup.columns = columns.iter().map(|c| (*c).to_owned()).collect();
        get(&*store, lookup)
    };
    let found = ask(&["remark", "delay"]);
    assert_eq!((found.generation, found.run, found.at), (published.generation, published.run, AT));
    assert_eq!(found.event_times.iter().collect::<Vec<_>>(), [Some(6), None, Some(5), Some(6)]);
    let names: Vec<_> = found.values.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["remark", "delay"]);
    let remarks: Vec<_> = found.values.column(0).as_string::<i32>().iter().collect();
    assert_eq!(remarks, [None, None, Some("late"), None]);
    assert_eq!(numbers(&ask(&["delay"])), [Some(60), None, Some(50), Some(60)]);
    let none = ask(&[]);
    assert_eq!((none.values.num_rows(), none.values.num_columns()), (4, 0));
    assert_eq!(none.event_times.iter().collect::<Vec<_>>(), [Some(6), None, Some(5), Some(6)]);
    let nobody = get(&*store, delays(&view, &[]));
    assert_eq!((nobody.values.num_rows(), nobody.event_times.len()), (0, 0));
    assert_eq!(store.get(&[]).map(|answers| answers.len()), Ok(0));
}

/// Several views, and one of them twice, answer in one call and in order.
pub fn several_views_are_one_read(make: Make<'_>) {
    let store = make();
    let (carriers, planes) = (view("carrier_delays"), view("plane_history"));
    publish(&*store, &carriers, &layout(), &[rows(&[("UA", 1, 10, None)])]);
    let key = columns(&[("tailnum", DataType::Utf8), ("number", DataType::Int32)]);
    let plane = Layout { key, values: columns(&[("seats", DataType::Int32)]), tiles: None };
    let tailnum: ArrayRef = Arc::new(StringArray::from(vec!["N1", "N1"]));
    let number: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let seats: ArrayRef = Arc::new(Int32Array::from(vec![100, 200]));
    let written = vec![
        ("tailnum", tailnum.clone()),
        ("number", number.clone()),
        (EVENT_TIME, sample::times([1, 2])),
        ("seats", seats),
    ];
    publish(&*store, &planes, &plane, &[sample::batch(written)]);
    let both = Lookup { view: &planes, keys: vec![tailnum, number], columns: vec!["seats".into()], windows: None };
    let found =
        store.get(&[delays(&carriers, &["UA"]), both, delays(&carriers, &["XX", "UA"])]).expect("all are there");
    assert_eq!(numbers(&found[0]), [Some(10)]);
    let seats = found[1].values.column(0).as_primitive::<Int32Type>();
    assert_eq!(seats.iter().collect::<Vec<_>>(), [Some(100), Some(200)]);
    assert_eq!(numbers(&found[2]), [None, Some(10)]);
    let listed = store.list().expect("a list");
    assert_eq!(listed.iter().map(|p| p.view.clone()).collect::<Vec<_>>(), [carriers, planes]);
}

/// A column that is not there is refused, with the one that was meant.
pub fn unknown_columns_are_refused_with_a_suggestion(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    publish(&*store, &view, &layout(), &[]);
    let ask = |column: &str| {
        let lookup = Lookup { columns: vec![column.into()], ..delays(&view, &["UA"]) };
        store.get(&[lookup])
    };
    refused(ask("dely"), "unknown_column", &["carrier_delays@1", "`dely`", "did you mean `delay`?"]);
    refused(ask("temperature"), "unknown_column", &["it has: delay, remark"]);
    refused(ask("carrier"), "unknown_column", &["`carrier`"]);
}
