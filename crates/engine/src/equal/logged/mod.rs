//! `verify SERVICE --log`: whether what *was* served is what training gives.
//!
//! # What it promises
//! Entries of the serving log are sampled, of this very version of the service, and what they say was served is held against what the
//! plan of training gives for the same keys and parameters at the same moment, over exactly the rows that were there to be read: the
//! snapshots that the views' runs had read and, where a view follows what is pushed, what was pushed since up to the number that the entry
//! tells ([`there`]). Values and statuses must be the same, to the bit. What has been ingested, pushed or materialized since
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

mod entries;
mod states;
mod there;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use asof_model::run::Item;
use asof_model::schema::timestamp;
use asof_model::{Error, Micros, Reference, Result};
use asof_offline::Progress;
use asof_query::Planner;

use self::states::{Known, State};
use super::compare::{Trained, differing_in};
use super::{AT, Compared, MAX_TOLD, Mismatch, training_of};
use crate::serving_log::Entry;
use crate::{Engine, GetReply, Scope};

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

/// What is to be compared over the same rows: entries, and which of their features.
type Part = Vec<(usize, Vec<usize>)>;

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
        let (service, mut record) = self.comparing(scope, &request.service, request.samples, "entries").await?;
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
                match self.states(&mut known, index, entry).await {
                    Ok(states) => states.into_iter().for_each(|(state, features)| {
                        parts.entry(state).or_default().push((index, features));
                    }),
                    Err(error) if error.code() == "not_comparable" => known.leave_out(error.message(), index),
                    Err(error) => return Err(error),
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
                part.iter().for_each(|(index, _)| known.leave_out(error.message(), *index));
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
    mismatches: Vec<Mismatch>,
}

impl Found {
    fn add(&mut self, entry: usize, trained: &Trained, reply: &GetReply, features: &[usize]) -> Result<()> {
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
