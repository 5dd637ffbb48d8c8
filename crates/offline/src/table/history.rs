//! What each commit of a dataset says about itself.

use asof_model::{Error, ErrorKind, Micros, Result, RunId, SnapshotNumber};
use deltalake::kernel::Action;
use serde::{Deserialize, Serialize};

use super::{SEQ_TRANSACTION, Table};
use crate::failure::Failure;
use crate::ingest::IngestedFile;

/// Where `commitInfo` holds what is ours.
pub(super) const KEY: &str = "asof";

/// What an ingest writes into `commitInfo`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Info {
    pub(super) run: RunId,
    pub(super) attempt: u32,
    pub(super) time: Micros,
    pub(super) rows: u64,
    pub(super) files: Vec<IngestedFile>,
}

impl Info {
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("numbers, texts and lists of them are JSON")
    }
}

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
    /// The last number given to a row by then, in the order of acceptance; none where another writer did it.
    pub last_seq: Option<i64>,
    pub(super) attempt: u32,
}

impl Table {
    /// All commits, oldest first.
    pub(crate) async fn commits(&self) -> Result<Vec<Commit>> {
        let mut commits = Vec::new();
        if !self.log.is_delta_table_location().await.map_err(Failure::from)? {
            return Ok(commits);
        }
        let newest = self.log.get_latest_version(0).await.map_err(Failure::from)?;
        for version in 0..=newest {
            commits.extend(self.commit_info(SnapshotNumber(version)).await?);
        }
        Ok(commits)
    }

    /// What the commit of that number says; none where there is none.
    pub(super) async fn commit_info(&self, number: SnapshotNumber) -> Result<Option<Commit>> {
        let Some(actions) = self.actions_of(number).await? else { return Ok(None) };
        let (mut found, mut last_seq) = (None, None);
        for action in actions {
            match action {
                Action::CommitInfo(info) => found = Some(info),
                Action::Txn(transaction) if transaction.app_id == SEQ_TRANSACTION => {
                    last_seq = Some(transaction.version);
                }
                _ => {}
            }
        }
        let mut info = found.unwrap_or_default();
        let millis = info.timestamp.unwrap_or_default();
        let ours: Option<Info> = info.info.remove(KEY).and_then(|ours| serde_json::from_value(ours).ok());
        Ok(Some(match ours {
            Some(ours) => Commit {
                number,
                run: Some(ours.run),
                time: ours.time,
                files: ours.files,
                rows: ours.rows,
                last_seq,
                attempt: ours.attempt,
            },
            None => {
                let time = Micros(millis.saturating_mul(1000));
                Commit { number, run: None, time, files: Vec::new(), rows: 0, last_seq, attempt: 0 }
            }
        }))
    }

    /// What the commit of that number did; none where there is none.
    pub(super) async fn actions_of(&self, number: SnapshotNumber) -> Result<Option<Vec<Action>>> {
        let Some(bytes) = self.log.read_commit_entry(number.0).await.map_err(Failure::from)? else {
            return Ok(None);
        };
        let damaged = || {
            let message = format!("dataset `{}`: commit {number} of its Delta log cannot be read", self.dataset);
            Error::new(ErrorKind::Corrupt, "corrupt_log", message).remedy("restore the folder from a backup")
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| serde_json::from_str(line).map_err(|_| damaged())).collect::<Result<_>>().map(Some)
    }
}
