//! One ingest, one commit.

use std::collections::HashMap;

use asof_model::{Columns, Error, ErrorKind, Micros, Result, RunId, SnapshotNumber};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake::kernel::{Action, Add, CommitInfo, MetadataExt as _, Protocol, Transaction, new_metadata};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaResult, DeltaTableError};

use super::{DIGEST_TAG, FILE_TRANSACTION, PUSH_TRANSACTION, SEQ_TRANSACTION, State, Table, columns, history};
use crate::failure::Failure;
use crate::ingest::IngestedFile;
use crate::snapshot::DataFile;

/// What one ingest appends to a table. The data files are on disk already.
pub(crate) struct Append {
    pub(crate) run: RunId,
    /// Which try of the run this is: with the run it tells this commit from all others.
    pub(crate) attempt: u32,
    pub(crate) now: Micros,
    /// The visible columns from now on.
    pub(crate) columns: Columns,
    pub(crate) data: Vec<DataFile>,
    pub(crate) sources: Vec<IngestedFile>,
    pub(crate) last_seq: i64,
    /// Up to which number pushes have landed with this; none where it brings no pushes.
    pub(crate) pushed: Option<i64>,
}

/// What became of a commit.
pub(crate) enum Landed {
    /// It is there, for ever.
    As(SnapshotNumber),
    /// Another writer was first; nothing of ours is in the log.
    Overtaken,
}

impl Table {
    /// Commits on top of `base` (none: creates the table).
    ///
    /// An error of the store may hide a success (its reply was lost, or a retry met its own first try), so
    /// whatever is reported, the log is asked whether this very attempt is in it.
    pub(crate) async fn append(&self, base: Option<&State>, append: &Append) -> Result<Landed> {
        let version = base.map_or(0, |state| state.number().0 + 1);
        let committed = self.commit(base, append, version).await;
        let Err(error) = committed else { return Ok(Landed::As(SnapshotNumber(version))) };
        let there = self.commit_info(SnapshotNumber(version)).await?;
        match there {
            Some(there) if there.run == Some(append.run) && there.attempt == append.attempt => {
                Ok(Landed::As(SnapshotNumber(version)))
            }
            Some(_) => Ok(Landed::Overtaken),
            None if overtaken(&error) => Ok(Landed::Overtaken),
            None => Err(Failure::from(error).into()),
        }
    }

    async fn commit(&self, base: Option<&State>, append: &Append, version: u64) -> DeltaResult<()> {
        let actions = self.actions(base, append).map_err(|e| DeltaTableError::GenericError { source: Box::new(e) })?;
        let log_version = i64::try_from(version).unwrap_or(i64::MAX);
        let mut transactions = vec![Transaction::new(SEQ_TRANSACTION, append.last_seq)];
        for source in &append.sources {
            transactions.push(Transaction::new(format!("{FILE_TRANSACTION}{}", source.digest.hex()), log_version));
        }
        transactions.extend(append.pushed.map(|last| Transaction::new(PUSH_TRANSACTION, last)));
        // Conflicts are not for the library to resolve: a retry must number its rows anew.
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_max_retries(0)
            .with_create_checkpoint(true)
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        let reference = base.map(|state| &state.inner as &dyn TableReference);
        let prepared = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(reference, self.log.clone(), operation)
            .into_prepared_commit_future()
            .await?;
        let landed = prepared.await?;
        // From here on it has happened. A checkpoint only makes the next load quicker.
        if let Err(error) = landed.await {
            tracing::warn!(dataset = %self.dataset, version, %error, "no checkpoint could be written");
        }
        Ok(())
    }

    fn actions(&self, base: Option<&State>, append: &Append) -> Result<Vec<Action>> {
        let mut actions = vec![Action::CommitInfo(self.info(base, append))];
        let schema = columns::delta(&append.columns)?;
        match base {
            None => {
                actions.push(Action::Protocol(protocol()?));
                let settings = [("delta.enableExpiredLogCleanup", "false"), ("delta.checkpointInterval", "10")];
                let metadata = new_metadata(&schema, Vec::<String>::new(), settings).map_err(kernel)?;
                actions.push(Action::Metadata(metadata.with_name(self.dataset.to_string()).map_err(kernel)?));
            }
            Some(state) if state.columns()? != append.columns => {
                let metadata = state.inner.metadata().clone();
                actions.push(Action::Metadata(metadata.with_schema(&schema).map_err(kernel)?));
            }
            Some(_) => {}
        }
        for file in &append.data {
            let tag = (DIGEST_TAG.to_owned(), Some(file.digest.to_string()));
            actions.push(Action::Add(Add {
                path: file.path.clone(),
                partition_values: HashMap::new(),
                size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
                modification_time: append.now.0.div_euclid(1000),
                data_change: true,
                stats: Some(format!(r#"{{"numRecords":{}}}"#, file.rows)),
                tags: Some(HashMap::from([tag])),
                deletion_vector: None,
                base_row_id: None,
                default_row_commit_version: None,
                clustering_provider: None,
            }));
        }
        Ok(actions)
    }

    fn info(&self, base: Option<&State>, append: &Append) -> CommitInfo {
        let ours = history::Info {
            run: append.run,
            attempt: append.attempt,
            time: append.now,
            rows: append.data.iter().map(|f| f.rows).sum(),
            files: append.sources.clone(),
        };
        CommitInfo {
            timestamp: Some(append.now.0.div_euclid(1000)),
            operation: Some("WRITE".to_owned()),
            operation_parameters: Some(HashMap::from([("mode".to_owned(), "Append".into())])),
            read_version: base.map(|state| state.number().0),
            is_blind_append: Some(true),
            engine_info: Some(concat!("asof/", env!("CARGO_PKG_VERSION")).to_owned()),
            info: HashMap::from([(history::KEY.to_owned(), ours.to_json())]),
            ..CommitInfo::default()
        }
    }
}

/// Readers of version 1 and writers of version 2: what every Delta reader knows.
fn protocol() -> Result<Protocol> {
    let protocol = serde_json::json!({ "minReaderVersion": 1, "minWriterVersion": 2 });
    serde_json::from_value(protocol).map_err(|e| Error::new(ErrorKind::Internal, "internal", e.to_string()))
}

fn kernel(error: impl Into<DeltaTableError>) -> Failure {
    Failure::Delta(error.into())
}

fn overtaken(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => matches!(
            source,
            TransactionError::VersionAlreadyExists(_)
                | TransactionError::MaxCommitAttempts(_)
                | TransactionError::CommitConflict(_)
        ),
        _ => false,
    }
}
