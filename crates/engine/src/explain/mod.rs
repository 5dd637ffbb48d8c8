//! `explain`: a value, back to the rows and files it came from.
//!
//! The values are a served entity's, or a row's of a training set that was built. Of each view the snapshots are told that its
//! values rest on, with the files that had been ingested into them, and which of the view's rows took part: the one that was picked, and
//! those that each as-of window holds. These are found again by the plan that training runs, for one key over those very
//! snapshots, so what is told is not a second account of the rules.
//!
//! A moment that the online store does not hold any more is answered from the newest snapshots, as training would.
//!
//! **Costs.** One read of each dataset of each view; filters on the key go down to the files. Memory: some 40 bytes per row
//! that the key has.

mod cell;
mod ground;
mod rows;

use arrow::array::RecordBatch;
use asof_model::run::{Receipt, Run};
use asof_model::{
    Definition, Error, ErrorKind, Kind, KnownMoment, Micros, Name, Pinned, Reference, Registered, Result, Selector,
    SnapshotNumber, Status,
};
use asof_offline::IngestedFile;

pub use rows::{Contributed, FromSnapshot};

use crate::{Engine, GetReply, GetRequest, Scope};
use ground::Ground;

/// What is to be explained.
#[derive(Clone, Debug)]
pub enum ExplainRequest {
    /// What a service gives for one entity.
    Served(GetRequest),
    /// A row of a training set that was built, counted from 0.
    Cell {
        /// The training set: `name@n`.
        set: Reference,
        /// Which row.
        row: u64,
    },
}

/// Where values came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The online store.
    Online,
    /// Snapshots, since the online store does not hold the moment.
    Snapshots,
    /// A training set.
    TrainingSet {
        /// Its name.
        name: Name,
        /// Its number.
        number: u32,
        /// The row, from 0.
        row: u64,
        /// Whether the same values come out today, to the bit.
        same: bool,
    },
}

/// Where a view's row came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The view's alias in the service.
    pub alias: String,
    /// The view's SQL, canonical.
    pub query: String,
    /// Version, event time and run.
    pub receipt: Receipt,
    /// The run, as recorded; none if its record is gone.
    pub run: Option<Run>,
    /// The snapshots its values rest on, each with the files that had been ingested into it.
    pub snapshots: Vec<SnapshotOrigin>,
    /// Which of its rows took part.
    pub contributed: Vec<Contributed>,
    /// What cannot be told about these rows, and why.
    pub untold: Option<String>,
}

/// A snapshot and what was ingested into it.
#[derive(Clone, Debug)]
pub struct SnapshotOrigin {
    /// The dataset.
    pub dataset: Name,
    /// Which snapshot.
    pub number: SnapshotNumber,
    /// The files ingested up to it.
    pub files: Vec<IngestedFile>,
}

/// The origin of every value of one row.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The values themselves, one row.
    pub reply: GetReply,
    /// The keys and parameters, one row.
    pub request: RecordBatch,
    /// Where the values were found.
    pub source: Source,
    /// Per view of the service.
    pub origins: Vec<Origin>,
}

impl Explanation {
    /// The status of a feature.
    pub fn status(&self, feature: usize) -> Option<Status> {
        Status::from_u8(self.reply.details.get(feature)?.statuses.value(0))
    }
}

impl Engine {
    /// Finds the values of one row and follows each back to its source.
    ///
    /// # Errors
    /// Those of [`Engine::get`] and of [`Engine::training_set`]; more than one row is `one_entity`; `unknown_row` for a row that the
    /// training set does not have; `unknown_snapshot` where a snapshot is gone.
    pub async fn explain(&self, scope: &Scope, request: ExplainRequest) -> Result<Explanation> {
        match request {
            ExplainRequest::Served(request) => self.explain_served(scope, request).await,
            ExplainRequest::Cell { set, row } => self.explain_cell(scope, &set, row).await,
        }
    }

    async fn explain_served(&self, scope: &Scope, request: GetRequest) -> Result<Explanation> {
        let rows = request.rows.clone();
        if rows.num_rows() != 1 {
            let message = format!("explain takes one entity, not {}", rows.num_rows());
            return Err(Error::new(ErrorKind::Invalid, "one_entity", message));
        }
        let reply = match (request.at, self.asked(scope, request.clone()).await) {
            (Some(at), Err(error)) if error.code() == "moment_not_held" => {
                return self.explain_past(scope, &request, at).await;
            }
            (_, reply) => reply?,
        };
        let plan = self.serving_plan(scope, &exact(&reply.service)).await?;
        let mut origins = Vec::new();
        for (view, served) in reply.views.iter().zip(&plan.serving.views) {
            let receipt = view.receipt(0);
            let run = self.catalog().run(receipt.run).await?;
            let mut origin = Origin::of(&view.alias, &served.view, receipt, run);
            match Ground::online(self, &served.view, view.run).await {
                Ok(ground) => {
                    self.found(&mut origin, served, &rows, reply.at, &ground).await?;
                    origin.untold = origin.another_row();
                }
                Err(error) if error.code() == "not_comparable" => origin.untold = Some(error.message().to_owned()),
                Err(error) => return Err(error),
            }
            origins.push(origin);
        }
        Ok(Explanation { reply, request: rows, source: Source::Online, origins })
    }

    async fn explain_past(&self, scope: &Scope, request: &GetRequest, at: Micros) -> Result<Explanation> {
        let plan = self.serving_plan(scope, &request.service).await?;
        let service = self.catalog().pinned(&plan.serving.service).await?;
        let ground = Ground::new(self, &service, None, KnownMoment::EventTime).await?;
        self.explained(&plan, &ground, &service, request.rows.clone(), at, Source::Snapshots, None).await
    }
}

impl Origin {
    fn of(alias: &str, view: &Registered, receipt: Receipt, run: Option<Run>) -> Self {
        let query = match &view.definition {
            Definition::FeatureView(definition) => definition.query.clone(),
            _ => String::new(),
        };
        let (snapshots, contributed) = (Vec::new(), Vec::new());
        Origin { alias: alias.to_owned(), query, receipt, run, snapshots, contributed, untold: None }
    }

    /// The event time of the row that was picked; the inner none where the key has no row, the outer one where no row is picked.
    fn picked(&self) -> Option<Option<Micros>> {
        self.contributed.iter().find(|one| one.window.is_none()).map(|one| one.last)
    }

    /// What to say where the snapshots hold another row than was found online.
    fn another_row(&self) -> Option<String> {
        let (found, told) = (self.picked()?, self.receipt.event_time);
        let shown = |time: Option<Micros>| time.map_or("no row".to_owned(), |time| format!("the row of {time}"));
        let differ = || {
            format!(
                "the snapshots hold {}, and online is {}: `asof verify` compares the two",
                shown(found),
                shown(told)
            )
        };
        (found != told).then(differ)
    }
}

/// The reference that means this version and no other.
fn exact(pinned: &Pinned) -> Reference {
    debug_assert_eq!(pinned.kind, Kind::FeatureService);
    Reference {
        project: Some(pinned.project.clone()),
        name: pinned.name.clone(),
        selector: Some(Selector::Number(pinned.version.0.into())),
    }
}
