//! Of an entry, the rows that it was made of, and which of its features can be compared over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use asof_model::{Error, Kind, Micros, Name, Pinned, Reference, Registered, Result, RunId, Selector, SnapshotNumber};
use asof_query::{Definitions, Planner};
use futures::StreamExt;

use super::there::{Ledger, There, not_comparable};
use crate::serve::ServingPlan;
use crate::serving_log::Entry;
use crate::{Engine, Scope};

/// Rows of all datasets.
pub(super) type State = BTreeMap<Name, There>;

/// What is looked up once for all entries.
pub(super) struct Known {
    pub(super) project: Name,
    pub(super) plan: Arc<ServingPlan>,
    pub(super) service: Registered,
    pub(super) definitions: Definitions,
    /// The datasets of each view of the service.
    reads: Vec<BTreeSet<Name>>,
    pub(super) ledgers: BTreeMap<Name, Ledger>,
    runs: HashMap<RunId, BTreeMap<Name, SnapshotNumber>>,
    /// By view and run, when the first row begins to count that did not when it was materialized.
    due: HashMap<(usize, RunId), Option<Micros>>,
    /// Why something was not compared, and the entries.
    pub(super) apart: BTreeMap<String, BTreeSet<usize>>,
}

impl Known {
    /// Something of an entry is not compared.
    pub(super) fn leave_out(&mut self, why: &str, entry: usize) {
        self.apart.entry(why.to_owned()).or_default().insert(entry);
    }
}

impl Engine {
    pub(super) async fn known_of(&self, scope: &Scope, service: &Pinned) -> Result<Known> {
        let reference = Reference {
            project: Some(service.project.clone()),
            name: service.name.clone(),
            selector: Some(Selector::Number(service.version.0.into())),
        };
        // It need not be online any more.
        let plan = self.serving_plan(scope, &reference).await?;
        let closure = self.catalog().closure(std::slice::from_ref(service)).await?;
        let registered = closure.iter().find(|r| r.pinned == *service).cloned();
        let registered = registered.ok_or_else(|| Error::internal(format!("{service} is not there")))?;
        let mut reads = Vec::new();
        for view in &plan.serving.views {
            let made_of = self.catalog().closure(std::slice::from_ref(&view.view.pinned)).await?;
            let datasets = made_of.into_iter().filter(|r| r.pinned.kind == Kind::Dataset);
            reads.push(datasets.map(|r| r.pinned.name).collect::<BTreeSet<_>>());
        }
        let mut ledgers = BTreeMap::new();
        for dataset in reads.iter().flatten().collect::<BTreeSet<_>>() {
            ledgers.insert(dataset.clone(), self.ledger(&service.project, dataset).await?);
        }
        Ok(Known {
            project: service.project.clone(),
            plan,
            service: registered,
            definitions: Definitions::new(closure.into_iter().map(Arc::new)),
            reads,
            ledgers,
            runs: HashMap::new(),
            due: HashMap::new(),
            apart: BTreeMap::new(),
        })
    }

    /// The rows that an entry was made of, and which of its features are compared over them.
    pub(super) async fn states(
        &self,
        known: &mut Known,
        index: usize,
        entry: &Entry,
    ) -> Result<Vec<(State, Vec<usize>)>> {
        let mut states: Vec<State> = Vec::new();
        let mut of_view = Vec::new();
        for (view, (served, ground)) in entry.reply.views.iter().zip(&entry.grounds).enumerate() {
            let Some(ground) = ground else { return Ok(Vec::new()) };
            let read = self.read_once(known, served.run).await?;
            let due = match ground.follows {
                true => ground.due,
                false => self.due_once(known, view, served.run, served.at, &read).await?,
            };
            if due.is_some_and(|due| due <= entry.reply.at) {
                let why = format!("rows of {} began to count after it was materialized", served.view.reference());
                known.leave_out(&why, index);
                of_view.push(None);
                continue;
            }
            let mut own = State::new();
            for dataset in &known.reads[view] {
                let (Some(number), Some(ledger)) = (read.get(dataset), known.ledgers.get(dataset)) else {
                    let message = format!("run {} does not say which snapshot of `{dataset}` it read", served.run);
                    return Err(not_comparable(message));
                };
                let pushed = entry.accepted.get(dataset).map(|(before, _)| *before).filter(|_| ground.follows);
                own.insert(dataset.clone(), ledger.there(*number, pushed));
            }
            let agrees = |state: &State| own.iter().all(|(name, there)| state.get(name).is_none_or(|s| s == there));
            match states.iter().position(agrees) {
                Some(place) => {
                    states[place].extend(own);
                    of_view.push(Some(place));
                }
                None => {
                    states.push(own);
                    of_view.push(Some(states.len() - 1));
                }
            }
        }
        // A plan reads all datasets, also for features that are not compared over them.
        let mut anything = State::new();
        states.iter().rev().for_each(|state| anything.extend(state.clone()));
        if anything.len() < known.ledgers.len() {
            for (dataset, ledger) in &known.ledgers {
                let newest = ledger.there(ledger.newest(), None);
                anything.entry(dataset.clone()).or_insert(newest);
            }
        }
        if states.is_empty() {
            states.push(State::new());
        }
        for state in &mut states {
            for (dataset, there) in &anything {
                state.entry(dataset.clone()).or_insert(*there);
            }
        }
        let mut features = vec![Vec::new(); states.len()];
        for (feature, details) in entry.reply.details.iter().enumerate() {
            let places: BTreeSet<_> = details.views.iter().map(|view| of_view[*view]).collect();
            match places.iter().collect::<Vec<_>>().as_slice() {
                [] => features[0].push(feature),
                [Some(place)] => features[*place].push(feature),
                places if places.contains(&&None) => {}
                _ => {
                    known.leave_out("its views rested on different rows of one dataset", index);
                }
            }
        }
        Ok(states.into_iter().zip(features).filter(|(_, features)| !features.is_empty()).collect())
    }

    async fn read_once(&self, known: &mut Known, run: RunId) -> Result<BTreeMap<Name, SnapshotNumber>> {
        if let Some(read) = known.runs.get(&run) {
            return Ok(read.clone());
        }
        let read = self.read_by(run).await?;
        known.runs.insert(run, read.clone());
        Ok(read)
    }

    /// When the first row of a view changes what counts, after a moment; all of them out of what a run read.
    async fn due_once(
        &self,
        known: &mut Known,
        view: usize,
        run: RunId,
        at: Micros,
        read: &BTreeMap<Name, SnapshotNumber>,
    ) -> Result<Option<Micros>> {
        if let Some(due) = known.due.get(&(view, run)) {
            return Ok(*due);
        }
        let registered = known.plan.serving.views[view].view.clone();
        let closure = self.catalog().closure(std::slice::from_ref(&registered.pinned)).await?;
        let due = match self.pin(&closure, Some(read)).await {
            Ok(pins) => {
                let timeline = Planner::new(&known.definitions, &pins).timeline(&registered)?;
                let engine = self.clone();
                let work = async move {
                    let (_, mut rows) = engine.execute(engine.workshop().session(), timeline.plan).await?;
                    let mut due: Option<i64> = None;
                    while let Some(batch) = rows.next().await {
                        let batch = batch.map_err(asof_query::execution_error)?;
                        let time = |place: usize| batch.column(place).as_primitive::<TimestampMicrosecondType>();
                        let (happened, known) = (time(timeline.times.timestamp), timeline.times.known.map(time));
                        let superseded = timeline.superseded.map(time);
                        let value = |times: Option<&TimestampMicrosecondArray>, row: usize| {
                            times.filter(|times| times.is_valid(row)).map(|times| times.value(row))
                        };
                        for row in (0..batch.num_rows()).filter(|row| happened.is_valid(*row)) {
                            let from = value(known, row).unwrap_or(i64::MIN).max(happened.value(row));
                            let changes = [Some(from), value(superseded, row)].into_iter().flatten();
                            due = due.into_iter().chain(changes.filter(|change| *change > at.0)).min();
                        }
                    }
                    Ok(due.map(Micros))
                };
                self.workshop().run(work).await?
            }
            // Whether there is such a row does not matter where none can be read.
            Err(error) if error.code() == "snapshot_gone" => None,
            Err(error) => return Err(error),
        };
        known.due.insert((view, run), due);
        Ok(due)
    }
}
