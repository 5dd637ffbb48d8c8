//! How a view is kept online: by what was added to its dataset, or by reading everything each time, and why.
//!
//! It follows from the definition alone, so that it can be told before anything is applied.

use std::collections::HashMap;
use std::sync::Arc;

use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Registered, Result};
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
        let all = self.upkeep_among(vec![view.clone()], closure).await?;
        let only = all.into_iter().next().map(|(_, upkeep)| upkeep);
        only.ok_or_else(|| Error::internal("nothing is known of a view"))
    }

    /// How the views among changes would be kept online.
    pub(crate) async fn upkeep_of(&self, changes: &[Change]) -> Result<Vec<(Pinned, Upkeep)>> {
        let given: Vec<&Registered> = changes.iter().map(|change| &change.registered).collect();
        let views = given.iter().filter(|registered| registered.pinned.kind == Kind::FeatureView);
        let views: Vec<Registered> = views.map(|view| Registered::clone(view)).collect();
        let mut made_of: HashMap<Pinned, Registered> = HashMap::new();
        for view in &views {
            let closure = self.closure_among(view, &given).await?;
            made_of.extend(closure.into_iter().map(|registered| (registered.pinned.clone(), registered)));
        }
        self.upkeep_among(views, made_of.into_values().collect()).await
    }

    /// The same of several; what datasets have for columns is looked up once.
    async fn upkeep_among(&self, views: Vec<Registered>, made_of: Vec<Registered>) -> Result<Vec<(Pinned, Upkeep)>> {
        let tables = match self.columns(&made_of).await {
            Ok(tables) => tables,
            // A table that a definition does not fit is no reason not to plan it.
            Err(error) => {
                let unknown = |view: Registered| (view.pinned, Upkeep::Unknown(error.message().to_owned()));
                return Ok(views.into_iter().map(unknown).collect());
            }
        };
        let work = async move {
            let definitions = Definitions::new(made_of.into_iter().map(Arc::new));
            let planner = Planner::new(&definitions, &tables);
            let one = |view: Registered| (view.pinned.clone(), upkeep(&planner, &view));
            Ok(views.into_iter().map(one).collect())
        };
        self.workshop().run(work).await
    }
}

fn upkeep(planner: &Planner<'_>, view: &Registered) -> Upkeep {
    // What windows cannot be kept online is known there alone.
    match planner.tiled(view).and_then(|_| planner.row_wise(view)) {
        Ok(Following::RowWise(following)) => Upkeep::Increments(following.dataset.name),
        Ok(Following::Waits(why)) => Upkeep::Whole(why),
        Err(error) if error.kind() == ErrorKind::Unsupported => Upkeep::Never(error.message().to_owned()),
        Err(error) => Upkeep::Unknown(error.message().to_owned()),
    }
}
