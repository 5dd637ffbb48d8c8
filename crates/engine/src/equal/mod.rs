//! `verify SERVICE`: whether what is served is what training gives.
//!
//! # What it promises
//! Keys are sampled, the online store is asked for their features, and the same is computed by the plan that training
//! runs, for the same keys and parameters at the same moment over the snapshots that the online rows were made from. Values
//! and statuses must be the same, to the bit. What differs is told with the receipts of what was served.
//!
//! - **Keys** come from the views' own rows, and from the spine of the newest training set of this very version ([`sample`]):
//!   the same ones for the same seed and data. Parameters are those of the spine; without one they are null. A key that is
//!   online and in no table is not found out.
//! - **Snapshots** are those that the runs read which brought the views online; where a view follows what is pushed, the newest
//!   one ([`basis`]). Where views rest on different snapshots of one dataset, there is nothing that they could all equal, and
//!   that is said.
//! - **The moment** is that of the materialization, or now where rows were pushed since: a store of newest rows has no
//!   other. As-of windows end there.
//! - Rows may be pushed while this runs, between the one answer and the other. So what differs is looked at again, twice.
//! - A row that cannot be answered (an expression fails on it) is counted, and not compared: training would fail as a whole.
//!
//! # What it costs
//! Reading each view's keys once, and one as-of join with a spine of as many rows as keys are sampled; one request to the
//! online store. The keys that are kept while reading are bounded by their number.

mod basis;
mod compare;
mod logged;
pub(crate) mod sample;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use asof_model::run::{Item, Receipt, RunId, Verb};
use asof_model::{
    Error, ErrorKind, Kind, KnownMoment, Micros, Name, Pinned, Reference, Registered, Result, Selector, SnapshotNumber,
    Status,
};
use asof_offline::Progress;
use asof_query::{Planner, TrainingOptions};
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;

use crate::run::Record;
use crate::{Engine, GetReply, GetRequest, MAX_ENTITIES, Scope};
use basis::Basis;
use compare::{Trained, differing};
pub(crate) use compare::{at_moment, one, plain, status_of, taken, without_failed};
pub use logged::{CompareLogRequest, Logged};

/// The column of the moment asked about. No key or parameter begins with an underscore.
pub(crate) const AT: &str = "__at";
/// How often what differs is looked at.
const LOOKS: usize = 3;
/// The most differences that are told.
const MAX_TOLD: usize = 100;

/// What to compare.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// The service.
    pub service: Reference,
    /// How many keys.
    pub samples: usize,
    /// Which ones: another seed, other keys.
    pub seed: u64,
    /// The moment asked about; none means that of the materialization, or now where rows were pushed since.
    pub at: Option<Micros>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The run.
    pub run: RunId,
    /// The version that was asked.
    pub service: Pinned,
    /// The moment.
    pub at: Micros,
    /// What training was computed over.
    pub snapshots: Vec<(Name, SnapshotNumber)>,
    /// Rows that were compared.
    pub rows: usize,
    /// Rows that could not be answered, and were not compared.
    pub failed: usize,
    /// Rows that differ in some feature.
    pub differing: usize,
    /// The first of the differences.
    pub mismatches: Vec<Mismatch>,
    /// Where they were read from the serving log: of how many entries.
    pub logged: Option<Logged>,
}

/// Both answers to the rows that were looked at last.
struct Settled {
    /// Rows that were compared in all, and rows that could not be answered.
    compared: usize,
    failed: usize,
    reply: GetReply,
    trained: Trained,
    /// Which of the rows differ.
    different: Vec<usize>,
}

/// One feature of one row.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The keys and parameters, a batch of one row.
    pub request: RecordBatch,
    /// The moment that was answered for.
    pub at: Micros,
    /// The feature.
    pub feature: String,
    /// What the online store gives.
    pub served: Answered,
    /// What training gives.
    pub trained: Answered,
    /// Where the served value came from: per view that it was computed from, its alias and receipt.
    pub receipts: Vec<(String, Receipt)>,
}

/// A value and its status.
#[derive(Clone, Debug)]
pub struct Answered {
    /// A batch of one row and column.
    pub value: RecordBatch,
    /// Why it is there, or not.
    pub status: Option<Status>,
}

impl Engine {
    /// Holds what a service serves against what training gives.
    ///
    /// # Errors
    /// Those of [`Engine::get`]; `not_comparable` where views rest on different snapshots; `nothing_to_compare` where there
    /// is no key; `too_many_entities`.
    pub async fn compare(
        &self,
        scope: &Scope,
        request: CompareRequest,
        progress: Arc<dyn Progress>,
    ) -> Result<Compared> {
        let (service, mut record) = self.comparing(scope, &request.service, request.samples, "keys").await?;
        let work = async {
            let reference = Reference {
                project: Some(service.project.clone()),
                name: service.name.clone(),
                selector: Some(Selector::Number(service.version.0.into())),
            };
            let basis = Basis::of(self, scope, &reference).await?;
            basis.pins.items().for_each(|item| record.read(item));
            record.save().await?;
            let rows = self.sampled(scope, &basis, &request, &progress).await?;
            let snapshots = basis.pins.numbers().into_iter().collect();
            let settled = self.settled(scope, &reference, basis, rows, request.at, &progress).await?;
            let Settled { compared, failed, reply, trained, different } = settled;
            record.note("rows", compared);
            record.note("differing", different.len());
            record.note("at", reply.at);
            let mismatches = trained.mismatches(&reply, &different, MAX_TOLD)?;
            let (run, at, differing) = (record.id(), reply.at, different.len());
            let (service, logged) = (service.clone(), None);
            Ok(Compared { run, service, at, snapshots, rows: compared, failed, differing, mismatches, logged })
        };
        let result = work.await;
        self.finish(record, result).await
    }

    /// The version that is meant, and the run of comparing so many of something with what it is trained on.
    async fn comparing(
        &self,
        scope: &Scope,
        service: &Reference,
        samples: usize,
        what: &str,
    ) -> Result<(Pinned, Record)> {
        if samples > MAX_ENTITIES {
            let message = format!("{samples} {what} at once; at most {MAX_ENTITIES} are compared");
            return Err(Error::new(ErrorKind::Invalid, "too_many_entities", message)
                .remedy("take fewer, and another --seed for others"));
        }
        let (project, environment) = (&scope.project, &scope.environment);
        let service = self.catalog().resolve(project, environment, service, Some(Kind::FeatureService)).await?.pinned;
        let record = self.start(project, Verb::Verify, vec![Item::Definition(service.clone())]).await?;
        Ok((service, record))
    }

    /// Both answers, after what differs was looked at again where rows are pushed meanwhile.
    async fn settled(
        &self,
        scope: &Scope,
        service: &Reference,
        mut basis: Basis,
        mut rows: RecordBatch,
        at: Option<Micros>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Settled> {
        let mut counted = None;
        let mut look = 1;
        loop {
            let asked = GetRequest { service: service.clone(), rows: rows.clone(), at: at.or(basis.at) };
            let reply = self.asked_apart(scope, asked).await?;
            if basis.live {
                basis = Basis::of(self, scope, service).await?;
            }
            let (reply, answered) = without_failed(reply, &rows)?;
            let here = (answered.num_rows(), rows.num_rows() - answered.num_rows());
            let (compared, failed) = *counted.get_or_insert(here);
            let trained = self.trained(&basis, answered, reply.at, progress).await?;
            let different = differing(&reply, &trained)?;
            if different.is_empty() || look == LOOKS || !basis.live {
                return Ok(Settled { compared, failed, reply, trained, different });
            }
            rows = compare::taken(&trained.rows, &different)?;
            look += 1;
        }
    }

    /// What training gives for rows at one moment.
    async fn trained(
        &self,
        basis: &Basis,
        rows: RecordBatch,
        at: Micros,
        progress: &Arc<dyn Progress>,
    ) -> Result<Trained> {
        let spine = at_moment(&rows, AT, at)?;
        let plan = training_of(&Planner::new(&basis.definitions, basis.pins.as_ref()), &basis.service, spine)?;
        let features = self.computed(plan, progress).await?;
        Ok(Trained { rows, features })
    }

    /// All rows of a plan.
    async fn computed(&self, plan: LogicalPlan, progress: &Arc<dyn Progress>) -> Result<RecordBatch> {
        let (engine, progress) = (self.clone(), Arc::clone(progress));
        let work = async move {
            let (stream, making) = engine.stream(plan, &progress, "reading").await?;
            let schema = stream.schema();
            let batches: Vec<_> = stream.try_collect().await.map_err(asof_query::execution_error)?;
            making.all_read();
            concat_batches(&schema, &batches).map_err(Error::internal)
        };
        self.workshop().run(work).await
    }
}

/// What training gives for rows whose moments are in [`AT`]: each feature followed by its status.
fn training_of(planner: &Planner<'_>, service: &Registered, spine: RecordBatch) -> Result<LogicalPlan> {
    let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: true };
    planner.training_of(service, spine, AT, &options)
}
