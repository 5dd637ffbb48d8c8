//! What becomes visible, and when.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;
use asof_model::Micros;

use super::sample::{self, AT, aside, columns, delays, get, layout, numbers, publish, rows, run, view};
use super::{Make, refused};
use crate::{EVENT_TIME, Layout};

/// Each publication is the whole truth: keys of the former one are gone, and so is its layout.
pub fn publications_count_up_and_replace_whole(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let first = publish(&*store, &view, &layout(), &[rows(&[("UA", 1, 10, None), ("AA", 1, 20, None)])]);
    assert_eq!((first.generation, first.rows, first.at, &first.view), (1, 2, AT, &view));
    assert_eq!(store.published(&view), Ok(Some(first.clone())));
    let second = publish(&*store, &view, &layout(), &[rows(&[("AA", 0, 30, None)]), rows(&[("DL", 3, 40, None)])]);
    assert_eq!((second.generation, second.rows), (2, 2));
    assert_ne!(first.content, second.content);
    assert_eq!(store.list(), Ok(vec![second]));
    let found = get(&*store, delays(&view, &["UA", "AA", "DL"]));
    assert_eq!((found.generation, numbers(&found)), (2, vec![None, Some(30), Some(40)]));
    assert_eq!(store.check(&view), Ok(()));

    let narrow = Layout { values: columns(&[("flights", DataType::Int64)]), ..layout() };
    let flights: ArrayRef = Arc::new(Int64Array::from(vec![5]));
    let carrier: ArrayRef = Arc::new(StringArray::from(vec!["UA"]));
    let written = vec![("carrier", carrier), (EVENT_TIME, sample::times([9])), ("flights", flights)];
    let third = publish(&*store, &view, &narrow, &[sample::batch(written)]);
    assert_eq!((third.generation, third.layout), (3, narrow));
    refused(store.get(&[delays(&view, &["UA"])]), "unknown_column", &["`delay`"]);

    let empty = publish(&*store, &view, &layout(), &[]);
    assert_eq!((empty.generation, empty.rows), (4, 0));
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA"]))), [None]);
    assert_eq!(store.check(&view), Ok(()));
}

/// Two publications at once do not disturb one another; the one that commits last stays.
pub fn the_last_of_two_publications_stays(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let early = aside(&*store, &view, &layout(), &[rows(&[("UA", 1, 1, None), ("AA", 1, 1, None)])]);
    let late = aside(&*store, &view, &layout(), &[rows(&[("UA", 1, 2, None)])]);
    assert_eq!(late.commit(run(), AT).map(|p| p.generation), Ok(1));
    assert_eq!(early.commit(run(), Micros(5)).map(|p| p.generation), Ok(2));
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA", "AA"]))), [Some(1), Some(1)]);
    assert_eq!(store.check(&view), Ok(()));
}

/// Rows that were not committed are never seen.
pub fn an_abandoned_publication_leaves_nothing(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    drop(aside(&*store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]));
    assert_eq!(store.published(&view), Ok(None));
    publish(&*store, &view, &layout(), &[rows(&[("AA", 1, 20, None)])]);
    let abandoned = aside(&*store, &view, &layout(), &[rows(&[("AA", 9, 99, None), ("UA", 9, 99, None)])]);
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA", "AA"]))), [None, Some(20)]);
    drop(abandoned);
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA", "AA"]))), [None, Some(20)]);
    assert_eq!(store.check(&view), Ok(()));
    assert_eq!(store.published(&view).map(|p| p.map(|p| p.generation)), Ok(Some(1)));
}

/// Of several rows of one key the latest event time stays; of equal ones, the one written last.
pub fn of_one_key_the_newest_row_stays(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let first = rows(&[("UA", 5, 1, None), ("UA", 7, 2, None), ("AA", 3, 3, None), ("DL", -5, 4, None)]);
    let second = rows(&[("UA", 6, 5, None), ("AA", 3, 6, None), ("DL", -6, 7, None)]);
    let published = publish(&*store, &view, &layout(), &[first, second]);
    assert_eq!(published.rows, 3);
    let found = get(&*store, delays(&view, &["UA", "AA", "DL"]));
    assert_eq!(numbers(&found), [Some(2), Some(6), Some(4)]);
    assert_eq!(found.event_times.iter().collect::<Vec<_>>(), [Some(7), Some(3), Some(-5)]);
    assert_eq!(store.check(&view), Ok(()));
}

/// The same rows make the same content, however they are ordered and cut; other rows make another.
pub fn content_depends_on_no_order(make: Make<'_>) {
    let names: Vec<String> = (0..60).map(|n| format!("K{n}")).collect();
    let list: Vec<_> = names.iter().zip(0..).map(|(name, n)| (name.as_str(), n, n * 2, Some("x"))).collect();
    let view = view("carrier_delays");
    let content = |batches: &[RecordBatch]| publish(&*make(), &view, &layout(), batches).content;
    let whole = content(&[rows(&list)]);
    let mut turned = list.clone();
    turned.reverse();
    let cut: Vec<_> = turned.chunks(7).map(rows).collect();
    assert_eq!(content(&cut), whole);
    let mut other = list.clone();
    other[30].2 += 1;
    assert_ne!(content(&[rows(&other)]), whole);
    assert_ne!(content(&[rows(&list[1..])]), whole);
}

/// A dropped view answers as one that was never published; its generations go on counting.
pub fn dropped_views_are_gone_but_their_numbers_are_not(make: Make<'_>) {
    let (store, view, other) = (make(), view("carrier_delays"), view("others"));
    assert_eq!(store.drop_view(&view), Ok(()));
    publish(&*store, &view, &layout(), &[rows(&[("UA", 1, 10, None)])]);
    publish(&*store, &other, &layout(), &[rows(&[("UA", 1, 11, None)])]);
    assert_eq!(store.drop_view(&view), Ok(()));
    assert_eq!(store.drop_view(&view), Ok(()));
    assert_eq!(store.published(&view), Ok(None));
    refused(store.get(&[delays(&view, &["UA"])]), "not_materialized", &[]);
    assert_eq!(numbers(&get(&*store, delays(&other, &["UA"]))), [Some(11)]);
    assert_eq!(publish(&*store, &view, &layout(), &[]).generation, 2);
    assert_eq!(numbers(&get(&*store, delays(&view, &["UA"]))), [None]);
    // Somebody knows of more publications, or of fewer.
    store.count_from(&view, 7);
    assert_eq!(publish(&*store, &view, &layout(), &[]).generation, 8);
    store.count_from(&view, 3);
    assert_eq!(publish(&*store, &view, &layout(), &[]).generation, 9);
}

/// A batch that is not of the layout is refused, and the publication goes on as if it had not been written.
pub fn batches_that_do_not_fit_are_refused(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let mut publication = store.publish(&view, &layout()).expect("a layout that can be stored");
    let good = rows(&[("UA", 1, 10, None)]);
    let without = |name: &str| {
        let index = good.schema().index_of(name).expect("one of its columns");
        let rest: Vec<_> = (0..good.num_columns()).filter(|n| *n != index).collect();
        good.project(&rest).expect("columns it has")
    };
    let with = |name: &str, array: ArrayRef| {
        let columns = good.schema();
        let named = columns.fields().iter().zip(good.columns()).map(|(f, a)| (f.name().as_str(), a.clone()));
        sample::batch(named.map(|(n, a)| if n == name { (n, array.clone()) } else { (n, a) }).collect())
    };
    for name in ["carrier", EVENT_TIME, "delay"] {
        let words = ["carrier_delays@1", "there is no column", name];
        refused(publication.write(&without(name)), "layout_mismatch", &words);
    }
    let text = || Arc::new(StringArray::from(vec!["1"]));
    let words = ["`delay` is BIGINT, and VARCHAR was written"];
    refused(publication.write(&with("delay", text())), "layout_mismatch", &words);
    refused(publication.write(&with(EVENT_TIME, text())), "layout_mismatch", &["`__event_time` is TIMESTAMP"]);
    let null: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![None]).with_timezone("UTC"));
    refused(publication.write(&with(EVENT_TIME, null)), "null_event_time", &["row 0", "carrier_delays@1"]);
    assert_eq!(publication.write(&good), Ok(()));
    // Other Arrow types of the same normal type are as good.
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["AA"]));
    assert_eq!(publication.write(&with("carrier", views)), Ok(()));
    assert_eq!(publication.commit(run(), AT).map(|p| p.rows), Ok(2));
    assert_eq!(numbers(&get(&*store, delays(&view, &["AA"]))), [Some(10)]);
}

/// A float equals itself only by luck, so it is no key.
pub fn layouts_that_cannot_be_stored_are_refused(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let check = |key: DataType, value: DataType, code: &str, words: &[&str]| {
        let layout = Layout { key: columns(&[("k", key)]), values: columns(&[("v", value)]), tiles: None };
        refused(store.publish(&view, &layout).map(drop), code, words);
    };
    check(DataType::Float64, DataType::Int64, "unsupported_key", &["carrier_delays@1", "k DOUBLE"]);
    check(DataType::Int64, DataType::Null, "unsupported_type", &["carrier_delays@1", "v"]);
}

/// Rows that come in the order of their keys leave what they would leave in any other.
pub fn rows_in_order_are_published_like_any(make: Make<'_>) {
    let (store, view) = (make(), view("carrier_delays"));
    let all =
        [rows(&[("AA", 1, 10, None), ("DL", 2, 20, Some("x"))]), rows(&[("UA", 3, 30, None), ("UAX", 4, 40, None)])];
    let mut turned = all.to_vec();
    turned.reverse();
    let any = publish(&*store, &view, &layout(), &turned);
    let mut ordered = store.publish(&view, &layout()).expect("a layout that can be stored");
    all.iter().for_each(|batch| ordered.write_in_order(batch).expect("rows in order"));
    let published = ordered.commit(run(), AT).expect("a commit");
    assert_eq!((published.generation, published.rows, published.content), (2, 4, any.content));
    let found = get(&*store, delays(&view, &["UAX", "AA", "UA", "DL", "B"]));
    assert_eq!(numbers(&found), [Some(40), Some(10), Some(30), Some(20), None]);
    assert_eq!(store.check(&view), Ok(()));
    // Left alone, they leave nothing.
    let mut dropped = store.publish(&view, &layout()).expect("a layout that can be stored");
    dropped.write_in_order(&all[0]).expect("rows in order");
    drop(dropped);
    assert_eq!(store.published(&view).map(|p| p.map(|p| p.generation)), Ok(Some(2)));
}
