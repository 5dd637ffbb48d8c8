//! After a crash: finishes or aborts the record of runs whose process died, or that nobody waited for.
//!
//! The stores commit atomically and carry the run's id in that commit; the catalog is told afterwards. So
//! a run found `running` at the start either left its commit, and is recorded as done with it, or left
//! nothing, and is recorded as aborted.

use asof_model::run::{Item, Outcome, Run, Verb};
use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Result};

use crate::materialize::online_item;
use crate::{Engine, Told};

impl Engine {
    pub(crate) async fn recover(&self) -> Result<()> {
        for mut run in self.catalog().unfinished(None).await? {
            run.notes.insert("recovered".to_owned(), "its process ended before it was recorded".to_owned());
            self.record_given_up(run).await?;
        }
        Ok(())
    }

    /// Records a run that ended without saying how.
    pub(crate) async fn record_given_up(&self, mut run: Run) -> Result<()> {
        let outputs = self.left_behind(&mut run).await?;
        run.outcome = match (run.verb, outputs.is_empty()) {
            // It makes nothing: what it took says how far it came.
            (Verb::Gc, _) => self.settle_collection(&mut run).await?,
            (_, true) => Outcome::Aborted,
            (_, false) => Outcome::Done,
        };
        run.outputs = outputs;
        tracing::info!(run = %run.id, verb = %run.verb, outcome = run.outcome.as_str(), "recorded an interrupted run");
        self.catalog().finish(&run).await?;
        self.tell(|| Told::Ended(run));
        Ok(())
    }

    /// What a run committed before its process died. Inputs that the commit names are added to the run.
    async fn left_behind(&self, run: &mut Run) -> Result<Vec<Item>> {
        let defined = |kind: Kind| {
            (run.inputs.iter()).find_map(|item| match item {
                Item::Definition(pinned) if pinned.kind == kind => Some(pinned.clone()),
                _ => None,
            })
        };
        match run.verb {
            // These are recorded by the very transaction that does them, or make nothing.
            Verb::Apply
            | Verb::Promote
            | Verb::Rollback
            | Verb::Approve
            | Verb::Deprecate
            | Verb::Rebuild
            | Verb::Verify
            | Verb::Register
            | Verb::Import
            | Verb::Gc => Ok(Vec::new()),
            Verb::Ingest | Verb::Push | Verb::Compact => match defined(Kind::Dataset) {
                Some(dataset) => self.left_snapshot(run, &dataset.name).await,
                None => Ok(Vec::new()),
            },
            Verb::Train => match defined(Kind::TrainingSet) {
                Some(set) => self.left_training_set(run, &set.name).await,
                None => Ok(Vec::new()),
            },
            Verb::Materialize => match defined(Kind::FeatureView) {
                Some(view) => self.left_online(run, &view).await,
                None => Ok(Vec::new()),
            },
        }
    }

    async fn left_snapshot(&self, run: &mut Run, dataset: &Name) -> Result<Vec<Item>> {
        let commits = self.offline().commits(&run.project, dataset).await?;
        let Some(commit) = commits.into_iter().find(|c| c.run == Some(run.id)) else { return Ok(Vec::new()) };
        run.finished = Some(commit.time);
        run.notes.insert("rows".to_owned(), commit.rows.to_string());
        let files = commit.files.into_iter();
        run.inputs.extend(files.map(|f| Item::File { url: f.url, digest: f.digest, bytes: f.bytes }));
        Ok(vec![Item::Snapshot { dataset: dataset.clone(), number: commit.number }])
    }

    async fn left_training_set(&self, run: &mut Run, name: &Name) -> Result<Vec<Item>> {
        for number in self.offline().training_sets(&run.project, name).await?.into_iter().rev() {
            let manifest = self.offline().manifest(&run.project, name, number).await?;
            if manifest.run == run.id {
                run.finished = Some(manifest.created);
                run.inputs = manifest.closure.iter().cloned().map(Item::Definition).collect();
                let snapshots = manifest.inputs.iter();
                run.inputs.extend(snapshots.map(|s| Item::Snapshot { dataset: s.dataset.clone(), number: s.number }));
                run.notes.insert("rows".to_owned(), manifest.rows.to_string());
                return Ok(vec![Item::TrainingSet { name: name.clone(), number, content: manifest.content }]);
            }
        }
        Ok(Vec::new())
    }

    async fn left_online(&self, run: &mut Run, view: &Pinned) -> Result<Vec<Item>> {
        let published = self.online().published(view)?.filter(|p| p.run == run.id);
        Ok(published.iter().map(online_item).collect())
    }

    /// The newest publication of a view that is on record.
    pub(crate) async fn recorded(&self, view: &Pinned) -> Result<Option<Item>> {
        let recorded = self.catalog().online(&view.project).await?;
        Ok(recorded.into_iter().find(|item| matches!(item, Item::Online { view: v, .. } if v == view)))
    }

    /// Refuses a view whose rows in the online store are not those that were recorded last: the store lost
    /// or was given something (a damaged write-ahead log opens without an error, with fewer keys). A run that
    /// has published and is about to be recorded does not count as that.
    pub(crate) async fn check_online(&self, view: &Pinned) -> Result<()> {
        let recorded = self.recorded(view).await?;
        let stored = self.online().published(view)?;
        if recorded.is_none() || stored.as_ref().map(online_item) == recorded {
            return Ok(());
        }
        if let Some(stored) = stored {
            let publisher = self.catalog().run(stored.run).await?;
            if publisher.is_some_and(|run| run.outcome == Outcome::Running) {
                return Ok(());
            }
        }
        let message = format!("the online rows of {} are not those that were published last", view.reference());
        Err(Error::new(ErrorKind::Corrupt, "online_damaged", message)
            .remedy(format!("bring them back from the datasets: asof materialize {}", view.name)))
    }
}
