//! What came out of holding what is served against what training gives, for people and programs.

use asof_proto::column::v1::Column;
use asof_proto::comparison::v1::{Answer, Compared, Logged, Mismatch, Receipt};
use asof_proto::serving::v1::Status;
use serde_json::{Map, Value, json};

use crate::counted::counted;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows;
use crate::table::Table;

/// A line that says how it is, then a table of what differs.
pub(crate) fn print(out: &mut Out, compared: &Compared) -> Result<()> {
    let name = compared.service.as_ref().map(pinned::reference).unwrap_or_default();
    let (rows, logged) = (counted(compared.rows, "row"), compared.logged.as_ref());
    let at = match logged {
        None => format!("as of {}", moment(compared.at)),
        Some(logged) => format!("in {} of the log", counted_entries(logged.compared)),
    };
    match compared.differing {
        0 if compared.rows == 0 => out.painted(Paint::Yellow, format!("{name}: nothing could be compared"))?,
        0 => out.painted(Paint::Green, format!("{name}: {rows} served as training gives them, {at}"))?,
        differing => {
            out.painted(Paint::Red, format!("{name}: {differing} of {rows} DIFFER from training, {at}"))?;
            let when = logged.map(|_| "at");
            let mut table = Table::new(when.into_iter().chain(["request", "feature", "served", "training", "from"]));
            for mismatch in &compared.mismatches {
                let when = logged.map(|_| moment(mismatch.at));
                table.row(when.into_iter().chain(line(mismatch)).collect());
            }
            table.print(out)?;
            let told: std::collections::HashSet<_> =
                compared.mismatches.iter().map(|mismatch| (mismatch.at, asked(mismatch))).collect();
            if (told.len() as u64) < differing {
                out.line(format!("and {} more", counted(differing - told.len() as u64, "row")))?;
            }
        }
    }
    if compared.failed > 0 {
        let failed = counted(compared.failed, "row");
        out.painted(
            Paint::Yellow,
            format!("{failed} could not be answered, as an expression fails on them: not compared"),
        )?;
    }
    logged.map_or(Ok(()), |logged| print_logged(out, logged))
}

/// What of the log was not compared, and why.
fn print_logged(out: &mut Out, logged: &Logged) -> Result<()> {
    if logged.moving > 0 {
        let moving = counted_entries(logged.moving);
        out.line(format!("{moving} read while rows were written: nobody knows which of them they saw, not compared"))?;
    }
    let mut apart: Vec<_> = logged.apart.iter().collect();
    apart.sort();
    for (why, entries) in apart {
        out.line(format!("features of {} not compared: {why}", counted_entries(*entries)))?;
    }
    if logged.dropped > 0 {
        let dropped = counted(logged.dropped, "request");
        out.painted(Paint::Yellow, format!("{dropped} of the project should have been logged, and there was no room"))?;
    }
    Ok(())
}

fn counted_entries(entries: u64) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}

fn line(mismatch: &Mismatch) -> Vec<String> {
    let side = |answer: &Option<Answer>| answer.as_ref().map_or_else(String::new, shown);
    let receipts: Vec<_> = mismatch.receipts.iter().map(origin).collect();
    vec![
        asked(mismatch),
        mismatch.feature.clone(),
        side(&mismatch.served),
        side(&mismatch.trained),
        receipts.join("; "),
    ]
}

/// `origin=JFK, distance=1400`.
fn asked(mismatch: &Mismatch) -> String {
    let text = |column: &Column| rows::text(column, 0).unwrap_or_else(|| "null".to_owned());
    mismatch.request.iter().map(|column| format!("{}={}", column.name, text(column))).collect::<Vec<_>>().join(", ")
}

/// A value that is there, or why none is.
pub(crate) fn shown(answer: &Answer) -> String {
    let value = answer.value.as_ref().and_then(|column| rows::text(column, 0));
    value.unwrap_or_else(|| status(answer).to_owned())
}

pub(crate) fn status(answer: &Answer) -> &'static str {
    match answer.status() {
        Status::Present => "present",
        Status::Null => "null",
        Status::Missing => "missing",
        Status::Expired => "expired",
        Status::Failed => "failed",
    }
}

/// `airport_weather@1 of 2013-12-30T18:00:00Z, run …`.
fn origin(receipt: &Receipt) -> String {
    let view = receipt.view.as_ref().map(pinned::reference).unwrap_or_default();
    let time = receipt.event_time.map(|time| format!(" of {}", moment(time))).unwrap_or_default();
    format!("{view}{time}, run {}", receipt.run)
}

/// All of it.
pub(crate) fn json(run: &str, compared: &Compared) -> Value {
    json!({
        "run": run,
        "service": pinned::json_option(compared.service.as_ref()),
        "at": moment(compared.at),
        "snapshots": compared.snapshots,
        "rows": compared.rows,
        "failed": compared.failed,
        "differing": compared.differing,
        "mismatches": compared.mismatches.iter().map(one).collect::<Vec<_>>(),
        "logged": compared.logged.as_ref().map(|logged| json!({
            "found": logged.found,
            "compared": logged.compared,
            "moving": logged.moving,
            "apart": logged.apart,
            "dropped": logged.dropped,
        })),
    })
}

fn one(mismatch: &Mismatch) -> Value {
    let request: Map<_, _> = mismatch.request.iter().map(|c| (c.name.clone(), rows::value(c, 0))).collect();
    let side = |answer: &Option<Answer>| {
        let answer = answer.clone().unwrap_or_default();
        let value = answer.value.as_ref().map_or(Value::Null, |column| rows::value(column, 0));
        json!({ "value": value, "status": status(&answer) })
    };
    let receipt = |receipt: &Receipt| {
        json!({
            "alias": receipt.alias,
            "view": pinned::json_option(receipt.view.as_ref()),
            "event_time": receipt.event_time.map(moment),
            "run": receipt.run,
        })
    };
    json!({
        "request": request,
        "at": moment(mismatch.at),
        "feature": mismatch.feature,
        "served": side(&mismatch.served),
        "trained": side(&mismatch.trained),
        "receipts": mismatch.receipts.iter().map(receipt).collect::<Vec<_>>(),
    })
}
