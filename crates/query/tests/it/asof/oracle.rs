//! The join against SEMANTICS.md written down naively.

use asof_model::Micros;
use asof_query::asof::KnownMoment;
use proptest::prelude::*;

use super::memory::refused;
use super::{Answer, Ask, Cut, Declared, Fact, Key, run};

/// Rules 1 to 6, as they stand.
pub(super) fn oracle(ask: &Ask, facts: &[Fact], declared: Declared, rule: KnownMoment) -> Answer {
    let (Some(_), Some(_)) = ask.key else { return (2, None, None) };
    let learned = |f: &Fact, ts| if declared.known { f.known.unwrap_or(ts) } else { ts };
    let counts = |f: &Fact| {
        let (true, Some(ts)) = (f.key == ask.key, f.ts) else { return false };
        let known = learned(f, ts);
        let superseded = if declared.superseded { f.superseded } else { None };
        ts <= ask.t
            && match rule {
                KnownMoment::EventTime => known <= ask.t && superseded.is_none_or(|s| ask.t < s),
                KnownMoment::At(Micros(m)) => (!declared.known || known <= m) && superseded.is_none_or(|s| m < s),
                KnownMoment::Now => superseded.is_none(),
            }
    };
    let rank = |f: &&Fact| f.ts.map(|ts| (ts, learned(f, ts), if declared.seq { f.seq } else { 0 }, f.value));
    match facts.iter().filter(|f| counts(f)).max_by_key(rank) {
        None => (2, None, None),
        Some(f) if declared.ttl.is_some_and(|ttl| f.ts.is_some_and(|ts| ts < ask.t - ttl)) => (3, None, None),
        Some(f) => (0, f.ts, f.value),
    }
}

pub(super) fn key() -> impl Strategy<Value = Key> {
    let name = prop_oneof![1 => Just(None), 4 => Just(Some("a")), 2 => Just(Some("b"))];
    (name, proptest::option::weighted(0.9, 0..2i64))
}

pub(super) fn view() -> impl Strategy<Value = (Vec<Fact>, Declared)> {
    let time = || proptest::option::weighted(0.8, -3..15i64);
    let fact = (key(), proptest::option::weighted(0.95, -3..15i64), time(), time(), proptest::option::of(0..3i64));
    let facts = proptest::collection::vec(fact, 0..60).prop_map(|facts| {
        let numbered = facts.into_iter().enumerate();
        // Acceptance is in another order than the rows.
        let fact = |(n, (key, ts, known, superseded, value))| Fact {
            key,
            ts,
            known,
            superseded,
            seq: (n as i64 * 37) % 61,
            value,
        };
        numbered.map(fact).collect()
    });
    let declared = (proptest::option::of(1..8i64), any::<bool>(), any::<bool>(), any::<bool>());
    (facts, declared.prop_map(|(ttl, known, superseded, seq)| Declared { ttl, known, superseded, seq }))
}

pub(super) fn cut() -> impl Strategy<Value = Cut> {
    let rows_per_batch = prop_oneof![Just(1usize), Just(3), Just(8192)];
    let batch_size = prop_oneof![Just(1usize), Just(2), Just(8192)];
    (rows_per_batch, 1..=8usize, batch_size, refused()).prop_map(|(rows_per_batch, partitions, batch_size, refused)| {
        Cut { rows_per_batch, partitions, batch_size, refused }
    })
}

pub(super) fn rule() -> impl Strategy<Value = KnownMoment> {
    prop_oneof![
        Just(KnownMoment::EventTime),
        Just(KnownMoment::Now),
        (-2..15i64).prop_map(|m| KnownMoment::At(Micros(m)))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_the_oracles(
        asks in proptest::collection::vec((key(), -4..16i64), 0..40),
        views in proptest::collection::vec(view(), 1..4),
        rule in rule(),
        cut in cut(),
    ) {
        let asks: Vec<_> = asks.into_iter().map(|(key, t)| Ask { key, t }).collect();
        let found = run(&asks, &views, rule, cut);
        for ((facts, declared), found) in views.iter().zip(found) {
            let expected: Vec<_> = asks.iter().map(|ask| oracle(ask, facts, *declared, rule)).collect();
            prop_assert_eq!(&found, &expected, "{:?}", declared);
        }
    }
}
