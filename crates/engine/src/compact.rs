//! Compaction: the small files of datasets become large ones, one run for each dataset.

use std::sync::Arc;

use asof_model::run::{Item, RunId, Verb};
use asof_model::{Definition, Error, Name, Result, Selector, SnapshotNumber};
use asof_offline::{Compact, Progress};

use crate::{Engine, Scope};

/// A dataset whose small files became large ones, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The dataset.
    pub dataset: Name,
    /// The snapshot before.
    pub from: SnapshotNumber,
    /// The one with the same rows in fewer files; none where it was only asked.
    pub to: Option<SnapshotNumber>,
    /// How many files take part.
    pub files_before: u64,
    /// How many they became; 0 where it was only asked.
    pub files_after: u64,
    /// The rows in them.
    pub rows: u64,
    /// The run; none where it was only asked.
    pub run: Option<RunId>,
}

impl Engine {
    /// What compactions of these datasets would do.
    pub(crate) async fn compactable(&self, scope: &Scope, datasets: &[Name]) -> Result<Vec<Compacted>> {
        let mut all = Vec::new();
        for dataset in datasets {
            let compaction = self.offline().compactable(&scope.project, dataset).await?;
            all.extend(compaction.map(|compaction| told(dataset, compaction, None)));
        }
        Ok(all)
    }

    /// Compacts those of these datasets that have small files, one run for each. If a later one fails, the earlier ones stay.
    pub(crate) async fn compact(
        &self,
        scope: &Scope,
        datasets: &[Name],
        progress: &Arc<dyn Progress>,
    ) -> Result<Vec<Compacted>> {
        let project = &scope.project;
        let mut all = Vec::new();
        for dataset in datasets {
            // What was pushed comes along.
            self.land(project, dataset).await?;
            if self.offline().compactable(project, dataset).await?.is_none() {
                continue;
            }
            // The newest version says how files are sorted.
            let registered = self.catalog().select(project, dataset, &Selector::Latest).await?;
            let pinned = registered.pinned;
            let Definition::Dataset(definition) = registered.definition else {
                return Err(Error::internal("a dataset was asked for"));
            };
            let mut record = self.start(project, Verb::Compact, vec![Item::Definition(pinned)]).await?;
            let compact = Compact { project: project.clone(), definition, run: record.id(), now: self.clock().now() };
            let (store, progress) = (self.offline().working_on(record.work()), Arc::clone(progress));
            let work = async move { store.compact(&compact, progress.as_ref()).await };
            let id = record.id();
            let result = self.workshop().run_as(record.work(), work).await.inspect(|compaction| match compaction {
                Some(compaction) => {
                    record.read(Item::Snapshot { dataset: dataset.clone(), number: compaction.from });
                    let made = compaction.to.map(|number| Item::Snapshot { dataset: dataset.clone(), number });
                    made.into_iter().for_each(|item| record.made(item));
                    record.note("files_before", compaction.files_before);
                    record.note("files_after", compaction.files_after);
                }
                None => record.note("unchanged", "it had no small files any more"),
            });
            let compaction = self.finish(record, result).await?;
            all.extend(compaction.map(|compaction| told(dataset, compaction, Some(id))));
        }
        Ok(all)
    }
}

fn told(dataset: &Name, compaction: asof_offline::Compaction, run: Option<RunId>) -> Compacted {
    let asof_offline::Compaction { from, to, files_before, files_after, rows } = compaction;
    Compacted { dataset: dataset.clone(), from, to, files_before, files_after, rows, run }
}
