//! One snapshot of a dataset: immutable, readable, verifiable.

use std::sync::Arc;

use asof_model::{Columns, Digest, Micros, Result, RunId, SnapshotNumber};
use datafusion::catalog::TableProvider;

/// One snapshot of a dataset.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its number: the version of the Delta table.
    pub number: SnapshotNumber,
    /// Its visible columns.
    pub columns: Columns,
    /// Its rows.
    pub rows: u64,
    /// When it was committed.
    pub committed: Micros,
    /// The run that committed it; none where another writer of Delta tables did.
    pub run: Option<RunId>,
    /// Its data files.
    pub files: Vec<DataFile>,
}

/// A Parquet file that Asof wrote.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DataFile {
    /// Its path in the folder of the dataset or training set.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

impl Snapshot {
    /// A table of the visible columns and, last, [`crate::SEQ`].
    ///
    /// # Errors
    /// None today; a store that needs more to be read may have some.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        Err(asof_model::Error::internal("not built yet"))
    }

    /// Reads every data file and compares it with its digest.
    ///
    /// # Errors
    /// `corrupt_file` naming the first file that is missing or not what was written.
    pub async fn verify_files(&self) -> Result<()> {
        Err(asof_model::Error::internal("not built yet"))
    }
}
