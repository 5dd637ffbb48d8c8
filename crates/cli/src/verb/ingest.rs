//! `asof ingest`: files become one snapshot of a dataset.

use std::collections::BTreeSet;

use asof_proto::jobs::v1::{IngestHeader, IngestResult};
use clap::ValueEnum;
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::pinned;
use crate::progress;
use crate::rows::Style;
use crate::upload::{Sources, upload};
use crate::verb::Answer;

/// Add the rows of files to a dataset as one snapshot, or nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The dataset.
    dataset: String,
    /// Paths, globs and URLs; plain, gzip or zip. Local files are uploaded to a --server.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// What the files are; by default told by name, then by content.
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// A text that means null in CSV, besides the empty one; may be repeated.
    #[arg(long, value_name = "TEXT")]
    null: Vec<String>,
    /// A column that the files lack, the same for all rows; may be repeated.
    #[arg(long, value_name = "COL=VALUE", value_parser = column_value)]
    set: Vec<(String, String)>,
    /// How to print what came of it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

/// What files can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// With a header.
    Csv,
    /// One object per line.
    Json,
    /// Parquet.
    Parquet,
    /// Arrow IPC.
    Arrow,
}

fn column_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_owned(), value.to_owned())),
        _ => Err("write it as COL=VALUE".to_owned()),
    }
}

impl Args {
    /// Hands the files over, follows the work and prints what came of it.
    ///
    /// # Errors
    /// `no_such_file` and `local_file` on this side; those of reading the files, and then nothing is ingested.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let mut columns = BTreeSet::new();
        if let Some((column, _)) = self.set.iter().find(|(column, _)| !columns.insert(column)) {
            return Err(Failure::usage(format!("--set {column} is given twice"), "give each column once"));
        }
        let sources = Sources::sort(&self.files, global.server().is_some())?;
        let connection = Connection::open(global, "ingest").await?;
        let format = self.format.and_then(|f| f.to_possible_value());
        let header = IngestHeader {
            scope: connection.scope(),
            dataset: self.dataset.clone(),
            sources: sources.seen,
            format: format.map(|f| f.get_name().to_owned()).unwrap_or_default(),
            nulls: self.null,
            set: self.set.into_iter().collect(),
        };
        let (upload, messages) = upload(header, sources.uploads);
        let mut jobs = connection.jobs();
        let call = async { progress::follow(jobs.ingest(messages).await?.into_inner()).await };
        let answer = tokio::select! {
            // A file that cannot be read is told rather than the call that waits for it.
            biased;
            failure = upload.run() => Err(failure),
            answer = call => answer,
        }?;
        match self.output {
            Style::Json => out.json(&document(&answer))?,
            Style::Table => print(out, &self.dataset, &answer)?,
        }
        Ok(Answer::Done)
    }
}

fn print(out: &mut Out, dataset: &str, answer: &IngestResult) -> Result<()> {
    for file in &answer.skipped {
        out.line(format!("skipped {}: its content had been ingested before", file.url))?;
    }
    for column in &answer.added_columns {
        out.line(format!("added the column {}", pinned::column_text(column)))?;
    }
    if answer.lost_precision > 0 {
        out.line(format!("{} rows had times finer than a microsecond, which were floored", answer.lost_precision))?;
    }
    match answer.snapshot {
        Some(number) => out.line(format!(
            "ingested {} into {dataset}@{number}: {} (run {})",
            counted(answer.files, "file"),
            counted(answer.rows, "row"),
            answer.run
        )),
        None => out.line(format!("nothing new for {dataset} (run {})", answer.run)),
    }
}

fn document(answer: &IngestResult) -> serde_json::Value {
    let skipped = answer.skipped.iter().map(|file| json!({ "url": file.url, "digest": file.digest }));
    json!({
        "run": answer.run,
        "snapshot": answer.snapshot,
        "rows": answer.rows,
        "files": answer.files,
        "skipped": skipped.collect::<Vec<_>>(),
        "lost_precision": answer.lost_precision,
        "added_columns": answer.added_columns.iter().map(pinned::column_json).collect::<Vec<_>>(),
    })
}
