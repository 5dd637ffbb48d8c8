//! `log`: the runs, newest first; and how an environment's pointers moved.

use std::collections::{HashMap, HashSet};

use asof_catalog::{Approval, PointerMove, RunFilter};
use asof_lineage::Graph;
use asof_lineage::columns::Flowing;
use asof_lineage::openlineage::out;
use asof_model::run::{Item, Run, Verb};
use asof_model::{Name, Pinned, Reference, Registered, Result, Selector};

use crate::columns::Silence;
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
        let items = runs.iter().flat_map(|run| run.inputs.iter().chain(&run.outputs));
        let named: HashSet<Pinned> = items.filter_map(definition).collect();
        let mut definitions = HashMap::new();
        for pinned in named {
            // One that is not there any more is told without what it says.
            if let Ok(registered) = self.catalog().pinned(&pinned).await {
                definitions.insert(pinned, registered);
            }
        }
        let project = request.about.as_ref().and_then(|r| r.project.as_ref()).unwrap_or(&scope.project);
        let drawn = self.graph(project).await?;
        let engine = self.clone();
        let work = move |flowing: &dyn Flowing, _: &Graph| engine.events_of(&runs, &definitions, flowing);
        self.with_flows(&drawn, work).await
    }

    /// Runs as events. Where what columns are made of cannot be found out any more, nothing is said of columns.
    fn events_of(
        &self,
        runs: &[Run],
        definitions: &HashMap<Pinned, Registered>,
        flowing: &dyn Flowing,
    ) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for run in runs {
            let location = |dataset: &Name| self.offline().location(&run.project, dataset);
            let events = out::events(run, definitions, &location, flowing)
                .or_else(|_| out::events(run, definitions, &location, &Silence))?;
            all.extend(events.iter().map(ToString::to_string));
        }
        Ok(all)
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

/// The definition that an item is, or is of.
fn definition(item: &Item) -> Option<Pinned> {
    match item {
        Item::Definition(pinned) | Item::Online { view: pinned, .. } => Some(pinned.clone()),
        Item::File { .. } | Item::Snapshot { .. } | Item::TrainingSet { .. } | Item::Model { .. } => None,
    }
}
