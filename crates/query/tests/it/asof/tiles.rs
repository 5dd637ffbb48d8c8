//! As-of windows of many keys and slots: what one event leaves behind once there are more events than states, and when
//! memory is short. Against the rule written down naively, over every order, partition count and batch size.

use std::sync::Arc;

use asof_model::Micros;
use asof_query::asof::{KnownMoment, ViewSide, asof_join};
use asof_query::windows::{Argument, Frame, Measure, WindowCall};
use datafusion::arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Column;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::memory::limited;
use super::{Cut, batch, collect, moments, session, table};

/// Numbers from a seed, spread evenly.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: i64) -> i64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as i64
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    key: i64,
    ts: i64,
    /// In units of 2^-70: 0.1 and 1e9 do not add without rounding.
    value: Option<f64>,
    number: i64,
    odd: Option<bool>,
}

const SPAN: i64 = 1_000;
const UNIT: i32 = 70;
const FRAMES: [Frame; 4] = [
    Frame::Range { width: Micros(10), hop: Micros(1) },
    Frame::Range { width: Micros(90), hop: Micros(7) },
    Frame::Range { width: Micros(300), hop: Micros(100) },
    Frame::All,
];

/// Events of so many keys, in the order of time; about as many before and after all moments as there are keys.
fn events(keys: i64, count: i64, chance: &mut Chance) -> Vec<Event> {
    let mut events: Vec<_> = (0..count)
        .map(|_| Event {
            key: chance.below(keys),
            ts: chance.below(SPAN + 20) - 10,
            value: [Some(0.1), Some(1e9), Some(-1e9), Some(-0.3), None][chance.below(5) as usize],
            number: chance.below(1 << 40) - (1 << 39),
            odd: [Some(true), Some(false), None][chance.below(3) as usize],
        })
        .collect();
    events.sort_by_key(|event| event.ts);
    events
}

fn rows(events: &[Event]) -> RecordBatch {
    batch(vec![
        ("key", Arc::new(events.iter().map(|e| Some(e.key)).collect::<Int64Array>())),
        ("ts", moments(events.iter().map(|e| Some(e.ts)))),
        ("value", Arc::new(events.iter().map(|e| e.value).collect::<Float64Array>())),
        ("number", Arc::new(events.iter().map(|e| Some(e.number)).collect::<Int64Array>())),
        ("odd", Arc::new(events.iter().map(|e| e.odd).collect::<BooleanArray>())),
    ])
}

const CALLS: usize = 6;

fn calls(frame: Frame) -> Vec<WindowCall> {
    let call = |n: usize, measure, argument: &str, filter: bool, data_type| WindowCall {
        name: format!("{n} {frame}"),
        written: argument.to_owned(),
        measure,
        arguments: vec![Argument::Column(Column::from_name(argument))],
        filter: filter.then(|| Column::from_name("odd")),
        frame,
        data_type,
    };
    use DataType::{Float64, Int64};
    let calls = vec![
        call(0, Measure::Count, "value", false, Int64),
        call(1, Measure::Sum, "value", false, Float64),
        call(2, Measure::Mean, "value", true, Float64),
        call(3, Measure::Extreme { greatest: true }, "value", true, Float64),
        call(4, Measure::Sum, "number", false, Int64),
        call(5, Measure::Extreme { greatest: false }, "number", false, Int64),
    ];
    assert_eq!(calls.len(), CALLS);
    calls
}

/// What each call gives for the events of a window, as bits; none for null.
fn answers(held: &[Event]) -> [Option<u64>; CALLS] {
    let units = |e: &Event| e.value.map(|v| (v * 2f64.powi(UNIT)) as i128);
    let odd: Vec<Event> = held.iter().copied().filter(|e| e.odd == Some(true)).collect();
    let values: Vec<i128> = held.iter().filter_map(units).collect();
    let odds: Vec<i128> = odd.iter().filter_map(units).collect();
    let float = |total: i128, count: i128| {
        // To more than 64 digits, with a last one that says whether anything follows: rounded once.
        let (magnitude, count) = (total.unsigned_abs(), count.unsigned_abs());
        let shift = magnitude.leading_zeros().saturating_sub(2).min(60);
        let (whole, rest) = ((magnitude << shift) / count, (magnitude << shift) % count);
        let nearest = (whole | u128::from(rest != 0)) as f64 / 2f64.powi(UNIT + shift as i32);
        (if total < 0 { -nearest } else { nearest }).to_bits()
    };
    let total = |values: &[i128]| values.iter().sum::<i128>();
    let any = |values: &[i128]| !values.is_empty();
    [
        Some(values.len() as u64),
        any(&values).then(|| float(total(&values), 1)),
        any(&odds).then(|| float(total(&odds), odds.len() as i128)),
        odd.iter().filter_map(|e| e.value).max_by(f64::total_cmp).map(f64::to_bits),
        held.iter().map(|e| e.number).reduce(|a, b| a + b).map(i64::cast_unsigned),
        held.iter().map(|e| e.number).min().map(i64::cast_unsigned),
    ]
}

/// The answers for a moment of a key, frame after frame.
fn expected((key, t): (i64, i64), events: &[Event]) -> Vec<Option<u64>> {
    let answers = FRAMES.iter().flat_map(|frame| {
        let start = match frame {
            Frame::Range { width, hop } => (t - width.0).div_euclid(hop.0) * hop.0,
            _ => i64::MIN,
        };
        let held = events.iter().filter(|e| e.key == key && start < e.ts && e.ts <= t);
        answers(&held.copied().collect::<Vec<_>>())
    });
    answers.collect()
}

/// The windows of these events at these moments; with or without what was found beside them.
fn plan(asks: &[(i64, i64)], events: &[Event], cut: Cut, found: bool) -> LogicalPlan {
    let spine = batch(vec![
        ("id", Arc::new((0..asks.len() as i64).collect::<Int64Array>())),
        ("key", Arc::new(asks.iter().map(|(key, _)| Some(*key)).collect::<Int64Array>())),
        ("t", moments(asks.iter().map(|(_, t)| Some(*t)))),
    ]);
    let spine = table("spine", spine, Cut { partitions: 1, ..cut });
    let side = ViewSide {
        alias: "v".to_owned(),
        plan: table("facts", rows(events), cut),
        on: vec![(Column::new(Some("spine"), "key"), Column::new(Some("facts"), "key"))],
        timestamp: Column::new(Some("facts"), "ts"),
        known: None,
        superseded: None,
        seq: None,
        unique: true,
        ttl: None,
        features: Vec::new(),
        windows: FRAMES.iter().flat_map(|frame| calls(*frame)).collect(),
    };
    let joined = asof_join(spine, Column::new(Some("spine"), "t"), vec![side], KnownMoment::EventTime).expect("a join");
    let columns = joined.schema().columns();
    let wanted = columns.into_iter().filter(|c| found || !c.name.starts_with("__")).map(Expr::Column);
    LogicalPlanBuilder::from(joined).project(wanted.collect::<Vec<_>>()).and_then(|p| p.build()).expect("a plan")
}

/// The results of each spine row, as bits.
fn run(session: SessionState, plan: LogicalPlan) -> Vec<Vec<Option<u64>>> {
    let bits = |array: &dyn Array, row: usize| {
        array.is_valid(row).then(|| match array.data_type() {
            DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_bits(),
            _ => array.as_primitive::<Int64Type>().value(row).cast_unsigned(),
        })
    };
    let mut found = Vec::new();
    for batch in collect(session, plan).expect("the join runs") {
        let results = &batch.columns()[3..3 + FRAMES.len() * CALLS];
        found.extend((0..batch.num_rows()).map(|row| results.iter().map(|array| bits(array, row)).collect::<Vec<_>>()));
    }
    found
}

/// Moments of so many keys in no order, some twice; keys that no event has, too.
fn asks(keys: i64, count: usize, chance: &mut Chance) -> Vec<(i64, i64)> {
    (0..count).map(|_| (chance.below(keys + 3), chance.below(SPAN))).collect()
}

/// Some thousand slots are several ranges of keys, and with as many events as here a range is added up on the way.
#[test]
fn many_events_of_many_keys_leave_what_the_rule_says() {
    let mut chance = Chance(7);
    let (asks, by_time) = (asks(200, 3_000, &mut chance), events(200, 30_000, &mut chance));
    let mut by_key = by_time.clone();
    by_key.sort_by_key(|event| event.key);
    let mut shuffled = by_time.clone();
    for n in (1..shuffled.len()).rev() {
        shuffled.swap(n, chance.below(n as i64 + 1) as usize);
    }
    let expected: Vec<_> = asks.iter().map(|ask| expected(*ask, &by_time)).collect();
    for (order, partitions, rows_per_batch, batch_size, found) in [
        (&by_time, 2, 8192, 8192, false),
        (&by_time, 8, 100, 8192, true),
        (&by_key, 3, 1000, 100, false),
        (&shuffled, 1, 8192, 1, false),
        (&shuffled, 5, 33, 8192, true),
    ] {
        let cut = Cut { rows_per_batch, partitions, batch_size, refused: None };
        let found = run(session(cut), plan(&asks, order, cut, found));
        for ((found, expected), ask) in found.iter().zip(&expected).zip(&asks) {
            assert_eq!(found, expected, "{ask:?} {cut:?}");
        }
    }
}

/// A single key may have all slots and events: its range is as long as that.
#[test]
fn one_key_may_have_it_all() {
    let mut chance = Chance(11);
    let (asks, events) = (asks(1, 500, &mut chance), events(1, 20_000, &mut chance));
    let cut = Cut { rows_per_batch: 777, partitions: 2, batch_size: 64, refused: None };
    let found = run(session(cut), plan(&asks, &events, cut, false));
    for (found, ask) in found.iter().zip(&asks) {
        assert_eq!(*found, expected(*ask, &events), "{ask:?}");
    }
}

/// Two hundred thousand events are 6 MB as they are written down; their states are a tenth of that.
#[test]
fn where_memory_is_short_events_are_added_up_early() {
    let mut chance = Chance(13);
    let (asks, events) = (asks(40, 400, &mut chance), events(40, 200_000, &mut chance));
    let cut = Cut { rows_per_batch: 4096, partitions: 2, batch_size: 256, refused: None };
    let found = run(limited(2 << 20, DiskManagerMode::Disabled), plan(&asks, &events, cut, false));
    for (found, ask) in found.iter().zip(&asks).take(40) {
        assert_eq!(*found, expected(*ask, &events), "{ask:?}");
    }
}

#[test]
fn event_time_and_status_are_left_out_where_nobody_asks() {
    let cut = Cut { rows_per_batch: 10, partitions: 1, batch_size: 10, refused: None };
    let check = |found: bool| {
        let session = session(cut);
        let plan = super::RUNTIME.block_on(session.create_physical_plan(&plan(&[(1, 5)], &[], cut, found)));
        let shown = datafusion::physical_plan::displayable(plan.expect("a plan").as_ref()).indent(false).to_string();
        assert_eq!(shown.contains("windows only"), !found, "{shown}");
    };
    check(true);
    check(false);
}
