//! Snapshots whose files were removed: told, for ever, by files beside the table's log.
//!
//! Each removal writes one file, before the first data file goes, and none is ever changed. So a snapshot that lacks a file is
//! known to, also where the removal was killed half-way. Not in the log itself: its versions are numbers of snapshots, and a
//! removal makes none.

use asof_model::{Error, ErrorKind, Micros, Result, RunId, SnapshotNumber};
use serde::{Deserialize, Serialize};

use super::Table;
use crate::folder::Folder;

/// The folder, which readers of Delta tables pass over.
const FOLDER: &str = "_gone";

/// What one removal took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Gone {
    /// The run that removed it.
    pub(crate) run: RunId,
    /// When.
    pub(crate) at: Micros,
    /// First and last of each row of snapshots.
    pub(crate) snapshots: Vec<(u64, u64)>,
}

impl Gone {
    /// What takes these snapshots, which are in order.
    pub(crate) fn new(run: RunId, at: Micros, numbers: &[SnapshotNumber]) -> Self {
        let rows = numbers.chunk_by(|a, b| a.0 + 1 == b.0);
        let snapshots = rows.filter_map(|row| Some((row.first()?.0, row.last()?.0)));
        Gone { run, at, snapshots: snapshots.collect() }
    }

    pub(crate) fn has(&self, number: SnapshotNumber) -> bool {
        self.snapshots.iter().any(|(first, last)| (*first..=*last).contains(&number.0))
    }
}

impl Table {
    fn gone_folder(&self) -> Folder {
        self.folder.join(FOLDER)
    }

    /// All that was removed.
    pub(crate) async fn gone(&self) -> Result<Vec<Gone>> {
        let folder = self.gone_folder();
        let mut all = Vec::new();
        for name in folder.list().await?.1 {
            let bytes = folder.read(&name).await?.unwrap_or_default();
            all.push(serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!("dataset `{}`: {FOLDER}/{name} cannot be read: {error}", self.dataset);
                Error::new(ErrorKind::Corrupt, "corrupt_log", message).remedy("restore the folder from a backup")
            })?);
        }
        Ok(all)
    }

    /// Says that these snapshots are gone, durably.
    pub(crate) async fn mark_gone(&self, gone: &Gone) -> Result<()> {
        let text = serde_json::to_vec_pretty(gone).map_err(Error::internal)?;
        self.gone_folder().create(&format!("{}.json", gone.run), text).await?;
        Ok(())
    }

    /// # Errors
    /// `snapshot_gone`, with when and by which run.
    pub(crate) async fn is_not_gone(&self, number: SnapshotNumber) -> Result<()> {
        let Some(gone) = self.gone().await?.into_iter().find(|gone| gone.has(number)) else { return Ok(()) };
        let message = format!(
            "snapshot {number} of dataset `{}` is gone: nothing needed it, and asof gc removed files of it at {} (run {})",
            self.dataset, gone.at, gone.run
        );
        Err(Error::new(ErrorKind::NotFound, "snapshot_gone", message)
            .remedy("ask for a newer one, or restore the dataset's folder from a backup of before"))
    }
}
