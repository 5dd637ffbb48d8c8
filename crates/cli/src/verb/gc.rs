//! `asof gc`: what nothing needs any more, and removing it.

use asof_model::Micros;
use asof_proto::storage::v1::{CollectRequest, CollectResult, Compacted, Removal};
use serde_json::{Value, json};

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::Result;
use crate::out::{Out, Paint};
use crate::progress;
use crate::rows::Style;
use crate::verb::Answer;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Tell what nothing needs any more, and why the rest is kept; remove it with --apply.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove it. Without this nothing is changed.
    #[arg(long)]
    apply: bool,
    /// Keep what was in use within this time: 30d, 12h, 30m, 0s.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    older_than: i64,
    /// First make small files of datasets into large ones; what they replace is needed by older snapshots only.
    #[arg(long)]
    compact: bool,
    /// Also forget what other tools told of runs that were over before this moment; the graph as of earlier ones loses them.
    #[arg(long, value_name = "TIME")]
    events_before: Option<Micros>,
    #[command(flatten)]
    by: By,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

/// A time in microseconds: a whole number and its unit.
fn span(text: &str) -> Result<i64, String> {
    let wrong = || "write a whole number and its unit: 30d, 12h, 30m, 0s".to_owned();
    let unit = match text.chars().last() {
        Some('d') => 86_400,
        Some('h') => 3_600,
        Some('m') => 60,
        Some('s') => 1,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    i64::from(number).checked_mul(unit * SECOND).ok_or_else(wrong)
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "gc").await?;
        let request = CollectRequest {
            scope: connection.scope(),
            apply: self.apply,
            older_than: Some(self.older_than),
            compact: self.compact,
            events_before: self.events_before.map(|at| at.0),
            author: self.by.author(),
        };
        let collected = progress::follow(connection.storage().collect(request).await?.into_inner()).await?;
        match self.output {
            Style::Json => out.json(&document(&collected))?,
            Style::Table => print(out, &collected, self.apply)?,
        }
        Ok(Answer::Done)
    }
}

fn print(out: &mut Out, collected: &CollectResult, apply: bool) -> Result<()> {
    for compacted in &collected.compacted {
        let Compacted { dataset, from, files_before, files_after, .. } = compacted;
        let rows = counted(compacted.rows, "row");
        out.line(match compacted.to {
            Some(to) => {
                let after = counted(*files_after, "file");
                format!("~ {dataset}@{from} → @{to}: {rows}, {files_before} files → {after} (run {})", compacted.run)
            }
            None => format!("~ {dataset}@{from}: {rows} in {files_before} small files would be joined"),
        })?;
    }
    for removal in &collected.removals {
        out.painted(Paint::Red, format!("- {} {}{}", words(removal), removal.what, size(removal)))?;
        out.painted(Paint::Dim, format!("    {}", removal.why))?;
    }
    for kept in &collected.kept {
        out.painted(Paint::Dim, format!("= {}: {}", kept.what, kept.why))?;
    }
    let files = collected.removals.iter().map(|removal| removal.files).sum();
    let bytes = collected.removals.iter().map(|removal| removal.bytes).sum();
    let size = format!("{}, {}", counted(files, "file"), counted(bytes, "byte"));
    match (collected.removals.is_empty(), apply) {
        (true, _) => out.line("nothing to remove"),
        (false, false) => out.line(format!("{size} would be removed; nothing was changed: do it with --apply")),
        (false, true) => out.line(format!("removed {size} (run {})", collected.run)),
    }
}

fn words(removal: &Removal) -> &str {
    match removal.kind.as_str() {
        "snapshots" => "snapshots of",
        "part_files" => "interrupted work on",
        "online" => "rows online of",
        "events" => "OpenLineage:",
        other => other,
    }
}

fn size(removal: &Removal) -> String {
    match removal.files {
        0 => String::new(),
        files => format!(": {}, {}", counted(files, "file"), counted(removal.bytes, "byte")),
    }
}

fn document(collected: &CollectResult) -> Value {
    let removals = collected.removals.iter().map(|removal| {
        json!({
            "kind": removal.kind, "what": removal.what, "why": removal.why,
            "files": removal.files, "bytes": removal.bytes,
        })
    });
    let kept = collected.kept.iter().map(|kept| json!({ "what": kept.what, "why": kept.why }));
    let compacted = collected.compacted.iter().map(|compacted| {
        json!({
            "dataset": compacted.dataset,
            "from": compacted.from,
            "to": compacted.to,
            "files_before": compacted.files_before,
            "files_after": compacted.to.map(|_| compacted.files_after),
            "rows": compacted.rows,
            "run": (!compacted.run.is_empty()).then_some(&compacted.run),
        })
    });
    json!({
        "run": (!collected.run.is_empty()).then_some(&collected.run),
        "removals": removals.collect::<Vec<_>>(),
        "kept": kept.collect::<Vec<_>>(),
        "compacted": compacted.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(span("7d"), Ok(7 * 86_400 * SECOND));
        assert_eq!(span("0s"), Ok(0));
        for wrong in ["", "7", "d", "-1d", "1.5h", "7 d", "7é"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
