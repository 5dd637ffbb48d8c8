//! Running a join: collect the spine, read the views, then give the output batch by batch.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type, SchemaRef};
use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};

use super::KnownMoment;
use super::choose::{Candidates, Holder, InFiles, Nowhere, ViewRows, Winners};
use super::error::Error;
use super::exec::ViewInput;
use super::gather::{Chosen, gather};
use super::kept::Kept;
use super::late::Late;
use super::moments::micros;
use super::spill::room_for_two;
use super::spine::{KeyIndex, Spine, SpineRows};
use crate::windows::{Arrival, Part, Settled, Slots, Windows};

/// Key columns of the spine: their positions and the types in which they are compared.
pub(super) type KeyColumns = Vec<(usize, DataType)>;

/// One execution of an as-of join.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) spine: Arc<dyn ExecutionPlan>,
    pub(super) timestamp: usize,
    pub(super) views: Vec<ViewInput>,
    pub(super) known_at: KnownMoment,
    pub(super) schema: SchemaRef,
    /// The partition of all inputs that is joined, where they are partitioned by the key; else they are joined whole.
    pub(super) partition: Option<usize>,
    pub(super) context: Arc<TaskContext>,
    pub(super) metrics: ExecutionPlanMetricsSet,
}

impl Run {
    /// Reads everything, then streams the output; on disk where memory does not suffice.
    pub(super) async fn start(self) -> Result<BoxStream<'static, Result<RecordBatch, DataFusionError>>, Error> {
        let baseline = BaselineMetrics::new(&self.metrics, self.partition.unwrap_or_default());
        let batch_size = self.context.session_config().batch_size();
        let stream = self.spine.execute(self.partition.unwrap_or_default(), Arc::clone(&self.context))?;
        let mut rows = SpineRows::new(stream, self.timestamp, batch_size);
        let mut spine = Spine::new(self.reservation("spine"));
        let reading = self.time("spine_time");
        let timer = reading.timer();
        let refused = spine.collect(&mut rows).await?;
        timer.done();
        let chosen = match refused {
            None => self.choose_all(&spine, batch_size).await,
            Some(refused) => Err(refused),
        };
        match chosen {
            Ok(views) => {
                self.count("spine_rows").add(spine.rows());
                Ok(self.output(spine, views, baseline).boxed())
            }
            Err(error) if self.may_spill(&error) => Ok(Arc::new(self).spill(spine, rows, baseline).await?.boxed()),
            Err(error) => Err(error),
        }
    }

    /// What each view gives. Two of them are read at a time where memory is free for that, so that no thread idles while a view
    /// has one partition, or is at one of the steps that one thread does.
    async fn choose_all(&self, spine: &Spine, batch_size: usize) -> Result<Vec<Chosen>, Error> {
        let (view_rows, kept_rows) = (self.count("view_rows"), self.count("kept_rows"));
        let mut indexes: Vec<(KeyColumns, Arc<KeyIndex>)> = Vec::new();
        let mut waiting = Vec::with_capacity(self.views.len());
        for view in &self.views {
            let keys = view.key_columns();
            let index = match indexes.iter().find(|(columns, _)| *columns == keys) {
                Some((_, index)) => Arc::clone(index),
                None => {
                    let indexing = self.time("index_time");
                    let timer = indexing.timer();
                    let index = Arc::new(KeyIndex::new(spine, &keys, self.reservation("index"))?);
                    timer.done();
                    indexes.push((keys, Arc::clone(&index)));
                    index
                }
            };
            waiting.push(index);
        }
        drop(indexes);
        let at_a_time = if room_for_two(self, spine.rows())? { 2 } else { 1 };
        let mut waiting = waiting.into_iter().enumerate();
        let mut reading = JoinSet::new();
        let mut views: Vec<Option<Chosen>> = self.views.iter().map(|_| None).collect();
        loop {
            while reading.len() < at_a_time
                && let Some((number, index)) = waiting.next()
            {
                let (run, rows) = (self.clone(), view_rows.clone());
                reading.spawn(async move {
                    let chosen = run.choose(&run.views[number], index, batch_size, &rows).await?;
                    Ok::<_, Error>((number, chosen))
                });
            }
            let Some(done) = reading.join_next().await else { break };
            match done.map_err(|e| Error::from(DataFusionError::ExecutionJoin(Box::new(e)))).flatten() {
                Ok((number, chosen)) => {
                    kept_rows.add(chosen.found());
                    views[number] = Some(chosen);
                }
                Err(error) => {
                    // Memory that the other holds is wanted for what comes next.
                    reading.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(views.into_iter().flatten().collect())
    }

    /// The output, batch by batch.
    fn output(
        self,
        spine: Spine,
        views: Vec<Chosen>,
        baseline: BaselineMetrics,
    ) -> impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + use<> {
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
        batches.map(|done| Ok(done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??))
    }

    /// Views that are looked up by the same columns of the spine, by their positions.
    pub(super) fn by_key_columns(&self) -> Vec<(KeyColumns, Vec<usize>)> {
        let mut groups: Vec<(KeyColumns, Vec<usize>)> = Vec::new();
        for (number, view) in self.views.iter().enumerate() {
            let keys = view.key_columns();
            match groups.iter_mut().find(|(columns, _)| *columns == keys) {
                Some((_, views)) => views.push(number),
                None => groups.push((keys, vec![number])),
            }
        }
        groups
    }

    /// The output's fields that come from one view.
    pub(super) fn fields_of(&self, view: usize) -> Vec<FieldRef> {
        let first = self.spine.schema().fields().len() + self.views[..view].iter().map(ViewInput::width).sum::<usize>();
        self.schema.fields()[first..first + self.views[view].width()].to_vec()
    }

    /// The partitions of a view's input that this execution reads.
    pub(super) fn partitions_of(&self, input: &Arc<dyn ExecutionPlan>) -> Range<usize> {
        match self.partition {
            Some(partition) => partition..partition + 1,
            None => 0..input.output_partitioning().partition_count(),
        }
    }

    pub(super) fn count(&self, name: &'static str) -> Count {
        MetricBuilder::new(&self.metrics).counter(name, self.partition.unwrap_or_default())
    }

    /// The time of one phase.
    fn time(&self, phase: &'static str) -> Time {
        MetricBuilder::new(&self.metrics).subset_time(phase, self.partition.unwrap_or_default())
    }

    pub(super) fn reservation(&self, what: &str) -> MemoryReservation {
        MemoryConsumer::new(format!("AsofJoinExec[{what}]")).register(self.context.memory_pool())
    }

    /// What one view gives for each slot: in one pass over its rows, or in two over its files.
    pub(super) async fn choose(
        &self,
        view: &ViewInput,
        index: Arc<KeyIndex>,
        batch_size: usize,
        rows: &Count,
    ) -> Result<Chosen, Error> {
        // A partition of a scan does not say which rows of which files are its own.
        let late = if self.partition.is_none() { Late::of(view)? } else { None };
        match late {
            Some(late) => {
                MetricBuilder::new(&self.metrics).counter("two_passes", 0).add(1);
                let last = index.moments().iter().max().copied();
                let narrow = late.narrowed(view, &index, last, &self.context)?;
                let Found { mut winners, windows, .. } = self.rank(&narrow, &index, rows, || Ok(InFiles)).await?;
                let fetching = self.time("fetch_time");
                let timer = fetching.timer();
                let partitions = self.context.session_config().target_partitions();
                let reservation = self.reservation(&view.alias);
                let columns = late.fetch(&mut winners.rows, partitions, &self.context, &reservation).await?;
                let chosen = Chosen::new(&index, winners, windows, columns, view);
                timer.done();
                chosen
            }
            None if view.features.is_empty() => {
                let Found { winners, windows, .. } = self.rank(view, &index, rows, || Ok(Nowhere)).await?;
                Chosen::new(&index, winners, windows, Vec::new(), view)
            }
            None => {
                let schema = view.feature_schema()?;
                let kept = || Kept::new(schema.clone(), view.features.clone(), view.ties.clone(), batch_size);
                let Found { mut winners, windows, holder } = self.rank(view, &index, rows, kept).await?;
                let columns = holder.into_columns(&mut winners.rows)?;
                Chosen::new(&index, winners, windows, columns, view)
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
        for partition in self.partitions_of(&view.input) {
            let stream = view.input.execute(partition, Arc::clone(&self.context))?;
            let (view, index, reader, rows) = (view.clone(), Arc::clone(index), nothing()?, rows.clone());
            let rule = self.known_at;
            partitions.spawn(async move { reader.read(stream, &view, rule, &index, &rows).await });
        }
        let ranking = self.time("rank_time");
        let timer = ranking.timer();
        let mut all: Option<Reader<N, H>> = None;
        while let Some(done) = partitions.join_next().await {
            let found = done.map_err(|e| Error::from(DataFusionError::ExecutionJoin(Box::new(e)))).flatten();
            let merged = found.and_then(|found| match &mut all {
                Some(all) => all.merge(found),
                None => {
                    all = Some(found);
                    Ok(())
                }
            });
            if let Err(error) = merged {
                // Memory that the others hold is wanted for what comes next.
                partitions.shutdown().await;
                return Err(error);
            }
        }
        timer.done();
        let settling = self.time("settle_time");
        let _timer = settling.timer();
        let Reader { candidates, windows: part } = all.map_or_else(nothing, Ok)?;
        let windows = match windows.zip(part) {
            None => None,
            Some((windows, part)) => {
                Some(windows.settle(part, self.context.session_config().target_partitions()).await?)
            }
        };
        let (winners, holder) = match candidates {
            Some(candidates) => candidates.settle(view.ttl, view.found)?,
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
                (Some(candidates), Some(windows)) if windows.wants_arrivals() => {
                    candidates.absorb_telling(&batch, &decoded, |counts| {
                        let slots = index.slots_of(counts.key);
                        let until = counts.end.unwrap_or(slots.end) - slots.start;
                        let arrival = Arrival::new(counts.row, counts.time, &slots, counts.first - slots.start..until);
                        windows.arrive(arrival, index.moments());
                    })?;
                }
                (Some(candidates), _) => candidates.absorb(&batch, &decoded)?,
                (None, _) => {}
            }
            if let Some(windows) = &mut self.windows {
                windows.absorb(&decoded.events(&batch))?;
            }
        }
        if let Some(candidates) = &mut self.candidates {
            candidates.close()?;
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
    /// The columns of the spine that it is looked up by.
    fn key_columns(&self) -> KeyColumns {
        self.on.iter().map(|on| (on.spine, on.compared_as.clone())).collect()
    }

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
