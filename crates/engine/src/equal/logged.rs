//! `verify SERVICE --log`: whether what *was* served is what training gives.
//!
//! # What it promises
//! Entries of the serving log are sampled, of this very version of the service, and what they say was served is held against what the
//! plan of training gives for the same keys and parameters at the same moment, over exactly the rows that were there to be read: the
//! snapshots that the views' runs had read and, where a view follows what is pushed, what was pushed since up to the number that the entry
//! tells ([`there`](super::there)). Values and statuses must be the same, to the bit. What has been ingested, pushed or materialized since
//! makes no difference.
//!
//! What cannot be told is counted and said, never guessed:
//! - An entry is *moving* if rows were being written, or a view was published, while it was read: nobody knows which of them it saw.
//! - A feature of views that rested on different rows of one dataset is not compared. Others of the same entry are, each over its own
//!   rows.
//! - A feature of a view some of whose rows did not count yet when it was materialized, and do at the moment of the entry, is not
//!   compared: such rows come online only with the next materialization.
//! - Snapshots that were removed since cannot be read.
//!
//! # What it costs
//! The log is read once. For each different set of rows among the entries, one as-of join over the datasets: where rows are
//! pushed all the time, that is about one for each entry. Of views that do not follow pushes, one reading for each run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Int64Type, Schema, TimestampMicrosecondType};
use asof_model::run::{Item, RunId, Verb};
use asof_model::schema::timestamp;
use asof_model::{
    Error, ErrorKind, Kind, Micros, Name, Pinned, Reference, Registered, Result, Selector, SnapshotNumber,
};
use asof_offline::{Progress, Quiet, SEQ};
use asof_query::{Definitions, Planner};
use futures::StreamExt;

use super::compare::{Trained, differing_in, taken};
use super::there::{Ledger, There};
use super::{AT, Compared, MAX_TOLD, training_of};
use crate::serve::ServingPlan;
use crate::serving_log::{Entry, columns, corrupt, decode, dropped};
use crate::{Engine, MAX_ENTITIES, Scope};

/// The most rows that are computed at once.
const ROWS_AT_ONCE: usize = 100_000;

/// Which entries to compare.
#[derive(Clone, Debug)]
pub struct CompareLogRequest {
    /// The service.
    pub service: Reference,
    /// How many entries.
    pub samples: usize,
    /// Which ones: another seed, other entries.
    pub seed: u64,
    /// Those that were logged from then on; none means all.
    pub since: Option<Micros>,
}

/// Of how many entries a comparison is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Entries of this version that there are.
    pub found: u64,
    /// Entries of which something was compared.
    pub compared: u64,
    /// Entries that something was written into while they were read: not compared.
    pub moving: u64,
    /// Why features of others were not compared, and of how many entries.
    pub apart: Vec<(String, u64)>,
    /// Requests to any service of the project that should have been logged in that time, and were not.
    pub dropped: u64,
}

/// Rows of all datasets.
type State = BTreeMap<Name, There>;

/// What is to be compared over the same rows: entries, and which of their features.
type Part = Vec<(usize, Vec<usize>)>;

/// What is looked up once for all entries.
struct Known {
    project: Name,
    plan: Arc<ServingPlan>,
    service: Registered,
    definitions: Definitions,
    /// The datasets of each view of the service.
    reads: Vec<BTreeSet<Name>>,
    ledgers: BTreeMap<Name, Ledger>,
    runs: HashMap<RunId, BTreeMap<Name, SnapshotNumber>>,
    /// By view and run, when the first row begins to count that did not when it was materialized.
    due: HashMap<(usize, RunId), Option<Micros>>,
    /// Why something was not compared, and the entries.
    apart: BTreeMap<String, BTreeSet<usize>>,
}

impl Engine {
    /// Holds what the serving log says was served against what training gives.
    ///
    /// # Errors
    /// `nothing_to_compare` where no entry is there; `too_many_entities`; `corrupt_serving_log`, `corrupt_file`; those of computing.
    pub async fn compare_log(
        &self,
        scope: &Scope,
        request: CompareLogRequest,
        progress: Arc<dyn Progress>,
    ) -> Result<Compared> {
        if request.samples > MAX_ENTITIES {
            let message = format!("{} entries at once; at most {MAX_ENTITIES} are compared", request.samples);
            return Err(Error::new(ErrorKind::Invalid, "too_many_entities", message)
                .remedy("take fewer, and another --seed for others"));
        }
        let (project, environment) = (&scope.project, &scope.environment);
        let service =
            self.catalog().resolve(project, environment, &request.service, Some(Kind::FeatureService)).await?.pinned;
        let mut record = self.start(project, Verb::Verify, vec![Item::Definition(service.clone())]).await?;
        let work = async {
            let mut known = self.known_of(scope, &service).await?;
            for (dataset, ledger) in &known.ledgers {
                record.read(Item::Snapshot { dataset: dataset.clone(), number: ledger.newest() });
            }
            record.save().await?;
            // What is still on its way is there for whoever looks.
            self.write_served().await;
            let (entries, mut logged) = self.entries(&known.plan, &request).await?;
            let mut parts: BTreeMap<State, Part> = BTreeMap::new();
            for (index, entry) in entries.iter().enumerate() {
                if entry.is_moving() {
                    logged.moving += 1;
                    continue;
                }
                for (state, features) in self.states(&mut known, index, entry).await? {
                    parts.entry(state).or_default().push((index, features));
                }
            }
            let mut found = Found::default();
            for (state, part) in &parts {
                self.compare_part(&mut known, state, part, &entries, &mut found, &progress).await?;
            }
            let all: BTreeSet<_> = found.compared.iter().copied().collect();
            logged.compared = all.len() as u64;
            logged.apart = known.apart.iter().map(|(why, entries)| (why.clone(), entries.len() as u64)).collect();
            let rows = all.iter().map(|entry| entries[*entry].request.num_rows()).sum();
            let at = entries.iter().map(|entry| entry.reply.at).max().unwrap_or_else(|| self.clock().now());
            record.note("entries", logged.compared);
            record.note("rows", rows);
            record.note("differing", found.rows.len());
            let snapshots = known.ledgers.iter().map(|(name, ledger)| (name.clone(), ledger.newest())).collect();
            Ok(Compared {
                run: record.id(),
                service: service.clone(),
                at,
                snapshots,
                rows,
                failed: 0,
                differing: found.rows.len(),
                mismatches: found.mismatches,
                logged: Some(logged),
            })
        };
        let result = work.await;
        self.finish(record, result).await
    }

    async fn known_of(&self, scope: &Scope, service: &Pinned) -> Result<Known> {
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

    /// The entries that were asked for, in the order in which they were logged; of more than that the same ones for the same seed.
    async fn entries(&self, plan: &Arc<ServingPlan>, request: &CompareLogRequest) -> Result<(Vec<Entry>, Logged)> {
        let service = plan.serving.service.clone();
        let nothing = |since: Option<Micros>| {
            let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
            let message = format!("no request to {} was logged{since}", service.reference());
            Error::new(ErrorKind::Precondition, "nothing_to_compare", message).remedy(
                "set every in [serving_log] of asof.toml, and let asof serve answer requests; what was logged names its version",
            )
        };
        let Some(snapshot) = self.offline().serving_log(&service.project).await? else {
            return Err(nothing(request.since));
        };
        let (engine, plan, request) = (self.clone(), Arc::clone(plan), request.clone());
        let since = request.since;
        let work = async move {
            // Bytes that are not those that were written must not be decoded.
            snapshot.verify_files(&Quiet).await?;
            let session = datafusion::prelude::SessionContext::new_with_state(engine.workshop().session());
            let table = session.read_table(snapshot.provider()?).map_err(asof_query::execution_error)?;
            let mut batches = table.execute_stream().await.map_err(asof_query::execution_error)?;
            let mut sampled = Sampled { request, kept: BTreeMap::new(), logged: Logged::default() };
            while let Some(batch) = batches.next().await {
                sampled.add(&batch.map_err(asof_query::execution_error)?, &plan.serving.service)?;
            }
            let mut kept: Vec<_> = sampled.kept.into_iter().map(|((_, number), row)| (number, row)).collect();
            kept.sort_by_key(|(number, _)| *number);
            let entries = kept.iter().map(|(_, row)| decode(row, 0, &plan)).collect::<Result<Vec<_>>>()?;
            Ok((entries, sampled.logged))
        };
        let (entries, logged) = self.workshop().run(work).await?;
        if entries.is_empty() { Err(nothing(since)) } else { Ok((entries, logged)) }
    }

    /// The rows that an entry was made of, and which of its features are compared over them.
    async fn states(&self, known: &mut Known, index: usize, entry: &Entry) -> Result<Vec<(State, Vec<usize>)>> {
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
                known.apart.entry(why).or_default().insert(index);
                of_view.push(None);
                continue;
            }
            let mut own = State::new();
            for dataset in &known.reads[view] {
                let (Some(number), Some(ledger)) = (read.get(dataset), known.ledgers.get(dataset)) else {
                    let message = format!("run {} does not say which snapshot of `{dataset}` it read", served.run);
                    return Err(super::there::not_comparable(message));
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
                    let why = "its views rested on different rows of one dataset".to_owned();
                    known.apart.entry(why).or_default().insert(index);
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

    /// Compares what is to be compared over the same rows.
    async fn compare_part(
        &self,
        known: &mut Known,
        state: &State,
        part: &Part,
        entries: &[Entry],
        found: &mut Found,
        progress: &Arc<dyn Progress>,
    ) -> Result<()> {
        let tables = match self.rows_there(&known.project, &known.ledgers, state).await {
            Ok(tables) => tables,
            Err(error) if ["snapshot_gone", "not_comparable"].contains(&error.code()) => {
                let entries = known.apart.entry(error.message().to_owned()).or_default();
                entries.extend(part.iter().map(|(index, _)| *index));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut rest = part.as_slice();
        while !rest.is_empty() {
            let mut rows = 0;
            let fits = |(index, _): &&(usize, Vec<usize>)| {
                rows += entries[*index].request.num_rows();
                rows <= ROWS_AT_ONCE
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            let spine = spine(now.iter().map(|(index, _)| &entries[*index]))?;
            let plan = training_of(&Planner::new(&known.definitions, &tables), &known.service, spine)?;
            let features = self.computed(plan, progress).await?;
            let mut from = 0;
            for (index, compared) in now {
                let Entry { request, reply, .. } = &entries[*index];
                let count = request.num_rows();
                let trained = Trained { rows: request.clone(), features: features.slice(from, count) };
                found.add(*index, &trained, reply, compared)?;
                from += count;
            }
            rest = later;
        }
        Ok(())
    }
}

/// What was found.
#[derive(Default)]
struct Found {
    compared: Vec<usize>,
    /// Entry and row of what differs.
    rows: BTreeSet<(usize, usize)>,
    mismatches: Vec<super::Mismatch>,
}

impl Found {
    fn add(&mut self, entry: usize, trained: &Trained, reply: &crate::GetReply, features: &[usize]) -> Result<()> {
        self.compared.push(entry);
        for (row, feature) in differing_in(reply, trained, features)? {
            self.rows.insert((entry, row));
            if self.mismatches.len() < MAX_TOLD {
                self.mismatches.push(trained.mismatch(reply, row, feature)?);
            }
        }
        Ok(())
    }
}

/// The entries with the smallest hashes so far, each a batch of one row.
struct Sampled {
    request: CompareLogRequest,
    kept: BTreeMap<(u64, i64), RecordBatch>,
    logged: Logged,
}

impl Sampled {
    fn add(&mut self, batch: &RecordBatch, service: &Pinned) -> Result<()> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| corrupt(format!("it has no column `{name}`")));
        let wrong = |name: &str| corrupt(format!("`{name}` is of another type"));
        let times = column(columns::LOGGED_AT)?.as_primitive_opt::<TimestampMicrosecondType>();
        let times = times.ok_or_else(|| wrong(columns::LOGGED_AT))?;
        let digests = column(columns::DIGEST)?.as_string_opt::<i32>().ok_or_else(|| wrong(columns::DIGEST))?;
        let names = column(columns::SERVICE)?.as_string_opt::<i32>().ok_or_else(|| wrong(columns::SERVICE))?;
        let numbers = column(SEQ)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(SEQ))?;
        let (name, digest) = (service.reference(), service.digest.to_string());
        for row in 0..batch.num_rows() {
            if self.request.since.is_some_and(|since| times.value(row) < since.0) {
                continue;
            }
            self.logged.dropped += dropped(&batch.slice(row, 1));
            if digests.value(row) != digest || names.value(row) != name {
                continue;
            }
            self.logged.found += 1;
            let number = numbers.value(row);
            let mut hasher = DefaultHasher::new();
            (self.request.seed, number).hash(&mut hasher);
            self.kept.insert((hasher.finish(), number), taken(batch, &[row])?);
            if self.kept.len() > self.request.samples {
                self.kept.pop_last();
            }
        }
        Ok(())
    }
}

/// The rows of entries, each with the moment that it was answered for.
fn spine<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> Result<RecordBatch> {
    let moments = entries.clone().flat_map(|entry| std::iter::repeat_n(entry.reply.at.0, entry.request.num_rows()));
    let moments = TimestampMicrosecondArray::from_iter_values(moments).with_data_type(timestamp());
    let requests: Vec<_> = entries.map(|entry| &entry.request).collect();
    let schema = requests.first().map_or_else(|| Arc::new(Schema::empty()), |first| first.schema());
    let rows = concat_batches(&schema, requests).map_err(Error::internal)?;
    let moment = Arc::new(Field::new(AT, timestamp(), true));
    let fields = rows.schema().fields().iter().cloned().chain([moment]).collect::<Vec<_>>();
    let options = RecordBatchOptions::new().with_row_count(Some(moments.len()));
    let columns = rows.columns().iter().cloned().chain([Arc::new(moments) as ArrayRef]).collect();
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(Error::internal)
}
