//! How much of its dataset a materialization reads: all of it, or what came since the last one.
//!
//! What is online of a view over one dataset, row by row, is made of a snapshot's rows that count by a moment, and of what
//! was pushed since ([`Basis`]). So what it lacks are the rows of files that were ingested since, and those that did not
//! count yet and do now. What was pushed is never read again: it is online since it was pushed, and a window would count it
//! twice. Everything else is a reason to read the whole, and says so.
//!
//! Costs the log entries of the commits in between, and the newest state of the table.

use std::collections::HashSet;
use std::sync::Arc;

use asof_model::{Error, Micros, Name, Pinned, Registered, Result, SnapshotNumber};
use asof_offline::{Added, Snapshot};
use asof_online::{Basis, Increase, Layout};
use asof_query::{Definitions, Following, Planner, Tables, Tiled};
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;

use crate::Engine;
use crate::datasets::Pins;

/// How much was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, and why.
    Whole(String),
    /// What was added to a dataset between two snapshots.
    Increment {
        /// The dataset.
        dataset: Name,
        /// What was online rested on this one.
        from: SnapshotNumber,
        /// What is online rests on this one.
        to: SnapshotNumber,
    },
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Extent::Whole(why) => write!(f, "whole: {why}"),
            Extent::Increment { dataset, from, to } => write!(f, "increment: {dataset}@{from} to @{to}"),
        }
    }
}

/// A materialization that only adds.
pub(super) struct Adding {
    pub(super) increase: Increase,
    pub(super) pins: Pins,
    /// What it rests on; when the next row is due is still to be found out.
    pub(super) basis: Basis,
    pub(super) from: SnapshotNumber,
    /// Gives the rows that are lacking; none where nothing is.
    pub(super) plans: Vec<LogicalPlan>,
    /// How many rows the files have that these read.
    pub(super) rows: u64,
}

/// What to make online.
pub(super) struct Wanted<'a> {
    pub(super) view: &'a Registered,
    pub(super) closure: &'a [Registered],
    pub(super) definitions: &'a Definitions,
    pub(super) tiled: Option<&'a Tiled>,
    pub(super) layout: &'a Layout,
    pub(super) at: Micros,
    /// Whether somebody named that moment.
    pub(super) named: bool,
}

/// Some files of one dataset.
struct Part(Name, Arc<dyn TableProvider>);

impl Tables for Part {
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>> {
        (dataset.name == self.0).then(|| Arc::clone(&self.1))
    }
}

/// Why nothing can be added.
pub(super) enum Stop {
    /// All must be read, because of this.
    Whole(String),
    /// It is not known.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

fn whole<T>(why: impl Into<String>) -> std::result::Result<T, Stop> {
    Err(Stop::Whole(why.into()))
}

impl Engine {
    /// What a view lacks online.
    pub(super) async fn lacking(&self, wanted: &Wanted<'_>) -> std::result::Result<Adding, Stop> {
        let view = &wanted.view.pinned;
        let Some(published) = self.online().published(view)? else { return whole("it was not online") };
        let pins = self.pin(wanted.closure, None).await?;
        if let Following::Waits(why) = Planner::new(wanted.definitions, &pins).row_wise(wanted.view)? {
            return whole(why);
        }
        if published.layout.fingerprint() != wanted.layout.fingerprint() {
            return whole("its rows are laid out otherwise");
        }
        if published.at > wanted.at {
            return whole(format!("it is online as of {}, which is later", published.at));
        }
        let Some(basis) = &published.basis else { return whole("what is online does not say what it is made of") };
        if let Err(error) = self.check_online(view).await {
            return whole(error.message());
        }
        let (project, dataset) = (&view.project, &basis.dataset);
        let newest = pins.snapshots().find_map(|(name, snapshot)| (name == dataset).then_some(snapshot));
        let Some(newest) = newest.cloned() else { return whole(format!("it does not read `{dataset}`")) };
        let made_by = self.offline().made_by(project, dataset, basis.snapshot).await?;
        if newest.number < basis.snapshot || made_by != basis.made_by {
            return whole(format!("{dataset}@{} is not the snapshot that it was made of", basis.snapshot));
        }
        let pushed = self.offline().landed_in(project, dataset, newest.number).await?;
        if wanted.named && pushed > self.offline().landed_in(project, dataset, basis.whole).await? {
            return whole(format!("rows were pushed that may have happened after {}", wanted.at));
        }
        let added = self.added(project, dataset, basis.snapshot, newest.number).await?;
        let (mut plans, mut rows) = (Vec::new(), 0);
        let ingested = paths(added.iter().filter(|commit| !commit.pushed));
        if !ingested.is_empty() {
            let files = newest.of_files(|path| ingested.contains(path));
            rows += files.rows;
            plans.push(plan(wanted, dataset, &files, None)?);
        }
        let is_due = basis.due.is_some_and(|due| due <= wanted.at);
        if is_due {
            // What was pushed since the whole was read is there, whenever it counts.
            let before = self.added(project, dataset, basis.whole, basis.snapshot).await?;
            let there = paths(added.iter().chain(before.iter().filter(|commit| commit.pushed)));
            let files = newest.of_files(|path| !there.contains(path));
            rows += files.rows;
            plans.push(plan(wanted, dataset, &files, Some(published.at))?);
        }
        let next = Basis {
            snapshot: newest.number,
            made_by: newest.run,
            pushed,
            due: basis.due.filter(|_| !is_due),
            ..basis.clone()
        };
        let increase = self.online().increase(view, wanted.layout)?;
        match increase.filter(|increase| increase.to.generation == published.generation) {
            Some(increase) => Ok(Adding { increase, pins, from: basis.snapshot, basis: next, plans, rows }),
            None => whole("somebody else published it meanwhile"),
        }
    }

    /// Commits that only added something.
    async fn added(
        &self,
        project: &Name,
        dataset: &Name,
        behind: SnapshotNumber,
        to: SnapshotNumber,
    ) -> std::result::Result<Vec<Added>, Stop> {
        let Some(added) = self.offline().added(project, dataset, behind, to).await? else {
            return whole(format!("the log of {dataset} from {behind} to {to} is not there any more"));
        };
        match added.iter().find(|commit| commit.removed) {
            Some(commit) if commit.compacted => {
                whole(format!("{dataset}@{} has its rows in other files", commit.number))
            }
            Some(commit) => whole(format!("{dataset}@{} took rows away", commit.number)),
            None => Ok(added),
        }
    }

    /// What a view read as a whole rests on; none where it is not one that can be added to.
    pub(super) async fn basis(&self, wanted: &Wanted<'_>, pins: &Pins) -> Result<Option<Basis>> {
        let following = Planner::new(wanted.definitions, pins).row_wise(wanted.view)?;
        let (Following::RowWise(_), Some((dataset, snapshot))) = (following, pins.snapshots().next()) else {
            return Ok(None);
        };
        let pushed = self.offline().landed_in(&wanted.view.pinned.project, dataset, snapshot.number).await?;
        Ok(Some(Basis {
            dataset: dataset.clone(),
            snapshot: snapshot.number,
            made_by: snapshot.run,
            pushed,
            whole: snapshot.number,
            due: None,
        }))
    }
}

fn paths<'a>(commits: impl Iterator<Item = &'a Added>) -> HashSet<&'a str> {
    commits.flat_map(|commit| commit.files.iter().map(String::as_str)).collect()
}

/// The rows of a view out of some files: all of them, or those that count only after a moment.
fn plan(wanted: &Wanted<'_>, dataset: &Name, files: &Snapshot, after: Option<Micros>) -> Result<LogicalPlan> {
    let part = Part(dataset.clone(), files.provider()?);
    let planner = Planner::new(wanted.definitions, &part);
    match wanted.tiled {
        Some(_) => planner.events(wanted.view, after),
        None => planner.stamped(wanted.view, after),
    }
}
