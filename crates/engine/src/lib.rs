//! The verbs, one file each. The engine joins what never meets otherwise: the language and the plans
//! (`query`), the tables (`offline`), the store that serves (`online`), and the memory of what was declared
//! and done (`catalog`, `lineage`).
//!
//! Promises: every verb that changes something is one recorded run with exact inputs and outputs (law 4);
//! a crash leaves the state before it or the state after it, and the next start repairs the record.
//! Offline work runs on the [`Workshop`]'s own threads and memory pool, so serving never waits for it. A verb whose
//! future is dropped is given up: it leaves nothing behind, and its run is recorded as aborted ([`Engine::ended`]). Only a transaction that
//! moves pointers (apply, promote, rollback) goes on to its end.
//!
//! Backends are handed in ([`Parts`]); nothing here names one.

mod apply;
mod approve;
mod background;
mod bundle;
mod collect;
mod compact;
mod consequences;
mod datasets;
mod deprecate;
mod diff;
mod equal;
mod explain;
mod gates;
mod given;
mod giving_way;
mod graphs;
mod hear;
mod ingest;
mod known;
mod lineage;
mod log;
mod materialize;
mod models;
mod newest;
mod parent;
mod plans;
mod pointers;
mod promote;
mod push;
mod rebuild;
mod recover;
mod resident;
mod rollback;
mod rows;
mod run;
mod scope;
mod serve;
mod served;
mod serving_log;
mod show;
mod standard;
mod telling;
mod told;
mod train;
mod verify;
mod windows;
mod workshop;

pub use apply::{Applied, AppliedChecked, Checking, Planned};
pub use approve::{ApproveRequest, Approved};
pub use asof_catalog::{Approval, Deprecation, PointerMove};
pub use asof_offline::{ExportFormat, IngestedFile, Manifest, Progress, ReadOptions};
pub use asof_query::{Change, ClauseChange, Effect, KnownMoment, Source};
pub use background::Background;
pub use bundle::{Conflict, ExportRequest, Exported, ImportReport, ImportRequest};
pub use collect::{CollectRequest, Collected, Kept, Removal, RemovalKind};
pub use compact::Compacted;
pub use consequences::{
    Break, Consequence, Guard, Read, Recompute, Sample, Sampled, SampledDifference, Standing, User, Users,
    Verdict as Compatibility,
};
pub use deprecate::{DeprecateRequest, Deprecated, Warning};
pub use diff::Difference;
pub use equal::{Answered, CompareLogRequest, CompareRequest, Compared, Logged, Mismatch};
pub use explain::{Contributed, ExplainRequest, Explanation, FromSnapshot, Origin, Source as FoundIn};
pub use gates::{Asked, Gate, OwnGate, Policy, Refusal, Verdict};
pub use hear::Heard;
pub use ingest::{IngestReport, IngestRequest};
pub use lineage::{About, Change as ColumnChange, Direction, LineageRequest, Rendering};
pub use log::LogRequest;
pub use materialize::{Extent, MaterializeReport, MaterializeRequest, Materialized, Upkeep};
pub use models::{RegisterRequest, RegisteredModel, ShownModel};
pub use parent::Parent;
pub use pointers::{Author, Moved, Shift, Stay};
pub use promote::PromoteRequest;
pub use push::{MAX_PUSHED, PushLimits, PushReport, PushRequest};
pub use rebuild::Rebuilt;
pub use rollback::RollbackRequest;
pub use rows::RowError;
pub use scope::Scope;
pub use serve::{GetReply, GetRequest, MAX_ENTITIES, ServedFeature, ServedRows};
pub use served::{Served, Values};
pub use show::{Listing, Shown, ShownOnline, ShownSnapshot};
pub use standard::{Counted, Filter, Forgotten, GraphQuestion, Named, Page, Sort, TagOn};
pub use telling::{Listener, Narrator, Told};
pub use train::{TrainRequest, Trained};
pub use verify::{Checked, Example, Finding, Leak, Probe, Verified, VerifyRequest};
pub use workshop::{Limits, Workshop};

use std::sync::Arc;

use asof_catalog::Catalog;
use asof_model::{Clock, Result};
use asof_online::OnlineStore;

/// The version of the engine, as manifests and runs record it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What an engine is made of.
pub struct Parts {
    /// Definitions and runs.
    pub catalog: Catalog,
    /// Datasets and training sets.
    pub offline: asof_offline::Store,
    /// Where served values live.
    pub online: Arc<dyn OnlineStore>,
    /// Tells the moment.
    pub clock: Arc<dyn Clock>,
    /// Threads and memory for offline work.
    pub workshop: Workshop,
    /// How pushes are treated.
    pub push: PushLimits,
}

/// All verbs over one set of stores. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
    plans: Arc<plans::Plans<serve::ServingPlan>>,
    pusher: Arc<push::Pusher>,
    graphs: Arc<graphs::Graphs>,
    served_models: Arc<models::Served>,
    worlds: Arc<standard::Worlds>,
    served_log: Arc<serving_log::Log>,
    listener: Option<Arc<dyn Listener>>,
    /// One removal at a time: what one found to be needed, another's compaction must not replace meanwhile.
    collecting: Arc<tokio::sync::Mutex<()>>,
}

impl Engine {
    /// An engine over these parts, after repairing what a dead process left unfinished.
    ///
    /// The caller holds the stores alone: unfinished runs are taken for dead. What was pushed is brought to its table when
    /// a verb reads that; who serves for longer does it in the background too ([`Engine::land_in_the_background`]).
    ///
    /// # Errors
    /// Those of the catalog and of the tables that unfinished runs wrote to.
    pub async fn open(parts: Parts) -> Result<Self> {
        Engine::open_telling(parts, None).await
    }

    /// The same, with somebody who is told of runs from then on; those that are repaired are told too.
    ///
    /// # Errors
    /// Those of [`Engine::open`].
    pub async fn open_telling(parts: Parts, listener: Option<Arc<dyn Listener>>) -> Result<Self> {
        let pusher = Arc::new(push::Pusher::new(&parts.online, parts.push)?);
        let plans = Arc::new(plans::Plans::new());
        let (parts, graphs, worlds) = (Arc::new(parts), Arc::default(), Arc::default());
        let engine = Engine {
            parts,
            plans,
            pusher,
            graphs,
            served_models: Arc::default(),
            worlds,
            served_log: Arc::default(),
            listener,
            collecting: Arc::default(),
        };
        engine.recover().await?;
        Ok(engine)
    }

    /// Waits until no work is left: neither of verbs that somebody waits for, nor of those that were given up. Then
    /// all of them are recorded, and what they leave behind is only what they committed.
    pub async fn ended(&self) {
        self.workshop().ongoing().ended().await;
    }

    /// Removes what offline work has on disk. What still goes on fails: for a process that is about to end.
    pub fn leave_nothing(&self) {
        self.workshop().clear();
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.parts.catalog
    }

    pub(crate) fn offline(&self) -> &asof_offline::Store {
        &self.parts.offline
    }

    pub(crate) fn online(&self) -> &Arc<dyn OnlineStore> {
        &self.parts.online
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.parts.clock.as_ref()
    }

    pub(crate) fn pusher(&self) -> &push::Pusher {
        &self.pusher
    }

    pub(crate) fn workshop(&self) -> &Workshop {
        &self.parts.workshop
    }
}
