//! `gc`: what nothing needs any more; removed on request.
//!
//! Promises: what is said without `apply` is what would be done, and changes nothing. A snapshot that a training set, a model or
//! rows online need is kept, as is every one that was the newest within the time that is asked for, or since a run began that
//! still is at work. Rows online are kept that an environment points at, or did within that time, or that a model is served by.
//! Removing is one run; killed at any moment, what is needed is there, and what is gone says so ([`asof_offline::Store::vacuum`]).
//!
//! Costs: the log of every dataset, and every manifest, are read.
//!
//! What others told ([`Engine::forget_events`]) goes only where a moment is named. Deliberately not here: training sets, definitions, models
//! and runs are never removed.

mod needs;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use asof_model::run::{Item, Outcome, Run, RunId, Verb};
use asof_model::time::SECOND;
use asof_model::{Kind, Micros, Name, Result, SnapshotNumber};
use asof_offline::{Orphan, Progress, Removable};
use asof_online::Published;

use self::needs::Needs;
use crate::materialize::online_item;
use crate::run::Record;
use crate::standard::Forgotten;
use crate::{Author, Compacted, Engine, Scope};

/// What to look for.
#[derive(Clone, Debug)]
pub struct CollectRequest {
    /// Remove it; else it is only told.
    pub apply: bool,
    /// What was in use within this time is kept.
    pub older_than: Micros,
    /// First make small files of datasets into large ones.
    pub compact: bool,
    /// Also forget what others told of runs that were over before this moment, and that says nothing about it or what came after.
    pub events_before: Option<Micros>,
    /// In whose name, and why.
    pub author: Author,
}

impl CollectRequest {
    /// What is kept where nobody says for how long: seven days.
    pub const OLDER_THAN: Micros = Micros(7 * 24 * 60 * 60 * SECOND);
}

/// What kind of thing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalKind {
    /// Files that only old snapshots of a dataset have.
    Snapshots,
    /// Files that interrupted runs left.
    PartFiles,
    /// A view's rows online.
    Online,
    /// What others told.
    Events,
}

impl RemovalKind {
    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            RemovalKind::Snapshots => "snapshots",
            RemovalKind::PartFiles => "part_files",
            RemovalKind::Online => "online",
            RemovalKind::Events => "events",
        }
    }
}

/// Something that was removed, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// What kind of thing.
    pub kind: RemovalKind,
    /// Which.
    pub what: String,
    /// Why it is not needed.
    pub why: String,
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Something that is needed, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What was removed, or would be, and what is kept.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The run; none if nothing was removed.
    pub run: Option<RunId>,
    /// What goes.
    pub removals: Vec<Removal>,
    /// What stays, and why.
    pub kept: Vec<Kept>,
    /// What was compacted before.
    pub compacted: Vec<Compacted>,
}

impl Engine {
    /// Looks for what nothing needs, and removes it where that is asked for.
    ///
    /// # Errors
    /// `corrupt_log`, `corrupt_manifest`: where it cannot be told what is needed, nothing is removed. Those of the stores.
    pub async fn collect(
        &self,
        scope: &Scope,
        request: CollectRequest,
        progress: Arc<dyn Progress>,
    ) -> Result<Collected> {
        let _alone = self.collecting.lock().await;
        let names = self.catalog().names(&scope.project).await?;
        let of = |wanted: Kind| names.iter().filter(move |(_, kind)| *kind == wanted).map(|(name, _)| name.clone());
        let datasets: Vec<_> = of(Kind::Dataset).collect();
        // Also those whose files somebody brought.
        let stored = self.offline().training_set_names(&scope.project).await?;
        let sets = distinct(of(Kind::TrainingSet).chain(stored));
        let compacted = match (request.compact, request.apply) {
            (false, _) => Vec::new(),
            (true, false) => self.compactable(scope, &datasets).await?,
            (true, true) => self.compact(scope, &datasets, &progress).await?,
        };
        let since = Micros(self.clock().now().0.saturating_sub(request.older_than.0));
        let needs = Needs::of(self, &scope.project, &datasets, &sets, since).await?;
        let mut collected = Collected { run: None, removals: Vec::new(), kept: Vec::new(), compacted };
        let mut found = self.look(scope, &datasets, &sets, &needs, None, &mut collected).await?;
        self.forget(request.events_before, true, &mut collected).await?;
        collected.kept = needs.kept();
        if !request.apply || (collected.removals.is_empty() && found.is_empty()) {
            return Ok(collected);
        }
        // On record before anything goes, so that what is gone can be told after a crash.
        let mut record = self.start(&scope.project, Verb::Gc, found.items()).await?;
        request.author.note(record.run_mut());
        record.save().await?;
        collected.removals.clear();
        let removed = async {
            found = self.look(scope, &datasets, &sets, &needs, Some(&mut record), &mut collected).await?;
            self.forget(request.events_before, false, &mut collected).await?;
            for published in &found.online {
                self.drop_online(published).await?;
            }
            Ok(())
        };
        let result = removed.await;
        let (files, bytes) = collected.removals.iter().fold((0, 0), |(f, b), r| (f + r.files, b + r.bytes));
        record.note("files", files);
        record.note("bytes", bytes);
        let id = record.id();
        self.finish(record, result).await?;
        collected.run = Some(id);
        Ok(collected)
    }

    /// Forgets what others told of before, where that is asked for.
    async fn forget(&self, before: Option<Micros>, dry: bool, collected: &mut Collected) -> Result<()> {
        let Some(before) = before else { return Ok(()) };
        let Forgotten { events, of } = self.forget_events(before, dry).await?;
        if events > 0 {
            let what = format!("{events} of {of} events of others");
            let why = format!("their runs were over before {before}, and nothing since is made of them");
            collected.removals.push(Removal { kind: RemovalKind::Events, what, why, files: 0, bytes: 0 });
        }
        Ok(())
    }

    /// Finds what is not needed; files are removed where there is a record to do it in the name of.
    async fn look(
        &self,
        scope: &Scope,
        datasets: &[Name],
        sets: &[Name],
        needs: &Needs,
        mut record: Option<&mut Record>,
        collected: &mut Collected,
    ) -> Result<Found> {
        let (project, now) = (&scope.project, self.clock().now());
        let mut found = Found::default();
        let ended = |run: RunId| !needs.at_work.contains(&run);
        let nothing = BTreeSet::new();
        for dataset in datasets {
            let keep =
                needs.snapshots.get(dataset).map_or_else(|| nothing.clone(), |keep| keep.keys().copied().collect());
            let remove = record.as_ref().map(|record| (record.id(), now));
            let vacuum = self.offline().vacuum(project, dataset, &keep, &ended, remove).await?;
            if !vacuum.files.is_empty() || !vacuum.gone.is_empty() {
                let numbers = ranges(&vacuum.gone);
                let what = if numbers.is_empty() { dataset.to_string() } else { format!("{dataset}@{numbers}") };
                let why = "their rows are in other files since, and nothing needs them as they were".to_owned();
                collected.removals.push(removal(RemovalKind::Snapshots, what, why, vacuum.files.iter()));
            }
            left_by_runs(dataset, &vacuum.orphans, collected);
            for number in vacuum.gone {
                let item = Item::Snapshot { dataset: dataset.clone(), number };
                if let Some(record) = record.as_mut() {
                    record.read(item.clone());
                }
                found.snapshots.push(item);
            }
        }
        for set in sets {
            let mut orphans = self.offline().vacuum_training_sets(project, set, &ended, false).await?;
            // One may have been begun since it was asked what is at work, and it waits for nobody while it writes.
            let over = self.over(&orphans).await?;
            orphans.retain(|orphan| over.contains(&orphan.run));
            if record.is_some() && !orphans.is_empty() {
                let over = |run: RunId| over.contains(&run);
                orphans = self.offline().vacuum_training_sets(project, set, &over, true).await?;
            }
            left_by_runs(set, &orphans, collected);
        }
        for (published, why) in &needs.needless {
            let what = published.view.reference();
            collected.removals.push(Removal { kind: RemovalKind::Online, what, why: why.clone(), files: 0, bytes: 0 });
            found.online.push(published.clone());
        }
        Ok(found)
    }

    /// Which runs of those that left files are over. One that is not on record is: what runs is on record before it writes.
    async fn over(&self, orphans: &[Orphan]) -> Result<BTreeSet<RunId>> {
        let mut over = BTreeSet::new();
        for run in distinct(orphans.iter().map(|orphan| orphan.run)) {
            let recorded = self.catalog().run(run).await?;
            if recorded.is_none_or(|run| run.outcome != Outcome::Running) {
                over.insert(run);
            }
        }
        Ok(over)
    }

    /// Drops a view's rows, unless others were published since.
    async fn drop_online(&self, published: &Published) -> Result<()> {
        let (online, published) = (Arc::clone(self.online()), published.clone());
        let dropping = tokio::task::spawn_blocking(move || match online.published(&published.view)? {
            Some(now) if now.generation == published.generation => online.drop_view(&published.view),
            _ => Ok(()),
        });
        dropping.await.map_err(asof_model::Error::internal)?
    }

    /// After a crash: what a removal took until then is what it read.
    pub(crate) async fn settle_collection(&self, run: &mut Run) -> Result<Outcome> {
        let mut gone = Vec::new();
        for item in std::mem::take(&mut run.inputs) {
            let is_gone = match &item {
                Item::Snapshot { dataset, number } => {
                    let found = self.offline().snapshot(&run.project, dataset, Some(*number)).await;
                    found.is_err_and(|error| error.code() == "snapshot_gone")
                }
                Item::Online { view, generation, .. } => {
                    self.online().published(view)?.is_none_or(|published| published.generation > *generation)
                }
                _ => false,
            };
            if is_gone {
                gone.push(item);
            }
        }
        run.inputs = gone;
        Ok(if run.inputs.is_empty() { Outcome::Aborted } else { Outcome::Done })
    }
}

/// What was found, for the record.
#[derive(Default)]
struct Found {
    snapshots: Vec<Item>,
    online: Vec<Published>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.online.is_empty()
    }

    fn items(&self) -> Vec<Item> {
        self.snapshots.iter().cloned().chain(self.online.iter().map(online_item)).collect()
    }
}

fn left_by_runs(of: &Name, orphans: &[Orphan], collected: &mut Collected) {
    let mut runs: BTreeMap<RunId, Vec<&Removable>> = BTreeMap::new();
    for orphan in orphans {
        runs.entry(orphan.run).or_default().push(&orphan.file);
    }
    for (run, files) in runs {
        let why = format!("run {run} was interrupted and left it");
        collected.removals.push(removal(RemovalKind::PartFiles, of.to_string(), why, files.into_iter()));
    }
}

fn removal<'a>(kind: RemovalKind, what: String, why: String, files: impl Iterator<Item = &'a Removable>) -> Removal {
    let (files, bytes) = files.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.bytes));
    Removal { kind, what, why, files, bytes }
}

/// `0…3, 5`
fn ranges(numbers: &[SnapshotNumber]) -> String {
    let rows = numbers.chunk_by(|a, b| a.0 + 1 == b.0).map(|row| match row {
        [first, .., last] => format!("{first}…{last}"),
        other => other.iter().map(SnapshotNumber::to_string).collect(),
    });
    rows.collect::<Vec<_>>().join(", ")
}

/// What is not there twice.
fn distinct<T: Clone + Eq + std::hash::Hash>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}
