//! What changes do, and to whom, as `plan` and `apply` tell it: below the line of each change, and below all of them.

use asof_proto::comparison::v1::{Answer, Sampled, SampledDifference};
use asof_proto::registry::v1::user::What;
use asof_proto::registry::v1::{Break, Change, Compatibility, Consequence, Effect, Recompute, Standing, User};
use serde_json::{Map, Value, json};

use crate::comparison::{shown, status};
use crate::counted::counted;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows;
use crate::table::Table;

/// Whether something in a plan breaks somebody.
pub(crate) fn is_breaking(change: &Change) -> bool {
    let consequence = change.consequence.as_ref();
    consequence.is_some_and(|c| c.compatibility() == Compatibility::Breaking)
}

/// Whether it does, here or in an environment that is protected.
pub(crate) fn breaks(change: &Change) -> bool {
    let new = change.effect() == Effect::Created;
    let standings = change.consequence.iter().flat_map(|c| &c.standings);
    is_breaking(change) || new && standings.into_iter().any(|s| s.protected && !s.breaks.is_empty())
}

/// What one change does, a line each; nothing where it does nothing.
pub(crate) fn print(out: &mut Out, change: &Change) -> Result<()> {
    let Some(consequence) = &change.consequence else { return Ok(()) };
    match consequence.compatibility() {
        Compatibility::Breaking => {
            out.painted(Paint::Red, format!("    breaking: {}", breaks_text(&consequence.breaks)))?;
        }
        Compatibility::Compatible => out.painted(Paint::Dim, "    compatible; values may differ")?,
        Compatibility::Unspecified => {}
    }
    if !consequence.users.is_empty() {
        let mut users: Vec<_> = consequence.users.iter().map(user_text).collect();
        if consequence.more_users > 0 {
            users.push(format!("and {} more", consequence.more_users));
        }
        out.line(format!("    used by {}", users.join(", ")))?;
    }
    for standing in &consequence.standings {
        let breaks = match standing.breaks.is_empty() {
            true => String::new(),
            false if standing.protected => ", which it breaks: protected".to_owned(),
            false => ", which it breaks".to_owned(),
        };
        let paint = if standing.protected && !standing.breaks.is_empty() { Paint::Red } else { Paint::Dim };
        out.painted(paint, format!("    `{}` points at @{}{breaks}", standing.environment, standing.version))?;
    }
    Ok(())
}

fn breaks_text(breaks: &[Break]) -> String {
    breaks.iter().map(break_text).collect::<Vec<_>>().join(", ")
}

fn break_text(b: &Break) -> String {
    let called = if b.name.is_empty() { b.what.clone() } else { format!("{} `{}`", b.what, b.name) };
    match (b.before.is_empty(), b.after.is_empty()) {
        (false, true) => format!("{called} is removed"),
        (true, false) => format!("{called} is new"),
        _ => format!("{called} {} → {}", b.before, b.after),
    }
}

fn user_text(user: &User) -> String {
    let environments = match user.environments.as_slice() {
        [] => String::new(),
        some => format!(" in {}", some.join(", ")),
    };
    match &user.what {
        Some(What::Definition(definition)) => {
            let follows = if user.follows > 0 { format!(" (becomes @{})", user.follows) } else { String::new() };
            format!("{} {}{environments}{follows}", pinned::words(definition), pinned::reference(definition))
        }
        Some(What::TrainingSet(set)) => format!("built training set {}@{}", set.name, set.number),
        Some(What::Model(model)) => format!("model {}@{}", model.name, model.version),
        None => "something that this client does not know".to_owned(),
    }
}

/// What would have to be computed.
pub(crate) fn print_recompute(out: &mut Out, recompute: &Recompute) -> Result<()> {
    // Where there is no data yet there is nothing to compute.
    if recompute.views.is_empty() || recompute.reads.is_empty() {
        return Ok(());
    }
    let views: Vec<_> = recompute.views.iter().map(pinned::reference).collect();
    out.line(format!("to materialize: {}", views.join(", ")))?;
    for read in &recompute.reads {
        let (rows, files) = (counted(read.rows, "row"), counted(read.files, "file"));
        let bytes = counted(read.bytes, "byte");
        out.painted(Paint::Dim, format!("  reads {}@{}: {rows} in {files}, {bytes}", read.dataset, read.snapshot))?;
    }
    Ok(())
}

/// How values differ.
pub(crate) fn print_sampled(out: &mut Out, sampled: &[Sampled]) -> Result<()> {
    for one in sampled {
        let (before, after) = (reference(one.before.as_ref()), reference(one.after.as_ref()));
        let heading = format!("{before} → {after}");
        let Some(at) = one.at else {
            out.painted(Paint::Yellow, format!("{heading}: not compared: {}", one.note))?;
            continue;
        };
        let (keys, at) = (counted(one.rows, "key"), moment(at));
        if one.differing == 0 {
            out.painted(Paint::Green, format!("{heading}: no value differs for {keys}, as of {at}"))?;
            continue;
        }
        out.painted(Paint::Yellow, format!("{heading}: values differ for {} of {keys}, as of {at}", one.differing))?;
        let mut table = Table::new(["request", "feature", "before", "after"]);
        for difference in &one.differences {
            let side = |answer: &Option<Answer>| answer.as_ref().map_or_else(String::new, shown);
            let (request, feature) = (asked(difference), difference.feature.clone());
            table.row(vec![request, feature, side(&difference.before), side(&difference.after)]);
        }
        table.print(out)?;
    }
    Ok(())
}

fn reference(of: Option<&asof_proto::object::v1::Pinned>) -> String {
    of.map(pinned::reference).unwrap_or_default()
}

fn asked(difference: &SampledDifference) -> String {
    let text = |column| rows::text(column, 0).unwrap_or_else(|| "null".to_owned());
    difference.request.iter().map(|c| format!("{}={}", c.name, text(c))).collect::<Vec<_>>().join(", ")
}

/// What one change does; null where nothing of that name was there.
pub(crate) fn json(consequence: Option<&Consequence>) -> Value {
    let Some(consequence) = consequence else { return Value::Null };
    let compatibility = match consequence.compatibility() {
        Compatibility::Breaking => Some("breaking"),
        Compatibility::Compatible => Some("compatible"),
        Compatibility::Unspecified => None,
    };
    json!({
        "compatibility": compatibility,
        "breaks": breaks_json(&consequence.breaks),
        "users": consequence.users.iter().map(user_json).collect::<Vec<_>>(),
        "more_users": consequence.more_users,
        "environments": consequence.standings.iter().map(standing_json).collect::<Vec<_>>(),
    })
}

fn breaks_json(breaks: &[Break]) -> Value {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let one = |b: &Break| json!({ "what": b.what, "name": some(&b.name), "before": some(&b.before), "after": some(&b.after) });
    breaks.iter().map(one).collect()
}

fn user_json(user: &User) -> Value {
    let (kind, what) = match &user.what {
        Some(What::Definition(definition)) => ("definition", pinned::json(definition)),
        Some(What::TrainingSet(set)) => ("training_set", json!({ "name": set.name, "number": set.number })),
        Some(What::Model(model)) => ("model", json!({ "name": model.name, "version": model.version })),
        None => ("unknown", Value::Null),
    };
    json!({ kind: what, "follows": (user.follows > 0).then_some(user.follows), "environments": user.environments })
}

fn standing_json(standing: &Standing) -> Value {
    json!({
        "environment": standing.environment,
        "version": standing.version,
        "breaks": breaks_json(&standing.breaks),
        "protected": standing.protected,
    })
}

/// What would have to be computed.
pub(crate) fn recompute_json(recompute: Option<&Recompute>) -> Value {
    let recompute = recompute.cloned().unwrap_or_default();
    let reads = recompute.reads.iter().map(|read| {
        let snapshot = json!(read.snapshot);
        json!({ "dataset": read.dataset, "snapshot": snapshot, "rows": read.rows, "files": read.files, "bytes": read.bytes })
    });
    json!({
        "views": recompute.views.iter().map(pinned::json).collect::<Vec<_>>(),
        "reads": reads.collect::<Vec<_>>(),
    })
}

/// How values differ.
pub(crate) fn sampled_json(sampled: &[Sampled]) -> Value {
    let side = |answer: &Option<Answer>| {
        let answer = answer.clone().unwrap_or_default();
        let value = answer.value.as_ref().map_or(Value::Null, |column| rows::value(column, 0));
        json!({ "value": value, "status": status(&answer) })
    };
    let difference = |difference: &SampledDifference| {
        let request: Map<_, _> = difference.request.iter().map(|c| (c.name.clone(), rows::value(c, 0))).collect();
        let (before, after) = (side(&difference.before), side(&difference.after));
        json!({ "request": request, "feature": difference.feature, "before": before, "after": after })
    };
    let one = |one: &Sampled| {
        json!({
            "before": pinned::json_option(one.before.as_ref()),
            "after": pinned::json_option(one.after.as_ref()),
            "at": one.at.map(moment),
            "snapshots": one.snapshots,
            "rows": one.rows,
            "differing": one.differing,
            "differences": one.differences.iter().map(difference).collect::<Vec<_>>(),
            "note": (!one.note.is_empty()).then_some(&one.note),
        })
    };
    sampled.iter().map(one).collect()
}
