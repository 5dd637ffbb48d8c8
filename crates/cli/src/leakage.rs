//! What was found out about views that might tell the future, for people and programs.

use asof_proto::column::v1::Column;
use asof_proto::leakage::v1::{Checked, Difference, Finding, Leak};
use serde_json::{Map, Value, json};

use crate::counted::counted;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows;

/// Whether all views may be relied on.
pub(crate) fn passes(views: &[Checked]) -> bool {
    views.iter().all(|view| !matches!(view.finding(), Finding::Leak | Finding::Unstable))
}

/// A line per view, and below those that do not pass what differs and why.
pub(crate) fn print(out: &mut Out, views: &[Checked]) -> Result<()> {
    for view in views {
        let (paint, said) = verdict(view);
        let name = view.view.as_ref().map(pinned::reference).unwrap_or_default();
        out.painted(paint, format!("{name}: {said}"))?;
        for line in view.leak.iter().flat_map(|leak| details(leak, view.finding())) {
            out.line(format!("  {line}"))?;
        }
    }
    Ok(())
}

fn verdict(view: &Checked) -> (Paint, String) {
    let moments = counted(view.moments.len() as u64, "moment");
    let rows = counted(view.rows, "row");
    match view.finding() {
        Finding::Clean => (Paint::Green, format!("no leak in {rows} at {moments}")),
        Finding::Rounding => (
            Paint::Green,
            format!("no leak in {rows} at {moments}; floats differ in their last bits, summed in another order"),
        ),
        Finding::Unchecked => (Paint::Yellow, format!("not checked: {}", view.note)),
        Finding::Leak => (Paint::Red, format!("LEAK at {}", of(view, &moments))),
        Finding::Unstable => {
            (Paint::Red, format!("not the same twice, so that leaks cannot be told, at {}", of(view, &moments)))
        }
        Finding::Unspecified => (Paint::Yellow, "found something that this client does not know".to_owned()),
    }
}

/// `3 of 8 moments, in mean and n`.
fn of(view: &Checked, moments: &str) -> String {
    let leak = view.leak.clone().unwrap_or_default();
    let features = if leak.features.is_empty() { String::new() } else { format!(", in {}", leak.features.join(", ")) };
    format!("{} of {moments}{features}", leak.moments)
}

/// The example and the causes.
fn details(leak: &Leak, finding: Finding) -> Vec<String> {
    let mut lines = Vec::new();
    let row: Vec<_> = leak.row.iter().map(|column| format!("{} = {}", column.name, shown(Some(column)))).collect();
    let other = match finding {
        Finding::Unstable => "computed again".to_owned(),
        _ => format!("with sources up to {}", moment(leak.at)),
    };
    if !row.is_empty() {
        lines.push(format!("row where {}", row.join(", ")));
    }
    let is_there = |side: fn(&Difference) -> &Option<Column>| leak.differences.iter().any(|d| side(d).is_some());
    let side = |name: &str, column: fn(&Difference) -> &Option<Column>| {
        let values = leak.differences.iter().map(|d| format!("{} = {}", d.feature, shown(column(d).as_ref())));
        let values = if is_there(column) { values.collect::<Vec<_>>().join(", ") } else { "no such row".to_owned() };
        format!("  {name}: {values}")
    };
    if leak.differences.is_empty() && !row.is_empty() {
        lines.push("  how many such rows there are differs".to_owned());
    }
    if !leak.differences.is_empty() {
        lines.push(side("with all sources", |d| &d.with_all));
        lines.push(side(&other, |d| &d.cut_off));
    }
    lines.extend(leak.causes.iter().map(|cause| format!("likely cause: {cause}")));
    lines
}

fn shown(column: Option<&Column>) -> String {
    column.and_then(|column| rows::text(column, 0)).unwrap_or_else(|| "null".to_owned())
}

/// All of it.
pub(crate) fn json(views: &[Checked]) -> Value {
    views.iter().map(one).collect()
}

fn one(view: &Checked) -> Value {
    let finding = match view.finding() {
        Finding::Clean => "clean",
        Finding::Rounding => "rounding",
        Finding::Unchecked => "unchecked",
        Finding::Unstable => "unstable",
        Finding::Leak => "leak",
        Finding::Unspecified => "unknown",
    };
    json!({
        "view": pinned::json_option(view.view.as_ref()),
        "rows": view.rows,
        "moments": view.moments.iter().map(|at| moment(*at)).collect::<Vec<_>>(),
        "finding": finding,
        "note": (!view.note.is_empty()).then_some(&view.note),
        "leak": view.leak.as_ref().map(leak_json),
    })
}

fn leak_json(leak: &Leak) -> Value {
    let value = |column: &Column| rows::value(column, 0);
    let side = |column: fn(&Difference) -> &Option<Column>| -> Value {
        let there = leak.differences.iter().filter_map(|d| Some((d.feature.clone(), value(column(d).as_ref()?))));
        let values: Map<_, _> = there.collect();
        if values.is_empty() { Value::Null } else { Value::Object(values) }
    };
    let row: Map<_, _> = leak.row.iter().map(|column| (column.name.clone(), value(column))).collect();
    let example = (!row.is_empty())
        .then(|| json!({ "row": row, "with_all": side(|d| &d.with_all), "cut_off": side(|d| &d.cut_off) }));
    json!({
        "at": moment(leak.at),
        "moments": leak.moments,
        "features": leak.features,
        "example": example,
        "causes": leak.causes,
    })
}
