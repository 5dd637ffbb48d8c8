//! As-of windows out of tiles.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;
use asof_model::Micros;

use super::sample::{self, AT, aside, columns, get, publish, push, run, view};
use super::{Make, refused};
use crate::{Cell, CellColumn, CellKind, EVENT_TIME, Layout, Lookup, SEQ, Span, Tiles, Windows, Within};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Driver, event time, fare.
type Trip = (&'static str, i64, Option<f64>);

fn layout() -> Layout {
    let within = |input: &str, kind, within| Cell { input: input.into(), kind, within };
    let cell = |input: &str, kind| within(input, kind, Within::All);
    let cells = vec![
        cell("counts", CellKind::Count),
        cell("fares", CellKind::Sum),
        cell("fares", CellKind::Squares),
        cell("words", CellKind::Integers),
        cell("words", CellKind::Greatest),
        cell("words", CellKind::Least),
        cell("decimals", CellKind::Decimals),
        cell("fares", CellKind::Quantiles),
        cell("hashes", CellKind::Registers),
        cell("texts", CellKind::GreatestValue),
        cell("texts", CellKind::LeastValue),
        cell("texts", CellKind::First),
        within("texts", CellKind::Last, Within::Sliding),
        within("texts", CellKind::LastRows(3), Within::Endless),
        cell("texts", CellKind::Different),
        cell("words", CellKind::AllBits),
        cell("words", CellKind::AnyBits),
        cell("words", CellKind::OddBits),
    ];
    let tiles = Tiles::new([5 * MINUTE, DAY], true, cells).expect("hops that divide one another");
    let values = columns(&[("fare", DataType::Float64)]);
    Layout { key: columns(&[("driver", DataType::Utf8)]), values, tiles: Some(tiles) }
}

/// As a decimal that needs more than a word.
fn decimal(fare: f64) -> i128 {
    fare as i128 * 10_i128.pow(30)
}

fn hash_of(fare: f64) -> u64 {
    asof_exact::hash(&fare.to_le_bytes())
}

/// Of several lengths, some of them twice.
fn text(fare: f64) -> Vec<u8> {
    format!("{}", fare as i64 / 2).into_bytes()
}

fn batch(trips: &[Trip], first: i64) -> RecordBatch {
    let fares = || Arc::new(trips.iter().map(|t| t.2).collect::<Float64Array>());
    let words: Int64Array = trips.iter().map(|t| t.2.map(|fare| fare as i64)).collect();
    let decimals: Decimal128Array = trips.iter().map(|t| t.2.map(decimal)).collect();
    sample::batch(vec![
        ("driver", Arc::new(StringArray::from_iter_values(trips.iter().map(|t| t.0)))),
        (EVENT_TIME, sample::times(trips.iter().map(|t| t.1))),
        (SEQ, Arc::new(Int64Array::from_iter_values((0..trips.len() as i64).map(|n| first + n)))),
        ("fare", fares()),
        ("counts", Arc::new(trips.iter().map(|t| Some(t.2.is_some())).collect::<BooleanArray>())),
        ("fares", fares()),
        ("hashes", Arc::new(trips.iter().map(|t| t.2.map(hash_of)).collect::<UInt64Array>())),
        ("decimals", Arc::new(decimals.with_data_type(DataType::Decimal128(38, 0)))),
        ("texts", Arc::new(trips.iter().map(|t| t.2.map(text)).collect::<BinaryArray>())),
        ("words", Arc::new(words)),
    ])
}

/// Windows of two hours, three days and for ever, with what they must hold by the rule.
fn check(store: &dyn crate::OnlineStore, view: &asof_model::Pinned, trips: &[Trip], at: i64) {
    let start = |width: i64, hop: i64| Some((at - width).div_euclid(hop) * hop);
    let spans = vec![
        Span { hop: 5 * MINUTE, start: start(2 * HOUR, 5 * MINUTE) },
        Span { hop: DAY, start: start(3 * DAY, DAY) },
        Span { hop: 0, start: None },
    ];
    let drivers = [Some("ann"), None, Some("bob"), Some("nobody")];
    let keys: ArrayRef = Arc::new(StringArray::from_iter(drivers));
    let windows = Some(Windows { at: Micros(at), spans: spans.clone() });
    let found = get(store, Lookup { view, keys: vec![keys], columns: vec!["fare".into()], windows });
    let cells = found.windows.expect("windows were asked for");
    assert_eq!((cells.spans, cells.columns.len()), (3, 18));
    for (row, driver) in drivers.iter().enumerate() {
        for (n, span) in spans.iter().enumerate() {
            let held = trips.iter().filter(|t| Some(t.0) == *driver && span.start.is_none_or(|start| t.1 > start));
            let fares: Vec<f64> = held.filter_map(|t| t.2).collect();
            let words: Vec<i64> = fares.iter().map(|fare| *fare as i64).collect();
            let (group, told) = (row * 3 + n, format!("{driver:?} {span:?} at {at}"));
            let (words_of, values_of) = cells.columns.split_at(6);
            let [counts, sums, squares, integers, greatest, least] = words_of else { unreachable!("{told}") };
            let held = trips.iter().filter(|t| Some(t.0) == *driver && span.start.is_none_or(|start| t.1 > start));
            check_values(values_of, &held.collect::<Vec<_>>(), (group, span.start.is_none()), &told);
            match (counts, sums, squares, integers) {
                (
                    CellColumn::Counts(counts),
                    CellColumn::Sums(sums),
                    CellColumn::Sums(squares),
                    CellColumn::Integers(integers),
                ) => {
                    assert_eq!(counts[group], fares.len() as u64, "{told}");
                    assert_eq!(sums.round(group), fares.iter().sum::<f64>(), "{told}");
                    assert_eq!(squares.round(group), fares.iter().map(|f| f * f).sum::<f64>(), "{told}");
                    assert_eq!(integers.total(group), Some(words.iter().map(|w| i128::from(*w)).sum()), "{told}");
                }
                other => unreachable!("{other:?}"),
            }
            match (greatest, least) {
                (CellColumn::Extremes(greatest), CellColumn::Extremes(least)) => {
                    let expected = (words.iter().max().copied(), words.iter().min().copied());
                    assert_eq!((greatest[group], least[group]), expected, "{told}");
                }
                other => unreachable!("{other:?}"),
            }
        }
    }
}

/// The states that are more than words, of the trips in a window, in the order in which they were accepted.
fn check_values(columns: &[CellColumn], held: &[&Trip], (group, endless): (usize, bool), told: &str) {
    let mut held: Vec<_> = held.iter().enumerate().filter_map(|(n, t)| Some((t.1, n, t.2?))).collect();
    held.sort_by_key(|(time, n, _)| (*time, *n));
    let fares = || held.iter().map(|(_, _, fare)| *fare);
    let texts: Vec<Vec<u8>> = fares().map(text).collect();
    let (mut sketch, mut registers) = (asof_exact::Sketches::new(1), asof_exact::Registers::new(1));
    fares().for_each(|fare| sketch.add(0, fare));
    fares().for_each(|fare| registers.add(0, hash_of(fare)));
    let [decimals, quantiles, hashes, values @ .., rows, different, all, any, odd] = columns else {
        unreachable!("{told}")
    };
    match (decimals, quantiles, hashes, rows, different) {
        (
            CellColumn::Integers(decimals),
            CellColumn::Sketches(sketches),
            CellColumn::Registers(counted),
            CellColumn::LastRows(rows),
            CellColumn::Different(different),
        ) => {
            assert_eq!(decimals.total(group), Some(fares().map(decimal).sum()), "{told}");
            for share in [0.0, 0.3, 0.5, 1.0] {
                assert_eq!(sketches.quantile(group, share), sketch.quantile(0, share), "{told}");
            }
            assert_eq!(counted.count(group), registers.count(0), "{told}");
            let found: Vec<_> = rows[group].rows().map(|(time, _, text)| (time, text.to_vec())).collect();
            let last: Vec<_> = held.iter().map(|(time, _, fare)| (*time, text(*fare))).collect();
            let last = last[last.len().saturating_sub(3)..].to_vec();
            assert_eq!(found, if endless { last } else { Vec::new() }, "{told}");
            let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
            assert_eq!(different[group].count(), Some(distinct.len()), "{told}");
        }
        other => unreachable!("{other:?}"),
    }
    let bits = |merge: fn(i64, i64) -> i64| fares().map(|fare| fare as i64).reduce(merge);
    for (column, expected) in [(all, bits(|a, b| a & b)), (any, bits(|a, b| a | b)), (odd, bits(|a, b| a ^ b))] {
        match column {
            CellColumn::Bits(values) => assert_eq!(values[group], expected, "{told}"),
            other => unreachable!("{other:?}"),
        }
    }
    let last = texts.last().filter(|_| !endless);
    for (column, expected) in values.iter().zip([texts.iter().max(), texts.iter().min(), texts.first(), last]) {
        match column {
            CellColumn::Values(values) => assert_eq!(values.get(group), expected.map(Vec::as_slice), "{told}"),
            other => unreachable!("{other:?}"),
        }
    }
}

/// Events that are published, pushed, and pushed while others are published are all in the windows, each once.
pub fn windows_hold_what_was_published_and_pushed(make: Make<'_>) {
    let (store, view) = (make(), view("lately"));
    let store = &*store;
    let now = 20_000 * DAY + 12 * HOUR;
    // Whole numbers, whose sums are exact in any order; times on hops and beside them, and long ago.
    let ago =
        [0, 1, 5 * MINUTE, HOUR, 2 * HOUR, 2 * HOUR + 5 * MINUTE, 13 * HOUR, 40 * HOUR, 3 * DAY, 4 * DAY, 90 * DAY];
    let mut trips: Vec<Trip> = Vec::new();
    for (n, ago) in ago.iter().cycle().take(40).enumerate() {
        let fare = if n % 7 == 3 { None } else { Some((n * 37 % 101) as f64 - 20.0) };
        trips.push((["ann", "bob", "cleo"][n % 3], now - ago - n as i64 % 2, fare));
    }
    let all = trips.clone();
    let rows = |from: usize, to: usize| batch(&all[from..to], from as i64 + 1);
    publish(store, &view, &layout(), &[rows(0, 7), rows(7, 15)]);
    check(store, &view, &trips[..15], now);
    assert_eq!(store.check(&view), Ok(()));
    for n in 15..20 {
        push(store, &view, rows(n, n + 1), n as i64 + 1);
    }
    check(store, &view, &trips[..20], now);
    // The next one is made of all that came by now, and gets what comes meanwhile.
    let next = aside(store, &view, &layout(), &[rows(0, 20)]);
    push(store, &view, rows(20, 30), 30);
    check(store, &view, &trips[..30], now);
    assert_eq!(next.commit(run(), AT).map(|published| published.rows), Ok(3));
    check(store, &view, &trips[..30], now);
    push(store, &view, rows(30, 33), 33);
    // Some are added to those, and some are pushed while they are.
    let mut more = store.increase(&view, &layout()).expect("a look").expect("a visible view");
    more.publication.write(&rows(36, 40)).expect("rows that fit");
    push(store, &view, rows(33, 36), 36);
    check(store, &view, &trips[..36], now);
    more.publication.commit(run(), AT).expect("a commit");
    // Windows move on though nothing happens.
    for later in [0, 1, 5 * MINUTE, HOUR, DAY, 5 * DAY, 400 * DAY] {
        check(store, &view, &trips, now + later);
    }
    assert_eq!(store.check(&view), Ok(()));
    // What happened last is told, so that nobody is answered for a moment before it.
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["ann"]));
    let windows = Some(Windows { at: Micros(now), spans: vec![Span { hop: DAY, start: Some(now / DAY * DAY) }] });
    let found = get(store, Lookup { view: &view, keys: vec![keys.clone()], columns: vec![], windows: windows.clone() });
    let last = trips.iter().filter(|t| t.0 == "ann").map(|t| t.1).max();
    assert_eq!(found.counts_from.map(|moment| moment.0), last);
    // What no window reaches any more goes with the next publication, also with one that only adds: here, all but the last day.
    let mut more = store.increase(&view, &layout()).expect("a look").expect("a visible view");
    trips.push(("ann", now, Some(5.0)));
    more.publication.write(&batch(&trips[40..], 41)).expect("rows that fit");
    more.publication.leave_out(Micros(now - now.rem_euclid(DAY)));
    more.publication.commit(run(), AT).expect("a commit");
    assert_eq!(store.check(&view), Ok(()));
    let counts = |span: Span| {
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["ann"]));
        let windows = Some(Windows { at: Micros(now), spans: vec![span] });
        let found = get(store, Lookup { view: &view, keys: vec![keys], columns: vec![], windows });
        match &found.windows.expect("windows were asked for").columns[0] {
            CellColumn::Counts(counts) => counts[0],
            other => unreachable!("{other:?}"),
        }
    };
    let since = |start: i64| trips.iter().filter(|t| t.0 == "ann" && t.1 > start && t.2.is_some()).count() as u64;
    let today = now - now.rem_euclid(DAY);
    assert_eq!(counts(Span { hop: DAY, start: Some(today) }), since(today));
    assert_eq!(counts(Span { hop: DAY, start: Some(today - 4 * DAY) }), since(today));
    assert_ne!(since(today - 4 * DAY), since(today));
    assert_eq!(counts(Span { hop: 0, start: None }), since(i64::MIN));
    // A view without windows has none to give.
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["ann"]));
    let windows = Some(Windows { at: Micros(now), spans: vec![Span { hop: DAY, start: Some(now / DAY * DAY) }] });
    let plain = sample::view("plain");
    publish(store, &plain, &Layout { tiles: None, ..layout() }, &[]);
    refused(store.get(&[Lookup { view: &plain, keys: vec![keys], columns: vec![], windows }]), "unknown_column", &[]);
}
