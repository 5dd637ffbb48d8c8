//! Which rows of a view took part, and which snapshots brought them.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use asof_model::{Error, Micros, Name, Pinned, Result, SnapshotNumber};
use asof_query::{Contribution, Planner, ServedView};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;

use super::Origin;
use super::ground::Ground;
use crate::Engine;

/// The rows of a view that some of its features come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributed {
    /// The features, as the view names them.
    pub features: Vec<String>,
    /// What is computed over an as-of window; none for the one row that was picked.
    pub window: Option<String>,
    /// How many rows.
    pub rows: u64,
    /// The event time of the first.
    pub first: Option<Micros>,
    /// The event time of the last.
    pub last: Option<Micros>,
    /// Which snapshots brought them, in order; nothing where the view's rows are made of several rows.
    pub snapshots: Vec<FromSnapshot>,
}

/// Rows that came with one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromSnapshot {
    /// The dataset.
    pub dataset: Name,
    /// The snapshot in which they are first.
    pub number: SnapshotNumber,
    /// How many.
    pub rows: u64,
}

impl Engine {
    /// Adds to an origin what is found on its ground: snapshots, and the rows that took part.
    pub(super) async fn found(
        &self,
        origin: &mut Origin,
        view: &ServedView,
        rows: &RecordBatch,
        at: Micros,
        ground: &Ground,
    ) -> Result<()> {
        origin.snapshots = ground.snapshots(self, &view.view).await?;
        let Some(key) = key(view, rows)? else { return Ok(()) };
        let contributing = {
            let (view, definitions) = (view.view.clone(), ground.definitions.clone());
            let (pins, known_at) = (ground.pins.clone(), ground.known_at);
            let plan = async move { Planner::new(&definitions, pins.as_ref()).contributing(&view, &key, at, known_at) };
            self.workshop().run(plan).await?
        };
        let (engine, plan) = (self.clone(), contributing.plan.clone());
        let work = async move {
            let (_, rows) = engine.execute(engine.workshop().session(), plan).await?;
            rows.try_collect::<Vec<_>>().await.map_err(asof_query::execution_error)
        };
        let batches = self.workshop().run(work).await?;
        let contributions = contributing.contributions(&batches)?;
        let brought = match &contributing.dataset {
            Some(dataset) => self.brought(dataset).await?,
            None => Vec::new(),
        };
        let dataset = contributing.dataset.as_ref().map(|dataset| &dataset.name);
        origin.contributed = contributions.into_iter().map(|one| contributed(one, dataset, &brought)).collect();
        Ok(())
    }

    /// The snapshots of a dataset, each with the last number that it gave a row.
    async fn brought(&self, dataset: &Pinned) -> Result<Vec<(i64, SnapshotNumber)>> {
        let commits = self.offline().commits(&dataset.project, &dataset.name).await?;
        Ok(commits.into_iter().filter_map(|commit| Some((commit.last_seq?, commit.number))).collect())
    }
}

/// The entity's key that a request asks for, as the view's entity has it; none where a part of it is null.
fn key(view: &ServedView, rows: &RecordBatch) -> Result<Option<Vec<ScalarValue>>> {
    let mut key = Vec::with_capacity(view.from.len());
    for name in &view.from {
        let column = rows.column_by_name(name).ok_or_else(|| Error::internal(format!("no column `{name}`")))?;
        let value = ScalarValue::try_from_array(column, 0).map_err(Error::internal)?;
        if value.is_null() {
            return Ok(None);
        }
        key.push(value);
    }
    Ok(Some(key))
}

fn contributed(one: Contribution, dataset: Option<&Name>, brought: &[(i64, SnapshotNumber)]) -> Contributed {
    let mut snapshots = BTreeMap::new();
    for seq in one.rows.iter().filter_map(|row| row.seq) {
        // Numbers grow with snapshots: it came with the first that had given it.
        let place = brought.partition_point(|(last, _)| *last < seq);
        if let Some((_, number)) = brought.get(place) {
            *snapshots.entry(*number).or_insert(0) += 1;
        }
    }
    let from = |(number, rows)| dataset.map(|dataset| FromSnapshot { dataset: dataset.clone(), number, rows });
    Contributed {
        rows: one.rows.len() as u64,
        first: one.rows.first().map(|row| row.event_time),
        last: one.rows.last().map(|row| row.event_time),
        features: one.features,
        window: one.window,
        snapshots: snapshots.into_iter().filter_map(from).collect(),
    }
}
