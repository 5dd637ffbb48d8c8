//! One snapshot of a dataset: immutable, readable, verifiable.

mod provider;

use std::sync::Arc;

use asof_model::digest::Hasher;
use asof_model::{Columns, Digest, Micros, Result, RunId, SnapshotNumber};
use datafusion::catalog::TableProvider;

use crate::folder::Folder;
use crate::progress::Progress;
pub(crate) use provider::FilesTable;

/// One snapshot of a dataset. Cheap to clone but for the list of files.
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
    pub(crate) folder: Folder,
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
    /// Filters on columns skip row groups and pages; the rows come in no order. Columns that were added after a file
    /// was written are null in its rows.
    ///
    /// # Errors
    /// None today; a store that needs more to be read may have some.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        let schema = crate::table::physical(&self.columns);
        Ok(Arc::new(FilesTable::new(self.folder.clone(), schema, self.files.clone())))
    }

    /// The digest of what is in it: of its files' digests, whatever they are called. The same wherever the files are copied to.
    pub fn content(&self) -> Digest {
        let mut files: Vec<_> = self.files.iter().map(|file| file.digest).collect();
        files.sort_unstable();
        let mut hasher = Hasher::new("asof.snapshot.v1");
        files.iter().for_each(|digest| {
            hasher.part(digest.as_bytes());
        });
        hasher.finish()
    }

    /// The same columns, of some of its files.
    #[must_use]
    pub fn of_files(&self, wanted: impl Fn(&str) -> bool) -> Snapshot {
        let files: Vec<_> = self.files.iter().filter(|file| wanted(&file.path)).cloned().collect();
        Snapshot { rows: files.iter().map(|file| file.rows).sum(), files, ..self.clone() }
    }

    /// This one with some files of a later snapshot of the same dataset, and its columns.
    #[must_use]
    pub fn and(mut self, later: &Snapshot) -> Snapshot {
        self.columns.clone_from(&later.columns);
        self.rows += later.rows;
        self.files.extend(later.files.iter().cloned());
        self
    }

    /// Reads every data file and compares it with its digest.
    ///
    /// # Errors
    /// `corrupt_file` naming the first file that is missing or not what was written.
    pub async fn verify_files(&self, progress: &dyn Progress) -> Result<()> {
        let (mut done, total) = (0, self.files.iter().map(|file| file.bytes).sum());
        for file in &self.files {
            progress.advance("checking", done, Some(total));
            self.folder.verify(file).await?;
            done += file.bytes;
        }
        Ok(())
    }
}
