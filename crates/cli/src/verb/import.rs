//! `asof import`: what another deployment exported, taken in whole or not at all.

use std::path::PathBuf;

use asof_proto::bundle::v1::{ImportRequest, ImportResponse, TrainingSet};
use serde_json::{Value, json};

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::{Failure, Result};
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows::Style;
use crate::verb::Answer;

/// Take in a bundle that another deployment exported. No environment points at it yet: promote does that.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file that `asof export` wrote.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Only show what would be imported, and what stands in the way; exit with 1 if something does.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    by: By,
    /// How to print what was imported.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Reads the file, asks and prints.
    ///
    /// # Errors
    /// `local_file`; the server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let shown = self.bundle.display().to_string();
        let bundle = std::fs::read(&self.bundle).map_err(|error| Failure::file("read", &shown, &error))?;
        let connection = Connection::open(global, "import").await?;
        let request = ImportRequest {
            scope: connection.scope(),
            bundle,
            called: self.bundle.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            dry_run: self.dry_run,
            author: self.by.author(),
        };
        let imported = connection.bundles().import(request).await?.into_inner();
        match self.output {
            Style::Json => out.json(&document(&imported))?,
            Style::Table => print(out, &imported, self.dry_run)?,
        }
        Ok(if imported.conflicts.is_empty() { Answer::Done } else { Answer::Refused })
    }
}

fn print(out: &mut Out, imported: &ImportResponse, dry_run: bool) -> Result<()> {
    for definition in &imported.new {
        out.painted(Paint::Green, format!("+ {}", pinned::titled(definition)))?;
    }
    for set in &imported.training_sets {
        out.painted(Paint::Green, format!("+ manifest of {}", named(set)))?;
    }
    for definition in &imported.there {
        out.painted(Paint::Dim, format!("= {}", pinned::titled(definition)))?;
    }
    for set in &imported.training_sets_there {
        out.painted(Paint::Dim, format!("= manifest of {}", named(set)))?;
    }
    for conflict in &imported.conflicts {
        out.painted(Paint::Red, format!("! {}: {}", conflict.what, conflict.why))?;
    }
    let new = imported.new.len() + imported.training_sets.len();
    let definitions = counted(imported.new.len() as u64, "definition");
    let what = format!("{definitions} and {}", counted(imported.training_sets.len() as u64, "manifest"));
    match (new, dry_run, imported.conflicts.is_empty()) {
        (_, _, false) => out.line("it does not fit to what is here; nothing was changed"),
        (0, ..) => out.line("nothing to do: all of it is here"),
        (_, true, true) => out.line(format!("{what} would be imported; nothing was changed")),
        (_, false, true) if imported.run.is_empty() => out.line("nothing to do: somebody imported it just now"),
        (_, false, true) => {
            out.line(format!("imported {what} (run {})", imported.run))?;
            out.line("no environment points at them yet: asof promote REF --to ENV")
        }
    }
}

fn document(imported: &ImportResponse) -> Value {
    let definitions = |all: &[_]| all.iter().map(pinned::json).collect::<Vec<_>>();
    let sets = |all: &[TrainingSet]| all.iter().map(named).collect::<Vec<_>>();
    let conflicts = imported.conflicts.iter().map(|c| json!({ "what": c.what, "why": c.why }));
    json!({
        "run": (!imported.run.is_empty()).then_some(&imported.run),
        "new": definitions(&imported.new),
        "there": definitions(&imported.there),
        "training_sets": sets(&imported.training_sets),
        "training_sets_there": sets(&imported.training_sets_there),
        "conflicts": conflicts.collect::<Vec<_>>(),
    })
}

fn named(set: &TrainingSet) -> String {
    format!("{}@{}", set.name, set.number)
}
