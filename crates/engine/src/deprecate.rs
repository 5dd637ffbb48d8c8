//! `deprecate`: a version is not to be used any more, says somebody, and what to use instead. Whoever uses it is told.
//!
//! It is a remark beside the definition: nothing else changes by it, it makes no version, and it can be taken back. It is
//! about one version, as everything is; a name without a selector means the one that the environment points at.
//!
//! Who asks for features is told once per reply. That costs nothing there: it is found out when a reference is looked up
//! first, and stays with the compiled plan until a remark changes.

use std::future::Future;

use asof_catalog::Deprecation;
use asof_model::run::{Item, Outcome, Run, RunId, Verb};
use asof_model::{Error, ErrorKind, Name, Pinned, Reference, Registered, Result};
use asof_query::Change;

use crate::{Author, Engine, Scope, Told};

/// Something that does no harm today, and that whoever asked should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about; stable: `deprecated`.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// What is to be said of a version.
#[derive(Clone, Debug)]
pub struct DeprecateRequest {
    /// The version.
    pub reference: Reference,
    /// What to use instead.
    pub successor: Option<Reference>,
    /// In whose name, and why.
    pub author: Author,
    /// Take back what was said.
    pub undo: bool,
}

/// What is said of a version now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// The version.
    pub pinned: Pinned,
    /// The run, unless just that was said before.
    pub run: Option<RunId>,
    /// The remark, unless it was taken back.
    pub remark: Option<Deprecation>,
}

/// What is deprecated in a project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deprecations(Vec<Deprecation>);

impl Deprecations {
    pub(crate) fn of(&self, pinned: &Pinned) -> Option<&Deprecation> {
        self.0.iter().find(|remark| (&remark.name, remark.version) == (&pinned.name, pinned.version))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What whoever uses `root` should know: of itself, and of what it reads.
    pub(crate) fn warnings<'a>(&self, root: &Pinned, reads: impl Iterator<Item = &'a Pinned>) -> Vec<Warning> {
        let own = self.of(root).map(|remark| warning(root, remark));
        let reads = reads.filter(|read| *read != root).filter_map(|read| {
            let remark = self.of(read)?;
            Some(Warning {
                message: format!("{} reads {}", root.reference(), said(read, remark, ", which")),
                ..WARNING
            })
        });
        own.into_iter().chain(reads).collect()
    }
}

const WARNING: Warning = Warning { code: "deprecated", message: String::new() };

fn warning(of: &Pinned, remark: &Deprecation) -> Warning {
    Warning { message: said(of, remark, ""), ..WARNING }
}

/// `weather@1 is deprecated: it is in Fahrenheit; use climate@1 instead`
fn said(of: &Pinned, remark: &Deprecation, which: &str) -> String {
    let instead = remark.successor.as_ref().map(|other| format!("; use {other} instead")).unwrap_or_default();
    format!("{}{which} is deprecated: {}{instead}", of.reference(), remark.why)
}

impl Engine {
    /// Says that a version is not to be used any more, or takes that back. Saying the same again changes nothing.
    ///
    /// # Errors
    /// Those of a reference; `not_a_version`, `not_of_this_project`; `why_not_said`; `own_successor` for a version that is
    /// to be used instead of itself.
    pub async fn deprecate(&self, scope: &Scope, request: DeprecateRequest) -> Result<Deprecated> {
        let pinned = self.version(scope, &request.reference).await?.pinned;
        let mut run = self.new_run(&scope.project, Verb::Deprecate);
        let at = self.clock().now();
        run.finished = Some(at);
        run.outcome = Outcome::Done;
        run.inputs = vec![Item::Definition(pinned.clone())];
        request.author.note(&mut run);
        let (catalog, project, id) = (self.catalog().clone(), scope.project.clone(), run.id);
        if request.undo {
            run.notes.insert("undone".to_owned(), "true".to_owned());
            let Pinned { name, version, .. } = pinned.clone();
            let undoing =
                async move { Ok(catalog.undo_deprecation(&project, &name, version, &run).await?.then_some(run)) };
            let written = self.settle_remarks(undoing).await?;
            return Ok(Deprecated { pinned, run: written.then_some(id), remark: None });
        }
        let Some(why) = request.author.why.filter(|why| !why.is_empty()) else {
            let message = format!("{} is deprecated for a reason only", pinned.reference());
            return Err(Error::new(ErrorKind::Invalid, "why_not_said", message)
                .remedy("say it with --why TEXT: whoever uses the version reads it"));
        };
        let successor = match &request.successor {
            Some(other) => Some(self.successor(scope, &pinned, other).await?),
            None => None,
        };
        let remark = Deprecation {
            name: pinned.name.clone(),
            version: pinned.version,
            why,
            successor,
            who: request.author.who,
            at,
            run: id,
        };
        let kept = remark.clone();
        let writing = async move { Ok(catalog.deprecate(&project, &kept, &run).await?.then_some(run)) };
        let written = self.settle_remarks(writing).await?;
        Ok(Deprecated { pinned, run: written.then_some(id), remark: Some(remark) })
    }

    /// As it is told: a version by its number, an environment or a digest as they were written.
    async fn successor(&self, scope: &Scope, of: &Pinned, other: &Reference) -> Result<String> {
        let found = self.definition(scope, other).await?.pinned;
        if found == *of {
            let message = format!("{} cannot be used instead of itself", of.reference());
            return Err(Error::new(ErrorKind::Invalid, "own_successor", message)
                .remedy("name another version, or leave --successor out"));
        }
        Ok(match other.selector {
            // What the name means later is what is to be used later.
            Some(_) => other.to_string(),
            None => found.reference(),
        })
    }

    /// Writes a remark, which gives its run if there was something to write, and forgets what plans have to tell.
    async fn settle_remarks(
        &self,
        writing: impl Future<Output = Result<Option<Run>>> + Send + 'static,
    ) -> Result<bool> {
        let engine = self.clone();
        let settled = self.settle(async move {
            let written = writing.await;
            engine.plans.forget_all();
            let Some(run) = written? else { return Ok(false) };
            engine.tell(|| Told::Happened(run));
            Ok(true)
        });
        settled.await
    }

    /// What is deprecated: one statement.
    pub(crate) async fn deprecations(&self, project: &Name) -> Result<Deprecations> {
        Ok(Deprecations(self.catalog().deprecations(project).await?))
    }

    /// What whoever uses a definition should know, of itself and of all that it reads: `closure`.
    pub(crate) async fn warnings(&self, root: &Pinned, closure: &[Registered]) -> Result<Vec<Warning>> {
        let deprecations = self.deprecations(&root.project).await?;
        Ok(deprecations.warnings(root, closure.iter().map(|registered| &registered.pinned)))
    }

    /// The same of what a plan is about: what it names, and what that names.
    pub(crate) async fn warnings_of(&self, scope: &Scope, changes: &[Change]) -> Result<Vec<Warning>> {
        let deprecations = self.deprecations(&scope.project).await?;
        if deprecations.is_empty() {
            return Ok(Vec::new());
        }
        let told = changes.iter().flat_map(|Change { registered, .. }| {
            deprecations.warnings(&registered.pinned, registered.inputs.iter().map(|input| &input.pinned))
        });
        Ok(told.collect())
    }

    /// What whoever looks at a thing should know: it and what it reads.
    pub(crate) async fn warnings_about(&self, root: &Pinned) -> Result<Vec<Warning>> {
        let deprecations = self.deprecations(&root.project).await?;
        if deprecations.is_empty() {
            return Ok(Vec::new());
        }
        let closure = self.catalog().closure(std::slice::from_ref(root)).await?;
        Ok(deprecations.warnings(root, closure.iter().map(|registered| &registered.pinned)))
    }
}
