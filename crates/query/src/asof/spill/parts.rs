//! The join of one set of key columns, part by part.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::runtime::JoinSet;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::metrics::{Count, SpillMetrics};
use futures::StreamExt;

use super::deal::{Dealer, NOWHERE, Piles, Seen, hashes, part_of, parts_of_spine};
use super::sizes::Sizes;
use super::spool::{Spool, Spooled};
use crate::asof::error::Error;
use crate::asof::exec::{KeyPair, ViewInput};
use crate::asof::gather::{Chosen, gather};
use crate::asof::keys::compared;
use crate::asof::moments::micros;
use crate::asof::spine::{KeyIndex, Spine};
use crate::asof::stream::{KeyColumns, Run};

/// Views with the same key columns, and how they are joined.
#[derive(Debug)]
pub(super) struct Set {
    run: Arc<Run>,
    keys: KeyColumns,
    views: Vec<usize>,
    sizes: Sizes,
    metrics: SpillMetrics,
}

/// What was found for the spine rows of each part, in their order.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) keys: KeyColumns,
    pub(super) views: Vec<usize>,
    pub(super) parts: Vec<Spooled>,
}

/// The spine dealt out.
struct Dealt {
    /// For each part the compared keys and the moments of its rows, in their order.
    parts: Vec<Spooled>,
    /// For each part its last moment.
    last: Vec<i64>,
    seen: Seen,
    _reservation: MemoryReservation,
}

/// Everything dealt out.
struct Parts {
    set: Set,
    /// The join of one part: its inputs have one partition.
    run: Run,
    spine: Vec<Spooled>,
    /// For each view as it is dealt out, and the rows of each part.
    views: Vec<(ViewInput, Vec<Spooled>)>,
    results: Spool,
    none: SchemaRef,
    kept_rows: Count,
}

impl Set {
    pub(super) fn new(
        run: Arc<Run>,
        keys: KeyColumns,
        views: Vec<usize>,
        sizes: Sizes,
        metrics: &SpillMetrics,
    ) -> Self {
        Set { run, keys, views, sizes, metrics: metrics.clone() }
    }

    /// Deals spine and views out, and joins the parts.
    pub(super) async fn join(self, spine: &Spooled) -> Result<Joined, Error> {
        let dealt = Arc::new(self.deal_spine(spine).await?);
        let mut views = Vec::with_capacity(self.views.len());
        for view in &self.views {
            views.push(self.deal_view(&self.run.views[*view], &dealt).await?);
        }
        let fields: Vec<_> = self.views.iter().flat_map(|view| self.run.fields_of(*view)).collect();
        let results = Spool::new(&Schema::new(fields), &self.run.context, &self.metrics);
        let dealt = Arc::into_inner(dealt).ok_or_else(|| Error::Defect("a view is still being read".to_owned()))?;
        let (keys, numbers) = (self.keys.clone(), self.views.clone());
        let kept_rows = self.run.count("kept_rows");
        let none = Arc::new(Schema::empty());
        let run = Run { partition: None, ..self.run.as_ref().clone() };
        let parts = Parts { set: self, run, spine: dealt.parts, views, results, none, kept_rows };
        Ok(Joined { keys, views: numbers, parts: Arc::new(parts).join().await? })
    }

    async fn deal_spine(&self, spine: &Spooled) -> Result<Dealt, Error> {
        let Sizes { parts, gathered, seen, .. } = self.sizes;
        let keys =
            self.keys.iter().enumerate().map(|(n, (_, data_type))| Field::new(format!("{n}"), data_type.clone(), true));
        let moment = Field::new("moment", asof_model::schema::timestamp(), true);
        let schema = Arc::new(Schema::new(keys.chain([moment]).collect::<Vec<_>>()));
        let spool = Spool::new(&schema, &self.run.context, &self.metrics);
        let piles = Piles::new(&spool, parts)?;
        let mut dealer = Dealer::new(&piles, gathered, self.run.reservation("spine dealt out"));
        let mut last = vec![i64::MIN; parts];
        let mut seen = Seen::new(seen);
        let reservation = self.run.reservation("keys");
        reservation.try_grow(seen.size())?;
        let mut first = 0;
        let mut rows = spine.read()?;
        let column = rows.schema().field(self.run.timestamp).name().clone();
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let moments = micros(batch.column(self.run.timestamp), &column, None)?;
            let mut columns = compared(self.keys.iter().map(|(i, data_type)| (batch.column(*i), data_type)))?;
            let hashes = hashes(&columns, batch.num_rows())?;
            let of = parts_of_spine(&hashes, first, parts);
            for (row, part) in of.iter().enumerate() {
                let last = &mut last[*part as usize];
                *last = moments.value(row).max(*last);
            }
            hashes.into_iter().flatten().for_each(|hash| seen.insert(hash));
            first += batch.num_rows() as u64;
            columns.push(Arc::new(moments.reinterpret_cast::<TimestampMicrosecondType>().with_timezone("UTC")));
            dealer.deal(RecordBatch::try_new(Arc::clone(&schema), columns).map_err(DataFusionError::from)?, of)?;
        }
        dealer.flush()?;
        drop(dealer);
        Ok(Dealt { parts: piles.finish()?, last, seen, _reservation: reservation })
    }

    /// The view as its parts are read, and the parts.
    async fn deal_view(&self, view: &ViewInput, dealt: &Arc<Dealt>) -> Result<(ViewInput, Vec<Spooled>), Error> {
        let (narrow, columns) = narrowed(view)?;
        let input = reset_plan_states(Arc::clone(&view.input))?;
        let spool = Spool::new(
            &input.schema().project(&columns).map_err(DataFusionError::from)?,
            &self.run.context,
            &self.metrics,
        );
        let piles = Arc::new(Piles::new(&spool, self.sizes.parts)?);
        let partitions = self.run.partitions_of(&input);
        let most = self.sizes.gathered / partitions.len().max(1);
        let mut readers = JoinSet::new();
        for partition in partitions {
            let stream = input.execute(partition, Arc::clone(&self.run.context))?;
            let reading = Reading {
                view: narrow.clone(),
                columns: columns.clone(),
                dealt: Arc::clone(dealt),
                rows: self.run.count("view_rows"),
            };
            let (piles, reservation) = (Arc::clone(&piles), self.run.reservation(&view.alias));
            readers.spawn(async move {
                let mut dealer = Dealer::new(&piles, most, reservation);
                reading.deal(stream, &mut dealer).await?;
                dealer.flush()
            });
        }
        while let Some(done) = readers.join_next().await {
            done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        }
        let piles = Arc::into_inner(piles).ok_or_else(|| Error::Defect("a view is still being written".to_owned()))?;
        Ok((narrow, piles.finish()?))
    }
}

/// The view over the columns that the join reads of it alone, and which they are.
fn narrowed(view: &ViewInput) -> Result<(ViewInput, Vec<usize>), Error> {
    let mut columns: Vec<usize> = view.on.iter().map(|on| on.view).chain([view.timestamp]).collect();
    columns.extend([view.known, view.superseded, view.seq].into_iter().flatten());
    columns.extend(&view.features);
    columns.extend(view.windows.iter().flat_map(|call| call.columns()));
    columns.sort_unstable();
    columns.dedup();
    let place = |column: usize| columns.binary_search(&column).unwrap_or_default();
    let windows = view.windows.iter().map(|call| call.renamed(|column| Ok::<_, Error>(place(*column))));
    let narrow = ViewInput {
        on: view.on.iter().map(|on| KeyPair { view: place(on.view), ..on.clone() }).collect(),
        timestamp: place(view.timestamp),
        known: view.known.map(place),
        superseded: view.superseded.map(place),
        seq: view.seq.map(place),
        features: view.features.iter().map(|column| place(*column)).collect(),
        windows: windows.collect::<Result<_, _>>()?,
        ..view.clone()
    };
    Ok((narrow, columns))
}

/// Reads a partition of a view, to deal it out.
struct Reading {
    view: ViewInput,
    columns: Vec<usize>,
    dealt: Arc<Dealt>,
    rows: Count,
}

impl Reading {
    async fn deal(&self, mut stream: SendableRecordBatchStream, dealer: &mut Dealer<'_>) -> Result<(), Error> {
        let Dealt { parts, last, seen, .. } = self.dealt.as_ref();
        while let Some(batch) = stream.next().await {
            let batch = batch?.project(&self.columns).map_err(DataFusionError::from)?;
            self.rows.add(batch.num_rows());
            let schema = batch.schema();
            let keys = compared(self.view.on.iter().map(|on| (batch.column(on.view), &on.compared_as)))?;
            let times = micros(batch.column(self.view.timestamp), schema.field(self.view.timestamp).name(), None)?;
            let part = |(row, hash): (usize, Option<u64>)| match hash.filter(|hash| seen.may_contain(*hash)) {
                Some(hash) if times.is_valid(row) => {
                    let part = part_of(hash, parts.len());
                    if times.value(row) <= last[part as usize] { part } else { NOWHERE }
                }
                _ => NOWHERE,
            };
            let parts = hashes(&keys, batch.num_rows())?.into_iter().enumerate().map(part).collect();
            dealer.deal(batch, parts)?;
        }
        Ok(())
    }
}

impl Parts {
    /// What each part's spine rows find.
    async fn join(self: Arc<Self>) -> Result<Vec<Spooled>, Error> {
        let Sizes { parts, workers, rows, .. } = self.set.sizes;
        let next = Arc::new(AtomicUsize::new(0));
        let mut at_work = JoinSet::new();
        for _ in 0..workers {
            let (this, next) = (Arc::clone(&self), Arc::clone(&next));
            at_work.spawn(async move {
                let mut done = Vec::new();
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= parts {
                        return Ok::<_, Error>(done);
                    }
                    match this.join_part(part, rows / 8).await {
                        Ok(found) => done.push((part, found)),
                        // Perhaps others have the memory: it has another turn, alone.
                        Err(error) if error.is_refusal() => {}
                        Err(error) => return Err(error),
                    }
                }
            });
        }
        let mut found: Vec<Option<Spooled>> = vec![None; parts];
        while let Some(done) = at_work.join_next().await {
            for (part, rows) in done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?? {
                found[part] = Some(rows);
            }
        }
        let mut all = Vec::with_capacity(parts);
        for (part, found) in found.into_iter().enumerate() {
            all.push(match found {
                Some(found) => found,
                None => self.join_part(part, 1).await?,
            });
        }
        Ok(all)
    }

    /// What the spine rows of one part find: as many at a time as there is memory for, but no fewer than `least`.
    async fn join_part(&self, part: usize, least: usize) -> Result<Spooled, Error> {
        let mut rows = Rows::new(self.spine[part].read()?);
        let mut found = self.results.create()?;
        let (mut most, mut refused) = (self.set.sizes.rows, false);
        loop {
            let taken = rows.take(most).await?;
            let count = taken.iter().map(RecordBatch::num_rows).sum::<usize>();
            if count == 0 {
                return Ok(found.finish()?);
            }
            let chosen = match self.choose(part, &taken).await {
                Ok(chosen) => chosen,
                Err(error) if error.is_refusal() && count > least.max(1) => {
                    (most, refused) = ((count / 2).max(1), true);
                    rows.put_back(taken);
                    continue;
                }
                Err(error) => return Err(error),
            };
            drop(taken);
            // The estimate may have been too careful.
            most = if refused { most } else { most.saturating_mul(2) };
            self.kept_rows.add(chosen.iter().map(Chosen::found).sum());
            let mut first = 0;
            while first < count {
                let range = first..count.min(first + self.set.sizes.batch);
                first = range.end;
                let options = RecordBatchOptions::new().with_row_count(Some(range.len()));
                let beside = RecordBatch::try_new_with_options(Arc::clone(&self.none), Vec::new(), &options);
                let beside = beside.map_err(DataFusionError::from)?;
                found.append(&gather(&beside, range, &chosen, self.results.schema())?)?;
            }
        }
    }

    /// What each view gives for some of a part's spine rows.
    async fn choose(&self, part: usize, rows: &[RecordBatch]) -> Result<Vec<Chosen>, Error> {
        let run = &self.run;
        let keys: KeyColumns =
            self.set.keys.iter().enumerate().map(|(column, (_, data_type))| (column, data_type.clone())).collect();
        let mut spine = Spine::new(run.reservation("spine"));
        for batch in rows {
            spine.push(batch.clone(), &micros(batch.column(keys.len()), "moment", None)?)?;
        }
        let index = Arc::new(KeyIndex::new(&spine, &keys, run.reservation("index"))?);
        drop(spine);
        let (batch_size, uncounted) = (run.context.session_config().batch_size(), Count::new());
        let mut chosen = Vec::with_capacity(self.views.len());
        for (view, parts) in &self.views {
            let view = ViewInput { input: parts[part].plan()?, ..view.clone() };
            chosen.push(run.choose(&view, Arc::clone(&index), batch_size, &uncounted).await?);
        }
        Ok(chosen)
    }
}

/// Rows of a file, as many at a time as asked for.
pub(super) struct Rows {
    stream: SendableRecordBatchStream,
    /// Read, and not yet taken.
    read: VecDeque<RecordBatch>,
}

impl Rows {
    pub(super) fn new(stream: SendableRecordBatchStream) -> Self {
        Rows { stream, read: VecDeque::new() }
    }

    /// The next so many rows; fewer at the end.
    pub(super) async fn take(&mut self, most: usize) -> Result<Vec<RecordBatch>, Error> {
        let mut taken = Vec::new();
        let mut missing = most;
        while missing > 0 {
            let batch = match self.read.pop_front() {
                Some(batch) => batch,
                None => match self.stream.next().await {
                    Some(batch) => batch?,
                    None => break,
                },
            };
            let wanted = batch.num_rows().min(missing);
            if wanted < batch.num_rows() {
                self.read.push_front(batch.slice(wanted, batch.num_rows() - wanted));
            }
            missing -= wanted;
            taken.push(batch.slice(0, wanted));
        }
        Ok(taken)
    }

    /// Rows that were taken last come again.
    fn put_back(&mut self, taken: Vec<RecordBatch>) {
        taken.into_iter().rev().for_each(|batch| self.read.push_front(batch));
    }
}
