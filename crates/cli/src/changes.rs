//! What `plan`, `apply` and `diff` say: a line per definition, then a summary.

use asof_proto::registry::v1::{Change, ClauseChange, Effect};
use serde_json::{Value, json};

use crate::consequences;
use crate::failure::Result;
use crate::moments::span;
use crate::out::{Out, Paint};
use crate::pinned;

/// Words that stay around a difference, to recognise the place.
const AROUND: usize = 3;

/// A line per definition.
pub(crate) fn print(out: &mut Out, changes: &[Change]) -> Result<()> {
    for change in changes {
        let paint = match change.effect() {
            Effect::Created => Paint::Green,
            Effect::Versioned | Effect::Annotated => Paint::Yellow,
            Effect::Removed => Paint::Red,
            Effect::Unchanged | Effect::Unspecified => Paint::Dim,
        };
        out.painted(paint, line(change))?;
        consequences::print(out, change)?;
    }
    Ok(())
}

/// How many there are of each: created, versioned, annotated, unchanged.
pub(crate) fn counts(changes: &[Change]) -> [usize; 4] {
    let of = |effect| changes.iter().filter(|c| c.effect() == effect).count();
    [of(Effect::Created), of(Effect::Versioned), of(Effect::Annotated), of(Effect::Unchanged)]
}

/// `2 to create, 1 to version anew`, by these words; what there is none of is left out.
pub(crate) fn summary(changes: &[Change], words: [&str; 4]) -> String {
    let parts = counts(changes).into_iter().zip(words).filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, word)| format!("{count} {word}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// Whether anything would be, or was, changed.
pub(crate) fn any(changes: &[Change]) -> bool {
    changes.iter().any(|c| c.effect() != Effect::Unchanged)
}

/// All of it.
pub(crate) fn json(changes: &[Change]) -> Value {
    let change = |change: &Change| {
        let effect = match change.effect() {
            Effect::Created => "created",
            Effect::Versioned => "versioned",
            Effect::Annotated => "annotated",
            Effect::Unchanged => "unchanged",
            Effect::Removed => "removed",
            Effect::Unspecified => "unknown",
        };
        let clause = |c: &ClauseChange| json!({ "clause": c.clause, "before": c.before, "after": c.after });
        json!({
            "definition": pinned::json_option(change.pinned.as_ref()),
            "effect": effect,
            "from": (change.from > 0).then_some(change.from),
            "clauses": change.clauses.iter().map(clause).collect::<Vec<_>>(),
            "upstream": change.upstream,
            "consequence": consequences::json(change.consequence.as_ref()),
        })
    };
    changes.iter().map(change).collect()
}

fn line(change: &Change) -> String {
    let pinned = change.pinned.clone().unwrap_or_default();
    let (words, name) = (pinned::words(&pinned), &pinned.name);
    let mut line = match change.effect() {
        Effect::Created => format!("+ {words} {name}@{}", pinned.version),
        Effect::Versioned => format!("~ {words} {name} {} → {}", change.from, pinned.version),
        Effect::Annotated => format!("* {words} {name}@{}", pinned.version),
        Effect::Removed => format!("- {words} {name}@{}", pinned.version),
        Effect::Unchanged | Effect::Unspecified => format!("= {words} {name}@{}", pinned.version),
    };
    for clause in &change.clauses {
        let (before, after) = difference(&told(&clause.clause, &clause.before), &told(&clause.clause, &clause.after));
        line.push_str(&format!("   {}: {before} → {after}", clause.clause));
    }
    if !change.upstream.is_empty() {
        line.push_str(&format!("   upstream: {}", change.upstream.join(", ")));
    }
    line
}

/// A clause's text for people: intervals are kept in microseconds.
fn told(clause: &str, text: &str) -> String {
    match (clause, text.parse()) {
        (_, _) if text.is_empty() => "none".to_owned(),
        ("TTL" | "SLIDE", Ok(micros)) => span(micros),
        _ => text.to_owned(),
    }
}

/// Two texts cut down to the words in which they differ, with a few around.
fn difference(before: &str, after: &str) -> (String, String) {
    let (old, new): (Vec<_>, Vec<_>) = (before.split_whitespace().collect(), after.split_whitespace().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old.iter().skip(head).rev().zip(new.iter().skip(head).rev()).take_while(|(a, b)| a == b).count();
    let (start, end) = (head.saturating_sub(AROUND), tail.saturating_sub(AROUND));
    let cut = |words: &[&str]| {
        let kept = words.get(start..words.len() - end).unwrap_or_default().join(" ");
        format!("{}{kept}{}", if start > 0 { "… " } else { "" }, if end > 0 { " …" } else { "" })
    };
    (cut(&old), cut(&new))
}

#[cfg(test)]
mod tests {
    use asof_proto::object::v1::{Kind, Pinned};

    use super::*;

    fn check(effect: Effect, clauses: &[(&str, &str, &str)], upstream: &[&str], expected: &str) {
        let pinned = Pinned { kind: Kind::FeatureView.into(), name: "delays".into(), version: 2, ..Pinned::default() };
        let clauses = clauses.iter().map(|(clause, before, after)| ClauseChange {
            clause: (*clause).into(),
            before: (*before).into(),
            after: (*after).into(),
        });
        let change = Change {
            pinned: Some(pinned),
            effect: effect.into(),
            from: 1,
            clauses: clauses.collect(),
            upstream: upstream.iter().map(|u| (*u).into()).collect(),
            consequence: None,
        };
        assert_eq!(line(&change), expected);
    }

    #[test]
    fn a_definition_is_one_line() {
        check(Effect::Created, &[], &[], "+ feature view delays@2");
        check(Effect::Unchanged, &[], &[], "= feature view delays@2");
        check(Effect::Removed, &[], &[], "- feature view delays@2");
        check(
            Effect::Versioned,
            &[("TTL", "10800000000", "21600000000")],
            &[],
            "~ feature view delays 1 → 2   TTL: 3 hours → 6 hours",
        );
        check(
            Effect::Versioned,
            &[("TTL", "", "1000000")],
            &["flights 1 → 2"],
            "~ feature view delays 1 → 2   TTL: none → 1 second   upstream: flights 1 → 2",
        );
        check(
            Effect::Annotated,
            &[("WITH", "owner = 'a'", "owner = 'b'")],
            &[],
            "* feature view delays@2   WITH: owner = 'a' → owner = 'b'",
        );
    }

    #[test]
    fn long_queries_are_cut_to_where_they_differ() {
        let check = |before: &str, after: &str, expected: (&str, &str)| {
            assert_eq!(difference(before, after), (expected.0.to_owned(), expected.1.to_owned()));
        };
        check(
            "SELECT a, b, c, d, e FROM t WHERE x AND y AND z",
            "SELECT a, b, c, d, f FROM t WHERE x AND y AND z",
            ("… b, c, d, e FROM t WHERE …", "… b, c, d, f FROM t WHERE …"),
        );
        check("a b", "a b c", ("a b", "a b c"));
        check("x x", "x", ("x x", "x"));
        check("none", "1 hour", ("none", "1 hour"));
    }

    #[test]
    fn the_summary_counts_what_there_is() {
        let change = |effect: Effect| Change { effect: effect.into(), ..Change::default() };
        let changes = [change(Effect::Created), change(Effect::Created), change(Effect::Unchanged)];
        assert_eq!(summary(&changes, ["to create", "b", "c", "unchanged"]), "2 to create, 1 unchanged");
    }
}
