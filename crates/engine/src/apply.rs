//! `plan` and `apply`: what the files would change, and changing it, all or nothing; on request only if no view
//! that is new tells the future.

use std::collections::HashMap;
use std::sync::Arc;

use asof_catalog::Move;
use asof_model::run::{Item, Outcome, RunId, Verb};
use asof_model::{Columns, Error, Kind, Name, Pinned, Registered, Result, Selector, Version};
use asof_offline::Progress;
use asof_query::{Change, Effect, Registry, Source};

use crate::{Author, Checked, Engine, Probe, Scope, Told, Upkeep};

/// What the files would change, upstream first.
#[derive(Debug)]
pub struct Planned {
    /// One entry per definition in the files.
    pub changes: Vec<Change>,
    /// How the views among them are kept online.
    pub upkeep: Vec<(Pinned, Upkeep)>,
}

/// What was changed.
#[derive(Debug)]
pub struct Applied {
    /// The run, unless nothing changed.
    pub run: Option<RunId>,
    /// One entry per definition in the files.
    pub changes: Vec<Change>,
}

/// What was found out before anything was changed, and what was changed then.
#[derive(Debug)]
pub struct AppliedChecked {
    /// One entry per definition in the files.
    pub changes: Vec<Change>,
    /// The views among them that are new or have a new meaning.
    pub views: Vec<Checked>,
    /// The run, unless nothing changed.
    pub run: Option<RunId>,
    /// How the views among them are kept online, where they were only planned.
    pub upkeep: Vec<(Pinned, Upkeep)>,
}

impl AppliedChecked {
    /// Whether nothing was changed because of what was found.
    pub fn refused(&self) -> bool {
        self.views.iter().any(|view| !view.finding.passes())
    }
}

impl Engine {
    /// What these files would create, version anew (with the clause that changed) or leave alone.
    ///
    /// # Errors
    /// Every mistake found in the files, each with its place.
    pub async fn plan(&self, scope: &Scope, sources: Vec<Source>) -> Result<Planned, Vec<Error>> {
        let (changes, _) = self.bind(scope, sources).await?;
        let upkeep = self.upkeep_of(&changes).await.map_err(|e| vec![e])?;
        Ok(Planned { changes, upkeep })
    }

    /// Registers the files' definitions and moves the environment's pointers to them, in one transaction.
    /// Applying the same files again changes nothing.
    ///
    /// # Errors
    /// Those of [`Engine::plan`], and `concurrent_apply` when somebody else changed a definition meanwhile.
    pub async fn apply(&self, scope: &Scope, sources: Vec<Source>, author: &Author) -> Result<Applied, Vec<Error>> {
        let (changes, known) = self.bind(scope, sources).await?;
        self.register(scope, changes, &known, author).await
    }

    /// Checks the views whose meaning these files change over the data that is there, and then applies them, unless
    /// rows of some view depend on what comes after them, or `plan` says not to.
    ///
    /// # Errors
    /// Those of [`Engine::apply`] and [`Engine::verify`]; data that is not there is none.
    pub async fn apply_checked(
        &self,
        scope: &Scope,
        sources: Vec<Source>,
        author: &Author,
        probe: &Probe,
        plan: bool,
        progress: Arc<dyn Progress>,
    ) -> Result<AppliedChecked, Vec<Error>> {
        let (changes, known) = self.bind(scope, sources).await?;
        let is_new = |change: &&Change| {
            change.registered.pinned.kind == Kind::FeatureView
                && matches!(change.effect, Effect::Created | Effect::Versioned { .. })
        };
        let definitions: Vec<&Registered> = changes.iter().map(|c| &c.registered).collect();
        let views: Vec<&Registered> = changes.iter().filter(is_new).map(|c| &c.registered).collect();
        let checked = self.check_unregistered(&views, &definitions, probe, &progress).await;
        let upkeep = if plan { self.upkeep_of(&changes).await.map_err(|e| vec![e])? } else { Vec::new() };
        let mut outcome = AppliedChecked { views: checked.map_err(|e| vec![e])?, changes, run: None, upkeep };
        if !plan && !outcome.refused() {
            let applied = self.register(scope, outcome.changes, &known, author).await?;
            outcome = AppliedChecked { run: applied.run, changes: applied.changes, ..outcome };
        }
        Ok(outcome)
    }

    async fn register(
        &self,
        scope: &Scope,
        changes: Vec<Change>,
        known: &Known,
        author: &Author,
    ) -> Result<Applied, Vec<Error>> {
        let mut run = self.new_run(&scope.project, Verb::Apply);
        let (mut new, mut annotated, mut moves) = (Vec::new(), Vec::new(), Vec::new());
        for Change { registered, effect } in &changes {
            let pinned = &registered.pinned;
            let exists = known.versions(&pinned.name).iter().any(|r| r.pinned.version == pinned.version);
            match effect {
                Effect::Created | Effect::Versioned { .. } if !exists => new.push(registered.clone()),
                // The remarks in the files count, also where an older version becomes current again.
                Effect::Unchanged => {}
                _ => annotated.push(registered.clone()),
            }
            let from = known.pointer(&pinned.name);
            if from != Some(pinned.version) {
                moves.push(Move { name: pinned.name.clone(), from, to: pinned.version });
            }
            if !matches!(effect, Effect::Unchanged) {
                run.outputs.push(Item::Definition(pinned.clone()));
            }
        }
        if new.is_empty() && annotated.is_empty() && moves.is_empty() {
            return Ok(Applied { run: None, changes });
        }
        run.inputs = (new.iter().flat_map(|r| &r.inputs)).map(|i| Item::Definition(i.pinned.clone())).collect();
        run.finished = Some(self.clock().now());
        run.outcome = Outcome::Done;
        run.notes.insert("environment".to_owned(), scope.environment.to_string());
        let id = run.id;
        author.note(&mut run);
        let (engine, scope) = (self.clone(), scope.clone());
        let applying = async move {
            let Scope { project, environment } = scope;
            let written = engine.catalog().apply(&project, &environment, new, annotated, moves, &run).await?;
            if written {
                engine.tell(|| Told::Happened(run));
            }
            Ok(written)
        };
        // Somebody else may have applied the same meanwhile: then there was nothing left to do.
        let written = self.settle(applying).await.map_err(|e| vec![e])?;
        Ok(Applied { run: written.then_some(id), changes })
    }

    /// Parses and binds on the workshop's deep stacks.
    async fn bind(&self, scope: &Scope, sources: Vec<Source>) -> Result<(Vec<Change>, Arc<Known>), Vec<Error>> {
        let known = Arc::new(self.known(scope).await.map_err(|e| vec![e])?);
        let (registry, now) = (known.clone(), self.clock().now());
        let bound = self.workshop().run(async move {
            Ok(asof_query::parse(&sources).and_then(|statements| asof_query::bind(statements, registry.as_ref(), now)))
        });
        let changes = bound.await.map_err(|e| vec![e])??;
        Ok((changes, known))
    }

    /// Everything the project has declared, and the columns of what it has ingested.
    async fn known(&self, scope: &Scope) -> Result<Known> {
        let mut known = Known { project: scope.project.clone(), names: HashMap::new(), columns: HashMap::new() };
        for (name, kind) in self.catalog().names(&scope.project).await? {
            let versions = self.catalog().versions(&scope.project, &name).await?;
            let current = self.catalog().current(&scope.project, &scope.environment, &name).await?;
            if kind == Kind::Dataset
                && let Some(snapshot) = self.offline().snapshot(&scope.project, &name, None).await?
            {
                known.columns.insert(name.clone(), snapshot.columns.clone());
            }
            let entry = KnownName {
                kind,
                versions: versions.into_iter().map(Arc::new).collect(),
                current: current.map(|r| r.pinned.version),
            };
            known.names.insert(name, entry);
        }
        Ok(known)
    }
}

/// A project as its catalog knows it, for binding.
struct Known {
    project: Name,
    names: HashMap<Name, KnownName>,
    columns: HashMap<Name, Columns>,
}

struct KnownName {
    kind: Kind,
    versions: Vec<Arc<Registered>>,
    current: Option<Version>,
}

impl Known {
    fn versions(&self, name: &Name) -> &[Arc<Registered>] {
        self.names.get(name).map_or(&[], |n| &n.versions)
    }

    fn pointer(&self, name: &Name) -> Option<Version> {
        self.names.get(name)?.current
    }
}

impl Registry for Known {
    fn project(&self) -> &Name {
        &self.project
    }

    fn current(&self, name: &Name) -> Option<Arc<Registered>> {
        let version = self.pointer(name)?;
        self.versions(name).iter().find(|r| r.pinned.version == version).cloned()
    }

    fn select(&self, name: &Name, selector: &Selector) -> Option<Arc<Registered>> {
        let versions = self.versions(name);
        match selector {
            Selector::Number(number) => versions.iter().find(|r| u64::from(r.pinned.version.0) == *number).cloned(),
            Selector::Latest => versions.iter().max_by_key(|r| r.pinned.version).cloned(),
            Selector::Digest(prefix) => {
                let mut fitting = versions.iter().filter(|r| r.pinned.digest.hex().starts_with(prefix.as_str()));
                fitting.next().filter(|_| fitting.next().is_none()).cloned()
            }
            // A definition that followed an environment would not be immutable.
            Selector::Environment(_) => None,
        }
    }

    fn names(&self) -> Vec<(Name, Kind)> {
        self.names.iter().map(|(name, n)| (name.clone(), n.kind)).collect()
    }

    fn next_version(&self, name: &Name) -> Version {
        let newest = self.versions(name).iter().map(|r| r.pinned.version.0).max();
        Version(newest.unwrap_or(0) + 1)
    }

    fn dataset_columns(&self, name: &Name) -> Option<Columns> {
        self.columns.get(name).cloned()
    }
}
