//! Compaction: small files of a dataset become large ones, with the same rows.
//!
//! Promises: one compaction is one commit that changes no row and no `_seq`, so a tie that the order of acceptance decides is decided
//! as before. Snapshots of before keep their files, until nothing needs them. The log says of both sides that no data changed.
//!
//! Costs: the rows of one new file in memory at a time, as they come out of at most [`BYTES`] on disk.
//!
//! Deliberately not here: files that are large already are not sorted anew into one another.

use std::sync::Arc;

use arrow::compute::concat_batches;
use asof_model::definition::Dataset;
use asof_model::{Error, ErrorKind, Micros, Name, Result, RunId, SnapshotNumber};
use futures::TryStreamExt as _;

use crate::failure::Failure;
use crate::layout::ROWS_PER_FILE;
use crate::ongoing::to_its_end;
use crate::parts::{Parts, Unclaimed, Written};
use crate::progress::Progress;
use crate::push::sorted;
use crate::snapshot::{DataFile, FilesTable, Snapshot};
use crate::store::Store;
use crate::table::{Landed, Replace, Table, physical};

/// A file with fewer rows, and fewer bytes, is small.
const SMALL_ROWS: u64 = ROWS_PER_FILE as u64 / 2;
const SMALL_BYTES: u64 = 32 << 20;
/// Bytes of small files that become one.
const BYTES: u64 = 64 << 20;
/// How often it is tried again because another process committed first.
const ATTEMPTS: u32 = 3;

/// What to compact.
#[derive(Clone, Debug)]
pub struct Compact {
    /// The project of the dataset.
    pub project: Name,
    /// The dataset as declared.
    pub definition: Dataset,
    /// The run that does it; unique to this call.
    pub run: RunId,
    /// The moment of the commit.
    pub now: Micros,
}

/// What was compacted, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The snapshot before.
    pub from: SnapshotNumber,
    /// The one with the same rows in fewer files; none where it was only asked.
    pub to: Option<SnapshotNumber>,
    /// How many files take part.
    pub files_before: u64,
    /// How many they become; 0 where it was only asked.
    pub files_after: u64,
    /// The rows in them.
    pub rows: u64,
}

impl Store {
    /// What a compaction of a dataset would do; none where it has no small files to join.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn compactable(&self, project: &Name, dataset: &Name) -> Result<Option<Compaction>> {
        let Some(snapshot) = self.snapshot(project, dataset, None).await? else { return Ok(None) };
        let groups = groups(&snapshot);
        Ok((!groups.is_empty()).then(|| compaction(&snapshot, &groups)))
    }

    /// Joins the small files of a dataset's newest snapshot into large ones, as one commit; none where there are none.
    ///
    /// # Errors
    /// `concurrent_ingest` when other processes kept committing first; `storage_full`, and those of the table. Nothing is changed
    /// then.
    pub async fn compact(&self, request: &Compact, progress: &dyn Progress) -> Result<Option<Compaction>> {
        let dataset = &request.definition.name;
        let _turn = self.turn(&request.project, dataset).await;
        let table = self.table(&request.project, dataset);
        for attempt in 1..=ATTEMPTS {
            let Some(base) = table.state(None).await? else { return Ok(None) };
            let snapshot = base.snapshot().await?;
            let groups = groups(&snapshot);
            if groups.is_empty() {
                return Ok(None);
            }
            let mut compaction = compaction(&snapshot, &groups);
            let (mut data, mut unclaimed, mut done) = (Vec::new(), Vec::new(), 0);
            for (index, group) in groups.iter().enumerate() {
                progress.advance("compacting", done, Some(compaction.rows));
                let prefix = format!("part-{}-{attempt}-{index:05}", request.run);
                let (files, mine) = self.join(&table, request, &snapshot, group, prefix).await?;
                done += group.iter().map(|file| file.rows).sum::<u64>();
                data.extend(files);
                unclaimed.push(mine);
            }
            progress.advance("compacting", done, Some(compaction.rows));
            let names: Vec<_> = data.iter().map(|file| file.path.clone()).collect();
            compaction.files_after = data.len() as u64;
            let (run, now) = (request.run, request.now);
            let replace = Replace { run, attempt, now, data, instead: groups.into_iter().flatten().collect() };
            // From here on a commit may refer to the files, also where nobody hears of it.
            unclaimed.into_iter().for_each(Unclaimed::keep);
            let whole = self.table(&request.project, dataset);
            match to_its_end(self.ongoing(), async move { whole.replace(&base, &replace).await }).await? {
                Landed::As(number) => return Ok(Some(Compaction { to: Some(number), ..compaction })),
                Landed::Overtaken => table.folder.remove_quietly(names).await,
            }
        }
        let message = format!("dataset `{dataset}`: others kept committing first");
        Err(Error::new(ErrorKind::Unavailable, "concurrent_ingest", message).remedy("try again when they are done"))
    }

    /// Writes the rows of some files, sorted as an ingest sorts them.
    async fn join(
        &self,
        table: &Table,
        request: &Compact,
        snapshot: &Snapshot,
        group: &[DataFile],
        prefix: String,
    ) -> Result<(Vec<DataFile>, Unclaimed)> {
        for file in group {
            // What is damaged must not get a digest of its own.
            table.folder.verify(file).await?;
        }
        let schema = physical(&snapshot.columns);
        let rows = FilesTable::new(table.folder.clone(), Arc::clone(&schema), group.to_vec()).in_order();
        let batches: Vec<_> = rows.map_err(Failure::from)?.try_collect().await.map_err(Failure::from)?;
        let scratch = self.scratch("compact-")?;
        let target = table.folder.local().unwrap_or(scratch.path()).to_owned();
        let (definition, guard) = (request.definition.clone(), self.ongoing().begin());
        let writing = tokio::task::spawn_blocking(move || {
            let _guard = guard;
            let rows = concat_batches(&schema, &batches).map_err(Failure::from)?;
            drop(batches);
            let mut parts = Parts::new(&target, prefix, schema, None);
            parts.write(&sorted(&definition, rows)?)?;
            parts.finish(false)
        });
        let Written { files, unclaimed, .. } = writing.await.map_err(Failure::from)??;
        for file in files.iter().filter(|_| table.folder.local().is_none()) {
            table.folder.upload(&scratch.path().join(&file.path), &file.path).await?;
        }
        Ok((files, unclaimed))
    }
}

/// Small files that become one each, at least two together.
fn groups(snapshot: &Snapshot) -> Vec<Vec<DataFile>> {
    let (mut groups, mut group, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
    for file in snapshot.files.iter().filter(|file| file.rows < SMALL_ROWS && file.bytes < SMALL_BYTES) {
        if rows + file.rows > ROWS_PER_FILE as u64 || bytes + file.bytes > BYTES {
            groups.push(std::mem::take(&mut group));
            (rows, bytes) = (0, 0);
        }
        (rows, bytes) = (rows + file.rows, bytes + file.bytes);
        group.push(file.clone());
    }
    groups.push(group);
    groups.retain(|group| group.len() > 1);
    groups
}

fn compaction(snapshot: &Snapshot, groups: &[Vec<DataFile>]) -> Compaction {
    let files = groups.iter().flatten();
    Compaction {
        from: snapshot.number,
        to: None,
        files_before: files.clone().count() as u64,
        files_after: 0,
        rows: files.map(|file| file.rows).sum(),
    }
}
