//! `ingest`: files become one snapshot of a dataset, or nothing changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::run::{Item, RunId, Verb};
use asof_model::{Column, Definition, Error, ErrorKind, Kind, Reference, Result, SnapshotNumber};
use asof_offline::{Ingest, Ingested, Progress, ReadOptions, SkippedFile};

use asof_online::Journal;

use crate::{Engine, Scope};

/// What to ingest, and how to read it.
#[derive(Clone, Debug)]
pub struct IngestRequest {
    /// The dataset; without a selector (a definition is chosen by the environment).
    pub dataset: Reference,
    /// Paths, URLs and globs.
    pub sources: Vec<String>,
    /// Of sources that are copies, by their text among the sources: what the files are called where they came from.
    pub called: BTreeMap<String, String>,
    /// How to read them.
    pub options: ReadOptions,
}

/// What was ingested.
#[derive(Clone, Debug)]
pub struct IngestReport {
    /// The run.
    pub run: RunId,
    /// The new snapshot; none if every file had been ingested before.
    pub snapshot: Option<SnapshotNumber>,
    /// Rows added.
    pub rows: u64,
    /// Files added.
    pub files: u64,
    /// Files whose content had been ingested before.
    pub skipped: Vec<SkippedFile>,
    /// Rows whose time was finer than a microsecond and was floored.
    pub lost_precision: u64,
    /// Columns that the dataset did not have before.
    pub added_columns: Vec<Column>,
}

impl Engine {
    /// Ingests files into a dataset as one snapshot.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, and those of reading the files; nothing is committed then.
    pub async fn ingest(
        &self,
        scope: &Scope,
        request: IngestRequest,
        progress: Arc<dyn Progress>,
    ) -> Result<IngestReport> {
        if let Some(selector) = &request.dataset.selector {
            let message = format!("`{}@{selector}`: data cannot be added to a past snapshot", request.dataset.name);
            return Err(Error::new(ErrorKind::Invalid, "immutable_snapshot", message)
                .remedy(format!("ingest into the dataset: asof ingest {} FILE…", request.dataset.name)));
        }
        let (project, environment) = (&scope.project, &scope.environment);
        let registered = self.catalog().resolve(project, environment, &request.dataset, Some(Kind::Dataset)).await?;
        let Definition::Dataset(dataset) = registered.definition else {
            return Err(Error::internal("a dataset was asked for"));
        };
        let mut record = self.start(project, Verb::Ingest, vec![Item::Definition(registered.pinned.clone())]).await?;
        let numbers =
            self.pusher().sequences.ingest(Journal { project: project.clone(), dataset: dataset.name.clone() });
        let ingest = Ingest {
            project: project.clone(),
            definition: dataset,
            sources: request.sources,
            called: request.called,
            options: request.options,
            run: record.id(),
            now: self.clock().now(),
            memory_limit: self.workshop().limits().memory / 2,
            numbers: Some(numbers.clone()),
        };
        let store = self.offline().working_on(record.work());
        let work = async move { store.ingest(ingest, progress.as_ref()).await };
        let result = self.workshop().run_as(record.work(), work).await.map(|ingested| {
            let mut report = IngestReport {
                run: record.id(),
                snapshot: None,
                rows: 0,
                files: 0,
                skipped: Vec::new(),
                lost_precision: 0,
                added_columns: Vec::new(),
            };
            match ingested {
                Ingested::Committed { number, rows, files, skipped, lost_precision, added_columns } => {
                    report = IngestReport {
                        snapshot: Some(number),
                        rows,
                        files: files.len() as u64,
                        skipped,
                        lost_precision,
                        added_columns,
                        ..report
                    };
                    for file in files {
                        record.read(Item::File { url: file.url, digest: file.digest, bytes: file.bytes });
                    }
                    record.made(Item::Snapshot { dataset: registered.pinned.name.clone(), number });
                    record.note("rows", rows);
                    if lost_precision > 0 {
                        record.note("lost_precision", lost_precision);
                    }
                }
                Ingested::Unchanged { skipped } => {
                    record.note("unchanged", "every file had been ingested before");
                    report.skipped = skipped;
                }
            }
            report
        });
        // First nobody uses what was known of the dataset before, then the numbers that were not used are free again.
        self.pusher().entrances.forget();
        drop(numbers);
        self.finish(record, result).await
    }
}
