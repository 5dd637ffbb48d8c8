//! What moves an environment's pointers, whatever the verb: in whose name, past which gates, all in one step.
//!
//! Promises: a move is one transaction with its run, held against the pointers that were read, so of two that want
//! different things one is refused and told who was quicker. It goes on to its end, whoever waits, and when it returns
//! nobody is served by what a reference meant before.
//!
//! What gates ask is theirs ([`gates`](crate::gates)); it is asked before the transaction, which holds the pointers to what was seen.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use asof_catalog::{Move, WHO, WHY};
use asof_model::run::{Item, Outcome, Run, RunId, Verb};
use asof_model::{Error, ErrorKind, Name, Pinned, Registered, Result, Version};
use asof_offline::Progress;
use asof_query::Definitions;

use crate::consequences::{breaking, breaks, listed};
use crate::gates::{Asked, Policy, Question, Refusal, Verdict, refused};
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
    /// What gates said, in the order in which they were asked.
    pub gates: Vec<Asked>,
    /// What might have moved and did not.
    pub stays: Vec<Stay>,
}

/// How pointers are to be moved.
pub(crate) struct Moving<'a> {
    pub(crate) verb: Verb,
    pub(crate) project: &'a Name,
    pub(crate) environment: &'a Name,
    pub(crate) author: &'a Author,
    /// What the environment asks.
    pub(crate) policy: &'a Policy,
    /// What was named, as opposed to what comes with it.
    pub(crate) roots: &'a [Pinned],
    /// Whether what breaks is allowed.
    pub(crate) allow_breaking: bool,
    pub(crate) skip_gates: bool,
    pub(crate) dry_run: bool,
}

/// Where a pointer was seen, and where it shall be.
pub(crate) struct Target {
    pub(crate) from: Option<Version>,
    pub(crate) to: Registered,
}

impl Target {
    pub(crate) fn moves(&self) -> bool {
        self.from != Some(self.to.pinned.version)
    }
}

impl Engine {
    /// Moves pointers, all or none. A target that is where it shall be holds the others to that.
    pub(crate) async fn move_pointers(
        &self,
        how: Moving<'_>,
        targets: Vec<Target>,
        stays: Vec<Stay>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Moved> {
        if how.skip_gates && how.author.why.is_none() {
            let message = "gates are skipped for a reason only";
            return Err(Error::new(ErrorKind::Invalid, "why_not_said", message)
                .remedy("say it with --why TEXT; it is kept with the move"));
        }
        let environment = how.environment.clone();
        let now = self.pointers(how.project, how.environment).await?;
        let moves = shifts(&now, &targets);
        let mut moved = Moved { environment, run: None, moves, gates: Vec::new(), stays };
        if moved.moves.is_empty() {
            return Ok(moved);
        }
        let broken = self.broken(&how, &now, &targets).await?;
        if how.policy.protected {
            let allowed = how.allow_breaking || broken.is_empty();
            if !allowed && !how.dry_run {
                return Err(breaking(how.environment, &broken));
            }
            moved.gates.push(Asked::breaking(&broken, allowed));
        }
        let question = Question {
            project: how.project,
            environment: how.environment,
            author: how.author,
            policy: how.policy,
            targets: &targets,
            roots: how.roots,
            all: how.dry_run,
            cheap: how.skip_gates,
        };
        moved.gates.extend(self.ask_gates(&question, progress).await);
        if how.dry_run {
            return Ok(moved);
        }
        if moved.is_refused() && !how.skip_gates {
            return Err(refused(how.environment, &moved.gates));
        }
        let mut run = self.new_run(how.project, how.verb);
        run.outputs = moved.moves.iter().map(|shift| Item::Definition(shift.to.clone())).collect();
        run.finished = Some(self.clock().now());
        run.outcome = Outcome::Done;
        run.notes.insert("environment".to_owned(), how.environment.to_string());
        note_gates(&mut run, &moved.gates, how.skip_gates);
        if !broken.is_empty() {
            run.notes.insert("breaking".to_owned(), broken.join("; "));
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

    /// What breaks for whoever asks by the names that move: asked where the environment is protected, and told in the run.
    async fn broken(
        &self,
        how: &Moving<'_>,
        now: &BTreeMap<Name, Registered>,
        targets: &[Target],
    ) -> Result<Vec<String>> {
        if !how.policy.protected {
            return Ok(Vec::new());
        }
        let all = self.catalog().whole(how.project).await?.definitions.into_iter().map(Arc::new);
        let definitions = Definitions::new(all);
        let mut broken = Vec::new();
        for to in targets.iter().filter(|target| target.moves()).map(|target| &target.to) {
            let Some(from) = now.get(&to.pinned.name) else { continue };
            let breaks = breaks(from, to, &definitions)?;
            if !breaks.is_empty() {
                let moves = format!("{} {} → {}", to.pinned.name, from.pinned.version, to.pinned.version);
                broken.push(format!("{moves}: {}", listed(&breaks)));
            }
        }
        Ok(broken)
    }
}

impl Moved {
    /// Whether a gate has something against it.
    pub fn is_refused(&self) -> bool {
        self.gates.iter().any(|asked| asked.verdict == Verdict::Refused)
    }

    /// What gates have against it.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.gates.iter().flat_map(|asked| &asked.refusals)
    }
}

/// What the record of a move says of its gates.
fn note_gates(run: &mut Run, gates: &[Asked], skipped: bool) {
    let of = |verdict| gates.iter().filter(move |asked| asked.verdict == verdict).map(|asked| asked.gate.as_str());
    let passed: Vec<_> = of(Verdict::Passed).collect();
    if !passed.is_empty() {
        run.notes.insert("gates".to_owned(), passed.join(", "));
    }
    if skipped {
        let refusals = gates.iter().flat_map(|asked| &asked.refusals).map(Refusal::text);
        let unasked = of(Verdict::NotAsked).map(|gate| format!("{gate} was not asked"));
        let skipped: Vec<_> = refusals.chain(unasked).collect();
        if !skipped.is_empty() {
            run.notes.insert("skipped_gates".to_owned(), skipped.join("; "));
        }
    }
}

/// Those targets that move, and what goes on reading another version of them.
fn shifts(now: &BTreeMap<Name, Registered>, targets: &[Target]) -> Vec<Shift> {
    let mut then: BTreeMap<&Name, &Registered> = now.iter().collect();
    then.extend(targets.iter().map(|target| (&target.to.pinned.name, &target.to)));
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
    shifts.collect()
}
