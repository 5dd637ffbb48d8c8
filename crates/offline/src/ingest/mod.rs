//! Files become one snapshot of a dataset, or nothing changes.

mod attempt;
mod checks;
mod convert;
mod fit;
mod infer;
mod meter;
mod pipeline;
mod read;
mod refusal;
pub(crate) mod shape;
mod source;
mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::definition::Dataset;
use asof_model::{Column, Digest, Error, ErrorKind, Micros, Name, Result, RunId, SnapshotNumber};

use self::attempt::Attempt;
pub(crate) use self::checks::Checks;
pub(crate) use self::fit::Fit;
pub(crate) use self::meter::Meter;
pub(crate) use self::read::Raw;
pub(crate) use self::shape::Shape;
pub(crate) use self::survey::FileColumns;
use crate::progress::Progress;
use crate::push::Numbers;
use crate::store::Store;

/// What to ingest.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// The project of the dataset.
    pub project: Name,
    /// The dataset as declared.
    pub definition: Dataset,
    /// Paths, URLs and globs, read in this order; the files of a glob in the order of their names.
    pub sources: Vec<String>,
    /// Of sources that are copies, by their text among the sources: what the files are called where they came from. So
    /// they are called in messages and in the record.
    pub called: BTreeMap<String, String>,
    /// How to read them.
    pub options: ReadOptions,
    /// The run that does it; unique to this call.
    pub run: RunId,
    /// The moment of the commit.
    pub now: Micros,
    /// Memory for sorting, in bytes; what needs more spills to disk.
    pub memory_limit: usize,
    /// Who gives out the numbers of rows; none where nobody pushes to the dataset.
    pub numbers: Option<Arc<dyn Numbers>>,
}

/// How to read files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format of all files; none means by their names, then by their first bytes.
    pub format: Option<Format>,
    /// Unquoted texts that mean null in CSV, besides the empty one.
    pub null: Vec<String>,
    /// Columns that the files lack, each with the one value, as text, that all rows have.
    pub set: BTreeMap<String, String>,
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line (tab-separated where the name ends in `.tsv`).
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// Arrow IPC, as a file or a stream.
    ArrowIpc,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// A new snapshot.
    Committed {
        /// Its number.
        number: SnapshotNumber,
        /// Rows added.
        rows: u64,
        /// Files added.
        files: Vec<IngestedFile>,
        /// Files whose content was there already.
        skipped: Vec<SkippedFile>,
        /// Rows with a time finer than a microsecond, which was floored.
        lost_precision: u64,
        /// Columns that the dataset did not have before; on the first ingest none.
        added_columns: Vec<Column>,
    },
    /// Every file's content was there already: nothing changed.
    Unchanged {
        /// The files.
        skipped: Vec<SkippedFile>,
    },
}

/// A file that was let in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IngestedFile {
    /// Where it was read from, without credentials and query.
    pub url: String,
    /// SHA-256 of its bytes, as they are (compressed if they are).
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
}

/// A file whose content was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// Where it was.
    pub url: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The snapshot that brought that content; none where another file of the same call did.
    pub since: Option<SnapshotNumber>,
}

/// How often an ingest is done again because another process committed first.
const ATTEMPTS: u32 = 3;

impl Store {
    /// Ingests files into a dataset as one snapshot.
    ///
    /// Tasks of this process that ingest into the same dataset take turns. Where another process commits first, the
    /// work is done again on top of its commit, a few times.
    ///
    /// # Errors
    /// Those of finding, reading and converting the files (each names file, row, column and value), of `CHECK`
    /// conditions, and `concurrent_ingest` when other processes kept committing first. Nothing is committed then.
    pub async fn ingest(&self, request: Ingest, progress: &dyn Progress) -> Result<Ingested> {
        let meter = Meter::default();
        let work = async {
            let scratch = self.scratch("ingest-")?;
            let sources = source::gather(&request.sources, &request.called, scratch.path(), &meter).await?;
            let _turn = self.turn(&request.project, &request.definition.name).await;
            for number in 1..=ATTEMPTS {
                let attempt = Attempt {
                    store: self,
                    request: &request,
                    sources: &sources,
                    scratch: scratch.path(),
                    meter: &meter,
                    number,
                };
                if let Some(ingested) = attempt.run().await? {
                    return Ok(ingested);
                }
            }
            let message = format!("dataset `{}`: others kept committing first", request.definition.name);
            Err(Error::new(ErrorKind::Unavailable, "concurrent_ingest", message).remedy("try again when they are done"))
        };
        meter.report(progress, work).await
    }
}
