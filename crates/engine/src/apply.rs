//! `plan` and `apply`: what the files would change, and changing it, all or nothing; on request only if no view
//! that is new tells the future.

use std::sync::Arc;

use asof_catalog::Move;
use asof_model::run::{Item, Outcome, RunId, Verb};
use asof_model::{Error, Kind, Pinned, Registered, Result};
use asof_offline::Progress;
use asof_query::{Change, Effect, Source};

use crate::known::Known;
use crate::{
    Author, Checked, Consequence, Engine, Guard, Probe, Recompute, Sample, Sampled, Scope, Told, Upkeep, Warning,
};

/// What the files would change, upstream first.
#[derive(Debug)]
pub struct Planned {
    /// One entry per definition in the files.
    pub changes: Vec<Change>,
    /// What each of them does to whom.
    pub consequences: Vec<Consequence>,
    /// What would have to be computed.
    pub recompute: Recompute,
    /// How the views among them are kept online.
    pub upkeep: Vec<(Pinned, Upkeep)>,
    /// What of it is deprecated.
    pub warnings: Vec<Warning>,
}

/// What was changed.
#[derive(Debug)]
pub struct Applied {
    /// The run, unless nothing changed.
    pub run: Option<RunId>,
    /// One entry per definition in the files.
    pub changes: Vec<Change>,
    /// What each of them does to whom.
    pub consequences: Vec<Consequence>,
    /// What of it is deprecated.
    pub warnings: Vec<Warning>,
}

/// What is to be found out before anything is applied, and who allows what.
#[derive(Clone, Debug, Default)]
pub struct Checking {
    /// Look for views that tell the future, at these moments.
    pub probe: Option<Probe>,
    /// Compare values before and after.
    pub sample: Option<Sample>,
    /// Only say what would be changed.
    pub plan: bool,
    /// What must be allowed.
    pub guard: Guard,
}

/// What was found out before anything was changed, and what was changed then.
#[derive(Debug)]
pub struct AppliedChecked {
    /// One entry per definition in the files.
    pub changes: Vec<Change>,
    /// What each of them does to whom.
    pub consequences: Vec<Consequence>,
    /// What would have to be computed, where they were only planned.
    pub recompute: Recompute,
    /// The views among them that are new or have a new meaning, where they were checked.
    pub views: Vec<Checked>,
    /// Views and services of a new meaning, and how their values differ, where these were compared.
    pub sampled: Vec<Sampled>,
    /// What of it is deprecated.
    pub warnings: Vec<Warning>,
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
    pub async fn plan(&self, scope: &Scope, sources: Vec<Source>, guard: &Guard) -> Result<Planned, Vec<Error>> {
        let (changes, known) = self.bind(scope, sources).await?;
        let one = |error| vec![error];
        let consequences = self.consequences(scope, &changes, &known, &guard.protected).await.map_err(one)?;
        let recompute = self.to_recompute(&changes, &known).map_err(one)?;
        let upkeep = self.upkeep_of(&changes).await.map_err(one)?;
        let warnings = self.warnings_of(scope, &changes).await.map_err(one)?;
        Ok(Planned { changes, consequences, recompute, upkeep, warnings })
    }

    /// Registers the files' definitions and moves the environment's pointers to them, in one transaction.
    /// Applying the same files again changes nothing.
    ///
    /// # Errors
    /// Those of [`Engine::plan`]; `breaking_change` for one that `guard` does not allow; `concurrent_apply` when somebody
    /// else changed a definition meanwhile.
    pub async fn apply(
        &self,
        scope: &Scope,
        sources: Vec<Source>,
        author: &Author,
        guard: &Guard,
    ) -> Result<Applied, Vec<Error>> {
        let (changes, known) = self.bind(scope, sources).await?;
        let one = |error| vec![error];
        let consequences = self.consequences(scope, &changes, &known, &guard.protected).await.map_err(one)?;
        guard.check(&changes, &consequences).map_err(one)?;
        let warnings = self.warnings_of(scope, &changes).await.map_err(one)?;
        let run = self.register(scope, &changes, &known, author).await?;
        Ok(Applied { run, changes, consequences, warnings })
    }

    /// Checks the views whose meaning these files change over the data that is there, compares values, and then applies
    /// them, unless rows of some view depend on what comes after them, or it is only to be planned.
    ///
    /// # Errors
    /// Those of [`Engine::apply`] and [`Engine::verify`]; data that is not there is none.
    pub async fn apply_checked(
        &self,
        scope: &Scope,
        sources: Vec<Source>,
        author: &Author,
        checking: &Checking,
        progress: Arc<dyn Progress>,
    ) -> Result<AppliedChecked, Vec<Error>> {
        let (changes, known) = self.bind(scope, sources).await?;
        let one = |error| vec![error];
        let consequences = self.consequences(scope, &changes, &known, &checking.guard.protected).await.map_err(one)?;
        if !checking.plan {
            checking.guard.check(&changes, &consequences).map_err(one)?;
        }
        let is_new = |change: &&Change| {
            change.registered.pinned.kind == Kind::FeatureView
                && matches!(change.effect, Effect::Created | Effect::Versioned { .. })
        };
        let definitions: Vec<&Registered> = changes.iter().map(|c| &c.registered).collect();
        let views: Vec<&Registered> = changes.iter().filter(is_new).map(|c| &c.registered).collect();
        let checked = match &checking.probe {
            Some(probe) => self.check_unregistered(&views, &definitions, probe, &progress).await.map_err(one)?,
            None => Vec::new(),
        };
        let sampled = match &checking.sample {
            Some(sample) => self.sampled_changes(scope, &changes, &known, sample, &progress).await.map_err(one)?,
            None => Vec::new(),
        };
        let (upkeep, recompute) = match checking.plan {
            true => (self.upkeep_of(&changes).await.map_err(one)?, self.to_recompute(&changes, &known).map_err(one)?),
            false => (Vec::new(), Recompute::default()),
        };
        let warnings = self.warnings_of(scope, &changes).await.map_err(one)?;
        let mut outcome =
            AppliedChecked { changes, consequences, recompute, views: checked, sampled, warnings, run: None, upkeep };
        if !checking.plan && !outcome.refused() {
            outcome.run = self.register(scope, &outcome.changes, &known, author).await?;
        }
        Ok(outcome)
    }

    /// The run, unless there was nothing to change.
    async fn register(
        &self,
        scope: &Scope,
        changes: &[Change],
        known: &Known,
        author: &Author,
    ) -> Result<Option<RunId>, Vec<Error>> {
        let mut run = self.new_run(&scope.project, Verb::Apply);
        let (mut new, mut annotated, mut moves) = (Vec::new(), Vec::new(), Vec::new());
        for Change { registered, effect } in changes {
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
            return Ok(None);
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
        Ok(written.then_some(id))
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
}
