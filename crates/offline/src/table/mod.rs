//! A dataset as a Delta table: what its log says, and what is appended to it.
//!
//! The log is the one truth. Besides data files it holds, in the same commits and so never out of step:
//! application transactions `asof-seq` (the last [`SEQ`](crate::SEQ) given) and `asof-file:<sha256>` (a source file
//! that was let in, with the version that did), and the run and the list of files in `commitInfo`.
//!
//! Log files are never cleaned up (`delta.enableExpiredLogCleanup = false`): every snapshot stays readable.

mod added;
mod columns;
mod commit;
mod gone;
mod history;
mod lives;

use std::fmt::Display;

use asof_model::{Columns, Digest, Error, ErrorKind, Micros, Name, Result, SnapshotNumber};
use deltalake::kernel::EagerSnapshot;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};

use crate::failure::Failure;
use crate::folder::Folder;
use crate::snapshot::{DataFile, Snapshot};

pub use added::Added;
pub(crate) use columns::physical;
pub(crate) use commit::{Append, Landed, Replace};
pub(crate) use gone::Gone;
pub use history::Commit;

/// The application transaction that holds the last sequence number given.
const SEQ_TRANSACTION: &str = "asof-seq";
/// The application transaction that holds up to which number pushes have landed.
const PUSH_TRANSACTION: &str = "asof-push";
/// Application transactions that hold the source files let in.
const FILE_TRANSACTION: &str = "asof-file:";
/// The tag of an `add` action that holds the digest of the file.
const DIGEST_TAG: &str = "asof.digest";

/// The Delta table of one dataset, there or not yet.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) folder: Folder,
    dataset: Name,
    log: LogStoreRef,
}

/// A version of the table, loaded.
pub(crate) struct State {
    table: Table,
    inner: EagerSnapshot,
}

impl Table {
    pub(crate) fn new(folder: Folder, dataset: Name) -> Self {
        let (store, _) = folder.store();
        let log = default_logstore(folder.rooted(), store.clone(), folder.url(), &StorageConfig::default());
        Table { folder, dataset, log }
    }

    /// The newest version, or the one of that number; none where the table is not there.
    pub(crate) async fn state(&self, number: Option<SnapshotNumber>) -> Result<Option<State>> {
        if !self.log.is_delta_table_location().await.map_err(Failure::from)? {
            return match number {
                None => Ok(None),
                Some(number) => Err(self.unknown(number, None)),
            };
        }
        if let Some(number) = number {
            let newest = self.log.get_latest_version(0).await.map_err(Failure::from)?;
            if number.0 > newest {
                return Err(self.unknown(number, Some(newest)));
            }
            self.is_not_gone(number).await?;
        }
        let inner = EagerSnapshot::try_new(self.log.as_ref(), number.map(|n| n.0)).await.map_err(Failure::from)?;
        let reader = serde_json::to_value(inner.protocol()).unwrap_or_default()["minReaderVersion"].as_u64();
        if reader != Some(1) {
            return Err(self.foreign("another writer changed the protocol of its Delta table"));
        }
        Ok(Some(State { table: self.clone(), inner }))
    }

    /// The number of the newest version; none where the table is not there.
    pub(crate) async fn newest(&self) -> Result<Option<SnapshotNumber>> {
        if !self.log.is_delta_table_location().await.map_err(Failure::from)? {
            return Ok(None);
        }
        Ok(Some(SnapshotNumber(self.log.get_latest_version(0).await.map_err(Failure::from)?)))
    }

    /// The snapshot of that number, or the newest; none where nothing was ingested yet.
    pub(crate) async fn snapshot(&self, number: Option<SnapshotNumber>) -> Result<Option<Snapshot>> {
        match self.state(number).await? {
            Some(state) => Ok(Some(state.snapshot().await?)),
            None => Ok(None),
        }
    }

    fn unknown(&self, number: SnapshotNumber, newest: Option<u64>) -> Error {
        let there = match newest {
            None => "nothing was ingested yet".to_owned(),
            Some(0) => "there is only snapshot 0".to_owned(),
            Some(newest) => format!("there are snapshots 0 to {newest}"),
        };
        let message = format!("dataset `{}` has no snapshot {number}: {there}", self.dataset);
        Error::new(ErrorKind::NotFound, "unknown_snapshot", message)
    }

    /// What only another writer can have done.
    fn foreign(&self, what: impl Display) -> Error {
        Error::new(ErrorKind::Corrupt, "foreign_table", format!("dataset `{}`: {what}", self.dataset))
            .remedy("restore its folder from a backup; only Asof may write to the tables of its store")
    }
}

impl State {
    pub(crate) fn number(&self) -> SnapshotNumber {
        SnapshotNumber(self.inner.version())
    }

    /// The visible columns.
    pub(crate) fn columns(&self) -> Result<Columns> {
        columns::visible(&self.inner.arrow_schema())
    }

    /// The last sequence number given.
    pub(crate) async fn last_seq(&self) -> Result<i64> {
        let last = self.transaction(SEQ_TRANSACTION).await?;
        last.ok_or_else(|| self.table.foreign("its Delta log holds no sequence number"))
    }

    /// Up to which number pushes have landed.
    pub(crate) async fn pushed(&self) -> Result<i64> {
        Ok(self.transaction(PUSH_TRANSACTION).await?.unwrap_or(0))
    }

    /// The snapshot that let in a source file of this content.
    pub(crate) async fn seen(&self, digest: &Digest) -> Result<Option<SnapshotNumber>> {
        let version = self.transaction(&format!("{FILE_TRANSACTION}{}", digest.hex())).await?;
        Ok(version.map(|v| SnapshotNumber(v.unsigned_abs())))
    }

    async fn transaction(&self, id: &str) -> Result<Option<i64>> {
        Ok(self.inner.transaction_version(self.table.log.as_ref(), id).await.map_err(Failure::from)?)
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        let files = self.files()?;
        let commit = self.table.commit_info(self.number()).await?;
        Ok(Snapshot {
            number: self.number(),
            columns: self.columns()?,
            rows: files.iter().map(|f| f.rows).sum(),
            committed: commit.as_ref().map_or(Micros(0), |c| c.time),
            run: commit.and_then(|c| c.run),
            files,
            folder: self.table.folder.clone(),
        })
    }

    /// Its data files, in the order of their paths.
    fn files(&self) -> Result<Vec<DataFile>> {
        let log = self.inner.try_log_data().map_err(Failure::from)?;
        let mut files = Vec::with_capacity(log.num_files());
        for view in log.iter() {
            let path = view.path().into_owned();
            #[expect(deprecated, reason = "nothing else gives the tags of an add action")]
            let tags = view.add_action().tags.unwrap_or_default();
            let digest = tags.get(DIGEST_TAG).cloned().flatten().and_then(|text| text.parse().ok());
            let (Some(digest), Some(rows), Ok(bytes)) = (digest, view.num_records(), u64::try_from(view.size())) else {
                return Err(self.table.foreign(format!("Asof did not write its data file {path}")));
            };
            files.push(DataFile { path, bytes, rows: rows as u64, digest });
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}
