//! Files to sorted rows: read and fit on one thread, sort within the memory given, spill beyond it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{SortOptions, take_record_batch};
use arrow::datatypes::SchemaRef;
use asof_model::definition::Dataset;
use asof_model::{Error, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan as _;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::SessionConfig;

use super::checks::Checks;
use super::fit::Fit;
use super::meter::Meter;
use super::read;
use super::shape::Shape;
use super::source::Piece;
use super::survey::FileColumns;
use crate::SEQ;
use crate::failure::Failure;
use crate::memory::Budget;
use crate::stage::{Sink, channel};
use crate::table::physical;

/// Rows read at once; fewer where there is little memory.
const BATCH: usize = 8192;
const SMALL_BATCH: usize = 1024;
/// Below this there is little memory, in bytes.
const LITTLE: usize = 64 << 20;
/// The least memory that a sort works with, in bytes.
const LEAST: usize = 4 << 20;

/// All that the reading of some files needs.
pub(crate) struct Plan {
    pub(crate) definition: Dataset,
    pub(crate) shape: Shape,
    pub(crate) pieces: Vec<(Piece, FileColumns)>,
    pub(crate) null: Vec<String>,
    pub(crate) set: BTreeMap<String, String>,
    /// The last number given before this ingest.
    pub(crate) last_seq: i64,
    pub(crate) memory_limit: usize,
    pub(crate) scratch: std::path::PathBuf,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Rows of each source.
    pub(crate) rows: BTreeMap<usize, u64>,
    /// Rows with a time that was floored.
    pub(crate) floored: u64,
    /// The last number given.
    pub(crate) last_seq: i64,
}

/// Starts reading. The stream gives all rows, with their numbers, sorted by (cluster columns, timestamp, number); the
/// task's result must be awaited before the rows are believed to be all.
pub(crate) fn start(
    plan: Plan,
    meter: &Meter,
) -> Result<(SendableRecordBatchStream, tokio::task::JoinHandle<Result<Tally>>)> {
    let schema = physical(&plan.shape.columns);
    let order: Vec<String> = plan.definition.clustering().chain([&plan.definition.timestamp]).cloned().collect();
    let (memory, scratch) = (plan.memory_limit.max(LEAST), plan.scratch.clone());
    let (sink, rows) = channel(schema.clone());
    let sorted = sort(rows, &schema, &order, memory, scratch)?;
    let meter = meter.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let result = read_all(&plan, &schema, &sink, &meter);
        if let Err(error) = &result {
            sink.fail(error.clone());
        }
        result
    });
    Ok((sorted, reading))
}

fn read_all(plan: &Plan, schema: &SchemaRef, sink: &Sink, meter: &Meter) -> Result<Tally> {
    let checks = Arc::new(Checks::compile(&plan.definition.checks, &plan.shape.columns.to_arrow())?);
    let batch = if plan.memory_limit < LITTLE { SMALL_BATCH } else { BATCH };
    let mut tally = Tally { last_seq: plan.last_seq, ..Tally::default() };
    let total = plan.pieces.iter().map(|(_, columns)| columns.rows).sum::<Option<u64>>();
    meter.start("reading", total);
    for (piece, columns) in &plan.pieces {
        let mut fit =
            Fit::new(&plan.definition, &plan.shape, columns, piece.encoding.is_text(), &plan.set, checks.clone())?;
        let mut reader = read::open(piece, columns, &plan.null, batch)?;
        while let Some(raw) = reader.next()? {
            let fitted = fit.apply(raw)?;
            for from in (0..fitted.num_rows()).step_by(batch) {
                let rows = piece_of(&fitted, from, batch)?;
                if !sink.put(numbered(&rows, schema, &mut tally.last_seq)?) {
                    return Err(Error::internal("the rows are not wanted any more"));
                }
            }
            meter.add(fitted.num_rows() as u64);
        }
        *tally.rows.entry(piece.source).or_default() += fit.rows();
        tally.floored += fit.floored;
    }
    Ok(tally)
}

/// At most so many rows of a batch. A producer of Arrow files cuts batches as it likes; a slice of a large one would
/// hold, and be counted as, the whole, so it is copied.
fn piece_of(batch: &RecordBatch, from: usize, most: usize) -> Result<RecordBatch> {
    let rows = most.min(batch.num_rows() - from);
    if rows == batch.num_rows() {
        return Ok(batch.clone());
    }
    let indices = UInt64Array::from_iter_values(from as u64..(from + rows) as u64);
    Ok(take_record_batch(batch, &indices).map_err(Failure::from)?)
}

/// The rows with their numbers, in the order of acceptance.
fn numbered(rows: &RecordBatch, schema: &SchemaRef, last: &mut i64) -> Result<RecordBatch> {
    let first = last.checked_add(1);
    let end = first.and_then(|first| first.checked_add(i64::try_from(rows.num_rows()).ok()?));
    let (Some(first), Some(end)) = (first, end) else {
        return Err(Error::internal(format!("no {SEQ} is left to give")));
    };
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(first..end));
    *last = end - 1;
    let columns = rows.columns().iter().cloned().chain([numbers]).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns).map_err(Failure::from)?)
}

fn sort(
    rows: SendableRecordBatchStream,
    schema: &SchemaRef,
    order: &[String],
    memory: usize,
    scratch: std::path::PathBuf,
) -> Result<SendableRecordBatchStream> {
    let key = |name: &str| {
        let options = SortOptions { descending: false, nulls_first: true };
        Ok(PhysicalSortExpr::new(col(name, schema).map_err(Failure::from)?, options))
    };
    let keys = order.iter().map(String::as_str).chain([SEQ]).map(key).collect::<Result<Vec<_>, Failure>>()?;
    let ordering = LexOrdering::new(keys).ok_or_else(|| Error::internal("no column to sort by"))?;
    let once = Once { schema: schema.clone(), rows: Mutex::new(Some(rows)) };
    let input = StreamingTableExec::try_new(schema.clone(), vec![Arc::new(once)], None, None, false, None);
    let sort = SortExec::new(ordering, Arc::new(input.map_err(Failure::from)?));
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![scratch]));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(Budget::new(GreedyMemoryPool::new(memory), "the sort of an ingest", memory)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(Failure::from)?;
    let batch = if memory < LITTLE { SMALL_BATCH } else { BATCH };
    let config =
        SessionConfig::new().with_batch_size(batch).with_sort_spill_reservation_bytes((memory / 4).min(10 << 20));
    let context = TaskContext::default().with_session_config(config).with_runtime(runtime);
    Ok(sort.execute(0, Arc::new(context)).map_err(Failure::from)?)
}

/// A stream as the one partition of a plan that is executed once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.unwrap_or_else(|| Box::pin(EmptyRecordBatchStream::new(self.schema.clone())))
    }
}
