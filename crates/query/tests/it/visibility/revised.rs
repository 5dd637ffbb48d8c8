//! From raw revisions through a view to the as-of join, against the law written down naively.

use asof_model::Micros;
use asof_query::asof::{KnownMoment, ViewSide, asof_join};
use asof_query::visibility::Revisions;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt8Type};
use datafusion::common::Column;
use proptest::prelude::*;

use super::{Kind, PLAIN, REPLACED, Revision, TIMED, exposed};
use crate::asof::{Answer, Ask, Cut, WHOLE, collect, session, spine_rows, table};

/// The view under test: it renames, filters and computes, row by row.
const VIEW: &str = "SELECT f.name AS who, ts, known, value + 1 AS next FROM facts AS f WHERE value IS DISTINCT FROM 2";

/// "As of t only the last revision known by t counts", then rules 1 to 5.
fn oracle(ask: &Ask, all: &[Revision], kind: Kind, rule: KnownMoment) -> Answer {
    let known = |r: &Revision| if kind.known { r.known.unwrap_or(r.ts) } else { r.ts };
    let told = |r: &Revision| match rule {
        _ if !kind.known => true,
        KnownMoment::EventTime => known(r) <= ask.t,
        KnownMoment::At(Micros(m)) => known(r) <= m,
        KnownMoment::Now => true,
    };
    let rank = |r: &Revision| (if kind.known { known(r) } else { 0 }, r.seq);
    let replaced = |r: &Revision| all.iter().any(|o| o.fact == r.fact && told(o) && rank(o) > rank(r));
    let last = |r: &&Revision| !kind.key || r.fact.is_none() || !replaced(r);
    let counts = |r: &&Revision| ask.key.0.is_some() && r.name == ask.key.0 && r.ts <= ask.t && r.value != Some(2);
    let winner = all.iter().filter(|r| told(r)).filter(last).filter(counts).max_by_key(|r| (r.ts, known(r), r.seq));
    winner.map_or((2, None, None), |r| (0, Some(r.ts), r.value.map(|v| v + 1)))
}

fn answers(asks: &[Ask], all: &[Revision], kind: Kind, rule: KnownMoment, cut: Cut) -> Vec<Answer> {
    let view = exposed(VIEW, &[("facts", kind)], all, Revisions::Timed, cut).expect("a view");
    let column = |name: &str| Column::from_name(name);
    let side = ViewSide {
        alias: "v".into(),
        plan: view.plan,
        on: vec![(column("name"), column("who"))],
        timestamp: column("ts"),
        known: kind.known.then(|| column("known")),
        superseded: view.hidden.superseded,
        seq: view.hidden.seq,
        unique: false,
        ttl: None,
        features: vec![column("next")],
        windows: Vec::new(),
    };
    let spine = table("spine", spine_rows(asks), Cut { partitions: 1, ..cut });
    let plan = asof_join(spine, column("t"), vec![side], rule).expect("a join");
    let mut answers = Vec::new();
    for batch in collect(session(cut), plan).expect("runs") {
        let next = batch.column(4).as_primitive::<Int64Type>();
        let time = batch.column(5).as_primitive::<TimestampMicrosecondType>();
        let status = batch.column(6).as_primitive::<UInt8Type>();
        answers.extend(
            (0..batch.num_rows())
                .map(|i| (status.value(i), time.iter().nth(i).flatten(), next.iter().nth(i).flatten())),
        );
    }
    answers
}

fn name() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![1 => Just(None), 5 => Just(Some("a")), 3 => Just(Some("b"))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// Revisions that correct a value, move the event time, change the entity, arrive late or out of order.
    #[test]
    fn revisions_count_as_of_each_moment(
        asks in proptest::collection::vec((name(), 0..16i64), 0..20),
        revisions in proptest::collection::vec((
            proptest::option::weighted(0.9, 0..4i64), name(), 0..14i64, proptest::option::weighted(0.8, 0..15i64), proptest::option::of(0..4i64),
        ), 0..40),
        kind in prop_oneof![Just(TIMED), Just(TIMED), Just(REPLACED), Just(PLAIN)],
        rule in prop_oneof![Just(KnownMoment::EventTime), Just(KnownMoment::Now), (0..15i64).prop_map(|m| KnownMoment::At(Micros(m)))],
        partitions in 1..=4usize,
        size in prop_oneof![Just(1usize), Just(2), Just(8192)],
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(name, t)| Ask { key: (name, Some(0)), t }).collect();
        let numbered = revisions.into_iter().enumerate();
        let all: Vec<_> = numbered
            .map(|(n, (fact, name, ts, known, value))| Revision { fact, name, ts, known, seq: (n as i64 * 29) % 41, value })
            .collect();
        let expected: Vec<_> = asks.iter().map(|ask| oracle(ask, &all, kind, rule)).collect();
        let found = answers(&asks, &all, kind, rule, Cut { rows_per_batch: 3, partitions, batch_size: size, ..WHOLE });
        prop_assert_eq!(found, expected, "{:?}", kind);
    }
}

/// The three kinds of correction, one by one.
#[test]
fn a_revision_corrects_a_value_moves_the_event_or_changes_its_entity() {
    let first = Revision { fact: Some(1), name: Some("a"), ts: 2, known: None, seq: 0, value: Some(10) };
    let check = |second: Revision, asks: &[(&'static str, i64)], expected: &[Option<i64>]| {
        let asks: Vec<_> = asks.iter().map(|(name, t)| Ask { key: (Some(name), Some(0)), t: *t }).collect();
        let cut = Cut { rows_per_batch: 1, partitions: 2, batch_size: 2, ..WHOLE };
        let found = answers(&asks, &[second, first], TIMED, KnownMoment::EventTime, cut);
        assert_eq!(found.iter().map(|a| a.2).collect::<Vec<_>>(), expected);
    };
    let second = Revision { known: Some(5), seq: 1, ..first };
    check(Revision { value: Some(20), ..second }, &[("a", 4), ("a", 5)], &[Some(11), Some(21)]);
    check(Revision { ts: 7, ..second }, &[("a", 4), ("a", 5), ("a", 7)], &[Some(11), None, Some(11)]);
    check(
        Revision { name: Some("b"), ..second },
        &[("a", 4), ("a", 5), ("b", 4), ("b", 5)],
        &[Some(11), None, None, Some(11)],
    );
}
