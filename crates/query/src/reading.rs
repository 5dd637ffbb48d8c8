//! How many rows plans have read of their tables, and of how many.
//!
//! A [`Tally`] counts for as many plans as are made in its sessions ([`Tally::counting`]) and tells a [`Watch`]. Its
//! numbers only grow. Of every scan all rows of its files are expected, as the files' statistics have them; those
//! that are left out, because statistics show that none of them matters or because a `LIMIT` was reached, count as
//! read when the scan ends. So what is read ends at what was expected, to the row. Where a scan's files do not say how
//! many rows they have, nobody knows how many are expected of all.
//!
//! A view's files may be opened twice (see [`crate::asof`]); their rows count once.
//!
//! Costs a lock and a call of the watch per batch that is read. It knows nothing of where the numbers are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{
    RecordBatchStream, SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{Stream, StreamExt};

use crate::asof::AsofJoinExec;

/// Is told how far the reading has come.
pub trait Watch: Send + Sync {
    /// So many rows were read, of as many as are expected where that is known. Called from any thread, never from two at
    /// once; it must not take long.
    fn read(&self, rows: u64, expected: Option<u64>);
}

/// Counts the rows that plans read. Cheap to clone: clones count together.
#[derive(Clone)]
pub struct Tally(Arc<Counted>);

struct Counted {
    numbers: Mutex<Numbers>,
    watch: Arc<dyn Watch>,
}

#[derive(Default)]
struct Numbers {
    read: u64,
    /// What the plans made so far read in all.
    planned: u64,
    /// What plans to come are foreseen to read.
    foreseen: u64,
    /// A scan does not know how many rows it has.
    unknown: bool,
    /// Nothing counts any more.
    finished: bool,
}

impl Tally {
    /// Nothing read yet.
    pub fn new(watch: Arc<dyn Watch>) -> Self {
        Tally(Arc::new(Counted { numbers: Mutex::default(), watch }))
    }

    /// A session like this one, whose plans are counted.
    pub fn counting(&self, session: SessionState) -> SessionState {
        SessionStateBuilder::new_from_existing(session)
            .with_physical_optimizer_rule(Arc::new(CountScans(self.clone())))
            .build()
    }

    /// Expects so many rows of plans that are not made yet, whatever was foreseen before. What such a plan reads is taken off
    /// again.
    pub fn foresee(&self, rows: u64) {
        self.change(|numbers| numbers.foreseen = rows);
    }

    /// How many rows the plans made so far read in all, as far as is known.
    pub fn planned(&self) -> u64 {
        self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner).planned
    }

    /// All is read that ever will be.
    pub fn finish(&self) {
        self.change(|numbers| {
            numbers.foreseen = 0;
            numbers.read = numbers.read.max(numbers.planned);
            numbers.finished = true;
        });
    }

    fn plan(&self, rows: Option<u64>) {
        self.change(|numbers| match rows {
            Some(rows) => {
                numbers.planned += rows;
                numbers.foreseen = numbers.foreseen.saturating_sub(rows);
            }
            None => numbers.unknown = true,
        });
    }

    /// Under one lock, so that the watch hears of numbers in their order.
    fn change(&self, change: impl FnOnce(&mut Numbers)) {
        let mut numbers = self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (numbers.read, numbers.expected());
        change(&mut numbers);
        let now = (numbers.read, numbers.expected());
        if now != before {
            self.0.watch.read(now.0, now.1);
        }
    }
}

impl Numbers {
    fn expected(&self) -> Option<u64> {
        (!self.unknown).then(|| (self.planned + self.foreseen).max(self.read))
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

/// How many rows a plan of an as-of join gives, once it has read its spine: as many as that has. None until then, and
/// where something above the join may leave rows out.
pub fn spine_rows(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    let mut node = plan;
    loop {
        if node.is::<AsofJoinExec>() {
            let rows = node.metrics()?.sum_by_name("spine_rows")?.as_usize() as u64;
            return Some(rows).filter(|rows| *rows > 0);
        }
        match (node.name(), node.children().as_slice()) {
            ("ProjectionExec" | "CooperativeExec", [input]) => node = input,
            _ => return None,
        }
    }
}

/// Puts a [`CountedExec`] around every scan. It comes last, so that no other rule has to look through.
#[derive(Debug)]
struct CountScans(Tally);

impl PhysicalOptimizerRule for CountScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let counted = plan.transform_up(|node| {
            let Some(source) = node.downcast_ref::<DataSourceExec>() else { return Ok(Transformed::no(node)) };
            if source.data_source().downcast_ref::<MemorySourceConfig>().is_some() {
                // It was read before.
                return Ok(Transformed::no(node));
            }
            let rows = rows_of(source)?;
            self.0.plan(rows);
            let scan = Scan { tally: self.0.clone(), rows, progress: Arc::default() };
            Ok(Transformed::yes(scan.around(node)))
        })?;
        Ok(counted.data)
    }

    fn name(&self) -> &str {
        "count_scans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The rows of a scan's files; none where that is not known for sure, as of what is not in files.
fn rows_of(source: &DataSourceExec) -> Result<Option<u64>> {
    let exact = |rows: &Precision<usize>| match rows {
        Precision::Exact(rows) => Some(*rows as u64),
        Precision::Inexact(_) | Precision::Absent => None,
    };
    let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>() else {
        return Ok(None);
    };
    // A file that is read in several parts counts once.
    let files: BTreeMap<_, _> = (scan.file_groups.iter().flat_map(FileGroup::iter))
        .map(|file| (&file.object_meta.location, file.statistics.as_deref()))
        .collect();
    Ok(files.into_values().map(|statistics: Option<&Statistics>| exact(&statistics?.num_rows)).sum())
}

/// One scan of a plan, whichever node reads it in the end.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    tally: Tally,
    rows: Option<u64>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    read: u64,
    /// Partitions that were begun and have not ended.
    open: usize,
    /// Partitions that nobody has begun.
    waiting: usize,
}

impl Scan {
    /// Counts what this node reads as the scan's rows.
    pub(crate) fn around(&self, input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let partitions = input.output_partitioning().partition_count();
        self.with(|progress| progress.waiting = partitions);
        Arc::new(CountedExec { input, scan: self.clone() })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self) {
        self.with(|progress| {
            progress.waiting = progress.waiting.saturating_sub(1);
            progress.open += 1;
        });
    }

    /// Never more than the scan has: a node that is run twice is not read twice.
    fn add(&self, rows: u64) {
        let more = self.with(|progress| {
            let left = self.rows.map_or(u64::MAX, |all| all.saturating_sub(progress.read));
            let more = rows.min(left);
            progress.read += more;
            more
        });
        self.tally.change(|numbers| numbers.read += if numbers.finished { 0 } else { more });
    }

    fn end(&self) {
        let left_out = self.with(|progress| {
            progress.open = progress.open.saturating_sub(1);
            let ended = progress.open == 0 && progress.waiting == 0;
            self.rows.filter(|_| ended).map_or(0, |all| all.saturating_sub(progress.read))
        });
        if left_out > 0 {
            self.add(left_out);
        }
    }
}

/// A scan whose rows are counted. Otherwise it is not there.
#[derive(Debug)]
pub(crate) struct CountedExec {
    input: Arc<dyn ExecutionPlan>,
    scan: Scan,
}

impl CountedExec {
    /// What is counted here.
    pub(crate) fn scan(&self) -> &Scan {
        &self.scan
    }
}

impl DisplayAs for CountedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedExec")
    }
}

impl ExecutionPlan for CountedExec {
    fn name(&self) -> &str {
        "CountedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(self.scan.around(input)),
            Err(_) => Err(DataFusionError::Internal("CountedExec has one input".to_owned())),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        self.scan.begin();
        Ok(Box::pin(CountedStream { rows, scan: self.scan.clone() }))
    }
}

struct CountedStream {
    rows: SendableRecordBatchStream,
    scan: Scan,
}

impl Stream for CountedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.rows.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(batch))) = &next {
            self.scan.add(batch.num_rows() as u64);
        }
        next
    }
}

impl RecordBatchStream for CountedStream {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

/// Read to its end, or wanted no more.
impl Drop for CountedStream {
    fn drop(&mut self) {
        self.scan.end();
    }
}
