//! What an answer is computed over: definitions, and pinned snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asof_model::{Kind, KnownMoment, Name, Registered, Result, RunId, SnapshotNumber};
use asof_query::Definitions;

use super::SnapshotOrigin;
use crate::Engine;
use crate::datasets::Pins;

/// See the module.
pub(super) struct Ground {
    pub(super) definitions: Arc<Definitions>,
    pub(super) pins: Arc<Pins>,
    pub(super) known_at: KnownMoment,
}

impl Ground {
    /// All that a definition reads, at these snapshots or the newest ones.
    pub(super) async fn new(
        engine: &Engine,
        of: &Registered,
        snapshots: Option<&BTreeMap<Name, SnapshotNumber>>,
        known_at: KnownMoment,
    ) -> Result<Self> {
        let closure = engine.catalog().closure(std::slice::from_ref(&of.pinned)).await?;
        let pins = Arc::new(engine.pin(&closure, snapshots).await?);
        let definitions = Arc::new(Definitions::new(closure.into_iter().map(Arc::new)));
        Ok(Ground { definitions, pins, known_at })
    }

    /// What a view's online rows rest on, that a run brought there.
    ///
    /// # Errors
    /// `not_comparable` where no snapshot has just these rows.
    pub(super) async fn online(engine: &Engine, view: &Registered, run: RunId) -> Result<Self> {
        let closure = engine.catalog().closure(std::slice::from_ref(&view.pinned)).await?;
        let definitions = Arc::new(Definitions::new(closure.iter().cloned().map(Arc::new)));
        let of_view: BTreeSet<_> =
            closure.iter().filter(|r| r.pinned.kind == Kind::Dataset).map(|r| r.pinned.name.clone()).collect();
        let mut read = engine.read_by(run).await?;
        read.retain(|dataset, _| of_view.contains(dataset));
        let numbers = engine.pushed_since(view, &definitions, &read).await?.unwrap_or(read);
        let pins = Arc::new(engine.pin(&closure, Some(&numbers)).await?);
        Ok(Ground { definitions, pins, known_at: KnownMoment::EventTime })
    }

    /// The snapshots of what a view reads, and what was ingested into them.
    pub(super) async fn snapshots(&self, engine: &Engine, view: &Registered) -> Result<Vec<SnapshotOrigin>> {
        let closure = engine.catalog().closure(std::slice::from_ref(&view.pinned)).await?;
        let mut origins = Vec::new();
        for dataset in closure.into_iter().filter(|r| r.pinned.kind == Kind::Dataset).map(|r| r.pinned) {
            let Some(number) = self.pins.numbers().get(&dataset.name).copied() else { continue };
            let commits = engine.offline().commits(&dataset.project, &dataset.name).await?;
            let files = commits.into_iter().filter(|c| c.number <= number).flat_map(|c| c.files).collect();
            origins.push(SnapshotOrigin { dataset: dataset.name, number, files });
        }
        Ok(origins)
    }
}
