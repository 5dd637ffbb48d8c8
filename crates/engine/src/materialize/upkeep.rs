//! How a view is kept online: by what was added to its dataset, or by reading everything each time, and why.
//!
//! It follows from the definition alone, so that it can be told before anything is applied.

use std::sync::Arc;

use asof_model::{ErrorKind, Kind, Name, Pinned, Registered, Result};
use asof_query::{Change, Definitions, Following, Planner};

use crate::Engine;

/// What a materialization of a view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// What was added to this dataset since the last one. The view follows what is pushed to it, too.
    Increments(Name),
    /// Everything, because of this.
    Whole(String),
    /// Nothing: the view cannot be online, because of this.
    Never(String),
    /// That is not known yet, because of this.
    Unknown(String),
}

impl Engine {
    /// How a view is kept online, which `closure` has with all that it is made of.
    pub(crate) async fn upkeep(&self, view: &Registered, closure: Vec<Registered>) -> Result<Upkeep> {
        let tables = self.columns(&closure).await?;
        let view = view.clone();
        let work = async move {
            let definitions = Definitions::new(closure.into_iter().map(Arc::new));
            let planner = Planner::new(&definitions, &tables);
            // What windows cannot be kept online is known there alone.
            planner.tiled(&view).and_then(|_| planner.row_wise(&view))
        };
        match self.workshop().run(work).await {
            Ok(Following::RowWise(following)) => Ok(Upkeep::Increments(following.dataset.name)),
            Ok(Following::Waits(why)) => Ok(Upkeep::Whole(why)),
            Err(error) if error.code() == "nothing_ingested" => Ok(Upkeep::Unknown(error.message().to_owned())),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Upkeep::Never(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }

    /// How the views among changes would be kept online.
    pub(crate) async fn upkeep_of(&self, changes: &[Change]) -> Result<Vec<(Pinned, Upkeep)>> {
        let definitions: Vec<&Registered> = changes.iter().map(|change| &change.registered).collect();
        let mut all = Vec::new();
        for view in definitions.iter().filter(|registered| registered.pinned.kind == Kind::FeatureView) {
            let closure = self.closure_among(view, &definitions).await?;
            all.push((view.pinned.clone(), self.upkeep(view, closure).await?));
        }
        Ok(all)
    }
}
