//! A row of a training set, computed again over what it was built from.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt8Array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Schema, TimestampMicrosecondType};
use asof_model::run::{Item, Receipt};
use asof_model::schema::timestamp;
use asof_model::{Definition, Error, ErrorKind, Micros, Reference, Registered, Result, RunId, Status};
use asof_query::{Planner, TrainingOptions};
use futures::TryStreamExt;

use super::ground::Ground;
use super::{Explanation, Origin, Source, exact};
use crate::equal::{AT, at_moment, plain};
use crate::serve::ServingPlan;
use crate::train::options_of;
use crate::{Engine, GetReply, Scope, ServedFeature, ServedRows};

impl Engine {
    pub(super) async fn explain_cell(&self, scope: &Scope, set: &Reference, row: u64) -> Result<Explanation> {
        let manifest = self.training_set(scope, set).await?;
        let (name, number) = (manifest.name.clone(), manifest.number);
        if row >= manifest.rows {
            let message = format!("training set `{name}@{number}` has {} rows; there is no row {row}", manifest.rows);
            return Err(Error::new(ErrorKind::NotFound, "unknown_row", message).remedy("rows are counted from 0"));
        }
        let definition = self.catalog().pinned(&manifest.definition).await?;
        let Definition::TrainingSet(spine) = &definition.definition else {
            return Err(Error::internal(format!("{} is no training set", manifest.definition)));
        };
        let service = self.catalog().pinned(&manifest.service).await?;
        let plan = self.serving_plan(scope, &exact(&manifest.service)).await?;
        let stored = self.offline().training_row(&manifest, row).await?;
        let column = |name: &str| {
            let found = stored.column_by_name(name).cloned();
            found.ok_or_else(|| Error::internal(format!("training set `{}` has no column `{name}`", manifest.name)))
        };
        let given = plan.request.0.iter().map(|wanted| Ok((wanted.name.as_str(), column(&wanted.name)?, true)));
        let given = RecordBatch::try_from_iter_with_nullable(given.collect::<Result<Vec<_>>>()?);
        let given = match plan.request.0.is_empty() {
            true => RecordBatch::try_new_with_options(
                Arc::new(Schema::empty()),
                Vec::new(),
                &RecordBatchOptions::new().with_row_count(Some(1)),
            ),
            false => given,
        };
        let at = cast(&column(&spine.timestamp)?, &timestamp()).map_err(Error::internal)?;
        let at = Micros(at.as_primitive::<TimestampMicrosecondType>().value(0));
        let snapshots = manifest.inputs.iter().map(|input| (input.dataset.clone(), input.number)).collect();
        let ground = Ground::new(self, &definition, Some(&snapshots), options_of(&manifest).known_at).await?;
        let source = Source::TrainingSet { name, number, row, same: true };
        let stored = Stored { rows: stored, run: manifest.run };
        self.explained(&plan, &ground, &service, given.map_err(Error::internal)?, at, source, Some(stored)).await
    }

    /// What training gives for one row, and where it came from.
    #[expect(clippy::too_many_arguments, reason = "two callers, and each argument is one thing")]
    pub(super) async fn explained(
        &self,
        plan: &ServingPlan,
        ground: &Ground,
        service: &Registered,
        rows: RecordBatch,
        at: Micros,
        mut source: Source,
        stored: Option<Stored>,
    ) -> Result<Explanation> {
        let trained = self.trained_row(ground, service, &rows, at).await?;
        let features = plan.serving.features.names().enumerate();
        let mut columns: Vec<(&str, ArrayRef, bool)> = Vec::new();
        for (place, name) in features {
            let computed = plain(trained.column(2 * place))?;
            let value = match stored.as_ref().and_then(|stored| stored.rows.column_by_name(name)) {
                Some(value) => plain(value)?,
                None => computed.clone(),
            };
            if let Source::TrainingSet { same, .. } = &mut source {
                *same &= value.to_data() == computed.to_data();
            }
            columns.push((name, value, true));
        }
        let statuses = (0..columns.len()).map(|place| {
            let status = trained.column(2 * place + 1);
            let status = cast(status, &DataType::Utf8).map_err(Error::internal)?;
            let status = status.as_string::<i32>().value(0).to_owned();
            let found = (0..).map_while(Status::from_u8).find(|known| known.as_str() == status);
            found.ok_or_else(|| Error::internal(format!("`{status}` is no status")))
        });
        let statuses = statuses.collect::<Result<Vec<_>>>()?;
        let features = RecordBatch::try_from_iter_with_nullable(columns).map_err(Error::internal)?;
        let mut origins = Vec::new();
        let mut views = Vec::new();
        for view in &plan.serving.views {
            let run = match &stored {
                Some(stored) => stored.run,
                None => self.newest_run(ground, &view.view).await?,
            };
            let receipt = Receipt { view: view.view.pinned.clone(), event_time: None, run };
            let mut origin = Origin::of(&view.alias, &view.view, receipt, self.catalog().run(run).await?);
            self.found(&mut origin, view, &rows, at, ground).await?;
            // Nothing else tells which row it was.
            origin.receipt.event_time = origin.picked().flatten();
            let event_times = TimestampMicrosecondArray::from(vec![origin.receipt.event_time.map(|time| time.0)]);
            let event_times = event_times.with_timezone("UTC");
            views.push(ServedRows { alias: view.alias.clone(), view: view.view.pinned.clone(), event_times, run, at });
            origins.push(origin);
        }
        let details = statuses.into_iter().enumerate().map(|(feature, status)| ServedFeature {
            views: plan.serving.depends(feature).to_vec(),
            statuses: UInt8Array::from(vec![status as u8]),
        });
        let reply = GetReply {
            service: plan.serving.service.clone(),
            at,
            features,
            details: details.collect(),
            views,
            errors: Vec::new(),
            warnings: Arc::clone(&plan.warnings),
        };
        Ok(Explanation { reply, request: rows, source, origins })
    }

    /// Each feature of one row, followed by its status.
    async fn trained_row(
        &self,
        ground: &Ground,
        service: &Registered,
        rows: &RecordBatch,
        at: Micros,
    ) -> Result<RecordBatch> {
        let spine = at_moment(rows, AT, at)?;
        let options = TrainingOptions { known_at: ground.known_at, statuses: true };
        let (definitions, pins) = (ground.definitions.clone(), ground.pins.clone());
        let (engine, service) = (self.clone(), service.clone());
        let work = async move {
            let plan = Planner::new(&definitions, pins.as_ref()).training_of(&service, spine, AT, &options)?;
            let (_, rows) = engine.execute(engine.workshop().session(), plan).await?;
            let schema = rows.schema();
            let batches: Vec<_> = rows.try_collect().await.map_err(asof_query::execution_error)?;
            concat_batches(&schema, &batches).map_err(Error::internal)
        };
        self.workshop().run(work).await
    }

    /// The run that made the newest of the snapshots that a view's answer is computed from.
    async fn newest_run(&self, ground: &Ground, view: &Registered) -> Result<RunId> {
        let mut newest = None;
        let read = ground.snapshots(self, view).await?;
        for (name, snapshot) in ground.pins.snapshots().filter(|(name, _)| read.iter().any(|r| r.dataset == **name)) {
            let item = Item::Snapshot { dataset: name.clone(), number: snapshot.number };
            let run = match snapshot.run {
                Some(run) => Some(run),
                None => self.catalog().producer(&view.pinned.project, &item).await?.map(|run| run.id),
            };
            newest = newest.max(run.map(|run| (snapshot.committed, run)));
        }
        newest.map(|(_, run)| run).ok_or_else(|| Error::internal(format!("{} reads no dataset", view.pinned)))
    }
}

/// A row as it was built.
pub(super) struct Stored {
    rows: RecordBatch,
    run: RunId,
}
