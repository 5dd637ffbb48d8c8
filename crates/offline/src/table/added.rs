//! What commits added to a table, and whether that is all they did.

use std::ops::RangeInclusive;

use asof_model::{Result, RunId, SnapshotNumber};
use deltalake::kernel::Action;

use super::{PUSH_TRANSACTION, SEQ_TRANSACTION, Table};

/// What one commit did to the files of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The snapshot it made.
    pub number: SnapshotNumber,
    /// The paths of the files it added.
    pub files: Vec<String>,
    /// Whether their rows came as pushes.
    pub pushed: bool,
    /// Up to which number pushes have landed with it; none where its rows did not come as pushes.
    pub landed: Option<i64>,
    /// The last number given to a row by then, in the order of acceptance; none where the commit gave none.
    pub accepted: Option<i64>,
    /// Whether it took files away, too.
    pub removed: bool,
    /// Whether it changed no row: its files hold the rows of those that it took away.
    pub compacted: bool,
}

impl Table {
    /// What every commit behind the first number up to the second added, in order; none where one of them is not in the log.
    pub(crate) async fn added(&self, behind: SnapshotNumber, to: SnapshotNumber) -> Result<Option<Vec<Added>>> {
        self.added_in(behind.0 + 1..=to.0).await
    }

    /// What every commit up to the newest added, in order, so that each is found under its number; none where one of them is not
    /// in the log, or nothing is.
    pub(crate) async fn added_ever(&self) -> Result<Option<Vec<Added>>> {
        match self.newest().await? {
            Some(newest) => self.added_in(0..=newest.0).await,
            None => Ok(None),
        }
    }

    async fn added_in(&self, numbers: RangeInclusive<u64>) -> Result<Option<Vec<Added>>> {
        let mut all = Vec::new();
        for number in numbers.map(SnapshotNumber) {
            let Some(actions) = self.actions_of(number).await? else { return Ok(None) };
            let mut added = Added {
                number,
                files: Vec::new(),
                pushed: false,
                landed: None,
                accepted: None,
                removed: false,
                compacted: false,
            };
            for action in actions {
                match action {
                    Action::Add(add) => added.files.push(add.path),
                    Action::Remove(remove) => {
                        added.removed = true;
                        added.compacted |= !remove.data_change;
                    }
                    Action::Txn(transaction) if transaction.app_id == PUSH_TRANSACTION => {
                        added.pushed = true;
                        added.landed = Some(transaction.version);
                    }
                    Action::Txn(transaction) if transaction.app_id == SEQ_TRANSACTION => {
                        added.accepted = Some(transaction.version);
                    }
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
