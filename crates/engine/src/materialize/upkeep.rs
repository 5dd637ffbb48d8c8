//! How a view is kept online: by what was added to its dataset, or by reading everything each time, and why.
//!
//! It follows from the definition alone, so that it can be told before anything is applied.

use std::collections::HashMap;
use std::sync::Arc;

use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Registered, Result};
use asof_query::{Change, Definitions, Following, Planner};
use futures::future::try_join_all;

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
        let given: HashMap<&Pinned, &Registered> =
            changes.iter().map(|change| (&change.registered.pinned, &change.registered)).collect();
        let is_view = |registered: &&Registered| registered.pinned.kind == Kind::FeatureView;
        let views: Vec<Registered> = changes.iter().map(|change| &change.registered).filter(is_view).cloned().collect();
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
        let definitions = Arc::new(Definitions::new(made_of.into_iter().map(Arc::new)));
        let tables = Arc::new(tables);
        // Binding is all processor time: each thread has its share.
        let share = views.len().div_ceil(self.workshop().limits().threads).max(1);
        let shares = views.chunks(share).map(|views| {
            let (views, definitions, tables) = (views.to_vec(), definitions.clone(), tables.clone());
            self.workshop().run(async move {
                let kept = Planner::new(&definitions, tables.as_ref()).kept_online(&views);
                Ok(views.into_iter().map(|view| view.pinned).zip(kept.into_iter().map(upkeep)).collect::<Vec<_>>())
            })
        });
        Ok(try_join_all(shares).await?.into_iter().flatten().collect())
    }
}

fn upkeep(kept: Result<Following>) -> Upkeep {
    match kept {
        Ok(Following::RowWise(following)) => Upkeep::Increments(following.dataset.name),
        Ok(Following::Waits(why)) => Upkeep::Whole(why),
        Err(error) if error.kind() == ErrorKind::Unsupported => Upkeep::Never(error.message().to_owned()),
        Err(error) => Upkeep::Unknown(error.message().to_owned()),
    }
}
