//! What moves an environment's pointers, whatever the verb: in whose name, past which gates, all in one step.
//!
//! Promises: a move is one transaction with its run, held against the pointers that were read, so of two that want
//! different things one is refused and told who was quicker. It goes on to its end, whoever waits, and when it returns
//! nobody is served by what a reference meant before.
//!
//! A gate asks only what costs nothing: whether what a service reads is online, at the very version. Whether its values
//! are right is `verify`'s to find out; how fresh they are is not looked at.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;

use asof_catalog::{Move, WHO, WHY};
use asof_model::run::{Item, Outcome, Run, RunId, Verb};
use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Registered, Result, Version};

use crate::{Engine, Told};

/// In whose name pointers move, and why. It is kept as it is told; nobody vouches for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub who: Option<String>,
    /// Why.
    pub why: Option<String>,
}

impl Author {
    pub(crate) fn note(&self, run: &mut Run) {
        for (note, text) in [(WHO, &self.who), (WHY, &self.why)] {
            if let Some(text) = text {
                run.notes.insert(note.to_owned(), text.clone());
            }
        }
    }
}

/// A pointer that moved, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Where it is then.
    pub to: Pinned,
    /// Where it was before, if anywhere.
    pub from: Option<Version>,
    /// What the environment points at then that reads another version of it, and goes on reading that.
    pub others: Vec<Pinned>,
}

/// What a gate has against a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The service that would not answer.
    pub service: Pinned,
    /// What it reads.
    pub view: Pinned,
    /// What is the matter with that: `is not online`.
    pub reason: String,
}

/// What is left where it is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The name.
    pub name: Name,
    /// Why.
    pub reason: String,
}

/// Pointers that moved, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whose pointers.
    pub environment: Name,
    /// The run, unless nothing moved.
    pub run: Option<RunId>,
    /// What moved, upstream first.
    pub moves: Vec<Shift>,
    /// What gates have against it, where they were skipped or nothing was to be done yet.
    pub refusals: Vec<Refusal>,
    /// What might have moved and did not.
    pub stays: Vec<Stay>,
}

/// How pointers are to be moved.
pub(crate) struct Moving<'a> {
    pub(crate) verb: Verb,
    pub(crate) project: &'a Name,
    pub(crate) environment: &'a Name,
    pub(crate) author: &'a Author,
    /// Whether the environment has gates.
    pub(crate) gated: bool,
    pub(crate) skip_gates: bool,
    pub(crate) dry_run: bool,
}

/// Where a pointer was seen, and where it shall be.
pub(crate) struct Target {
    pub(crate) from: Option<Version>,
    pub(crate) to: Registered,
}

impl Target {
    fn moves(&self) -> bool {
        self.from != Some(self.to.pinned.version)
    }
}

impl Engine {
    /// Moves pointers, all or none. A target that is where it shall be holds the others to that.
    pub(crate) async fn move_pointers(&self, how: Moving<'_>, targets: Vec<Target>, stays: Vec<Stay>) -> Result<Moved> {
        if how.skip_gates && how.author.why.is_none() {
            let message = "gates are skipped for a reason only";
            return Err(Error::new(ErrorKind::Invalid, "why_not_said", message)
                .remedy("say it with --why TEXT; it is kept with the move"));
        }
        let environment = how.environment.clone();
        let moves = self.shifts(&how, &targets).await?;
        let mut moved = Moved { environment, run: None, moves, refusals: Vec::new(), stays };
        if moved.moves.is_empty() {
            return Ok(moved);
        }
        if how.gated {
            moved.refusals = self.refusals(&targets)?;
        }
        if how.dry_run {
            return Ok(moved);
        }
        if !moved.refusals.is_empty() && !how.skip_gates {
            return Err(refused(how.environment, &moved.refusals));
        }
        let mut run = self.new_run(how.project, how.verb);
        run.outputs = moved.moves.iter().map(|shift| Item::Definition(shift.to.clone())).collect();
        run.finished = Some(self.clock().now());
        run.outcome = Outcome::Done;
        run.notes.insert("environment".to_owned(), how.environment.to_string());
        if !moved.refusals.is_empty() {
            run.notes.insert("skipped_gates".to_owned(), listed(&moved.refusals));
        }
        how.author.note(&mut run);
        let id = run.id;
        let moves = targets.into_iter().map(|target| {
            let Pinned { name, version, .. } = target.to.pinned;
            Move { name, from: target.from, to: version }
        });
        let moves = moves.collect();
        let (engine, project, environment) = (self.clone(), how.project.clone(), how.environment.clone());
        let moving = async move {
            let written = engine.catalog().move_pointers(&project, &environment, moves, &run).await?;
            if written {
                engine.tell(|| Told::Happened(run));
            }
            Ok(written)
        };
        // Somebody else may have moved them to the same place meanwhile: then there was nothing left to do.
        moved.run = self.settle(moving).await?.then_some(id);
        Ok(moved)
    }

    /// Does what moves pointers, and forgets what references meant before. It goes on to its end, whoever waits: nobody may
    /// be served by what a reference meant before.
    pub(crate) async fn settle<W>(&self, writing: W) -> Result<bool>
    where
        W: Future<Output = Result<bool>> + Send + 'static,
    {
        let (engine, ongoing) = (self.clone(), self.workshop().ongoing().begin());
        let settling = tokio::spawn(async move {
            let written = writing.await;
            // Also after an error: who knows how far it came.
            engine.plans.forget();
            engine.pusher().entrances.forget();
            drop(ongoing);
            written
        });
        settling.await.map_err(Error::internal).flatten()
    }

    /// What an environment points at, by name.
    pub(crate) async fn pointers(&self, project: &Name, environment: &Name) -> Result<BTreeMap<Name, Registered>> {
        let listed = self.catalog().list(project, environment, None).await?.into_iter();
        let current = listed.filter(|listed| listed.current).map(|listed| listed.registered);
        Ok(current.map(|registered| (registered.pinned.name.clone(), registered)).collect())
    }

    /// Those targets that move, and what goes on reading another version of them.
    async fn shifts(&self, how: &Moving<'_>, targets: &[Target]) -> Result<Vec<Shift>> {
        let mut then = self.pointers(how.project, how.environment).await?;
        then.extend(targets.iter().map(|target| (target.to.pinned.name.clone(), target.to.clone())));
        let mut readers: HashMap<&Name, Vec<(&Pinned, &Pinned)>> = HashMap::new();
        for reader in then.values() {
            for input in &reader.inputs {
                readers.entry(&input.pinned.name).or_default().push((&input.pinned, &reader.pinned));
            }
        }
        let shifts = targets.iter().filter(|target| target.moves()).map(|target| {
            let to = target.to.pinned.clone();
            let readers = readers.get(&to.name).into_iter().flatten();
            let mut others: Vec<_> =
                readers.filter(|(read, _)| **read != to).map(|(_, reader)| (*reader).clone()).collect();
            others.dedup();
            Shift { from: target.from, others, to }
        });
        Ok(shifts.collect())
    }

    /// What gates have against these moves.
    fn refusals(&self, targets: &[Target]) -> Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        let services = targets.iter().filter(|target| target.moves()).map(|target| &target.to);
        for service in services.filter(|service| service.pinned.kind == Kind::FeatureService) {
            let mut views: Vec<_> = service.inputs.iter().map(|input| &input.pinned).collect();
            views.retain(|input| input.kind == Kind::FeatureView);
            views.sort();
            views.dedup();
            for view in views {
                if self.online().published(view)?.is_none() {
                    let (service, view) = (service.pinned.clone(), view.clone());
                    refusals.push(Refusal { service, view, reason: "is not online".to_owned() });
                }
            }
        }
        Ok(refusals)
    }
}

fn listed(refusals: &[Refusal]) -> String {
    let each = refusals.iter().map(|refusal| {
        let (service, view) = (refusal.service.reference(), refusal.view.reference());
        format!("{service} reads {view}, which {}", refusal.reason)
    });
    each.collect::<Vec<_>>().join("; ")
}

fn refused(environment: &Name, refusals: &[Refusal]) -> Error {
    let mut views: Vec<_> = refusals.iter().map(|refusal| refusal.view.reference()).collect();
    views.sort();
    views.dedup();
    let message = format!("a gate of `{environment}` refuses: {}", listed(refusals));
    Error::new(ErrorKind::Precondition, "gate_refused", message)
        .remedy(format!("asof materialize {}; or --skip-gates with --why TEXT, which is kept", views.join(" ")))
}
