//! `asof show`: one thing, whole.

use asof_proto::object::v1::Column;
use asof_proto::registry::v1::{BuiltTrainingSet, DataFile, ShowRequest, ShowResponse, Snapshot};
use serde_json::{Value, json};

use crate::args::Global;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::Result;
use crate::moments::{moment, span};
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows::Style;
use crate::upkeep;
use crate::verb::approve::approval_json;
use crate::verb::{Answer, deprecate};
use crate::warnings;

/// Show a definition, and what it holds: a dataset's snapshot, a built training set, what is online.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// name, name@3, name@prod, name@latest, name@sha256:…; of a dataset @n is a snapshot.
    #[arg(value_name = "REF")]
    reference: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "show").await?;
        let request = ShowRequest { scope: connection.scope(), reference: self.reference };
        let shown = connection.registry().show(request).await?.into_inner();
        // Of itself it says so below its name.
        let own = usize::from(shown.deprecated.is_some());
        warnings::tell(shown.warnings.get(own..).unwrap_or_default());
        match self.output {
            Style::Json => out.json(&document(&shown))?,
            Style::Table => print(out, &shown)?,
        }
        Ok(Answer::Done)
    }
}

fn print(out: &mut Out, shown: &ShowResponse) -> Result<()> {
    let pinned = shown.pinned.clone().unwrap_or_default();
    out.painted(Paint::Bold, pinned::titled(&pinned))?;
    let field = |out: &mut Out, name: &str, value: String| out.line(format!("  {name:<10} {value}"));
    field(out, "project", pinned.project.clone())?;
    field(out, "digest", pinned.digest.clone())?;
    field(out, "created", moment(shown.created))?;
    let versions: Vec<_> = shown.versions.iter().map(|v| format!("@{v}")).collect();
    field(out, "versions", versions.join(" "))?;
    if let Some(remark) = &shown.deprecated {
        field(out, "deprecated", deprecate::text(remark))?;
    }
    for approval in &shown.approvals {
        let why = if approval.why.is_empty() { String::new() } else { format!(": {}", approval.why) };
        let (who, at) = (&approval.who, moment(approval.at));
        field(out, "approved", format!("for `{}` by {who}, {at}{why}", approval.environment))?;
    }
    let clauses: Vec<_> = shown.clauses.iter().filter(|c| !c.text.is_empty()).collect();
    section(out, "declared", !clauses.is_empty())?;
    for clause in clauses {
        let text = match (clause.name.as_str(), clause.text.parse()) {
            ("TTL" | "SLIDE", Ok(micros)) => span(micros),
            _ => clause.text.clone(),
        };
        let remark = if clause.counts { "" } else { "   (no part of the version)" };
        out.line(format!("  {} {text}{remark}", clause.name))?;
    }
    section(out, "reads", !shown.inputs.is_empty())?;
    for input in &shown.inputs {
        out.line(format!("  {} = {}", input.written, input.pinned.as_ref().map(pinned::titled).unwrap_or_default()))?;
    }
    print_columns(out, "takes", &shown.request)?;
    print_columns(out, "gives", &shown.columns)?;
    if let Some(snapshot) = &shown.snapshot {
        print_snapshot(out, &pinned.name, snapshot)?;
    }
    if let Some(set) = &shown.training_set {
        print_training_set(out, set)?;
    }
    section(out, "online", shown.online.is_some() || shown.upkeep.is_some())?;
    if let Some(online) = &shown.online {
        out.line(format!("  {} as of {}", counted(online.rows, "key"), moment(online.at)))?;
        if online.copied > 0 {
            out.line(format!("  read from memory: {}", counted(online.copied, "byte")))?;
        }
    }
    if let Some(upkeep) = &shown.upkeep {
        out.line(format!("  it {}", upkeep::text(upkeep)))?;
    }
    Ok(())
}

fn section(out: &mut Out, name: &str, any: bool) -> Result<()> {
    if any { out.painted(Paint::Bold, name) } else { Ok(()) }
}

fn print_columns(out: &mut Out, name: &str, columns: &[Column]) -> Result<()> {
    section(out, name, !columns.is_empty())?;
    columns.iter().try_for_each(|column| out.line(format!("  {}", pinned::column_text(column))))
}

fn print_snapshot(out: &mut Out, dataset: &str, snapshot: &Snapshot) -> Result<()> {
    section(out, "data", true)?;
    let rows = counted(snapshot.rows, "row");
    out.line(format!("  snapshot {dataset}@{}: {rows}, committed {}", snapshot.number, moment(snapshot.committed)))?;
    out.line(format!("  run {}", snapshot.run))?;
    out.line(format!("  {} in {}", size(&snapshot.files), snapshot.location))
}

fn print_training_set(out: &mut Out, set: &BuiltTrainingSet) -> Result<()> {
    section(out, "built", true)?;
    let (rows, created) = (counted(set.rows, "row"), moment(set.created));
    out.line(format!("  {}@{}: {rows}, {} columns, {created}", set.name, set.number, set.columns.len()))?;
    out.line(format!("  content {}", set.content))?;
    out.line(format!("  digest {}", set.digest))?;
    let snapshots: Vec<_> = set.snapshots.iter().map(|(dataset, number)| format!("{dataset}@{number}")).collect();
    out.line(format!("  from {}, {}", snapshots.join(", "), as_known(&set.known_at)))?;
    out.line(format!("  run {}, {}", set.run, size(&set.files)))
}

/// By when a row must have been known to be among the features.
fn as_known(known_at: &str) -> String {
    match known_at {
        "" => "as known at each row's own time".to_owned(),
        "now" => "as known when it was built".to_owned(),
        moment => format!("as known at {moment}"),
    }
}

fn size(files: &[DataFile]) -> String {
    format!("{}, {}", counted(files.len() as u64, "file"), counted(files.iter().map(|f| f.bytes).sum(), "byte"))
}

fn document(shown: &ShowResponse) -> Value {
    let clauses = shown.clauses.iter().map(|c| json!({ "clause": c.name, "text": c.text, "counts": c.counts }));
    let inputs = shown.inputs.iter();
    let inputs = inputs.map(|i| json!({ "written": i.written, "definition": pinned::json_option(i.pinned.as_ref()) }));
    json!({
        "definition": pinned::json_option(shown.pinned.as_ref()),
        "versions": shown.versions,
        "created": moment(shown.created),
        "clauses": clauses.collect::<Vec<_>>(),
        "inputs": inputs.collect::<Vec<_>>(),
        "columns": columns_json(&shown.columns),
        "request": columns_json(&shown.request),
        "snapshot": shown.snapshot.as_ref().map(snapshot_json),
        "training_set": shown.training_set.as_ref().map(manifest_json),
        "online": shown.online.as_ref().map(|o| json!({ "at": moment(o.at), "rows": o.rows, "copied": o.copied })),
        "upkeep": shown.upkeep.as_ref().map(upkeep::json),
        "deprecated": deprecate::json(shown.deprecated.as_ref()),
        "warnings": warnings::json(&shown.warnings),
        "approvals": shown.approvals.iter().map(approval_json).collect::<Vec<_>>(),
    })
}

fn columns_json(columns: &[Column]) -> Value {
    columns.iter().map(pinned::column_json).collect()
}

fn files_json(files: &[DataFile]) -> Value {
    files.iter().map(|file| json!({ "path": file.path, "bytes": file.bytes })).collect()
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    json!({
        "number": snapshot.number,
        "rows": snapshot.rows,
        "columns": columns_json(&snapshot.columns),
        "committed": moment(snapshot.committed),
        "run": snapshot.run,
        "location": snapshot.location,
        "files": files_json(&snapshot.files),
    })
}

/// A training set's manifest.
pub(crate) fn manifest_json(set: &BuiltTrainingSet) -> Value {
    json!({
        "name": set.name,
        "number": set.number,
        "definition": pinned::json_option(set.definition.as_ref()),
        "service": pinned::json_option(set.service.as_ref()),
        "snapshots": set.snapshots,
        "columns": columns_json(&set.columns),
        "rows": set.rows,
        "content": set.content,
        "digest": set.digest,
        "known_at": set.known_at,
        "run": set.run,
        "created": moment(set.created),
        "engine": set.engine,
        "spine": set.spine,
        "files": files_json(&set.files),
    })
}
