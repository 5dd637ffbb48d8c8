//! What a dataset lets in, and which views follow it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use asof_model::definition::Dataset;
use asof_model::digest::Digest;
use asof_model::{Columns, Definition, Error, ErrorKind, Kind, Micros, Name, Pinned, Reference, Registered, Result};
use asof_offline::{Gate, SEQ};
use asof_online::{EVENT_TIME, Journal, KNOWN};
use asof_query::{Definitions, Following, Planner, RowWise};

use super::entry;
use super::writer::Prepared;
use crate::plans::Since;
use crate::windows::Bare;
use crate::{Engine, Scope};

/// A dataset as it is now.
pub(crate) struct Entrance {
    pub(super) dataset: Pinned,
    pub(super) routes: Vec<Arc<RowWise>>,
    pub(super) waiting: Vec<(Pinned, String)>,
    journal: Journal,
    definition: Dataset,
    gate: Gate,
    since: Since,
}

/// All entrances that somebody came through since anything changed.
#[derive(Default)]
pub(crate) struct Entrances {
    known: ArcSwap<Known>,
    /// Views that are being published.
    making: Mutex<Vec<Pinned>>,
    /// Which datasets a view reads, itself or through others. A version never changes, so neither does this.
    reads: Mutex<HashMap<Pinned, Arc<[Name]>>>,
}

#[derive(Default)]
struct Known {
    since: Since,
    by: HashMap<(Scope, Reference), Arc<Entrance>>,
}

/// A view is being published, as long as this is there.
pub(crate) struct Making {
    entrances: Arc<Entrances>,
    view: Pinned,
}

impl Entrances {
    /// Something changed that entrances depend on: all are looked up again. What was prepared with an old one is refused by
    /// the writer, and prepared anew.
    pub(crate) fn forget(&self) {
        self.known.rcu(|known| Known { since: known.since.next(), by: HashMap::new() });
    }

    /// What the writer takes.
    pub(super) fn since(&self) -> Since {
        self.known.load().since
    }

    /// A view begins to be published: pushes are to reach it too.
    pub(crate) fn making(self: &Arc<Self>, view: &Pinned) -> Making {
        self.list().push(view.clone());
        self.forget();
        Making { entrances: Arc::clone(self), view: view.clone() }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Pinned>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let mut list = self.entrances.list();
        if let Some(index) = list.iter().position(|view| *view == self.view) {
            list.swap_remove(index);
        }
    }
}

impl Engine {
    /// The entrance of a dataset. Looked up once until something changes.
    pub(super) async fn entrance(&self, scope: &Scope, dataset: &Reference) -> Result<Arc<Entrance>> {
        let entrances = &self.pusher().entrances;
        let key = (scope.clone(), dataset.clone());
        let since = {
            let known = entrances.known.load();
            if let Some(entrance) = known.by.get(&key) {
                return Ok(Arc::clone(entrance));
            }
            known.since
        };
        let entrance = Arc::new(self.look_up(scope, dataset, since).await?);
        entrances.known.rcu(|known| {
            let mut by = known.by.clone();
            if known.since == since {
                by.insert(key.clone(), Arc::clone(&entrance));
            }
            Known { since: known.since, by }
        });
        Ok(entrance)
    }

    async fn look_up(&self, scope: &Scope, dataset: &Reference, since: Since) -> Result<Entrance> {
        let (project, environment) = (&scope.project, &scope.environment);
        let registered = self.catalog().resolve(project, environment, dataset, Some(Kind::Dataset)).await?;
        let Registered { definition: Definition::Dataset(definition), pinned, .. } = registered else {
            return Err(Error::internal("a dataset was asked for"));
        };
        let gate = self.offline().gate(&pinned.project, &definition).await?;
        let mut views: Vec<Pinned> = self.online().list()?.into_iter().map(|published| published.view).collect();
        views.extend(self.pusher().entrances.list().iter().cloned());
        views.sort_unstable();
        views.dedup();
        let (mut routes, mut waiting) = (Vec::new(), Vec::new());
        for view in views.iter().filter(|view| view.project == pinned.project) {
            if !self.reads(view).await?.contains(&pinned.name) {
                continue;
            }
            match self.following(view, &pinned.name, &gate).await? {
                Following::RowWise(route) => routes.push(Arc::from(route)),
                Following::Waits(reason) => waiting.push((view.clone(), reason)),
            }
        }
        let journal = Journal { project: pinned.project.clone(), dataset: pinned.name.clone() };
        Ok(Entrance { dataset: pinned, routes, waiting, journal, definition, gate, since })
    }

    /// The datasets that a view reads.
    async fn reads(&self, view: &Pinned) -> Result<Arc<[Name]>> {
        let known = || self.pusher().entrances.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reads) = known().get(view) {
            return Ok(Arc::clone(reads));
        }
        let closure = self.catalog().closure(std::slice::from_ref(view)).await?;
        let datasets = closure.iter().filter(|input| input.pinned.kind == Kind::Dataset);
        let reads: Arc<[Name]> = datasets.map(|input| input.pinned.name.clone()).collect();
        known().insert(view.clone(), Arc::clone(&reads));
        Ok(reads)
    }

    async fn following(&self, view: &Pinned, dataset: &Name, gate: &Gate) -> Result<Following> {
        let closure = self.catalog().closure(std::slice::from_ref(view)).await?;
        let table = Bare::of(dataset, with_seq(gate));
        let view = view.clone();
        let work = async move {
            let registered = closure.iter().find(|input| input.pinned == view).cloned();
            let registered = registered.ok_or_else(|| Error::internal(format!("{view} is not there")))?;
            let definitions = Definitions::new(closure.into_iter().map(Arc::new));
            Planner::new(&definitions, &table).row_wise(&registered)
        };
        self.workshop().run(work).await
    }
}

/// The columns of a dataset, and the order of acceptance.
pub(crate) fn with_seq(gate: &Gate) -> arrow::datatypes::SchemaRef {
    use arrow::datatypes::{DataType, Field, Schema};
    let visible = gate.columns().to_arrow();
    let fields = visible.fields().iter().cloned().chain([Arc::new(Field::new(SEQ, DataType::Int64, false))]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl Entrance {
    /// Where its rows wait for their table.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The columns of the dataset.
    pub(super) fn columns(&self) -> &Columns {
        self.gate.columns()
    }

    /// Fits rows to the dataset and applies the views that follow it. Also gives how many rows had a time that was floored.
    ///
    /// # Errors
    /// Those of [`Gate::admit`], `future_row` for what lies behind `latest`, `cannot_compute` naming the view.
    pub(super) fn prepare(
        &self,
        rows: &RecordBatch,
        key: Option<&str>,
        now: Micros,
        latest: Micros,
    ) -> Result<(Prepared, u64)> {
        let (rows, floored) = self.gate.admit(rows)?;
        let times = [Some(&self.definition.timestamp), self.definition.known_at.as_ref()];
        times.into_iter().flatten().try_for_each(|column| not_from_the_future(&rows, column, now, latest))?;
        let changes = self.routes.iter().map(|route| {
            let rows = route.apply(&rows, EVENT_TIME, KNOWN).map_err(|error| error.context(route.view.reference()))?;
            Ok((route.view.clone(), rows))
        });
        let changes = changes.collect::<Result<Vec<_>>>()?;
        let bytes = entry::encode(&rows)?;
        let prepared = Prepared {
            journal: self.journal.clone(),
            rows: rows.num_rows() as u64,
            digest: Digest::of(&bytes),
            bytes,
            key: key.map(str::to_owned),
            changes,
            behind: self.gate.last_seq(),
            since: self.since,
            now,
        };
        Ok((prepared, floored))
    }
}

fn not_from_the_future(rows: &RecordBatch, column: &str, now: Micros, latest: Micros) -> Result<()> {
    let Some(times) =
        rows.column_by_name(column).and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
    else {
        return Ok(());
    };
    let Some(row) = (0..times.len()).find(|row| times.is_valid(*row) && times.value(*row) > latest.0) else {
        return Ok(());
    };
    let (time, number) = (Micros(times.value(row)), row + 1);
    let message = format!("pushed rows: row {number}, column `{column}`: {time} lies in the future: it is {now} here");
    Err(Error::new(ErrorKind::Invalid, "future_row", message).remedy(
        "push it when its time has come; if the clocks differ, set them, or raise clock_skew in [push] of asof.toml",
    ))
}
