//! Rows in every order that has a way of its own: by time, by key and time, in none, and any of these in turn.

use asof_query::asof::KnownMoment;
use proptest::prelude::*;

use super::files::{Files, files, with_files};
use super::oracle::oracle;
use super::{Ask, Cut, Declared, Fact, fact_rows, run, run_sides, side};

/// In which order a stretch of rows comes.
#[derive(Clone, Copy, Debug)]
enum Order {
    Time,
    KeyAndTime,
    None,
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![3 => Just(Order::Time), 2 => Just(Order::KeyAndTime), 1 => Just(Order::None)]
}

/// Few keys with many moments each: so that keys have fronts, and marches begin.
fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact =
        (0..3i64, 0..200i64, proptest::option::weighted(0.9, 0..50i64), proptest::option::weighted(0.5, 0..9i64));
    let stretch = (proptest::collection::vec(fact, 0..120), order());
    proptest::collection::vec(stretch, 1..4).prop_map(|stretches| {
        let mut facts = Vec::new();
        for (mut rows, order) in stretches {
            match order {
                Order::Time => rows.sort_by_key(|(_, ts, _, _)| *ts),
                Order::KeyAndTime => rows.sort_by_key(|(key, ts, _, _)| (*key, *ts)),
                Order::None => {}
            }
            facts.extend(rows);
        }
        let fact = |(n, (key, ts, value, later)): (usize, (i64, i64, Option<i64>, Option<i64>))| Fact {
            key: (Some("a"), Some(key)),
            ts: Some(ts),
            known: later.map(|later| ts + later),
            superseded: None,
            seq: (n as i64 * 37) % 401,
            value,
        };
        facts.into_iter().enumerate().map(fact).collect()
    })
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (0..4i64, -5..205i64).prop_map(|(key, t)| Ask { key: (Some("a"), Some(key)), t });
    proptest::collection::vec(ask, 1..150)
}

fn declared() -> impl Strategy<Value = Declared> {
    let known = proptest::bool::weighted(0.3);
    (proptest::option::weighted(0.3, 1..40i64), known, any::<bool>()).prop_map(|(ttl, known, seq)| Declared {
        ttl,
        known,
        superseded: false,
        seq,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_changes_an_answer(
        asks in asks(),
        facts in facts(),
        declared in declared(),
        rows_per_batch in prop_oneof![Just(1usize), Just(7), Just(50), Just(8192)],
        partitions in 1..=8usize,
        in_files in any::<bool>(),
    ) {
        let cut = Cut { rows_per_batch, partitions, batch_size: rows_per_batch, refused: None };
        let rule = KnownMoment::EventTime;
        let found = if in_files {
            let cut_files = Files { rows_per_file: 150, rows_per_group: 40, rows_per_page: 9 };
            // Rows of files must not tie for their features to stay there: their `_seq` is their own.
            let plan = files(&fact_rows(&facts), cut_files);
            let mut side = side("v", plan, declared);
            side.unique = declared.seq;
            run_sides(&asks, vec![side], rule, cut, with_files(cut)).remove(0)
        } else {
            run(&asks, &[(facts.clone(), declared)], rule, cut).remove(0)
        };
        let expected: Vec<_> = asks.iter().map(|ask| oracle(ask, &facts, declared, rule)).collect();
        prop_assert_eq!(found, expected);
    }
}
