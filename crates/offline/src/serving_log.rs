//! What was served, as a Delta table of its project: `<store>/serving_log/<project>/`, open to any Delta reader.
//!
//! Promises: rows that were appended are one commit, on disk when the call returns, there whole or not at all; they get
//! [`SEQ`](crate::SEQ), the order in which they were appended.
//!
//! Costs: one file and one entry of the log for each call, and the reading of the log since its last checkpoint.
//!
//! Deliberately not here: what the rows say is the caller's. Nothing is ever compacted or removed.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use asof_model::{Columns, Error, ErrorKind, Micros, Name, Result, RunId};

use crate::failure::Failure;
use crate::parts::{Parts, Written};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::table::{Append, Landed, physical};

/// How often it is tried again because another process committed first.
const ATTEMPTS: u32 = 5;

impl Store {
    /// Everything that was logged of a project, in the order of its files; none where nothing was.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn serving_log(&self, project: &Name) -> Result<Option<Snapshot>> {
        self.serving_log_table(project)?.snapshot(None).await
    }

    /// Appends rows to it. `attempt` is unique to this call, and tells its commit from others.
    ///
    /// # Errors
    /// `storage_full`, `concurrent_ingest`, and those of the table. Nothing is changed then.
    pub async fn append_to_serving_log(
        &self,
        project: &Name,
        rows: &RecordBatch,
        attempt: RunId,
        now: Micros,
    ) -> Result<()> {
        let table = self.serving_log_table(project)?;
        let columns = Columns::from_arrow(&rows.schema())?;
        let schema = physical(&columns);
        for number in 1..=ATTEMPTS {
            let base = table.state(None).await?;
            let last = match &base {
                Some(state) => state.last_seq().await?,
                None => 0,
            };
            let end = last + i64::try_from(rows.num_rows()).map_err(Error::internal)?;
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(last + 1..=end));
            let arrays = rows.columns().iter().cloned().chain([numbers]).collect();
            let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(Failure::from)?;
            let scratch = self.scratch("serving-log-")?;
            let target = table.folder.local().unwrap_or(scratch.path()).to_owned();
            let prefix = format!("part-{attempt}-{number}");
            let (of_file, guard) = (Arc::clone(&schema), self.ongoing().begin());
            let writing = tokio::task::spawn_blocking(move || {
                let _guard = guard;
                let mut parts = Parts::new(&target, prefix, of_file, None);
                parts.write(&batch)?;
                parts.finish(false)
            });
            let Written { files: data, unclaimed, .. } = writing.await.map_err(Failure::from)??;
            for file in data.iter().filter(|_| table.folder.local().is_none()) {
                table.folder.upload(&scratch.path().join(&file.path), &file.path).await?;
            }
            let names: Vec<_> = data.iter().map(|file| file.path.clone()).collect();
            let append = Append {
                run: attempt,
                attempt: number,
                now,
                columns: columns.clone(),
                data,
                sources: Vec::new(),
                last_seq: end,
                pushed: None,
            };
            // From here on a commit may refer to the files, also where nobody hears of it.
            unclaimed.keep();
            match table.append(base.as_ref(), &append).await? {
                Landed::As(_) => return Ok(()),
                Landed::Overtaken => table.folder.remove_quietly(names).await,
            }
        }
        let message = format!("the serving log of `{project}`: others kept committing first");
        Err(Error::new(ErrorKind::Unavailable, "concurrent_ingest", message).remedy("try again when they are done"))
    }
}
