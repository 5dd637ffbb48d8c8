//! What the online rows of a service rest on.
//!
//! Of a view that follows what is pushed, that is the newest snapshot once rows were pushed since it was brought online, and
//! otherwise the snapshots that its run read. One dataset has one snapshot in one computation, so all views of the service
//! must agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::run::{Item, Verb};
use asof_model::{Error, ErrorKind, Kind, Micros, Name, Pinned, Reference, Registered, Result, RunId, SnapshotNumber};
use asof_query::{Definitions, Following, Planner};

use crate::datasets::Pins;
use crate::serve::ServingPlan;
use crate::{Engine, Scope};

/// See the module.
pub(super) struct Basis {
    pub(super) plan: Arc<ServingPlan>,
    pub(super) service: Registered,
    pub(super) definitions: Arc<Definitions>,
    pub(super) pins: Arc<Pins>,
    /// Whether some of it changes with every push.
    pub(super) live: bool,
    /// The moment to ask about; none means now.
    pub(super) at: Option<Micros>,
}

/// Which snapshot of a dataset a view rests on, and which view that is.
struct Rest {
    number: SnapshotNumber,
    view: String,
}

impl Basis {
    /// # Errors
    /// `not_comparable`, and those of asking the service.
    pub(super) async fn of(engine: &Engine, scope: &Scope, service: &Reference) -> Result<Self> {
        let plan = engine.served_plan(scope, service).await?;
        let pinned = plan.serving.service.clone();
        let closure = engine.catalog().closure(std::slice::from_ref(&pinned)).await?;
        let registered = closure.iter().find(|r| r.pinned == pinned).cloned();
        let service = registered.ok_or_else(|| Error::internal(format!("{pinned} is not there")))?;
        let definitions = Arc::new(Definitions::new(closure.iter().cloned().map(Arc::new)));
        let (mut rests, mut live, mut at) = (BTreeMap::new(), false, None);
        for view in &plan.serving.views {
            let view = &view.view;
            let published = engine.online().published(&view.pinned)?;
            let published =
                published.ok_or_else(|| asof_online::Error::NotMaterialized(Box::new(view.pinned.clone())))?;
            at = at.max(Some(published.at));
            let read = engine.read_by(published.run).await?;
            let pushed = engine.pushed_since(view, &definitions, &read).await?;
            live |= pushed.is_some();
            for (dataset, number) in pushed.unwrap_or(read) {
                let rest = Rest { number, view: view.pinned.reference() };
                let first = rests.entry(dataset.clone()).or_insert(rest);
                if first.number != number {
                    return Err(apart(&dataset, first, &view.pinned, number));
                }
            }
        }
        let numbers = rests.into_iter().map(|(dataset, rest)| (dataset, rest.number)).collect();
        let datasets: Vec<_> = closure.into_iter().filter(|r| r.pinned.kind == Kind::Dataset).collect();
        let pins = Arc::new(engine.pin(&datasets, Some(&numbers)).await?);
        Ok(Basis { plan, service, definitions, pins, live, at: at.filter(|_| !live) })
    }
}

impl Engine {
    /// Whether rows of a view were pushed, and are online therefore, since a run brought it online.
    pub(crate) async fn pushed_to(
        &self,
        view: &Registered,
        definitions: &Arc<Definitions>,
        brought_by: RunId,
    ) -> Result<bool> {
        let read = self.read_by(brought_by).await?;
        match self.pushed_since(view, definitions, &read).await {
            Ok(pushed) => Ok(pushed.is_some()),
            // Pushed and ingested.
            Err(error) if error.code() == "not_comparable" => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The snapshots that a run read.
    pub(crate) async fn read_by(&self, id: RunId) -> Result<BTreeMap<Name, SnapshotNumber>> {
        let run = self.catalog().run(id).await?.ok_or_else(|| {
            let message = format!("run {id}, which brought rows online, is not recorded");
            Error::new(ErrorKind::Precondition, "not_comparable", message).remedy("asof materialize again")
        })?;
        let snapshots = run.inputs.into_iter().filter_map(|item| match item {
            Item::Snapshot { dataset, number } => Some((dataset, number)),
            _ => None,
        });
        Ok(snapshots.collect())
    }

    /// The newest snapshots of what a view reads, if rows of it were pushed after those that were read, and are online
    /// therefore.
    ///
    /// # Errors
    /// `not_comparable` where rows were ingested since as well.
    pub(crate) async fn pushed_since(
        &self,
        view: &Registered,
        definitions: &Arc<Definitions>,
        read: &BTreeMap<Name, SnapshotNumber>,
    ) -> Result<Option<BTreeMap<Name, SnapshotNumber>>> {
        let project = &view.pinned.project;
        let (mut newest, mut pushed, mut ingested) = (BTreeMap::new(), false, None);
        for (dataset, number) in read {
            self.land(project, dataset).await?;
            let mut last = *number;
            for commit in self.offline().commits(project, dataset).await?.into_iter().filter(|c| c.number > *number) {
                last = last.max(commit.number);
                let run = match commit.run {
                    Some(run) => self.catalog().run(run).await?,
                    None => None,
                };
                match run.map(|run| run.verb) {
                    Some(Verb::Push) => pushed = true,
                    // The same rows, in other files.
                    Some(Verb::Compact) => {}
                    _ => ingested = Some(dataset.clone()),
                }
            }
            newest.insert(dataset.clone(), last);
        }
        if !pushed || !self.follows(view, definitions, read).await? {
            return Ok(None);
        }
        match ingested {
            None => Ok(Some(newest)),
            Some(dataset) => {
                let name = view.pinned.reference();
                let message = format!(
                    "{name} has rows of {dataset} online that were pushed, and none of those that were ingested since it was \
                     materialized: no snapshot has just these"
                );
                Err(Error::new(ErrorKind::Precondition, "not_comparable", message)
                    .remedy(format!("asof materialize {}", view.pinned.name)))
            }
        }
    }

    async fn follows(
        &self,
        view: &Registered,
        definitions: &Arc<Definitions>,
        read: &BTreeMap<Name, SnapshotNumber>,
    ) -> Result<bool> {
        let closure = self.catalog().closure(std::slice::from_ref(&view.pinned)).await?;
        let datasets: Vec<_> = closure.into_iter().filter(|r| r.pinned.kind == Kind::Dataset).collect();
        let pins = self.pin(&datasets, Some(read)).await?;
        let (view, definitions) = (view.clone(), Arc::clone(definitions));
        let work = async move { Planner::new(&definitions, &pins).row_wise(&view) };
        Ok(matches!(self.workshop().run(work).await?, Following::RowWise(_)))
    }
}

fn apart(dataset: &Name, first: &Rest, second: &Pinned, number: SnapshotNumber) -> Error {
    let second = second.reference();
    let message = format!(
        "{} is online from {dataset}@{}, and {second} from {dataset}@{number}: there is no training set that both would \
         equal",
        first.view, first.number
    );
    Error::new(ErrorKind::Precondition, "not_comparable", message).remedy("bring both online again: asof materialize")
}
