//! Running a join: collect the spine, read the views, then give the output batch by batch.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::common::runtime::JoinSet;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{Stream, StreamExt, stream};

use super::KnownMoment;
use super::choose::{Candidates, Chosen, ViewRows};
use super::error::Error;
use super::exec::ViewInput;
use super::gather::gather;
use super::kept::Kept;
use super::moments::micros;
use super::spine::{KeyIndex, Spine};

/// Key columns of the spine: their positions and the types in which they are compared.
type KeyColumns = Vec<(usize, DataType)>;

/// One execution of an as-of join.
pub(super) struct Run {
    pub(super) spine: Arc<dyn ExecutionPlan>,
    pub(super) timestamp: usize,
    pub(super) views: Vec<ViewInput>,
    pub(super) known_at: KnownMoment,
    pub(super) schema: SchemaRef,
    pub(super) context: Arc<TaskContext>,
    pub(super) metrics: ExecutionPlanMetricsSet,
}

impl Run {
    /// Reads everything, then streams the output.
    pub(super) async fn start(self) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send, Error> {
        let baseline = BaselineMetrics::new(&self.metrics, 0);
        let count = |name: &'static str| MetricBuilder::new(&self.metrics).counter(name, 0);
        let batch_size = self.context.session_config().batch_size();

        let stream = self.spine.execute(0, Arc::clone(&self.context))?;
        let spine = Spine::collect(stream, self.timestamp, batch_size, self.reservation("spine")).await?;
        count("spine_rows").add(spine.rows());

        let (view_rows, kept_rows) = (count("view_rows"), count("kept_rows"));
        let mut indexes: Vec<(KeyColumns, Arc<KeyIndex>)> = Vec::new();
        let mut views = Vec::with_capacity(self.views.len());
        for view in &self.views {
            let keys: KeyColumns = view.on.iter().map(|on| (on.spine, on.compared_as.clone())).collect();
            let index = match indexes.iter().find(|(columns, _)| *columns == keys) {
                Some((_, index)) => Arc::clone(index),
                None => {
                    let timer = baseline.elapsed_compute().timer();
                    let index = Arc::new(KeyIndex::new(&spine, &keys, self.reservation("index"))?);
                    timer.done();
                    indexes.push((keys, Arc::clone(&index)));
                    index
                }
            };
            let chosen = self.read(view, index, batch_size, &view_rows).await?;
            kept_rows.add(chosen.batches.iter().map(RecordBatch::num_rows).sum());
            views.push((chosen, view.feature_schema()?));
        }
        drop(indexes);

        let schema = self.schema;
        let rows = spine.rows();
        let mut first = 0;
        let mut batches = 0..spine.batches.len();
        Ok(stream::iter(std::iter::from_fn(move || {
            let timer = baseline.elapsed_compute().timer();
            let Some(n) = batches.next() else {
                debug_assert_eq!(first, rows, "every spine row comes out once");
                return None;
            };
            let batch = &spine.batches[n];
            let joined = gather(batch, first..first + batch.num_rows(), &views, &schema);
            first += batch.num_rows();
            timer.done();
            baseline.record_output(batch.num_rows());
            Some(joined.map_err(DataFusionError::from))
        })))
    }

    fn reservation(&self, what: &str) -> MemoryReservation {
        MemoryConsumer::new(format!("AsofJoinExec[{what}]")).register(self.context.memory_pool())
    }

    /// Reads one view, its partitions concurrently. Which of them is done first has no say in the result.
    async fn read(
        &self,
        view: &ViewInput,
        index: Arc<KeyIndex>,
        batch_size: usize,
        rows: &Count,
    ) -> Result<Chosen, Error> {
        let nothing = || {
            let kept = Kept::new(view.feature_schema()?, view.ties.clone(), batch_size)?;
            Candidates::new(Arc::clone(&index), self.known_at, kept, self.reservation(&view.alias))
        };
        let mut partitions = JoinSet::new();
        for partition in 0..view.input.output_partitioning().partition_count() {
            let stream = view.input.execute(partition, Arc::clone(&self.context))?;
            let (view, index, candidates, rows) = (view.clone(), Arc::clone(&index), nothing()?, rows.clone());
            partitions.spawn(async move { read_partition(stream, &view, &index, candidates, &rows).await });
        }
        let mut all: Option<Candidates> = None;
        while let Some(done) = partitions.join_next().await {
            let found = done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            match &mut all {
                Some(all) => all.merge(found)?,
                None => all = Some(found),
            }
        }
        match all {
            Some(all) => all.settle(view.ttl),
            None => nothing()?.settle(view.ttl),
        }
    }
}

async fn read_partition(
    mut stream: SendableRecordBatchStream,
    view: &ViewInput,
    index: &KeyIndex,
    mut candidates: Candidates,
    rows: &Count,
) -> Result<Candidates, Error> {
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows.add(batch.num_rows());
        candidates.absorb(view.decode(&batch, index)?)?;
    }
    Ok(candidates)
}

impl ViewInput {
    /// The columns that are kept of a row.
    fn feature_schema(&self) -> Result<SchemaRef, Error> {
        Ok(Arc::new(self.input.schema().project(&self.features).map_err(DataFusionError::from)?))
    }

    fn decode(&self, batch: &RecordBatch, index: &KeyIndex) -> Result<ViewRows, Error> {
        let schema = batch.schema_ref();
        let moments = |i: usize| micros(batch.column(i), schema.field(i).name(), None);
        let keys: Vec<_> = self.on.iter().map(|on| batch.column(on.view).clone()).collect();
        let seq =
            self.seq.map(|i| cast(batch.column(i), &DataType::Int64)).transpose().map_err(DataFusionError::from)?;
        Ok(ViewRows {
            keys: index.look_up(&keys)?,
            times: moments(self.timestamp)?,
            known: self.known.map(moments).transpose()?,
            superseded: self.superseded.map(moments).transpose()?,
            seq: seq.map(|seq| seq.as_primitive::<Int64Type>().clone()),
            features: batch.project(&self.features).map_err(DataFusionError::from)?,
        })
    }
}
