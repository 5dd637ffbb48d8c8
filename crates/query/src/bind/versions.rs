//! From a digest to a version: what a definition would change.

use asof_model::definition::Input;
use asof_model::{Definition, Micros, Pinned, Registered, Selector};

use super::{Bound, Change, ClauseChange, Effect, Registry};
use crate::syntax::show_interval;

/// The change that a bound definition makes. The same meaning is the same version (law 1): one that an older
/// version had already takes that version's number, and the name points back at it.
pub(super) fn register(definition: &Definition, bound: Bound, registry: &dyn Registry, now: Micros) -> Change {
    let name = definition.name();
    let digest = definition.digest(&bound.inputs);
    let current = registry.current(name);
    let known = match &current {
        Some(current) if current.pinned.digest == digest => Some(current.clone()),
        _ => registry.select(name, &Selector::Digest(digest.hex())),
    };
    let registered = match &known {
        Some(known) => Registered { definition: definition.clone(), ..(**known).clone() },
        None => {
            let (kind, project) = (definition.kind(), registry.project().clone());
            let pinned = Pinned { kind, project, name: name.clone(), version: registry.next_version(name), digest };
            Registered {
                pinned,
                definition: definition.clone(),
                inputs: bound.inputs,
                columns: bound.columns,
                created: now,
            }
        }
    };
    let effect = match &current {
        None => Effect::Created,
        Some(current) if current.definition == *definition && current.pinned == registered.pinned => Effect::Unchanged,
        Some(current) if current.pinned == registered.pinned => {
            Effect::Annotated { clauses: clause_changes(&current.definition, definition) }
        }
        Some(current) => difference(current, &registered),
    };
    Change { registered, effect }
}

/// How one version of a name differs from another.
pub fn difference(before: &Registered, after: &Registered) -> Effect {
    if before.pinned == after.pinned {
        return Effect::Unchanged;
    }
    let clauses = clause_changes(&before.definition, &after.definition);
    let upstream = upstream_changes(&before.inputs, &after.inputs);
    Effect::Versioned { from: before.pinned.version, clauses, upstream }
}

/// The clauses that differ. Both definitions are of one kind, so their clauses stand side by side.
fn clause_changes(before: &Definition, after: &Definition) -> Vec<ClauseChange> {
    let pairs = before.clauses().into_iter().zip(after.clauses());
    let changed = pairs.filter(|(before, after)| before.text != after.text).map(|(before, after)| ClauseChange {
        name: after.name,
        before: readable(after.name, before.text),
        after: readable(after.name, after.text),
    });
    changed.collect()
}

/// Clauses hold lengths of time in microseconds; people read them in hours.
fn readable(name: &str, text: String) -> String {
    match (name, text.parse()) {
        ("TTL" | "SLIDE", Ok(micros)) => show_interval(Micros(micros)),
        _ => text,
    }
}

fn upstream_changes(before: &[Input], after: &[Input]) -> Vec<String> {
    let changed = after.iter().filter_map(|new| {
        let old = before.iter().find(|old| old.written == new.written && old.pinned.digest != new.pinned.digest)?;
        Some(format!("{}: {} → {}", new.written, old.pinned.version, new.pinned.version))
    });
    changed.collect()
}
