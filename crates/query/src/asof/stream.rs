//! Running a join: collect the spine, read the views, then give the output batch by batch.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{Stream, StreamExt, stream};

use super::KnownMoment;
use super::choose::{Candidates, Holder, InFiles, Nowhere, ViewRows, Winners};
use super::error::Error;
use super::exec::ViewInput;
use super::gather::{Chosen, gather};
use super::kept::Kept;
use super::late::Late;
use super::moments::micros;
use super::spine::{KeyIndex, Spine};
use crate::windows::{Part, Settled, Slots, Windows};

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
            let chosen = self.choose(view, index, batch_size, &view_rows).await?;
            kept_rows.add(chosen.found());
            views.push(chosen);
        }
        drop(indexes);

        let mut first = 0;
        let rows = spine.batches.iter().map(|batch| {
            let rows = first..first + batch.num_rows();
            first = rows.end;
            rows
        });
        let rows: Vec<_> = rows.collect();
        debug_assert_eq!(first, spine.rows(), "every spine row comes out once");
        let output = Arc::new(Output { spine, views, schema: self.schema });
        let partitions = self.context.session_config().target_partitions();
        let batches = stream::iter(rows.into_iter().enumerate()).map(move |(batch, rows)| {
            let (output, baseline) = (Arc::clone(&output), baseline.clone());
            SpawnedTask::spawn(async move {
                let timer = baseline.elapsed_compute().timer();
                let joined = gather(&output.spine.batches[batch], rows, &output.views, &output.schema)?;
                timer.done();
                baseline.record_output(joined.num_rows());
                Ok::<_, Error>(joined)
            })
        });
        // In their order, whoever is done first.
        let batches = batches.buffered(partitions.max(1));
        Ok(batches.map(|done| Ok(done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??)))
    }

    fn reservation(&self, what: &str) -> MemoryReservation {
        MemoryConsumer::new(format!("AsofJoinExec[{what}]")).register(self.context.memory_pool())
    }

    /// What one view gives for each slot: in one pass over its rows, or in two over its files.
    async fn choose(
        &self,
        view: &ViewInput,
        index: Arc<KeyIndex>,
        batch_size: usize,
        rows: &Count,
    ) -> Result<Chosen, Error> {
        match Late::of(view)? {
            Some(late) => {
                MetricBuilder::new(&self.metrics).counter("two_passes", 0).add(1);
                let last = index.moments().iter().max().copied();
                let narrow = late.narrowed(view, &index, last, &self.context)?;
                let Found { mut winners, windows, .. } = self.rank(&narrow, &index, rows, || Ok(InFiles)).await?;
                let partitions = self.context.session_config().target_partitions();
                let reservation = self.reservation(&view.alias);
                let batches = late.fetch(&mut winners.rows, partitions, &self.context, &reservation).await?;
                Chosen::new(index, winners, windows, batches, view)
            }
            None if view.features.is_empty() => {
                let Found { winners, windows, .. } = self.rank(view, &index, rows, || Ok(Nowhere)).await?;
                Chosen::new(index, winners, windows, Vec::new(), view)
            }
            None => {
                let schema = view.feature_schema()?;
                let kept = || Kept::new(schema.clone(), view.features.clone(), view.ties.clone(), batch_size);
                let Found { mut winners, windows, holder } = self.rank(view, &index, rows, kept).await?;
                let batches = holder.into_rows(&mut winners.rows)?;
                Chosen::new(index, winners, windows, batches, view)
            }
        }
    }

    /// The winning rows of a view, ranked by as many numbers as it has.
    async fn rank<H: Holder + Send + 'static>(
        &self,
        view: &ViewInput,
        index: &Arc<KeyIndex>,
        rows: &Count,
        holder: impl Fn() -> Result<H, Error>,
    ) -> Result<Found<H>, Error> {
        match 1 + view.known.iter().len() + view.seq.iter().len() {
            1 => self.read::<1, H>(view, index, rows, holder).await,
            2 => self.read::<2, H>(view, index, rows, holder).await,
            _ => self.read::<3, H>(view, index, rows, holder).await,
        }
    }

    /// Reads one view, its partitions concurrently. Which of them is done first has no say in the result.
    async fn read<const N: usize, H: Holder + Send + 'static>(
        &self,
        view: &ViewInput,
        index: &Arc<KeyIndex>,
        rows: &Count,
        holder: impl Fn() -> Result<H, Error>,
    ) -> Result<Found<H>, Error> {
        let windows = self.windows(view, index)?;
        // Where only windows are wanted, and they do not ask either, nobody wins.
        let tells = windows.as_ref().is_some_and(Windows::wants_arrivals);
        let compete = view.found || !view.features.is_empty() || tells || windows.is_none();
        let nothing = || {
            let reservation = self.reservation(&view.alias);
            let candidates = || Candidates::<N, H>::new(Arc::clone(index), self.known_at, holder()?, reservation);
            let candidates = compete.then(candidates).transpose()?;
            let windows = windows.as_ref().map(Windows::part).transpose()?;
            Ok::<_, Error>(Reader { candidates, windows })
        };
        let mut partitions = JoinSet::new();
        for partition in 0..view.input.output_partitioning().partition_count() {
            let stream = view.input.execute(partition, Arc::clone(&self.context))?;
            let (view, index, reader, rows) = (view.clone(), Arc::clone(index), nothing()?, rows.clone());
            let rule = self.known_at;
            partitions.spawn(async move { reader.read(stream, &view, rule, &index, &rows).await });
        }
        let mut all: Option<Reader<N, H>> = None;
        while let Some(done) = partitions.join_next().await {
            let found = done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            match &mut all {
                Some(all) => all.merge(found)?,
                None => all = Some(found),
            }
        }
        let Reader { candidates, windows: part } = all.map_or_else(nothing, Ok)?;
        let windows = match windows.zip(part) {
            None => None,
            Some((windows, part)) => {
                Some(windows.settle(part, self.context.session_config().target_partitions()).await?)
            }
        };
        let (winners, holder) = match candidates {
            Some(candidates) => candidates.settle(view.ttl)?,
            None => (Winners::none(self.reservation(&view.alias)), holder()?),
        };
        Ok(Found { winners, holder, windows })
    }

    fn windows(&self, view: &ViewInput, index: &Arc<KeyIndex>) -> Result<Option<Windows>, Error> {
        if view.windows.is_empty() {
            return Ok(None);
        }
        let (rows, reservation) = (view.input.schema(), self.reservation(&format!("windows of {}", view.alias)));
        let slots: Arc<dyn Slots> = Arc::clone(index) as _;
        // By one moment for all, a row is known or not: those that are not lose their keys.
        let lasting = self.known_at != KnownMoment::EventTime || (view.known.is_none() && view.superseded.is_none());
        Ok(Some(Windows::new(&view.alias, &view.windows, &rows, lasting, slots, reservation)?))
    }
}

/// What one view gives for each slot: the row that wins, in what holds rows, and the results of its windows.
struct Found<H> {
    winners: Winners,
    holder: H,
    windows: Option<Settled>,
}

/// All that the output is made of.
struct Output {
    spine: Spine,
    views: Vec<Chosen>,
    schema: SchemaRef,
}

/// Reads partitions of a view: its rows compete for slots, and its windows take them in, in one pass.
struct Reader<const N: usize, H> {
    /// None where nobody asks who wins.
    candidates: Option<Candidates<N, H>>,
    windows: Option<Part>,
}

impl<const N: usize, H: Holder> Reader<N, H> {
    /// Reads a partition to its end.
    async fn read(
        mut self,
        mut stream: SendableRecordBatchStream,
        view: &ViewInput,
        rule: KnownMoment,
        index: &KeyIndex,
        rows: &Count,
    ) -> Result<Self, Error> {
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows.add(batch.num_rows());
            let mut decoded = view.decode(&batch, index)?;
            if self.windows.is_some() && rule != KnownMoment::EventTime {
                decoded.keep_what_counts(rule);
            }
            match (&mut self.candidates, &mut self.windows) {
                (Some(candidates), None) => candidates.absorb(&batch, &decoded, |_| {})?,
                (Some(candidates), Some(windows)) => {
                    candidates.absorb(&batch, &decoded, |arrival| windows.arrive(arrival, index.moments()))?;
                }
                (None, _) => {}
            }
            if let Some(windows) = &mut self.windows {
                windows.absorb(&decoded.events(&batch))?;
            }
        }
        Ok(self)
    }

    fn merge(&mut self, other: Self) -> Result<(), Error> {
        if let (Some(all), Some(more)) = (&mut self.candidates, other.candidates) {
            all.merge(more)?;
        }
        if let (Some(all), Some(more)) = (&mut self.windows, other.windows) {
            all.merge(more)?;
        }
        Ok(())
    }
}

impl ViewInput {
    /// The columns that are kept of a row.
    pub(super) fn feature_schema(&self) -> Result<SchemaRef, Error> {
        Ok(Arc::new(self.input.schema().project(&self.features).map_err(DataFusionError::from)?))
    }

    fn decode(&self, batch: &RecordBatch, index: &KeyIndex) -> Result<ViewRows, Error> {
        let schema = batch.schema_ref();
        let moments = |i: usize| micros(batch.column(i), schema.field(i).name(), None);
        let keys: Vec<_> = self.on.iter().map(|on| batch.column(on.view).clone()).collect();
        let seq =
            self.seq.map(|i| cast(batch.column(i), &DataType::Int64)).transpose().map_err(DataFusionError::from)?;
        let mut numbers = Vec::with_capacity(batch.num_rows());
        index.keys().look_up(&keys, &mut numbers)?;
        Ok(ViewRows {
            keys: numbers,
            times: moments(self.timestamp)?,
            known: self.known.map(moments).transpose()?,
            superseded: self.superseded.map(moments).transpose()?,
            seq: seq.map(|seq| seq.as_primitive::<Int64Type>().clone()),
        })
    }
}
