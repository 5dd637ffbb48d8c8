//! One view, looked through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::{Definition, Error, Micros, Pinned, Registered, Result};
use asof_offline::Progress;
use asof_query::{Definitions, Moments, Planner, Tally, Timeline, Watch, execution_error};
use datafusion::logical_expr::LogicalPlan;
use futures::{StreamExt, TryStreamExt};

use super::compare::{Difference, Gathered, Shown, compare};
use super::count::{Count, Counter};
use super::rows::{Reader, Row, moments};
use super::sample::{Sample, choose};
use super::{Checked, Finding, Leak, Probe};
use crate::Engine;
use crate::datasets::Pins;
use crate::told;

/// The most rows of either computation that are looked at closely, unless a single bucket has more.
const LOOKED_AT: i64 = 20_000;

/// A view and all that its rows are made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Subject {
    engine: Engine,
    view: Arc<Registered>,
    definitions: Arc<Definitions>,
    pins: Arc<Pins>,
}

impl Subject {
    pub(crate) fn new(engine: &Engine, view: &Registered, definitions: Arc<Definitions>, pins: Arc<Pins>) -> Self {
        Subject { engine: engine.clone(), view: Arc::new(view.clone()), definitions, pins }
    }

    /// Tells how many rows it reads of how many: of all computations together.
    pub(crate) async fn check(&self, probe: &Probe, progress: &Arc<dyn Progress>) -> Result<Checked> {
        let tally = told::tally(progress, format!("checking {}", self.view.pinned.reference()));
        let checked = self.looked_through(probe, &tally).await;
        if checked.is_ok() {
            tally.finish();
        }
        checked
    }

    async fn looked_through(&self, probe: &Probe, tally: &Tally) -> Result<Checked> {
        let once = self.rows_read().await?;
        let all = |sampled: u64, moments: usize| sampled + once.saturating_mul(1 + moments as u64);
        let sampled: u64 = self.pins.snapshots().map(|(_, snapshot)| snapshot.rows).sum();
        let sampled = if probe.samples > 0 { sampled + once } else { 0 };
        tally.foresee(all(sampled, probe.samples + probe.at.len()));
        let moments = self.choose(probe, tally).await?;
        tally.foresee(all(0, moments.len()));
        let (rows, whole) = self.count_all(moments.clone(), tally).await?;
        let checked = |finding| Checked { view: self.view.pinned.clone(), rows, moments: moments.clone(), finding };
        if rows == 0 {
            return Ok(checked(Finding::Unchecked("it has no rows yet".to_owned())));
        }
        let cuts: Vec<_> = moments.iter().map(|moment| self.clone().count_cut(*moment, tally.clone())).collect();
        let mut cuts = futures::stream::iter(cuts).buffered(self.engine.workshop().limits().threads);
        let mut parts = Vec::with_capacity(moments.len());
        while let Some(part) = cuts.try_next().await? {
            parts.push(part);
        }
        let apart: Vec<_> = (moments.iter().zip(whole.iter().zip(&parts)))
            .filter(|(_, (whole, part))| whole != part)
            .map(|(moment, (whole, part))| Apart { moment: *moment, whole, part })
            .collect();
        // Where rows are there both times and say something else, both values can be shown.
        let Some(best) = apart.iter().rev().max_by_key(|apart| apart.changed()) else {
            return Ok(checked(Finding::Clean));
        };
        let leak = |shown: Option<Shown>, causes| {
            let (features, example) = shown.map(|s| (s.features, Some(s.example))).unwrap_or_default();
            Leak { at: best.moment, moments: apart.len(), features, example, causes }
        };
        // In another order, the rows are read in two halves.
        tally.foresee(once.saturating_mul(4));
        Ok(checked(match self.look_at(best, tally).await? {
            Some(Difference::Rounding) => Finding::Rounding,
            Some(Difference::Unstable(shown)) => Finding::Unstable(leak(Some(shown), vec![UNSTABLE.to_owned()])),
            Some(Difference::Cut(shown)) => Finding::Leak(leak(Some(shown), self.planner().causes(&self.view)?)),
            None => Finding::Unstable(leak(None, vec![UNSTABLE.to_owned()])),
        }))
    }

    /// The moments to cut at, in order, each once.
    async fn choose(&self, probe: &Probe, tally: &Tally) -> Result<Vec<Micros>> {
        let mut chosen: BTreeSet<Micros> = probe.at.iter().copied().collect();
        if probe.samples > 0 {
            let own = self.timeline(None)?;
            let mut sources = Vec::new();
            for dataset in self.datasets()?.values() {
                let (plan, times) = self.planner().dataset_moments(dataset)?;
                sources.push(self.sample(plan, times, tally).await?);
            }
            chosen.extend(choose(&self.sample(own.plan, own.times, tally).await?, &sources, probe.samples));
        }
        Ok(chosen.into_iter().collect())
    }

    async fn sample(&self, plan: LogicalPlan, times: Moments, tally: &Tally) -> Result<Sample> {
        self.fold(plan, tally, Sample::default(), move |sample, batch| {
            moments(&batch, times, |_, moment| sample.add(moment));
            Ok(())
        })
        .await
    }

    /// How many rows the view has, and those that count at each moment.
    async fn count_all(&self, moments: Vec<Micros>, tally: &Tally) -> Result<(u64, Vec<Count>)> {
        let counter = self.read(self.timeline(None)?, tally, Counter::new(moments), Counter::add).await?;
        Ok((counter.rows(), counter.counts()))
    }

    /// The rows that count at a moment, over the sources cut off there.
    async fn count_cut(self, moment: Micros, tally: Tally) -> Result<Count> {
        let counter = self.read(self.timeline(Some(moment))?, &tally, Counter::new(vec![moment]), Counter::add).await?;
        counter.counts().pop().ok_or_else(|| Error::internal("a counter counts at every moment"))
    }

    /// Computes the view again, in full, cut off, and in full in another order, and compares some of the rows that differ.
    async fn look_at(&self, apart: &Apart<'_>, tally: &Tally) -> Result<Option<Difference>> {
        let (moment, buckets) = (apart.moment, apart.buckets());
        let gather = |timeline| self.read(timeline, tally, Gathered::new(moment, buckets.clone()), Gathered::add);
        let all = gather(self.timeline(None)?).await?;
        let cut = gather(self.timeline(Some(moment))?).await?;
        let again = self.planner().reordered().timeline(&self.view)?;
        let again = gather(again).await?;
        compare(&Reader::new(&self.timeline(None)?)?, &all, &cut, &again)
    }

    /// Visits every row of the view.
    async fn read<T: Send + 'static>(
        &self,
        timeline: Timeline,
        tally: &Tally,
        into: T,
        visit: impl Fn(&mut T, &Row<'_>) + Send + 'static,
    ) -> Result<T> {
        let reader = Reader::new(&timeline)?;
        self.fold(timeline.plan, tally, into, move |into, batch| reader.read(&batch, |row| visit(into, &row))).await
    }

    /// Runs a plan in the workshop, batch by batch, on one partition: so that the same rows come in the same order,
    /// whatever stands after them.
    async fn fold<T: Send + 'static>(
        &self,
        plan: LogicalPlan,
        tally: &Tally,
        mut into: T,
        mut visit: impl FnMut(&mut T, RecordBatch) -> Result<()> + Send + 'static,
    ) -> Result<T> {
        let (engine, tally) = (self.engine.clone(), tally.clone());
        let work = async move {
            let session = tally.counting(engine.workshop().session_of(1));
            let (_, mut rows) = engine.execute(session, plan).await?;
            while let Some(batch) = rows.next().await {
                visit(&mut into, batch.map_err(execution_error)?)?;
            }
            Ok(into)
        };
        self.engine.workshop().run(work).await
    }

    /// How many rows one computation reads.
    async fn rows_read(&self) -> Result<u64> {
        let (engine, plan) = (self.engine.clone(), self.timeline(None)?.plan);
        let work = async move {
            let tally = Tally::new(Arc::new(Unwatched));
            engine.planned(tally.counting(engine.workshop().session_of(1)), plan).await?;
            Ok(tally.planned())
        };
        self.engine.workshop().run(work).await
    }

    fn planner(&self) -> Planner<'_> {
        Planner::new(&self.definitions, self.pins.as_ref())
    }

    fn timeline(&self, until: Option<Micros>) -> Result<Timeline> {
        let planner = self.planner();
        until.map_or(self.planner(), |moment| planner.until(moment)).timeline(&self.view)
    }

    /// The datasets that the view is made of, directly or not.
    fn datasets(&self) -> Result<BTreeMap<Pinned, Arc<Registered>>> {
        let mut found = BTreeMap::new();
        let mut open: Vec<Pinned> = self.view.inputs.iter().map(|input| input.pinned.clone()).collect();
        let mut seen = BTreeSet::new();
        while let Some(pinned) = open.pop() {
            if !seen.insert(pinned.clone()) {
                continue;
            }
            let registered = self.definitions.get(&pinned);
            let registered =
                registered.ok_or_else(|| Error::internal(format!("{pinned} was not given to the check")))?;
            open.extend(registered.inputs.iter().map(|input| input.pinned.clone()));
            if matches!(registered.definition, Definition::Dataset(_)) {
                found.insert(pinned, registered.clone());
            }
        }
        Ok(found)
    }
}

/// Nobody is told what is read.
struct Unwatched;

impl Watch for Unwatched {
    fn read(&self, _: u64, _: Option<u64>) {}
}

/// What is told of a view that is not the same twice.
const UNSTABLE: &str = "its rows depend on the order in which they are computed: a window or first/last/array_agg over \
                        rows with equal times, or LIMIT without a full order; order by a column that tells them apart";

/// A moment at which rows differ.
struct Apart<'a> {
    moment: Micros,
    whole: &'a Count,
    part: &'a Count,
}

impl Apart<'_> {
    /// In how many buckets as many rows are there, which differ.
    fn changed(&self) -> usize {
        self.whole.different(self.part).filter(|b| self.whole.0[*b].rows == self.part.0[*b].rows).count()
    }

    /// A few buckets that differ; those with as many rows first.
    fn buckets(&self) -> BTreeSet<usize> {
        let mut different: Vec<usize> = self.whole.different(self.part).collect();
        let rows = |bucket: usize| (self.whole.0[bucket].rows, self.part.0[bucket].rows);
        different.sort_by_key(|bucket| (rows(*bucket).0 != rows(*bucket).1, *bucket));
        let mut left = LOOKED_AT;
        let taken = different.into_iter().take_while(|bucket| {
            let enough = left <= 0;
            left -= rows(*bucket).0.max(rows(*bucket).1);
            !enough
        });
        taken.collect()
    }
}
