//! As-of windows against SEMANTICS.md written down naively: for each spine row all events are looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use asof_model::Micros;
use asof_query::asof::{KnownMoment, ViewSide, asof_join};
use asof_query::windows::{Argument, Frame, Measure, WindowCall};
use datafusion::arrow::array::{BooleanArray, Float64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::functions_aggregate::{array_agg::array_agg_udaf, bit_and_or_xor::bit_xor_udaf};
use datafusion::logical_expr::LogicalPlan;
use proptest::prelude::*;

use super::files::{Files, files, with_files};
use super::memory::limited;
use super::oracle::{cut, key, rule, view};
use super::{Ask, Cut, Declared, Fact, PLAIN, WHOLE, batch, collect, fact_rows, session, side, spine_rows, table};

/// Values that floats cannot add without rounding, each a multiple of 2^-70.
const FLOATS: [f64; 3] = [0.1, 1e9, -1e9];
const UNIT: i32 = 70;

fn float(value: i64) -> f64 {
    FLOATS[value as usize]
}

fn is_odd(fact: &Fact) -> bool {
    fact.value.is_some_and(|v| v % 2 == 1)
}

/// The facts with columns derived from their values.
pub(super) fn rows(facts: &[Fact]) -> RecordBatch {
    let mut rows: Vec<(String, _)> = Vec::new();
    let plain = fact_rows(facts);
    for (field, column) in plain.schema().fields().iter().zip(plain.columns()) {
        rows.push((field.name().clone(), column.clone()));
    }
    let float = facts.iter().map(|f| f.value.map(float)).collect::<Float64Array>();
    let whole = facts.iter().map(|f| f.value.map(|v| v as f64)).collect::<Float64Array>();
    let odd = facts.iter().map(|f| f.value.map(|v| v % 2 == 1)).collect::<BooleanArray>();
    rows.extend([
        ("float".to_owned(), Arc::new(float) as _),
        ("whole".to_owned(), Arc::new(whole) as _),
        ("odd".to_owned(), Arc::new(odd) as _),
    ]);
    batch(rows.iter().map(|(name, array)| (name.as_str(), Arc::clone(array))).collect())
}

/// What is asked of each window, and its answer over the events in it, in their order.
type Case = (Measure, Option<&'static str>, DataType, fn(&[&Fact]) -> ScalarValue);

fn values(events: &[&Fact]) -> Vec<i64> {
    events.iter().filter_map(|f| f.value).collect()
}

/// The sum of the floats in units, and how many there are.
fn units(events: &[&Fact]) -> (i128, i128) {
    let exact = |v: i64| (float(v) * 2f64.powi(UNIT)) as i128;
    let values = values(events);
    (values.iter().map(|v| exact(*v)).sum(), values.len() as i128)
}

/// A quotient of units, rounded once: a float of more than 64 digits and whether anything follows is rounded right.
fn quotient(total: i128, count: i128) -> f64 {
    let shift = total.unsigned_abs().leading_zeros().saturating_sub(2).min(60);
    let shifted = total << shift;
    let (whole, rest) = (shifted / count, shifted % count);
    (whole | i128::from(rest != 0)) as f64 / 2f64.powi(UNIT + shift as i32)
}

fn cases(frame: Frame) -> Vec<Case> {
    use DataType::{Float64, Int64, UInt64};
    let list = DataType::List(Arc::new(Field::new_list_field(Int64, true)));
    let engine = |function| Measure::Engine { function, distinct: false, ignore_nulls: false };
    let mut cases: Vec<Case> = vec![
        (Measure::Count, None, Int64, |e| ScalarValue::Int64(Some(e.len() as i64))),
        (Measure::Count, Some("value"), Int64, |e| ScalarValue::Int64(Some(values(e).len() as i64))),
        (Measure::Sum, Some("value"), Int64, |e| ScalarValue::Int64(values(e).into_iter().reduce(|a, b| a + b))),
        (Measure::Sum, Some("float"), Float64, |e| {
            let (total, count) = units(e);
            ScalarValue::Float64((count > 0).then(|| quotient(total, 1)))
        }),
        (Measure::Mean, Some("float"), Float64, |e| {
            let (total, count) = units(e);
            ScalarValue::Float64((count > 0).then(|| quotient(total, count)))
        }),
        // Small whole numbers: both sides of the quotient are exact, and so it is rounded once.
        (Measure::Spread { sample: true, root: false }, Some("whole"), Float64, |e| {
            let values = values(e);
            let (n, sum) = (values.len() as i64, values.iter().sum::<i64>());
            let squares: i64 = values.iter().map(|v| v * v).sum();
            ScalarValue::Float64((n > 1).then(|| (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64))
        }),
        (Measure::Extreme { greatest: true }, Some("value"), Int64, |e| {
            ScalarValue::Int64(values(e).into_iter().max())
        }),
        (Measure::Extreme { greatest: false }, Some("float"), Float64, |e| {
            ScalarValue::Float64(values(e).into_iter().map(float).reduce(f64::min))
        }),
        (Measure::Extreme { greatest: false }, Some("extra"), DataType::Utf8, |e| {
            ScalarValue::Utf8(values(e).into_iter().min().map(|v| v.to_string()))
        }),
        (Measure::End { last: false, ignore_nulls: false }, Some("value"), Int64, |e| {
            ScalarValue::Int64(e.first().and_then(|f| f.value))
        }),
        (Measure::End { last: true, ignore_nulls: true }, Some("value"), Int64, |e| {
            ScalarValue::Int64(values(e).last().copied())
        }),
        (Measure::CountDistinct, Some("value"), Int64, |e| {
            ScalarValue::Int64(Some(values(e).into_iter().collect::<BTreeSet<_>>().len() as i64))
        }),
        (Measure::ApproxDistinct, Some("value"), UInt64, |e| {
            ScalarValue::UInt64(Some(values(e).into_iter().collect::<BTreeSet<_>>().len() as u64))
        }),
        (engine(bit_xor_udaf()), Some("value"), Int64, |e| {
            ScalarValue::Int64(values(e).into_iter().reduce(|a, b| a ^ b))
        }),
    ];
    if matches!(frame, Frame::Rows(_)) {
        cases.push((engine(array_agg_udaf()), Some("value"), list, |e| {
            let values: Vec<_> = e.iter().map(|f| ScalarValue::Int64(f.value)).collect();
            match values.is_empty() {
                true => ScalarValue::new_null_list(DataType::Int64, true, 1),
                false => ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Int64)),
            }
        }));
    }
    cases
}

pub(super) fn calls(frame: Frame, filtered: bool) -> Vec<WindowCall> {
    let call = |(n, (measure, argument, data_type, _)): (usize, Case)| WindowCall {
        name: format!("__window_{n}_{frame}_{filtered}"),
        written: format!("{measure:?}"),
        measure,
        arguments: argument.map(|name| Argument::Column(Column::from_name(name))).into_iter().collect(),
        filter: filtered.then(|| Column::from_name("odd")),
        frame,
        data_type,
    };
    cases(frame).into_iter().enumerate().map(call).collect()
}

/// The events that a window holds for one spine row, in their order.
fn held<'a>(ask: &Ask, facts: &'a [Fact], declared: Declared, rule: KnownMoment, frame: Frame) -> Vec<&'a Fact> {
    let learned = |f: &Fact, ts| if declared.known { f.known.unwrap_or(ts) } else { ts };
    let counts = |f: &&Fact| {
        let (true, Some(ts)) = (f.key == ask.key, f.ts) else { return false };
        let superseded = if declared.superseded { f.superseded } else { None };
        let visible = match rule {
            KnownMoment::EventTime => learned(f, ts) <= ask.t && superseded.is_none_or(|s| ask.t < s),
            KnownMoment::At(Micros(m)) => (!declared.known || learned(f, ts) <= m) && superseded.is_none_or(|s| m < s),
            KnownMoment::Now => superseded.is_none(),
        };
        let start = match frame {
            Frame::Range { width, hop } => (ask.t - width.0).div_euclid(hop.0) * hop.0,
            Frame::Rows(_) | Frame::All => i64::MIN,
        };
        visible && start < ts && ts <= ask.t
    };
    let mut held: Vec<&Fact> = facts.iter().filter(counts).collect();
    let seq = |f: &Fact| if declared.seq { f.seq } else { 0 };
    held.sort_by_key(|f| f.ts.map(|ts| (ts, learned(f, ts), seq(f), f.value)));
    match frame {
        Frame::Rows(n) => held.split_off(held.len().saturating_sub(n as usize)),
        Frame::Range { .. } | Frame::All => held,
    }
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        3 => (1..12i64, 1..6i64).prop_map(|(width, hop)| Frame::Range { width: Micros(width), hop: Micros(hop) }),
        1 => (1..5u32).prop_map(Frame::Rows),
        1 => Just(Frame::All),
    ]
}

fn plan(
    asks: &[Ask],
    facts: LogicalPlan,
    declared: Declared,
    windows: Vec<WindowCall>,
    rule: KnownMoment,
) -> LogicalPlan {
    let spine = table("spine", spine_rows(asks), Cut { partitions: 1, ..WHOLE });
    let side = ViewSide { windows, ..side("v", facts, declared) };
    asof_join(spine, Column::from_name("t"), vec![side], rule).expect("a join")
}

/// The results of all calls, for each spine row.
fn run(
    asks: &[Ask],
    facts: &[Fact],
    declared: Declared,
    rule: KnownMoment,
    frames: &[Frame],
    cut: Cut,
    stored: Option<Files>,
) -> Vec<Vec<ScalarValue>> {
    let windows = frames.iter().flat_map(|frame| [calls(*frame, false), calls(*frame, true)].concat()).collect();
    let (facts, session) = match stored {
        Some(stored) => (files(&rows(facts), stored), with_files(cut)),
        None => (table("facts", rows(facts), cut), session(cut)),
    };
    let mut found = Vec::new();
    for batch in collect(session, plan(asks, facts, declared, windows, rule)).expect("the join runs") {
        // The spine's four columns and two features before, event time and status behind.
        let results = &batch.columns()[6..batch.num_columns() - 2];
        let value = |array, row| ScalarValue::try_from_array(array, row).expect("a value");
        found.extend((0..batch.num_rows()).map(|row| results.iter().map(|array| value(array, row)).collect()));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_window_is_the_oracles(
        asks in proptest::collection::vec((key(), -4..24i64), 0..30),
        (facts, declared) in view(),
        rule in rule(),
        frames in proptest::collection::vec(frame(), 1..4),
        cut in cut(),
        stored in proptest::option::weighted(0.3, (1..60usize, 1..20usize, 1..5usize)),
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key, t }).collect();
        let mut frames = frames;
        frames.sort_unstable();
        frames.dedup();
        let stored = stored.map(|(rows_per_file, rows_per_group, rows_per_page)| Files { rows_per_file, rows_per_group, rows_per_page });
        let found = run(&asks, &facts, declared, rule, &frames, cut, stored);
        prop_assert_eq!(found.len(), asks.len());
        for (ask, found) in asks.iter().zip(found) {
            let mut found = found.into_iter();
            for frame in &frames {
                let held = held(ask, &facts, declared, rule, *frame);
                let odd: Vec<_> = held.iter().copied().filter(|f| is_odd(f)).collect();
                for events in [held, odd] {
                    for (measure, argument, data_type, answer) in cases(*frame) {
                        let has_key = ask.key.0.is_some() && ask.key.1.is_some();
                        let null = ScalarValue::try_from(&data_type).expect("a type with nulls");
                        let expected = if has_key { answer(&events) } else { null };
                        prop_assert_eq!(
                            found.next(), Some(expected),
                            "{:?} of {:?} over {} at {:?}, {:?}", measure, argument, frame, ask, declared
                        );
                    }
                }
            }
        }
    }
}

/// So many facts of one key, one a moment, asked about at each of the last moments.
fn many(asks: i64, facts: i64, calls: Vec<WindowCall>) -> LogicalPlan {
    let key = (Some("a"), Some(1));
    let fact = |i| Fact { key, ts: Some(i), known: None, superseded: None, seq: i, value: Some(i % 3) };
    let rows = rows(&(0..facts).map(fact).collect::<Vec<_>>());
    let asks: Vec<_> = (0..asks).map(|i| Ask { key, t: facts - i }).collect();
    let cut = Cut { rows_per_batch: 256, partitions: 2, batch_size: 256, ..WHOLE };
    plan(&asks, table("facts", rows, cut), PLAIN, calls, KnownMoment::EventTime)
}

/// Twenty thousand events and some thousand pairs of event and node, in memory for a hundred slots.
#[test]
fn memory_follows_the_spine_and_not_the_events() {
    let frame = Frame::Range { width: Micros(10_000), hop: Micros(1) };
    let found =
        collect(limited(1 << 20, DiskManagerMode::Disabled), many(100, 20_000, calls(frame, false))).expect("fits");
    let counts: usize = found.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(counts, 100);
    let first = |column: usize| ScalarValue::try_from_array(found[0].column(column), 0).expect("a value");
    // Of the moments from 10,001 to 20,000 the last has no event.
    assert_eq!((first(6), first(17)), (ScalarValue::Int64(Some(9_999)), ScalarValue::Int64(Some(3))));
}

#[test]
fn too_little_memory_is_an_error() {
    let frame = |width| Frame::Range { width: Micros(width), hop: Micros(1) };
    let windows = (1..=40).flat_map(|width| calls(frame(width), false)).collect();
    let error =
        collect(limited(4 << 20, DiskManagerMode::Disabled), many(2_000, 10, windows)).expect_err("does not fit");
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert!(error.to_string().contains("AsofJoinExec[windows of v]"), "{error}");
}
