//! One ingest, one commit; and one compaction, one.

use std::collections::HashMap;

use asof_model::{Columns, Error, ErrorKind, Micros, Result, RunId, SnapshotNumber};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake::kernel::{Action, Add, CommitInfo, MetadataExt as _, Protocol, Remove, Transaction, new_metadata};
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

/// Data files that take the place of others with the same rows. They are on disk already.
pub(crate) struct Replace {
    pub(crate) run: RunId,
    pub(crate) attempt: u32,
    pub(crate) now: Micros,
    pub(crate) data: Vec<DataFile>,
    pub(crate) instead: Vec<DataFile>,
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
        self.landed(committed, version, append.run, append.attempt).await
    }

    /// Commits files in the place of others on top of `base`; what is reported is as with [`Table::append`].
    pub(crate) async fn replace(&self, base: &State, replace: &Replace) -> Result<Landed> {
        let version = base.number().0 + 1;
        let committed = self.commit_replacement(base, replace, version).await;
        self.landed(committed, version, replace.run, replace.attempt).await
    }

    async fn landed(&self, committed: DeltaResult<()>, version: u64, run: RunId, attempt: u32) -> Result<Landed> {
        let Err(error) = committed else { return Ok(Landed::As(SnapshotNumber(version))) };
        let there = self.commit_info(SnapshotNumber(version)).await?;
        match there {
            Some(there) if there.run == Some(run) && there.attempt == attempt => {
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
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        self.write_log(base, actions, transactions, operation, version).await
    }

    async fn commit_replacement(&self, base: &State, replace: &Replace, version: u64) -> DeltaResult<()> {
        let millis = replace.now.0.div_euclid(1000);
        let ours =
            history::Info { run: replace.run, attempt: replace.attempt, time: replace.now, rows: 0, files: Vec::new() };
        let info = CommitInfo {
            timestamp: Some(millis),
            operation: Some("OPTIMIZE".to_owned()),
            read_version: Some(base.number().0),
            is_blind_append: Some(false),
            engine_info: Some(concat!("asof/", env!("CARGO_PKG_VERSION")).to_owned()),
            info: HashMap::from([(history::KEY.to_owned(), ours.to_json())]),
            ..CommitInfo::default()
        };
        let removes = replace.instead.iter().map(|file| {
            Action::Remove(Remove {
                path: file.path.clone(),
                data_change: false,
                deletion_timestamp: Some(millis),
                extended_file_metadata: Some(true),
                partition_values: Some(HashMap::new()),
                size: Some(i64::try_from(file.bytes).unwrap_or(i64::MAX)),
                ..Remove::default()
            })
        });
        let adds = replace.data.iter().map(|file| Action::Add(add(file, replace.now, false)));
        let actions = std::iter::once(Action::CommitInfo(info)).chain(removes).chain(adds).collect();
        let operation = DeltaOperation::Optimize { predicate: None, target_size: 0 };
        self.write_log(Some(base), actions, Vec::new(), operation, version).await
    }

    async fn write_log(
        &self,
        base: Option<&State>,
        actions: Vec<Action>,
        transactions: Vec<Transaction>,
        operation: DeltaOperation,
        version: u64,
    ) -> DeltaResult<()> {
        // Conflicts are not for the library to resolve: a retry must number its rows anew.
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_max_retries(0)
            .with_create_checkpoint(true)
            .with_cleanup_expired_logs(Some(false));
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
            actions.push(Action::Add(add(file, append.now, true)));
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

fn add(file: &DataFile, now: Micros, data_change: bool) -> Add {
    let tag = (DIGEST_TAG.to_owned(), Some(file.digest.to_string()));
    Add {
        path: file.path.clone(),
        partition_values: HashMap::new(),
        size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        modification_time: now.0.div_euclid(1000),
        data_change,
        stats: Some(format!(r#"{{"numRecords":{}}}"#, file.rows)),
        tags: Some(HashMap::from([tag])),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
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
