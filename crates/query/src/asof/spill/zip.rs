//! The output: the spine as it was written, beside what was found for each row in its part.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::deal::{hashes, parts_of_spine};
use super::parts::{Joined, Rows};
use super::sizes::available;
use super::spool::{READING, Spooled};
use crate::asof::error::Error;
use crate::asof::keys::compared;
use crate::asof::stream::{KeyColumns, Run};

/// Everything that is being read.
struct Zip {
    spine: SendableRecordBatchStream,
    sets: Vec<Results>,
    /// The number of the next spine row.
    first: u64,
    _reservation: MemoryReservation,
}

/// What one set of views found.
struct Results {
    keys: KeyColumns,
    parts: Vec<Rows>,
}

/// One batch of the output before it is put together: the spine's, and for each set where each row comes from.
struct Loose {
    spine: RecordBatch,
    sets: Vec<Scattered>,
}

/// Rows in order, each somewhere among some batches: by the number of the batch and its own there.
struct Scattered {
    batches: Vec<RecordBatch>,
    rows: Vec<(usize, usize)>,
}

/// Streams the output.
pub(super) fn zip(
    run: Arc<Run>,
    spine: &Spooled,
    sets: Vec<Joined>,
    baseline: BaselineMetrics,
) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + use<>, Error> {
    let files = 1 + sets.iter().map(|set| set.parts.len()).sum::<usize>();
    let reservation = run.reservation("open files");
    reservation.try_grow((files * READING).min(available(&run.context) / 2))?;
    // For each view its set, and which columns of that are its own.
    let mut places = vec![(0, 0..0); run.views.len()];
    for (number, set) in sets.iter().enumerate() {
        let mut first = 0;
        for view in &set.views {
            let columns = first..first + run.fields_of(*view).len();
            first = columns.end;
            places[*view] = (number, columns);
        }
    }
    let mut results = Vec::with_capacity(sets.len());
    for set in sets {
        let parts = set.parts.iter().map(|part| Ok(Rows::new(part.read()?))).collect::<Result<_, Error>>()?;
        results.push(Results { keys: set.keys, parts });
    }
    let zip = Zip { spine: spine.read()?, sets: results, first: 0, _reservation: reservation };
    let loose =
        stream::try_unfold(zip, |mut zip| async move { Ok::<_, Error>(zip.next().await?.map(|loose| (loose, zip))) });
    let partitions = run.context.session_config().target_partitions().max(1);
    let (schema, places) = (Arc::clone(&run.schema), Arc::new(places));
    let batches = loose.map_ok(move |loose| {
        let (schema, places, baseline) = (Arc::clone(&schema), Arc::clone(&places), baseline.clone());
        let task = SpawnedTask::spawn(async move {
            let timer = baseline.elapsed_compute().timer();
            let mut columns = loose.spine.columns().to_vec();
            let sets: Vec<RecordBatch> = loose.sets.iter().map(Scattered::together).collect::<Result<_, Error>>()?;
            for (set, range) in places.iter() {
                columns.extend_from_slice(&sets[*set].columns()[range.clone()]);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(loose.spine.num_rows()));
            let joined = RecordBatch::try_new_with_options(schema, columns, &options).map_err(DataFusionError::from)?;
            timer.done();
            baseline.record_output(joined.num_rows());
            Ok::<_, Error>(joined)
        });
        async move { task.await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e))) }
    });
    // In their order, whoever is done first.
    let batches = batches.map_err(DataFusionError::from).try_buffered(partitions);
    Ok(batches.map(|done| Ok(done??)))
}

impl Scattered {
    fn together(&self) -> Result<RecordBatch, Error> {
        let batches: Vec<_> = self.batches.iter().collect();
        Ok(interleave_record_batch(&batches, &self.rows).map_err(DataFusionError::from)?)
    }
}

impl Zip {
    async fn next(&mut self) -> Result<Option<Loose>, Error> {
        let Some(spine) = self.spine.next().await.transpose()? else { return Ok(None) };
        let mut sets = Vec::with_capacity(self.sets.len());
        for set in &mut self.sets {
            sets.push(set.next(&spine, self.first).await?);
        }
        self.first += spine.num_rows() as u64;
        Ok(Some(Loose { spine, sets }))
    }
}

impl Results {
    /// Where the results of a batch of the spine are, whose first row has this number.
    async fn next(&mut self, spine: &RecordBatch, first: u64) -> Result<Scattered, Error> {
        let keys: Vec<ArrayRef> =
            compared(self.keys.iter().map(|(column, data_type)| (spine.column(*column), data_type)))?;
        let of = parts_of_spine(&hashes(&keys, spine.num_rows())?, first, self.parts.len());
        let mut counts = vec![0_usize; self.parts.len()];
        of.iter().for_each(|part| counts[*part as usize] += 1);
        let mut batches: Vec<RecordBatch> = Vec::new();
        // For each part where its next row is.
        let mut next = Vec::with_capacity(self.parts.len());
        for (part, count) in self.parts.iter_mut().zip(counts) {
            next.push((batches.len(), 0));
            let taken = part.take(count).await?;
            if taken.iter().map(RecordBatch::num_rows).sum::<usize>() != count {
                return Err(Error::Defect("a part has fewer results than rows".to_owned()));
            }
            batches.extend(taken);
        }
        let rows = of.into_iter().map(|part| {
            let place = &mut next[part as usize];
            let here = *place;
            *place = if here.1 + 1 == batches[here.0].num_rows() { (here.0 + 1, 0) } else { (here.0, here.1 + 1) };
            here
        });
        let rows = rows.collect();
        Ok(Scattered { batches, rows })
    }
}
