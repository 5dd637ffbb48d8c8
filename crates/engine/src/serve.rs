//! `get`: features of entities at a moment, by versioned reference, from the online store.
//!
//! A service version is compiled once into a [`ServingPlan`], and what a reference means is remembered (`plans`); a
//! request then costs one read of the online store over all its views and keys, and the evaluation of the same
//! expressions that training uses.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt8Array};
use arrow::compute::kernels::nullif::nullif;
use asof_model::run::Receipt;
use asof_model::time::Micros;
use asof_model::{Columns, Error, ErrorKind, Kind, Pinned, Reference, Registered, Result, Status};
use asof_online::{Ask, Codec, Found, Lookup};
use asof_query::{Definitions, Planner, ServedView, Serving, ViewStatuses};
use tokio::sync::OnceCell;

use crate::rows::Rows;
use crate::served::{InPlace, Places, Served, ViewRows};
use crate::serving_log::Watched;
use crate::{Engine, RowError, Scope, Warning, windows};

/// The most entities one request may ask for.
pub const MAX_ENTITIES: usize = 10_000;

/// A request for features.
#[derive(Clone, Debug)]
pub struct GetRequest {
    /// The service.
    pub service: Reference,
    /// One row per entity: its key columns and the request parameters, by name, in any order.
    pub rows: RecordBatch,
    /// The moment asked about; none means now. It cannot lie before the moment that was materialized.
    pub at: Option<Micros>,
}

/// One feature's view, for event times and receipts.
#[derive(Clone, Debug)]
pub struct ServedFeature {
    /// Positions in [`GetReply::views`] of the views this feature was computed from.
    pub views: Vec<usize>,
    /// Per row, a [`Status`] as its number.
    pub statuses: UInt8Array,
}

/// What one view contributed.
#[derive(Clone, Debug)]
pub struct ServedRows {
    /// Its alias in the service.
    pub alias: String,
    /// Its version.
    pub view: Pinned,
    /// Per row, the event time of the row found, expired ones included; null where there is none.
    pub event_times: TimestampMicrosecondArray,
    /// The run that brought the rows online.
    pub run: asof_model::RunId,
    /// The moment as of which they were the newest.
    pub at: Micros,
}

impl ServedRows {
    /// Where the value of one row came from.
    pub fn receipt(&self, row: usize) -> Receipt {
        let event_time = self.event_times.is_valid(row).then(|| Micros(self.event_times.value(row)));
        Receipt { view: self.view.clone(), event_time, run: self.run }
    }
}

/// Features, columnar: one row per entity, in the order asked.
#[derive(Clone, Debug)]
pub struct GetReply {
    /// The version that answered.
    pub service: Pinned,
    /// The moment answered for.
    pub at: Micros,
    /// One column per feature; null unless present.
    pub features: RecordBatch,
    /// Per feature: statuses and origins.
    pub details: Vec<ServedFeature>,
    /// Per view of the service.
    pub views: Vec<ServedRows>,
    /// The rows that could not be answered, in order; none unless the request asked for rows apart.
    pub errors: Vec<RowError>,
    /// What whoever asks should know.
    pub warnings: Arc<[Warning]>,
}

/// A service version, ready to serve.
pub(crate) struct ServingPlan {
    pub(crate) serving: Serving,
    /// What each request must bring: keys first, then parameters.
    pub(crate) request: Columns,
    /// What whoever asks should know.
    pub(crate) warnings: Arc<[Warning]>,
    /// Set once its views were found to be such as can be served, and the rows online those that were recorded.
    checked: OnceCell<()>,
    /// Per view, where its columns were when it was last read: another publication may have them elsewhere.
    places: Vec<ArcSwapOption<Places>>,
    /// The datasets that it reads, where what is served is logged.
    pub(crate) watched: Option<Watched>,
    /// What the writer of replies keeps.
    pub(crate) layout: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Engine {
    /// The version a reference means, compiled. Compiled once; later calls find it.
    pub(crate) async fn serving_plan(&self, scope: &Scope, service: &Reference) -> Result<Arc<ServingPlan>> {
        let since = match self.plans.meant(scope, service) {
            Ok(plan) => return Ok(plan),
            Err(since) => since,
        };
        let (project, environment) = (&scope.project, &scope.environment);
        let registered = self.catalog().resolve(project, environment, service, Some(Kind::FeatureService)).await?;
        let plan = match self.plans.of(&registered.pinned) {
            Some(plan) => plan,
            None => self.plans.keep(since, registered.pinned.clone(), self.compile(registered).await?),
        };
        self.plans.remember(since, scope, service, &plan);
        Ok(plan)
    }

    async fn compile(&self, service: Registered) -> Result<ServingPlan> {
        let closure = self.catalog().closure(std::slice::from_ref(&service.pinned)).await?;
        let tables = self.bare(&closure).await?;
        let warnings = self.warnings(&service.pinned, &closure).await?.into();
        let watched = self.watched(&closure).await;
        let compile = async move {
            let definitions = Definitions::new(closure.into_iter().map(Arc::new));
            Planner::new(&definitions, &tables).serving(&service)
        };
        let serving = self.workshop().run(compile).await?;
        let mut request = serving.keys.clone();
        // A parameter may be a key as well; it comes once.
        request.0.extend(serving.request.0.iter().filter(|p| serving.keys.get(&p.name).is_none()).cloned());
        let places = serving.views.iter().map(|_| ArcSwapOption::empty()).collect();
        let (checked, layout) = (OnceCell::new(), OnceLock::new());
        Ok(ServingPlan { serving, request, warnings, checked, places, watched, layout })
    }

    async fn check_views(&self, plan: &ServingPlan) -> Result<()> {
        for view in &plan.serving.views {
            if let Some(refused) = &view.refused {
                return Err(refused.clone());
            }
            self.check_online(&view.view.pinned).await?;
        }
        Ok(())
    }

    /// What a request to a service must bring (keys, then parameters) and what it gives.
    ///
    /// # Errors
    /// `unknown_name`, `unknown_version`, `wrong_kind`.
    pub async fn service_signature(&self, scope: &Scope, service: &Reference) -> Result<(Pinned, Columns, Columns)> {
        let plan = self.serving_plan(scope, service).await?;
        Ok((plan.serving.service.clone(), plan.request.clone(), plan.serving.features.clone()))
    }

    /// Features for a list of entities.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, `missing_column`, `unknown_column`, `duplicate_column`, `wrong_type`, `too_many_entities`,
    /// `not_materialized`, `windows_trained_only`, `online_damaged`, `moment_not_held` for a moment before the materialized
    /// one.
    pub async fn get(&self, scope: &Scope, request: GetRequest) -> Result<GetReply> {
        self.serve(scope, request).await?.into_reply()
    }

    /// The same, not yet as columns: for whoever writes them down anyway.
    ///
    /// # Errors
    /// As of [`Engine::get`].
    pub async fn serve(&self, scope: &Scope, request: GetRequest) -> Result<Served> {
        let plan = self.served_plan(scope, &request.service).await?;
        let turn = self.served_log.turn(&plan);
        let served = self.answered(&plan, &request)?;
        if let Some(turn) = turn {
            self.log_reply(turn, &plan, &request.rows, served.reply()?);
        }
        Ok(served)
    }

    /// The same, for ourselves: nobody is served.
    pub(crate) async fn asked(&self, scope: &Scope, request: GetRequest) -> Result<GetReply> {
        let plan = self.served_plan(scope, &request.service).await?;
        self.answered(&plan, &request)?.into_reply()
    }

    fn answered(&self, plan: &Arc<ServingPlan>, request: &GetRequest) -> Result<Served> {
        let (store, now) = (self.online().as_ref(), self.clock().now());
        if plan.serving.is_of_rows() {
            match plan.in_place(store, &request.rows, request.at, now) {
                Ok(found) => return Ok(Served::in_place(Arc::clone(plan), found)),
                // The other way names the row.
                Err(error) if error.code() == "cannot_compute" => {}
                Err(error) => return Err(error),
            }
        }
        let reply = plan.answer(store, &request.rows, request.at, now, Rows::together())?;
        Ok(Served::whole(Arc::clone(plan), reply))
    }

    /// As [`Engine::get`], but a row that cannot be answered does not fail the others: it gets its error, null features, and
    /// the status `failed`. Rows that the caller found bad are given with their errors; what stands in them does not matter.
    ///
    /// # Errors
    /// As of [`Engine::get`], for what is wrong with the request as a whole.
    pub async fn get_apart(&self, scope: &Scope, request: GetRequest, bad: Vec<RowError>) -> Result<GetReply> {
        let plan = self.served_plan(scope, &request.service).await?;
        let turn = self.served_log.turn(&plan);
        let reply = self.answered_apart(&plan, &request, bad)?;
        if let Some(turn) = turn {
            self.log_reply(turn, &plan, &request.rows, reply.clone());
        }
        Ok(reply)
    }

    /// The same, for ourselves: nobody is served.
    pub(crate) async fn asked_apart(&self, scope: &Scope, request: GetRequest) -> Result<GetReply> {
        let plan = self.served_plan(scope, &request.service).await?;
        self.answered_apart(&plan, &request, Vec::new())
    }

    fn answered_apart(&self, plan: &ServingPlan, request: &GetRequest, bad: Vec<RowError>) -> Result<GetReply> {
        plan.answer(self.online().as_ref(), &request.rows, request.at, self.clock().now(), Rows::apart(bad))
    }

    /// The version a reference means, compiled and found to be such as can be served.
    pub(crate) async fn served_plan(&self, scope: &Scope, service: &Reference) -> Result<Arc<ServingPlan>> {
        let plan = self.serving_plan(scope, service).await?;
        plan.checked.get_or_try_init(|| self.check_views(&plan)).await?;
        Ok(plan)
    }
}

impl ServingPlan {
    /// Answers out of rows alone, in place. The moment is as of [`answer`](Self::answer).
    fn in_place(
        &self,
        store: &dyn asof_online::OnlineStore,
        given: &RecordBatch,
        at: Option<Micros>,
        now: Micros,
    ) -> Result<InPlace> {
        let rows = given.num_rows();
        let given = self.accept(given, &mut Rows::together())?;
        let keys = self.serving.views.iter().map(|view| view.from.iter().map(|name| given.column(name)).collect());
        let keys: Vec<Vec<ArrayRef>> = keys.collect();
        let asks = self.serving.views.iter().zip(&keys);
        let asks: Vec<_> = asks.map(|(view, keys)| Ask { view: &view.view.pinned, keys, windows: None }).collect();
        let found = store.read(&asks)?;
        let latest = found.iter().filter_map(|found| found.counts_from()).max();
        let at = at.unwrap_or(latest.map_or(now, |latest| latest.max(now)));
        let mut views = Vec::with_capacity(found.len());
        for ((view, places), found) in self.serving.views.iter().zip(&self.places).zip(found) {
            hold(view, found.at(), found.counts_from(), at)?;
            let places = places_of(places, view, found.codec())?;
            views.push(ViewRows::new(found, places, view.ttl, at));
        }
        InPlace::new(&self.serving, at, rows, views, &given)
    }

    /// Answers for a moment. None means now, or a little later where a row was pushed by somebody whose clock is ahead:
    /// the moment from when on all rows found count.
    fn answer(
        &self,
        store: &dyn asof_online::OnlineStore,
        given: &RecordBatch,
        at: Option<Micros>,
        now: Micros,
        mut rows: Rows,
    ) -> Result<GetReply> {
        let count = given.num_rows();
        let given = self.accept(given, &mut rows)?;
        let lookups = self.serving.views.iter().map(|view| Lookup {
            view: &view.view.pinned,
            keys: view.from.iter().map(|name| given.column(name)).collect(),
            columns: view.columns.clone(),
            windows: view.windows.as_ref().map(|w| windows::windows(&w.tiling, at.unwrap_or(now))),
        });
        let mut lookups: Vec<_> = lookups.collect();
        let mut found = store.get(&lookups)?;
        let latest = |found: &[Found]| found.iter().filter_map(|found| found.counts_from).max();
        let mut moment = at.unwrap_or(now);
        while let (None, Some(latest)) = (at, latest(&found).filter(|latest| *latest > moment)) {
            moment = latest;
            // Windows end at the moment that is answered for.
            if !self.serving.views.iter().any(|view| view.windows.is_some()) {
                break;
            }
            for (lookup, view) in lookups.iter_mut().zip(&self.serving.views) {
                lookup.windows = view.windows.as_ref().map(|w| windows::windows(&w.tiling, moment));
            }
            found = store.get(&lookups)?;
        }
        let at = moment;
        let mut inputs: Vec<ArrayRef> = Vec::new();
        let (mut statuses, mut views) = (Vec::new(), Vec::new());
        for (view, found) in self.serving.views.iter().zip(found) {
            hold(view, found.at, found.counts_from, at)?;
            let status = view_status(&found, view.ttl, at);
            let hidden = arrow::compute::kernels::cmp::neq(&status, &UInt8Array::new_scalar(Status::Present as u8));
            let hidden = hidden.map_err(Error::internal)?;
            let values = found.values.columns().iter().map(|column| nullif(column, &hidden).map_err(Error::internal));
            let values = values.collect::<Result<Vec<_>>>()?;
            let mut of_windows = None;
            match (&view.windows, &found.windows) {
                (Some(windows), Some(cells)) => {
                    let has_key = given.has_key(&view.from, count)?;
                    inputs.extend(windows.features(&values, &windows::Found(cells), &has_key)?);
                    let status = |has_key: bool| if has_key { Status::Present } else { Status::Missing };
                    of_windows = Some(has_key.iter().map(|key| Some(status(key == Some(true)) as u8)).collect());
                }
                _ => inputs.extend(values),
            }
            statuses.push(ViewStatuses { row: status, windows: of_windows });
            views.push(ServedRows {
                alias: view.alias.clone(),
                view: view.view.pinned.clone(),
                event_times: found.event_times,
                run: found.run,
                at: found.at,
            });
        }
        inputs.extend(self.serving.request.names().map(|name| given.column(name)));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let input = RecordBatch::try_new_with_options(self.serving.input_schema(), inputs, &options);
        let features = rows.evaluate(&self.serving, &input.map_err(Error::internal)?)?;
        let details = (0..features.num_columns()).map(|i| ServedFeature {
            views: self.serving.depends(i).to_vec(),
            statuses: rows.statuses(self.serving.statuses(i, features.column(i), &statuses)),
        });
        let details = details.collect();
        let (service, errors) = (self.serving.service.clone(), rows.errors());
        Ok(GetReply { service, at, features, details, views, errors, warnings: Arc::clone(&self.warnings) })
    }
}

/// Rule 3 and 6 of SEMANTICS for the rows found: present, missing or expired (null is a matter of values).
fn view_status(found: &Found, ttl: Option<Micros>, at: Micros) -> UInt8Array {
    let oldest = ttl.map(|ttl| at.0.saturating_sub(ttl.0));
    let status = |time: Option<i64>| match (time, oldest) {
        (None, _) => Status::Missing,
        (Some(time), Some(oldest)) if time < oldest => Status::Expired,
        (Some(_), _) => Status::Present,
    };
    found.event_times.iter().map(|time| Some(status(time) as u8)).collect()
}

/// Where a view's columns are in rows of this codec, found again only when it is another one.
fn places_of(kept: &ArcSwapOption<Places>, view: &ServedView, codec: &Arc<Codec>) -> Result<Arc<Places>> {
    if let Some(places) = kept.load_full().filter(|places| places.is_of(codec)) {
        return Ok(places);
    }
    let places = Arc::new(Places::find(view, codec)?);
    kept.store(Some(Arc::clone(&places)));
    Ok(places)
}

/// Whether rows that were materialized as of `online`, and count from a moment on, answer for `at`.
fn hold(view: &ServedView, online: Micros, counts_from: Option<Micros>, at: Micros) -> Result<()> {
    if at >= online.max(counts_from.unwrap_or(online)) {
        return Ok(());
    }
    let name = view.view.pinned.reference();
    let message = format!(
        "{name} is online as of {online}, and holds only the newest row of each key: what it was at {at} is not there"
    );
    Err(Error::new(ErrorKind::Precondition, "moment_not_held", message).remedy(format!(
        "ask for a later moment, train on a spine with that time, or: asof materialize {} --at {at}",
        view.view.pinned.name
    )))
}
