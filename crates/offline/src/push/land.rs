//! Rows that were let in, committed to the table.

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use asof_model::definition::Dataset;
use asof_model::{Column, Columns, Error, ErrorKind, Micros, Name, Result, RunId, SnapshotNumber};

use crate::SEQ;
use crate::failure::Failure;
use crate::ongoing::to_its_end;
use crate::parts::{Parts, Written};
use crate::store::Store;
use crate::table::{Append, Landed, State, physical};

/// Rows to be committed.
#[derive(Clone, Debug)]
pub struct Land {
    /// The project of the dataset.
    pub project: Name,
    /// The dataset as declared.
    pub definition: Dataset,
    /// As [`Gate::admit`](super::Gate::admit) gave them, with [`SEQ`](crate::SEQ) behind.
    pub rows: Vec<RecordBatch>,
    /// The run that does it; unique to this call.
    pub run: RunId,
    /// The moment of the commit.
    pub now: Micros,
}

/// What became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// They are a new snapshot.
    Committed {
        /// Its number.
        number: SnapshotNumber,
        /// Rows added.
        rows: u64,
    },
    /// All of them had landed before.
    Unchanged,
}

/// How often it is tried again because another process committed first.
const ATTEMPTS: u32 = 5;

impl Store {
    /// Up to which number pushes have landed in a dataset's table.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn landed(&self, project: &Name, dataset: &Name) -> Result<i64> {
        match self.table(project, dataset).state(None).await? {
            Some(state) => state.pushed().await,
            None => Ok(0),
        }
    }

    /// Up to which number pushes are in a snapshot of a dataset.
    ///
    /// # Errors
    /// `unknown_snapshot`, and those of reading the log.
    pub async fn landed_in(&self, project: &Name, dataset: &Name, number: SnapshotNumber) -> Result<i64> {
        match self.table(project, dataset).state(Some(number)).await? {
            Some(state) => state.pushed().await,
            None => Ok(0),
        }
    }

    /// Commits rows that were pushed as one snapshot, unless they have landed before. Those of a push that landed are
    /// left out by their number, so a call that is repeated after a crash adds nothing twice.
    ///
    /// # Errors
    /// `storage_full`, and those of the table.
    pub async fn land(&self, request: Land) -> Result<Landing> {
        let dataset = &request.definition.name;
        let _turn = self.turn(&request.project, dataset).await;
        let table = self.table(&request.project, dataset);
        for attempt in 1..=ATTEMPTS {
            let base = table.state(None).await?;
            let (landed, last) = match &base {
                Some(state) => (state.pushed().await?, state.last_seq().await?),
                None => (0, 0),
            };
            let columns = columns(base.as_ref(), &request.rows)?;
            let schema = physical(&columns);
            let Some(rows) = gathered(&request, &schema, landed)? else { return Ok(Landing::Unchanged) };
            let pushed = rows.column(schema.fields().len() - 1).as_primitive::<Int64Type>().iter().flatten().max();
            let pushed = pushed.unwrap_or(landed);
            let rows = sorted(&request.definition, rows)?;
            let scratch = self.scratch("push-")?;
            let target = table.folder.local().unwrap_or(scratch.path()).to_owned();
            let prefix = format!("part-{}-{attempt}", request.run);
            let writing = tokio::task::spawn_blocking(move || {
                let mut parts = Parts::new(&target, prefix, schema, None);
                parts.write(&rows)?;
                parts.finish(false)
            });
            let Written { files: data, unclaimed, .. } = writing.await.map_err(Failure::from)??;
            for file in data.iter().filter(|_| table.folder.local().is_none()) {
                table.folder.upload(&scratch.path().join(&file.path), &file.path).await?;
            }
            let rows = data.iter().map(|file| file.rows).sum();
            let names: Vec<_> = data.iter().map(|file| file.path.clone()).collect();
            let append = Append {
                run: request.run,
                attempt,
                now: request.now,
                columns,
                data,
                sources: Vec::new(),
                last_seq: last.max(pushed),
                pushed: Some(pushed),
            };
            // From here on a commit may refer to the files, also where nobody hears of it.
            unclaimed.keep();
            let whole = self.table(&request.project, dataset);
            match to_its_end(self.ongoing(), async move { whole.append(base.as_ref(), &append).await }).await? {
                Landed::As(number) => return Ok(Landing::Committed { number, rows }),
                Landed::Overtaken => table.folder.remove_quietly(names).await,
            }
        }
        let message = format!("dataset `{dataset}`: others kept committing first");
        Err(Error::new(ErrorKind::Unavailable, "concurrent_ingest", message).remedy("try again when they are done"))
    }
}

/// The columns of the table from now on: its own, then those that rows have besides.
fn columns(base: Option<&State>, rows: &[RecordBatch]) -> Result<Columns> {
    let mut columns = base.map(State::columns).transpose()?.unwrap_or_default();
    for field in rows.iter().flat_map(|rows| rows.schema_ref().fields().iter()).filter(|field| field.name() != SEQ) {
        if columns.get(field.name()).is_none() {
            let (name, data_type) = (field.name().clone(), field.data_type().clone());
            columns.0.push(Column { name, data_type, nullable: base.is_some() || field.is_nullable() });
        }
    }
    Ok(columns)
}

/// All rows behind those that have landed, in the table's columns; none where there are none.
fn gathered(request: &Land, schema: &SchemaRef, landed: i64) -> Result<Option<RecordBatch>> {
    let batches = request.rows.iter().map(|rows| {
        let columns = schema.fields().iter().map(|field| match rows.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            // The table got the column after the row was let in.
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
            Some(column) => {
                let reason = format!("`{}` was let in as {}", field.name(), column.data_type());
                Err(Error::internal(format!("pushed rows of `{}`: {reason}", request.definition.name)))
            }
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        RecordBatch::try_new(schema.clone(), columns).map_err(|e| Failure::from(e).into())
    });
    let all = concat_batches(schema, &batches.collect::<Result<Vec<_>>>()?).map_err(Failure::from)?;
    let numbers = all.column(schema.fields().len() - 1).as_primitive::<Int64Type>();
    let fresh: UInt32Array =
        (0..all.num_rows() as u32).filter(|row| numbers.value(*row as usize) > landed).collect::<Vec<_>>().into();
    let rows = take_record_batch(&all, &fresh).map_err(Failure::from)?;
    Ok((rows.num_rows() > 0).then_some(rows))
}

/// As an ingest sorts them: by cluster columns, timestamp, number.
pub(crate) fn sorted(definition: &Dataset, rows: RecordBatch) -> Result<RecordBatch> {
    let by = definition.clustering().chain([&definition.timestamp]).map(String::as_str).chain([SEQ]);
    let columns = by.filter_map(|name| rows.column_by_name(name)).map(|values| SortColumn {
        values: values.clone(),
        options: Some(SortOptions { descending: false, nulls_first: true }),
    });
    let order = lexsort_to_indices(&columns.collect::<Vec<_>>(), None).map_err(Failure::from)?;
    Ok(take_record_batch(&rows, &order).map_err(Failure::from)?)
}
