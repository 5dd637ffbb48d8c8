//! `log`: the runs, newest first; and how an environment's pointers moved.

use std::collections::HashMap;

use asof_catalog::{Approval, PointerMove, RunFilter};
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
            self.is_known(scope, project, reference).await?;
        }
        let filter = RunFilter {
            verb: request.verb,
            item: request.about.as_ref().map(|r| r.name.clone()),
            limit: request.limit,
            ..RunFilter::default()
        };
        self.catalog().runs(project, filter).await
    }

    /// Whether there is a definition, or a model, of that name.
    async fn is_known(&self, scope: &Scope, project: &Name, reference: &Reference) -> Result<()> {
        let Err(error) = self.definition(scope, reference).await else { return Ok(()) };
        let models = self.catalog().models(project, Some(&reference.name)).await?;
        if models.is_empty() { Err(error) } else { Ok(()) }
    }

    /// The same runs as events of OpenLineage, each its JSON, oldest first.
    ///
    /// # Errors
    /// Those of [`Engine::log`].
    pub async fn log_events(&self, scope: &Scope, request: LogRequest) -> Result<Vec<String>> {
        let mut runs = self.log(scope, request.clone()).await?;
        runs.reverse();
        Ok(self.narrator().of(&runs).await.iter().map(ToString::to_string).collect())
    }

    /// For which moves somebody had approved before: those of the names among them.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn approved(&self, scope: &Scope, moves: &[PointerMove]) -> Result<Vec<Vec<Approval>>> {
        let mut by_name: HashMap<&Name, Vec<Approval>> = HashMap::new();
        for moved in moves {
            if !by_name.contains_key(&moved.name) {
                let approvals = self.catalog().approvals(&scope.project, &moved.name).await?;
                by_name.insert(&moved.name, approvals);
            }
        }
        let before = |moved: &PointerMove| {
            let all = by_name.get(&moved.name).into_iter().flatten();
            let of = all.filter(|a| a.environment == scope.environment && a.version == moved.to && a.at <= moved.at);
            of.cloned().collect()
        };
        Ok(moves.iter().map(before).collect())
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
