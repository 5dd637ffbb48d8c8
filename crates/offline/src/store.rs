//! The root of everything offline.

use asof_model::{Micros, Name, Result, RunId, SnapshotNumber};

use crate::ingest::IngestedFile;
use crate::snapshot::Snapshot;

/// All datasets and training sets under one root URL. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

/// One commit of a dataset, as its Delta log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The snapshot it made.
    pub number: SnapshotNumber,
    /// The run that made it; none where another writer of Delta tables did.
    pub run: Option<RunId>,
    /// When.
    pub time: Micros,
    /// The files it let in.
    pub files: Vec<IngestedFile>,
    /// The rows it added.
    pub rows: u64,
}

impl Store {
    /// Opens the store at a path, a `file:` URL or an object-store URL (`s3://`, `gs://`, `az://`; credentials from
    /// the environment). Creates the folder of a local one.
    ///
    /// # Errors
    /// `invalid_url` and failures of the file system.
    pub async fn open(url: &str) -> Result<Self> {
        let _ = url;
        Err(asof_model::Error::internal("not built yet"))
    }

    /// A snapshot of a dataset: the newest, or the one of that number. None where nothing was ingested yet.
    ///
    /// # Errors
    /// `unknown_snapshot` naming those that there are.
    pub async fn snapshot(
        &self,
        project: &Name,
        dataset: &Name,
        number: Option<SnapshotNumber>,
    ) -> Result<Option<Snapshot>> {
        let _ = (project, dataset, number);
        Err(asof_model::Error::internal("not built yet"))
    }

    /// Every commit of a dataset, oldest first; empty where nothing was ingested yet.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn commits(&self, project: &Name, dataset: &Name) -> Result<Vec<Commit>> {
        let _ = (project, dataset);
        Err(asof_model::Error::internal("not built yet"))
    }
}
