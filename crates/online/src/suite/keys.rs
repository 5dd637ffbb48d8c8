//! Which row a key finds.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;

use super::sample::{self, columns, delays, get, layout, numbers, publish, rows, view};
use super::{Make, refused};
use crate::{EVENT_TIME, Layout, Lookup};

/// An `INT` spine finds the keys of a `BIGINT` view, and the other way round.
pub fn integer_widths_are_unified(make: Make<'_>) {
    for stored in [DataType::Int8, DataType::Int32, DataType::Int64] {
        let (store, view) = (make(), view("route_delays"));
        let keys = arrow::compute::cast(&Int64Array::from(vec![-1, 7]), &stored).expect("small numbers");
        let layout =
            Layout { key: columns(&[("route", stored)]), values: columns(&[("delay", DataType::Int64)]), tiles: None };
        let delay: ArrayRef = Arc::new(Int64Array::from(vec![10, 20]));
        let written = vec![("route", keys), (EVENT_TIME, sample::times([1, 2])), ("delay", delay)];
        publish(&*store, &view, &layout, &[sample::batch(written)]);
        let asked: [ArrayRef; 4] = [
            Arc::new(Int8Array::from(vec![7, -1, 3])),
            Arc::new(Int16Array::from(vec![7, -1, 3])),
            Arc::new(Int32Array::from(vec![7, -1, 3])),
            Arc::new(Int64Array::from(vec![7, -1, 3])),
        ];
        for keys in asked {
            let lookup = Lookup { view: &view, keys: vec![keys], columns: vec!["delay".into()], windows: None };
            assert_eq!(numbers(&get(&*store, lookup)), [Some(20), Some(10), None]);
        }
    }
}

/// Null equals nothing: not when asked for, and not when written.
pub fn null_keys_find_nothing(make: Make<'_>) {
    let (store, view) = (make(), view("routes"));
    let key = columns(&[("origin", DataType::Utf8), ("dest", DataType::Utf8)]);
    let layout = Layout { key, values: columns(&[("delay", DataType::Int64)]), tiles: None };
    let text = |list: [Option<&str>; 4]| -> ArrayRef { Arc::new(StringArray::from(list.to_vec())) };
    let keys = vec![text([Some("A"), None, Some("A"), None]), text([Some("B"), Some("B"), None, None])];
    let delay: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let written = vec![
        ("origin", keys[0].clone()),
        ("dest", keys[1].clone()),
        (EVENT_TIME, sample::times([1; 4])),
        ("delay", delay),
    ];
    let published = publish(&*store, &view, &layout, &[sample::batch(written)]);
    assert_eq!(published.rows, 1);
    let found = get(&*store, Lookup { view: &view, keys, columns: vec!["delay".into()], windows: None });
    assert_eq!(numbers(&found), [Some(1), None, None, None]);
    assert_eq!(found.event_times.null_count(), 3);
}

/// Parts of a key do not run into one another, whatever bytes they hold; neither do views.
pub fn no_two_keys_are_confused(make: Make<'_>) {
    let (store, view) = (make(), view("pairs"));
    let parts = ["", "\0", "\0\0", "a", "a\0", "\0a", "a\0\u{ff}", "aa", "b"];
    let pairs: Vec<(&str, &str)> = parts.iter().flat_map(|a| parts.iter().map(|b| (*a, *b))).collect();
    let keys: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(pairs.iter().map(|p| p.0))),
        Arc::new(BinaryArray::from_iter_values(pairs.iter().map(|p| p.1))),
    ];
    let layout = Layout {
        key: columns(&[("a", DataType::Utf8), ("b", DataType::Binary)]),
        values: columns(&[("n", DataType::Int64)]),
        tiles: None,
    };
    let count = pairs.len() as i64;
    let numbered: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    let written =
        vec![("a", keys[0].clone()), ("b", keys[1].clone()), (EVENT_TIME, sample::times(0..count)), ("n", numbered)];
    let published = publish(&*store, &view, &layout, &[sample::batch(written)]);
    assert_eq!(published.rows, count as u64);
    let found = get(&*store, Lookup { view: &view, keys, columns: vec!["n".into()], windows: None });
    assert_eq!(numbers(&found), (0..count).map(Some).collect::<Vec<_>>());
    let other = sample::view("other_pairs");
    publish(&*store, &other, &sample::layout(), &[rows(&[("a", 1, 1, None)])]);
    assert_eq!(store.check(&view), Ok(()));
}

/// A string never matches a number: that is an error, not a missing row.
pub fn keys_that_do_not_fit_are_refused(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    publish(&*store, &view, &layout(), &[]);
    let ask = |keys: Vec<ArrayRef>| store.get(&[Lookup { keys, ..delays(&view, &[]) }]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let words = ["carrier_delays@1", "`carrier` is VARCHAR, and BIGINT was given"];
    refused(ask(vec![numbers.clone()]), "key_mismatch", &words);
    refused(ask(vec![Arc::new(Float64Array::from(vec![1.0]))]), "key_mismatch", &["DOUBLE"]);
    refused(ask(vec![]), "key_mismatch", &["its key is (carrier), and 0 columns were given"]);
    refused(ask(vec![numbers.clone(), numbers]), "key_mismatch", &["2 columns were given"]);
}
