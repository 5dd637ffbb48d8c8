//! One try of an ingest, on top of the newest snapshot as it is now.

use std::path::Path;

use asof_model::{Digest, Result};

use super::meter::Meter;
use super::pipeline::{self, Plan, Tally};
use super::refusal::Refusal;
use super::source::{self, Piece, Source};
use super::survey::FileColumns;
use super::{Ingest, Ingested, IngestedFile, SkippedFile, read, shape};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::ongoing::to_its_end;
use crate::parts::{Parts, Unclaimed, Written};
use crate::snapshot::DataFile;
use crate::stage::drain;
use crate::store::Store;
use crate::table::{Append, Landed, State, physical};

pub(super) struct Attempt<'a> {
    pub(super) store: &'a Store,
    pub(super) request: &'a Ingest,
    pub(super) sources: &'a [Source],
    pub(super) scratch: &'a Path,
    pub(super) meter: &'a Meter,
    /// From 1.
    pub(super) number: u32,
}

impl Attempt<'_> {
    /// None where another process committed first.
    pub(super) async fn run(&self) -> Result<Option<Ingested>> {
        let request = self.request;
        let table = self.store.table(&request.project, &request.definition.name);
        let base = table.state(None).await?;
        let (fresh, skipped) = self.divide(base.as_ref()).await?;
        if fresh.is_empty() {
            return Ok(Some(Ingested::Unchanged { skipped }));
        }
        let plan = self.plan(base.as_ref(), &fresh).await?;
        let (columns, added_columns) = (plan.shape.columns.clone(), plan.shape.added.clone());
        let (data, unclaimed, tally) = self.write(&table.folder, plan).await?;
        let names = || data.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        fresh.iter().try_for_each(|index| self.sources[*index].check_unchanged())?;
        let files: Vec<_> = fresh.iter().map(|index| self.ingested(*index, &tally)).collect();
        let append = Append {
            run: request.run,
            attempt: self.number,
            now: request.now,
            columns,
            data: data.clone(),
            sources: files.clone(),
            // Pushes may have landed that were accepted after this began.
            last_seq: tally.last_seq.max(last_seq(base.as_ref()).await?),
            pushed: None,
        };
        // From here on a commit may refer to the files, also where nobody hears of it.
        unclaimed.keep();
        let dataset = self.store.table(&request.project, &request.definition.name);
        let committed = async move { dataset.append(base.as_ref(), &append).await };
        match to_its_end(self.store.ongoing(), committed).await? {
            Landed::As(number) => {
                let rows = data.iter().map(|file| file.rows).sum();
                let lost_precision = tally.floored;
                Ok(Some(Ingested::Committed { number, rows, files, skipped, lost_precision, added_columns }))
            }
            // Numbers were given to our rows that now belong to others: nothing of this may be used.
            Landed::Overtaken => {
                table.folder.remove_quietly(names()).await;
                Ok(None)
            }
        }
    }

    /// Which sources are new, and which were let in before.
    async fn divide(&self, base: Option<&State>) -> Result<(Vec<usize>, Vec<SkippedFile>)> {
        let (mut fresh, mut skipped) = (Vec::new(), Vec::new());
        for (index, source) in self.sources.iter().enumerate() {
            let skip = |since| SkippedFile { url: source.url.clone(), digest: source.digest, since };
            let twice = |digest: &Digest| fresh.iter().any(|index: &usize| self.sources[*index].digest == *digest);
            if twice(&source.digest) {
                skipped.push(skip(None));
                continue;
            }
            match base {
                Some(state) => match state.seen(&source.digest).await? {
                    Some(since) => skipped.push(skip(Some(since))),
                    None => fresh.push(index),
                },
                None => fresh.push(index),
            }
        }
        Ok((fresh, skipped))
    }

    async fn plan(&self, base: Option<&State>, fresh: &[usize]) -> Result<Plan> {
        let request = self.request;
        let mut pieces = Vec::new();
        for index in fresh {
            let source = &self.sources[*index];
            pieces.extend(source::unpack(source, *index, request.options.format, self.scratch).await?);
        }
        let kept = base.map(State::columns).transpose()?;
        let last_seq = last_seq(base).await?;
        let last_seq = request.numbers.as_ref().map_or(last_seq, |numbers| numbers.begin(last_seq));
        let (definition, null) = (request.definition.clone(), request.options.null.clone());
        let set = request.options.set.clone();
        let (pieces, shape) = tokio::task::spawn_blocking(move || -> Result<_> {
            let mut surveyed: Vec<(Piece, FileColumns)> = Vec::new();
            for piece in pieces {
                let mut columns = read::survey(&piece, &null, false)?;
                if shape::needs_types(&definition, kept.as_ref(), &columns) {
                    columns = read::survey(&piece, &null, true)?;
                }
                surveyed.push((piece, columns));
            }
            let columns: Vec<_> = surveyed.iter().map(|(_, columns)| columns.clone()).collect();
            let shape = shape::decide(&definition, kept.as_ref(), &columns, &set)?;
            let inferred = kept.is_none() && definition.columns.is_none();
            if inferred && columns.iter().all(|c| c.rows == Some(0)) {
                let files = columns.iter().map(|c| c.file.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Refusal::NothingToInfer { files }.into());
            }
            Ok((surveyed, shape))
        })
        .await
        .map_err(Failure::from)??;
        Ok(Plan {
            definition: request.definition.clone(),
            shape,
            pieces,
            null: request.options.null.clone(),
            set: request.options.set.clone(),
            last_seq,
            memory_limit: request.memory_limit,
            scratch: self.scratch.to_owned(),
        })
    }

    /// Writes the sorted rows as data files of the dataset, durably.
    async fn write(&self, folder: &Folder, plan: Plan) -> Result<(Vec<DataFile>, Unclaimed, Tally)> {
        let schema = physical(&plan.shape.columns);
        let target = folder.local().unwrap_or(self.scratch);
        // The run makes the names unique, so nothing is ever overwritten.
        let prefix = format!("part-{}-{}", self.request.run, self.number);
        let mut parts = Parts::new(target, prefix, schema, None);
        let (rows, reading) = pipeline::start(plan, self.meter)?;
        let meter = self.meter.clone();
        let written = drain(rows, self.store.ongoing().begin(), move |next| {
            let mut began = false;
            while let Some(batch) = next()? {
                // A sort gives its first row when it has seen the last.
                if !std::mem::replace(&mut began, true) {
                    meter.start_over_all("writing");
                }
                parts.write(&batch)?;
                meter.add(batch.num_rows() as u64);
            }
            parts.finish(false)
        })
        .await;
        // The reader's own error is the cause of any other.
        let tally = reading.await.map_err(Failure::from)?;
        match (tally, written) {
            (Ok(tally), Ok(Written { files: data, unclaimed, .. })) => {
                for file in data.iter().filter(|_| folder.local().is_none()) {
                    folder.upload(&target.join(&file.path), &file.path).await?;
                }
                Ok((data, unclaimed, tally))
            }
            (Err(error), Ok(_)) | (_, Err(error)) => Err(error),
        }
    }

    fn ingested(&self, index: usize, tally: &Tally) -> IngestedFile {
        let source = &self.sources[index];
        let rows = tally.rows.get(&index).copied().unwrap_or_default();
        IngestedFile { url: source.url.clone(), digest: source.digest, bytes: source.bytes, rows }
    }
}

/// The last number in the table.
async fn last_seq(base: Option<&State>) -> Result<i64> {
    match base {
        Some(state) => state.last_seq().await,
        None => Ok(0),
    }
}
