//! `log`: the runs, newest first; and how an environment's pointers moved.

use asof_catalog::{PointerMove, RunFilter};
use asof_model::run::{Run, Verb};
use asof_model::{Name, Reference, Result, Selector};

use crate::{Engine, Scope};

/// Which runs to tell of.
#[derive(Clone, Debug, Default)]
pub struct LogRequest {
    /// Only those that read or made this.
    pub about: Option<Reference>,
    /// Only those of this verb.
    pub verb: Option<Verb>,
    /// At most so many; none means all.
    pub limit: Option<usize>,
}

impl Engine {
    /// Runs, newest first.
    ///
    /// # Errors
    /// `unknown_name` for a name that was never declared.
    pub async fn log(&self, scope: &Scope, request: LogRequest) -> Result<Vec<Run>> {
        let project = request.about.as_ref().and_then(|r| r.project.as_ref()).unwrap_or(&scope.project);
        if let Some(reference) = &request.about {
            self.definition(scope, reference).await?;
        }
        let filter = RunFilter {
            verb: request.verb,
            item: request.about.as_ref().map(|r| r.name.clone()),
            limit: request.limit,
            ..RunFilter::default()
        };
        self.catalog().runs(project, filter).await
    }

    /// The same runs as events of OpenLineage, each its JSON, oldest first.
    ///
    /// # Errors
    /// Those of [`Engine::log`].
    pub async fn log_events(&self, scope: &Scope, request: LogRequest) -> Result<Vec<String>> {
        let mut runs = self.log(scope, request).await?;
        runs.reverse();
        Ok(self.narrator().of(&runs).await.iter().map(ToString::to_string).collect())
    }

    /// How the environment's pointers moved, or that of one name, newest first; at most so many.
    ///
    /// # Errors
    /// `unknown_name` for a name that was never declared.
    pub async fn history(&self, scope: &Scope, name: Option<&Name>, limit: Option<usize>) -> Result<Vec<PointerMove>> {
        let Some(name) = name else {
            return self.catalog().moves(&scope.project, &scope.environment, limit).await;
        };
        self.catalog().select(&scope.project, name, &Selector::Latest).await?;
        let mut moves = self.catalog().pointer_history(&scope.project, &scope.environment, name).await?;
        moves.truncate(limit.unwrap_or(usize::MAX));
        Ok(moves)
    }
}
