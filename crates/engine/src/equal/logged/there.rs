//! Which rows of its datasets a view had to be made of when a request was answered, and those rows as tables.
//!
//! Of a view that follows what is pushed, they are the rows of the snapshot that its run read, and those that were pushed since, up to a
//! number of acceptance. Of another view they are the snapshot's. Both are said in the same way: which ingests, and up to which
//! number what was pushed. So two views rest on the same rows also where one was materialized before some pushes landed
//! and the other one after.
//!
//! Costs the whole log of each dataset once, and for each set of rows the states of the table that have them. Where files were
//! compacted since, the snapshots of before are read, as long as they are there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use asof_model::{Error, ErrorKind, Name, Pinned, Result, SnapshotNumber};
use asof_offline::{Added, SEQ, Snapshot};
use asof_query::Tables;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};

use crate::Engine;

/// Some rows of one dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct There {
    /// All that was ingested up to this snapshot.
    ingested: SnapshotNumber,
    /// All that was pushed up to this number.
    pushed: i64,
}

/// What each commit of a dataset did.
pub(super) struct Ledger(Vec<Added>);

impl Ledger {
    fn until(&self, number: SnapshotNumber) -> impl DoubleEndedIterator<Item = &Added> {
        self.0.iter().filter(move |commit| commit.number <= number)
    }

    fn landed_in(&self, number: SnapshotNumber) -> i64 {
        self.until(number).rev().find_map(|commit| commit.landed).unwrap_or(0)
    }

    /// The rows of a snapshot, and those that were pushed since up to a number, if there is one.
    pub(super) fn there(&self, number: SnapshotNumber, pushed: Option<i64>) -> There {
        let ingested = self.until(number).rev().find(|commit| !commit.pushed && !commit.compacted);
        let ingested = ingested.map_or(SnapshotNumber(0), |commit| commit.number);
        let landed = self.landed_in(number);
        There { ingested, pushed: pushed.map_or(landed, |pushed| pushed.max(landed)) }
    }

    pub(super) fn newest(&self) -> SnapshotNumber {
        self.0.last().map_or(SnapshotNumber(0), |commit| commit.number)
    }
}

/// Tables of such rows, by dataset.
pub(super) struct Rows(HashMap<Name, Arc<dyn TableProvider>>);

impl Tables for Rows {
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>> {
        self.0.get(&dataset.name).cloned()
    }
}

impl Engine {
    /// What the commits of a dataset did, after all that was acknowledged has landed.
    ///
    /// # Errors
    /// `not_comparable` where the log is not whole; those of the table.
    pub(super) async fn ledger(&self, project: &Name, dataset: &Name) -> Result<Ledger> {
        self.land(project, dataset).await?;
        let commits = self.offline().added_ever(project, dataset).await?;
        commits.map(Ledger).ok_or_else(|| not_comparable(format!("the log of `{dataset}` is not whole")))
    }

    /// Some rows of some datasets.
    ///
    /// # Errors
    /// `snapshot_gone`; `not_comparable` where pushed rows are in no table.
    pub(super) async fn rows_there(
        &self,
        project: &Name,
        ledgers: &BTreeMap<Name, Ledger>,
        there: &BTreeMap<Name, There>,
    ) -> Result<Rows> {
        let mut rows = HashMap::new();
        for (dataset, there) in there {
            let ledger =
                ledgers.get(dataset).ok_or_else(|| Error::internal(format!("`{dataset}` was not looked at")))?;
            rows.insert(dataset.clone(), self.table_of(project, dataset, ledger, *there).await?);
        }
        Ok(Rows(rows))
    }

    async fn snapshot_of(&self, project: &Name, dataset: &Name, number: SnapshotNumber) -> Result<Snapshot> {
        let found = self.offline().snapshot(project, dataset, Some(number)).await?;
        found.ok_or_else(|| Error::internal(format!("{dataset}@{number} is not there")))
    }

    async fn table_of(
        &self,
        project: &Name,
        dataset: &Name,
        ledger: &Ledger,
        there: There,
    ) -> Result<Arc<dyn TableProvider>> {
        // The snapshot with just these ingests that has most of what was pushed, and not more.
        let base = ledger.0.iter().filter(|commit| {
            ledger.there(commit.number, None).ingested == there.ingested
                && ledger.landed_in(commit.number) <= there.pushed
        });
        let base = base.map(|commit| commit.number).next_back().unwrap_or(there.ingested);
        let (mut rows, mut landed) = (self.snapshot_of(project, dataset, base).await?, ledger.landed_in(base));
        let accepted = ledger.until(base).filter_map(|commit| commit.accepted).max().unwrap_or(0);
        // What was pushed behind it lies in files of later commits, which a compaction may have replaced since.
        let mut files: HashSet<&str> = HashSet::new();
        let mut last = base;
        for commit in ledger.0.iter().filter(|commit| commit.number > base) {
            if landed >= there.pushed {
                break;
            }
            if commit.removed && !files.is_empty() {
                let before = SnapshotNumber(commit.number.0 - 1);
                rows = rows.and(&of_files(&self.snapshot_of(project, dataset, before).await?, &files));
                files.clear();
            }
            if let Some(reached) = commit.landed {
                files.extend(commit.files.iter().map(String::as_str));
                landed = reached;
            }
            last = commit.number;
        }
        if !files.is_empty() {
            rows = rows.and(&of_files(&self.snapshot_of(project, dataset, last).await?, &files));
        }
        if landed < there.pushed {
            let pushed = there.pushed;
            return Err(not_comparable(format!(
                "`{dataset}` has pushed rows up to {landed}, and they were read up to {pushed}"
            )));
        }
        let table = rows.provider()?;
        if landed == there.pushed {
            return Ok(table);
        }
        // The last file has rows that were pushed later. Their numbers are behind all that was ingested before, too.
        let bound = there.pushed.max(accepted);
        let counts = Expr::Column(Column::new_unqualified(SEQ)).lt_eq(lit(bound));
        let plan = LogicalPlanBuilder::scan(dataset.as_str(), provider_as_source(table), None)
            .and_then(|scan| scan.filter(counts))
            .and_then(LogicalPlanBuilder::build);
        Ok(Arc::new(ViewTable::new(plan.map_err(asof_query::execution_error)?, None)))
    }
}

fn of_files(snapshot: &Snapshot, files: &HashSet<&str>) -> Snapshot {
    snapshot.of_files(|path| files.contains(path))
}

pub(super) fn not_comparable(message: String) -> Error {
    Error::new(ErrorKind::Precondition, "not_comparable", message).remedy("take entries that are newer: --since TIME")
}
