//! What commits added to a table, and whether that is all they did.

use asof_model::{Result, RunId, SnapshotNumber};
use deltalake::kernel::Action;

use super::{PUSH_TRANSACTION, Table};

/// What one commit did to the files of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The snapshot it made.
    pub number: SnapshotNumber,
    /// The paths of the files it added.
    pub files: Vec<String>,
    /// Whether their rows came as pushes.
    pub pushed: bool,
    /// Whether it took files away, too.
    pub removed: bool,
    /// Whether it changed no row: its files hold the rows of those that it took away.
    pub compacted: bool,
}

impl Table {
    /// What every commit behind the first number up to the second added, in order; none where one of them is not in the log.
    pub(crate) async fn added(&self, behind: SnapshotNumber, to: SnapshotNumber) -> Result<Option<Vec<Added>>> {
        let mut all = Vec::new();
        for number in (behind.0 + 1..=to.0).map(SnapshotNumber) {
            let Some(actions) = self.actions_of(number).await? else { return Ok(None) };
            let mut added = Added { number, files: Vec::new(), pushed: false, removed: false, compacted: false };
            for action in actions {
                match action {
                    Action::Add(add) => added.files.push(add.path),
                    Action::Remove(remove) => {
                        added.removed = true;
                        added.compacted |= !remove.data_change;
                    }
                    Action::Txn(transaction) if transaction.app_id == PUSH_TRANSACTION => added.pushed = true,
                    _ => {}
                }
            }
            all.push(added);
        }
        Ok(Some(all))
    }

    /// The run that made a snapshot; none where another writer did, or the snapshot is not in the log.
    pub(crate) async fn made_by(&self, number: SnapshotNumber) -> Result<Option<RunId>> {
        Ok(self.commit_info(number).await?.and_then(|commit| commit.run))
    }
}
