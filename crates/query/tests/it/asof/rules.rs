//! The rules of SEMANTICS.md, one by one.

use asof_model::Micros;
use asof_query::asof::KnownMoment;

use super::{Answer, Ask, Declared, Fact, PLAIN, WHOLE, run};

const KEY: super::Key = (Some("a"), Some(1));
const MISSING: Answer = (2, None, None);
const EXPIRED: Answer = (3, None, None);

fn ask(t: i64) -> Ask {
    Ask { key: KEY, t }
}

fn fact(ts: i64, value: i64) -> Fact {
    Fact { key: KEY, ts: Some(ts), known: None, superseded: None, seq: 0, value: Some(value) }
}

fn found(ts: i64, value: i64) -> Answer {
    (0, Some(ts), Some(value))
}

/// What one view answers.
fn check(asks: &[Ask], facts: &[Fact], declared: Declared, rule: KnownMoment, expected: &[Answer]) {
    assert_eq!(run(asks, &[(facts.to_vec(), declared)], rule, WHOLE)[0], expected);
}

#[test]
fn rule_1_keys_are_equal_in_every_column_and_null_equals_nothing() {
    let keys = [KEY, (Some("a"), Some(2)), (Some("b"), Some(1)), (None, Some(1)), (Some("a"), None), (None, None)];
    let asks = keys.map(|key| Ask { key, t: 5 });
    let facts = [fact(1, 10), Fact { key: (None, Some(1)), ..fact(1, 11) }, Fact { key: (None, None), ..fact(1, 12) }];
    check(&asks, &facts, PLAIN, KnownMoment::EventTime, &[found(1, 10), MISSING, MISSING, MISSING, MISSING, MISSING]);
}

#[test]
fn rule_2_the_moment_itself_counts_and_the_future_does_not() {
    check(
        &[ask(4), ask(5), ask(6)],
        &[fact(5, 10)],
        PLAIN,
        KnownMoment::EventTime,
        &[MISSING, found(5, 10), found(5, 10)],
    );
    check(&[ask(5)], &[Fact { ts: None, ..fact(0, 10) }], PLAIN, KnownMoment::EventTime, &[MISSING]);
}

#[test]
fn rule_3_both_ends_of_the_ttl_count() {
    let declared = Declared { ttl: Some(3), ..PLAIN };
    let asks = [ask(5), ask(8), ask(9)];
    check(&asks, &[fact(5, 10)], declared, KnownMoment::EventTime, &[found(5, 10), found(5, 10), EXPIRED]);
    // Only older rows, however many: expired. A later row with a null value is null, not the older value.
    check(&[ask(9)], &[fact(1, 10), fact(5, 11)], declared, KnownMoment::EventTime, &[EXPIRED]);
    check(
        &[ask(8)],
        &[fact(5, 10), Fact { value: None, ..fact(6, 0) }],
        declared,
        KnownMoment::EventTime,
        &[(0, Some(6), None)],
    );
}

#[test]
fn rule_3_holds_at_the_ends_of_time() {
    let declared = Declared { ttl: Some(i64::MAX), ..PLAIN };
    let asks = [ask(i64::MIN), ask(i64::MAX)];
    check(&asks, &[fact(i64::MIN, 10)], declared, KnownMoment::EventTime, &[found(i64::MIN, 10), EXPIRED]);
    check(&asks, &[fact(i64::MAX, 10)], declared, KnownMoment::EventTime, &[MISSING, found(i64::MAX, 10)]);
}

#[test]
fn rule_4_what_was_learned_later_did_not_exist_yet() {
    let declared = Declared { known: true, ..PLAIN };
    let facts = [fact(1, 10), Fact { known: Some(7), ..fact(5, 11) }];
    check(&[ask(6), ask(7)], &facts, declared, KnownMoment::EventTime, &[found(1, 10), found(5, 11)]);
    // Known before it happens: it still has to happen.
    check(
        &[ask(4), ask(5)],
        &[Fact { known: Some(2), ..fact(5, 10) }],
        declared,
        KnownMoment::EventTime,
        &[MISSING, found(5, 10)],
    );
}

#[test]
fn rule_4_the_moment_can_be_moved_or_switched_off() {
    let declared = Declared { known: true, ..PLAIN };
    let facts = [fact(1, 10), Fact { known: Some(7), ..fact(5, 11) }];
    let asks = [ask(4), ask(6), ask(20)];
    check(&asks, &facts, declared, KnownMoment::At(Micros(6)), &[found(1, 10), found(1, 10), found(1, 10)]);
    check(&asks, &facts, declared, KnownMoment::At(Micros(7)), &[found(1, 10), found(5, 11), found(5, 11)]);
    check(&asks, &facts, declared, KnownMoment::Now, &[found(1, 10), found(5, 11), found(5, 11)]);
}

#[test]
fn rule_5_time_then_known_then_acceptance_decide() {
    let declared = Declared { known: true, ..PLAIN };
    let event = KnownMoment::EventTime;
    check(&[ask(9)], &[fact(5, 1), Fact { known: Some(8), ..fact(4, 2) }], declared, event, &[found(5, 1)]);
    check(
        &[ask(9)],
        &[Fact { known: Some(8), ..fact(5, 2) }, Fact { seq: 9, ..fact(5, 1) }],
        declared,
        event,
        &[found(5, 2)],
    );
    check(&[ask(9)], &[Fact { seq: 9, ..fact(5, 2) }, Fact { seq: 3, ..fact(5, 3) }], PLAIN, event, &[found(5, 2)]);
    // A row learned late does not hide a later one that was known.
    check(
        &[ask(5), ask(9)],
        &[Fact { known: Some(7), ..fact(2, 1) }, fact(4, 2)],
        declared,
        event,
        &[found(4, 2), found(4, 2)],
    );
}

#[test]
fn rule_5_without_a_sequence_values_decide_whatever_the_order() {
    let declared = Declared { seq: false, ..PLAIN };
    let mut facts = [fact(5, 3), fact(5, 7), Fact { value: None, ..fact(5, 0) }];
    for _ in 0..3 {
        facts.rotate_left(1);
        check(&[ask(5)], &facts, declared, KnownMoment::EventTime, &[found(5, 7)]);
    }
}

#[test]
fn rule_6_missing_expired_and_null_are_three_answers() {
    let declared = Declared { ttl: Some(1), ..PLAIN };
    let facts = [fact(3, 10), Fact { value: None, ..fact(6, 0) }];
    check(&[ask(2), ask(5), ask(6)], &facts, declared, KnownMoment::EventTime, &[MISSING, EXPIRED, (0, Some(6), None)]);
}

#[test]
fn a_superseded_row_counts_until_it_is() {
    let declared = Declared { known: true, superseded: true, ..PLAIN };
    // The second revision moves the event from 2 to 6; between being told at 4 and 6 there is no event at all.
    let facts = [Fact { superseded: Some(4), ..fact(2, 1) }, Fact { known: Some(4), ..fact(6, 2) }];
    let asks = [ask(1), ask(2), ask(3), ask(4), ask(5), ask(6)];
    let expected = [MISSING, found(2, 1), found(2, 1), MISSING, MISSING, found(6, 2)];
    check(&asks, &facts, declared, KnownMoment::EventTime, &expected);
    check(&[ask(9)], &facts, declared, KnownMoment::At(Micros(3)), &[found(2, 1)]);
    check(&[ask(3), ask(9)], &facts, declared, KnownMoment::Now, &[MISSING, found(6, 2)]);
}

#[test]
fn duplicates_in_the_spine_stay_and_sides_may_be_empty() {
    check(
        &[ask(5), ask(5), ask(5)],
        &[fact(1, 1)],
        PLAIN,
        KnownMoment::EventTime,
        &[found(1, 1), found(1, 1), found(1, 1)],
    );
    check(&[ask(5)], &[], PLAIN, KnownMoment::EventTime, &[MISSING]);
    check(&[], &[fact(1, 1)], PLAIN, KnownMoment::EventTime, &[]);
    check(&[], &[], PLAIN, KnownMoment::EventTime, &[]);
}
