//! `materialize`: the newest row of each key goes online, visible all at once.
//!
//! What is lacking is added where that can be told ([`extent`]); otherwise all of the view's rows are read, and replace what is
//! online. Either is one publication: readers see the rows before it or those after it, a crash leaves the one or the other,
//! and what is pushed meanwhile is in neither lost nor counted twice.

mod extent;
mod integers;
mod keys;
mod upkeep;
mod writing;

use std::future::Future;
use std::sync::Arc;

use asof_model::run::{Item, RunId, Verb};
use asof_model::{Columns, Definition, Error, Kind, Micros, Pinned, Reference, Registered, Result};
use asof_offline::{Ongoing, Progress};
use asof_online::{Basis, EVENT_TIME, KNOWN, Layout, Publication, Published};
use asof_query::{Definitions, Planner, Tiled};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use futures::StreamExt;

pub use self::extent::Extent;
use self::extent::{Adding, Stop, Wanted};
pub use self::upkeep::Upkeep;
use self::writing::{Counting, Writing};
use crate::run::Record;
use crate::{Engine, Scope, windows};

/// Which views to bring online.
#[derive(Clone, Debug, Default)]
pub struct MaterializeRequest {
    /// The views; none means all that some service of the environment reads.
    pub views: Vec<Reference>,
    /// The moment as of which rows are the newest; none means now.
    pub at: Option<Micros>,
    /// Whether to read all rows, also where only those that were added since would do.
    pub full: bool,
    /// Whether, where none is named, those are wanted too that the record says are online, of whichever version.
    pub recorded: bool,
}

/// How to bring views online.
#[derive(Clone, Copy)]
struct How {
    at: Micros,
    /// Whether somebody named that moment.
    named: bool,
    full: bool,
}

/// Rows to be written.
struct Rows {
    plans: Vec<LogicalPlan>,
    /// Whether they come in the order of their keys, each once.
    in_order: bool,
    /// Whether some may count later than the moment.
    later: bool,
}

/// One view that is online now.
#[derive(Clone, Debug)]
pub struct Materialized {
    /// The run.
    pub run: RunId,
    /// What is visible.
    pub published: Published,
    /// How much of its datasets was read.
    pub extent: Extent,
    /// The rows in the files that were read.
    pub read: u64,
}

/// What was brought online.
#[derive(Clone, Debug)]
pub struct MaterializeReport {
    /// The views that are online now.
    pub views: Vec<Materialized>,
    /// Views that some service reads, that nobody named, and that cannot be brought online yet, because of their as-of
    /// windows.
    pub skipped: Vec<Pinned>,
}

impl Engine {
    /// Publishes the newest rows of views, one run each. A view becomes visible whole; if a later one
    /// fails, the earlier ones stay.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, `nothing_ingested`, `nothing_to_materialize`, `windows_trained_only` for a view
    /// that was named, and those of the stores.
    pub async fn materialize(
        &self,
        scope: &Scope,
        request: MaterializeRequest,
        progress: Arc<dyn Progress>,
    ) -> Result<MaterializeReport> {
        let now = self.clock().now();
        let at = request.at.unwrap_or(now);
        if at > now {
            let message = format!("{at} lies in the future: what will be the newest then is not known");
            return Err(
                Error::new(asof_model::ErrorKind::Invalid, "future_moment", message).remedy("leave --at out for now")
            );
        }
        let (mut views, mut skipped) = (Vec::new(), Vec::new());
        for view in self.wanted_views(scope, &request).await? {
            if request.views.is_empty() && !self.can_be_kept(&view).await? {
                skipped.push(view.pinned);
            } else {
                views.push(view);
            }
        }
        let how = How { at, named: request.at.is_some_and(|at| at < now), full: request.full };
        let mut done = Vec::with_capacity(views.len());
        for (index, view) in views.iter().enumerate() {
            let which = match views.len() {
                1 => view.pinned.name.to_string(),
                all => format!("{} ({} of {all})", view.pinned.name, index + 1),
            };
            done.push(self.materialize_view(scope, view, how, which, &progress).await?);
        }
        Ok(MaterializeReport { views: done, skipped })
    }

    /// Whether a view can be online at all: there are as-of windows that cannot.
    async fn can_be_kept(&self, view: &Registered) -> Result<bool> {
        if !asof_query::has_windows(view)? {
            return Ok(true);
        }
        let closure = self.catalog().closure(std::slice::from_ref(&view.pinned)).await?;
        let bare = self.bare(&closure).await?;
        let definitions = Definitions::new(closure.into_iter().map(Arc::new));
        match Planner::new(&definitions, &bare).tiled(view) {
            Err(error) if error.code() == "windows_trained_only" => Ok(false),
            _ => Ok(true),
        }
    }

    async fn wanted_views(&self, scope: &Scope, request: &MaterializeRequest) -> Result<Vec<Registered>> {
        let (project, environment) = (&scope.project, &scope.environment);
        let named = &request.views;
        let mut views = Vec::new();
        for reference in named {
            views.push(self.catalog().resolve(project, environment, reference, Some(Kind::FeatureView)).await?);
        }
        if named.is_empty() {
            for service in self.catalog().list(project, environment, Some(Kind::FeatureService)).await? {
                for input in service.registered.inputs.iter().filter(|i| i.pinned.kind == Kind::FeatureView) {
                    views.push(self.catalog().pinned(&input.pinned).await?);
                }
            }
        }
        if named.is_empty() && request.recorded {
            for item in self.catalog().online(project).await? {
                if let Item::Online { view, .. } = item {
                    views.push(self.catalog().pinned(&view).await?);
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        views.retain(|v| seen.insert(v.pinned.clone()));
        if views.is_empty() {
            let message =
                format!("no feature service in `{environment}` reads a view, so there is nothing to bring online");
            return Err(Error::new(asof_model::ErrorKind::Precondition, "nothing_to_materialize", message)
                .remedy("name a view (asof materialize VIEW) or apply a CREATE FEATURE SERVICE first"));
        }
        Ok(views)
    }

    async fn materialize_view(
        &self,
        scope: &Scope,
        view: &Registered,
        how: How,
        which: String,
        progress: &Arc<dyn Progress>,
    ) -> Result<Materialized> {
        let inputs = vec![Item::Definition(view.pinned.clone())];
        let mut record = self.start(&scope.project, Verb::Materialize, inputs).await?;
        let work = async {
            let closure = self.catalog().closure(std::slice::from_ref(&view.pinned)).await?;
            closure.iter().for_each(|r| record.read(Item::Definition(r.pinned.clone())));
            let bare = self.bare(&closure).await?;
            let definitions = Definitions::new(closure.iter().cloned().map(Arc::new));
            let tiled = Planner::new(&definitions, &bare).tiled(view)?;
            let layout = layout(view, &closure, tiled.as_ref())?;
            let How { at, named, full } = how;
            let (closure, definitions, tiled) = (&closure[..], &definitions, tiled.as_ref());
            let wanted = Wanted { view, closure, definitions, tiled, layout: &layout, at, named };
            let lacking =
                if full { Err(Stop::Whole("it was asked for".to_owned())) } else { self.lacking(&wanted).await };
            let added = match lacking {
                Ok(adding) => self.add(&wanted, adding, &mut record, &which, progress).await,
                Err(stop) => Err(stop),
            };
            let materialized = match added {
                Ok(materialized) => materialized,
                Err(Stop::Whole(why)) => self.publish_whole(&wanted, why, &mut record, &which, progress).await?,
                Err(Stop::Failed(error)) => return Err(error),
            };
            let Materialized { published, extent, read, .. } = &materialized;
            record.made(online_item(published));
            record.note("rows", published.rows);
            record.note("at", at);
            record.note("extent", extent);
            record.note("rows_read", read);
            Ok(materialized)
        };
        let result = work.await;
        self.finish(record, result).await
    }

    /// Adds what a view lacks to what is online of it.
    async fn add(
        &self,
        wanted: &Wanted<'_>,
        adding: Adding,
        record: &mut Record,
        which: &str,
        progress: &Arc<dyn Progress>,
    ) -> Result<Materialized, Stop> {
        let Adding { increase, pins, basis, from, plans, rows } = adding;
        pins.items().for_each(|item| record.read(item));
        record.save().await?;
        let lacking = Rows { plans, in_order: false, later: true };
        let extent = Extent::Increment { dataset: basis.dataset.clone(), from, to: basis.snapshot };
        let work = self.written(wanted, increase.publication, lacking, Some(basis), record, which, progress);
        match self.workshop().run_as(record.work(), work).await {
            Ok(published) => Ok(Materialized { run: record.id(), published, extent, read: rows }),
            // What cannot be added to can be replaced.
            Err(error) if ["publication_overtaken", "online_damaged", "other_format"].contains(&error.code()) => {
                record.reads_anew();
                Err(Stop::Whole(error.message().to_owned()))
            }
            Err(error) => Err(Stop::Failed(error)),
        }
    }

    /// Makes all of a view anew.
    async fn publish_whole(
        &self,
        wanted: &Wanted<'_>,
        why: String,
        record: &mut Record,
        which: &str,
        progress: &Arc<dyn Progress>,
    ) -> Result<Materialized> {
        let view = wanted.view;
        // A store that has the view counts by itself.
        if self.online().published(&view.pinned)?.is_none()
            && let Some(generation) = self.catalog().last_generation(&view.pinned).await?
        {
            self.online().count_from(&view.pinned, generation);
        }
        // From here on the publication gets what is pushed; what was pushed before is in the snapshots that are pinned.
        let publication = self.online().publish(&view.pinned, wanted.layout)?;
        let _making = self.pusher().entrances.making(&view.pinned);
        self.pusher().settle().await?;
        let pins = self.pin(wanted.closure, None).await?;
        pins.items().for_each(|item| record.read(item));
        record.save().await?;
        let mut basis = self.basis(wanted, &pins).await?;
        let mut rows = Rows { plans: Vec::new(), in_order: false, later: false };
        let planner = Planner::new(wanted.definitions, &pins);
        match (wanted.tiled, &mut basis) {
            (Some(_), _) => {
                rows.plans.push(planner.events(view, None)?);
                rows.later = true;
            }
            (None, None) => rows.plans.push(planner.newest(view, wanted.at)?),
            (None, Some(basis)) => {
                let (key, keys) = (&wanted.layout.key, planner.keys(view)?);
                let (work, stage) = (record.work(), format!("finding the keys of {which}"));
                basis.due = self.due(work, planner.stamped(view, Some(wanted.at))?).await?;
                let plan = match self.keys_of(work, keys, key, progress, stage).await? {
                    Some(keys) => {
                        rows.in_order = true;
                        planner.newest_among(view, wanted.at, keys)?
                    }
                    None => planner.newest(view, wanted.at)?,
                };
                rows.plans.push(plan);
            }
        }
        let work = self.written(wanted, publication, rows, basis, record, which, progress);
        let published = self.workshop().run_as(record.work(), work).await?;
        let read = pins.snapshots().map(|(_, snapshot)| snapshot.rows).sum();
        Ok(Materialized { run: record.id(), published, extent: Extent::Whole(why), read })
    }

    /// When the first of the rows counts that a plan gives, all of which count later than the moment.
    async fn due(&self, work: &Ongoing, plan: LogicalPlan) -> Result<Option<Micros>> {
        let engine = self.clone();
        // The times are enough; where they are columns of files, the files' statistics are.
        let columns = plan.schema().columns().into_iter().filter(|column| [EVENT_TIME, KNOWN].contains(&&*column.name));
        let times: Vec<_> = columns.map(Expr::Column).collect();
        let plan = LogicalPlanBuilder::from(plan).project(times).and_then(LogicalPlanBuilder::build);
        let plan = plan.map_err(asof_query::execution_error)?;
        let reading = async move {
            let (_, mut rows) = engine.execute(engine.workshop().session(), plan).await?;
            let mut counting = Counting::new(Micros(i64::MIN));
            while let Some(batch) = rows.next().await {
                counting.counting(batch.map_err(asof_query::execution_error)?)?;
            }
            Ok(counting.due)
        };
        self.workshop().run_as(work, reading).await
    }

    /// All keys that a plan gives, each once and in order, if there is memory for them.
    async fn keys_of(
        &self,
        work: &Ongoing,
        plan: LogicalPlan,
        key: &Columns,
        progress: &Arc<dyn Progress>,
        stage: String,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let (engine, key, progress, ongoing) = (self.clone(), key.clone(), Arc::clone(progress), work.clone());
        let finding = async move {
            let Some(keys) = engine.keys_in_order(plan, &key, &ongoing, &progress, stage).await? else {
                return Ok(None);
            };
            let table = MemTable::try_new(Arc::new(key.to_arrow()), vec![keys]).map_err(Error::internal)?;
            Ok(Some(Arc::new(table) as Arc<dyn TableProvider>))
        };
        self.workshop().run_as(work, finding).await
    }

    /// Writes rows into a publication, and makes it visible.
    #[expect(clippy::too_many_arguments, reason = "it is one step with two beginnings")]
    fn written(
        &self,
        wanted: &Wanted<'_>,
        mut publication: Box<dyn Publication>,
        rows: Rows,
        basis: Option<Basis>,
        record: &Record,
        which: &str,
        progress: &Arc<dyn Progress>,
    ) -> impl Future<Output = Result<Published>> + Send + 'static + use<> {
        let (engine, run, tiled, at) = (self.clone(), record.id(), wanted.tiled.cloned(), wanted.at);
        let (reading, publishing) = (format!("reading {which}"), format!("publishing {which}"));
        let progress = Arc::clone(progress);
        async move {
            // Pushes that the snapshot has are not to be taken twice.
            basis.iter().for_each(|basis| publication.rests_on(basis.clone()));
            let reach = tiled.as_ref().map(|tiled| tiled.tiling.reach());
            reach.into_iter().for_each(|reach| publication.leave_out(Micros(at.0.saturating_sub(reach))));
            let counting = rows.later.then(|| Counting::new(at));
            let tiled = tiled.as_ref();
            let mut writing =
                Writing { publication: publication.as_mut(), tiled, at, counting, in_order: rows.in_order };
            let mut published = 0;
            for plan in rows.plans {
                let (mut rows, making) = engine.stream(plan, &progress, reading.clone()).await?;
                while let Some(batch) = rows.next().await {
                    let batch = batch.map_err(asof_query::execution_error)?;
                    published += batch.num_rows() as u64;
                    writing.write(batch)?;
                    making.advance(&publishing, published, None);
                }
                making.all_read();
            }
            let due = writing.counting.and_then(|counting| counting.due);
            if let Some(basis) = basis {
                let due = basis.due.into_iter().chain(due).min();
                publication.rests_on(Basis { due, ..basis });
            }
            publication.commit(run, at)
        }
    }
}

/// A publication as the output of a run.
pub(crate) fn online_item(published: &Published) -> Item {
    Item::Online {
        view: published.view.clone(),
        generation: published.generation,
        rows: published.rows,
        at: published.at,
    }
}

/// The columns of a view's rows online: the entity's key, then every feature.
fn layout(view: &Registered, closure: &[Registered], tiled: Option<&Tiled>) -> Result<Layout> {
    let Definition::FeatureView(definition) = &view.definition else {
        return Err(Error::internal("a view was asked for"));
    };
    let entity = (view.inputs.iter().find(|i| i.pinned.kind == Kind::Entity))
        .and_then(|input| closure.iter().find(|r| r.pinned == input.pinned))
        .ok_or_else(|| Error::internal(format!("{} has no entity", view.pinned)))?;
    if let Some(tiled) = tiled {
        let layout = windows::layout(&entity.columns, tiled);
        return layout.ok_or_else(|| Error::internal(format!("the hops of {} do not divide one another", view.pinned)));
    }
    Ok(Layout { key: entity.columns.clone(), values: asof_query::features(definition, view, entity), tiles: None })
}
