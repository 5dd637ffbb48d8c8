//! `explain`: a served value, back to the files it came from.

use asof_model::run::{Item, Receipt, Run};
use asof_model::{Definition, Error, ErrorKind, Name, Result, SnapshotNumber, Status};
use asof_offline::IngestedFile;

use crate::{Engine, GetReply, GetRequest, Scope};

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
    /// The snapshots the run read, each with the files that had been ingested into it.
    pub snapshots: Vec<SnapshotOrigin>,
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

/// The origin of every value of one reply.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The values themselves, one row.
    pub reply: GetReply,
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
    /// Gets the features of one entity and follows each back to its source.
    ///
    /// # Errors
    /// Those of [`Engine::get`]; more than one row is `one_entity`.
    pub async fn explain(&self, scope: &Scope, request: GetRequest) -> Result<Explanation> {
        if request.rows.num_rows() != 1 {
            let message = format!("explain takes one entity, not {}", request.rows.num_rows());
            return Err(Error::new(ErrorKind::Invalid, "one_entity", message));
        }
        let reply = self.get(scope, request).await?;
        let mut origins = Vec::new();
        for view in &reply.views {
            let receipt = view.receipt(0);
            let run = self.catalog().run(receipt.run).await?;
            let snapshots = self.snapshot_origins(run.as_ref()).await?;
            let query = match self.catalog().pinned(&view.view).await?.definition {
                Definition::FeatureView(definition) => definition.query,
                _ => String::new(),
            };
            origins.push(Origin { alias: view.alias.clone(), query, receipt, run, snapshots });
        }
        Ok(Explanation { reply, origins })
    }

    async fn snapshot_origins(&self, run: Option<&Run>) -> Result<Vec<SnapshotOrigin>> {
        let mut origins = Vec::new();
        for item in run.iter().flat_map(|r| &r.inputs) {
            let (Item::Snapshot { dataset, number }, Some(run)) = (item, run) else { continue };
            let commits = self.offline().commits(&run.project, dataset).await?;
            let reached = commits.into_iter().filter(|c| c.number <= *number);
            let files = reached.flat_map(|c| c.files).collect();
            origins.push(SnapshotOrigin { dataset: dataset.clone(), number: *number, files });
        }
        Ok(origins)
    }
}
