//! `materialize`: the newest row of each key goes online, visible all at once.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, Scalar, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{filter_record_batch, not};
use asof_model::run::{Item, RunId, Verb};
use asof_model::{Definition, Error, Kind, Micros, Pinned, Reference, Registered, Result};
use asof_offline::Progress;
use asof_online::{EVENT_TIME, Layout, Publication, Published, SEQ};
use asof_query::{Definitions, Planner, Tiled};
use futures::StreamExt;

use crate::{Engine, Scope, windows};

/// Which views to bring online.
#[derive(Clone, Debug, Default)]
pub struct MaterializeRequest {
    /// The views; none means all that some service of the environment reads.
    pub views: Vec<Reference>,
    /// The moment as of which rows are the newest; none means now.
    pub at: Option<Micros>,
}

/// One view that is online now.
#[derive(Clone, Debug)]
pub struct Materialized {
    /// The run.
    pub run: RunId,
    /// What is visible.
    pub published: Published,
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
        for view in self.wanted_views(scope, &request.views).await? {
            if request.views.is_empty() && !self.can_be_kept(&view).await? {
                skipped.push(view.pinned);
            } else {
                views.push(view);
            }
        }
        let mut done = Vec::with_capacity(views.len());
        for (index, view) in views.iter().enumerate() {
            let which = match views.len() {
                1 => view.pinned.name.to_string(),
                all => format!("{} ({} of {all})", view.pinned.name, index + 1),
            };
            done.push(self.materialize_view(scope, view, at, which, &progress).await?);
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

    async fn wanted_views(&self, scope: &Scope, named: &[Reference]) -> Result<Vec<Registered>> {
        let (project, environment) = (&scope.project, &scope.environment);
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
        at: Micros,
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
            // From here on the publication gets what is pushed; what was pushed before is in the snapshots that are pinned.
            let mut publication = self.online().publish(&view.pinned, &layout)?;
            let _making = self.pusher().entrances.making(&view.pinned);
            self.pusher().settle().await?;
            let pins = self.pin(&closure, None).await?;
            pins.items().for_each(|item| record.read(item));
            record.save().await?;
            let planner = Planner::new(&definitions, &pins);
            let plan = if tiled.is_some() { planner.events(view, at)? } else { planner.newest(view, at)? };
            let (engine, run) = (self.clone(), record.id());
            let progress = Arc::clone(progress);
            let publish = async move {
                let (mut rows, making) = engine.stream(plan, &progress, format!("reading {which}")).await?;
                let (stage, mut published) = (format!("publishing {which}"), 0);
                while let Some(batch) = rows.next().await {
                    let batch = batch.map_err(asof_query::execution_error)?;
                    match &tiled {
                        Some(tiled) => write_events(publication.as_mut(), tiled, &batch, at)?,
                        None => publication.write(&batch)?,
                    }
                    published += batch.num_rows() as u64;
                    making.advance(&stage, published, None);
                }
                making.all_read();
                publication.commit(run, at)
            };
            let published = self.workshop().run_as(record.work(), publish).await?;
            record.made(online_item(&published));
            record.note("rows", published.rows);
            record.note("at", at);
            Ok(Materialized { run: record.id(), published })
        };
        let result = work.await;
        self.finish(record, result).await
    }
}

/// Writes events of a view with windows. What lies behind every window is of the newest rows alone.
fn write_events(publication: &mut dyn Publication, tiled: &Tiled, events: &RecordBatch, at: Micros) -> Result<()> {
    let events = tiled.events(events, EVENT_TIME, Some(SEQ))?;
    let tiling = &tiled.tiling;
    if tiling.endless() {
        return publication.write(&events);
    }
    let since = Micros(at.0.saturating_sub(tiling.reach()));
    let times = events.column_by_name(EVENT_TIME).cloned().ok_or_else(|| Error::internal("events have no time"))?;
    let since = Scalar::new(TimestampMicrosecondArray::from(vec![since.0]).with_timezone("UTC"));
    let recent = cmp::gt(&times, &since).map_err(Error::internal)?;
    let some = |wanted: &BooleanArray| filter_record_batch(&events, wanted).map_err(Error::internal);
    let old = some(&not(&recent).map_err(Error::internal)?)?;
    if old.num_rows() > 0 {
        let cells: Vec<&str> = tiling.cells().iter().map(|cell| cell.input.as_str()).collect();
        let schema = old.schema();
        let kept: Vec<usize> =
            (0..old.num_columns()).filter(|n| !cells.contains(&schema.field(*n).name().as_str())).collect();
        publication.write(&old.project(&kept).map_err(Error::internal)?)?;
    }
    publication.write(&some(&recent)?)
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
