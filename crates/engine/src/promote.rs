//! `promote`: an environment points at versions that are there, with all that they depend on, from one moment on.
//!
//! Versions pin what they read by digest, so nothing changes under a service that is not promoted, whatever moves beside
//! it; the reply says what goes on reading another version. What a version reads moves with it because a name should
//! mean in an environment what its services mean by it: for who trains, ingests or looks there.
//!
//! Where several versions of one name are read, the pointer takes one that was named, else the newest of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::run::Verb;
use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Reference, Registered, Result, Selector, Version};
use asof_offline::Progress;

use crate::gates::Policy;
use crate::pointers::{Moving, Target};
use crate::{Author, Engine, Moved, Scope};

/// What is to be promoted.
#[derive(Clone, Debug)]
pub struct PromoteRequest {
    /// The versions.
    pub references: Vec<Reference>,
    /// The environment that shall point at them.
    pub to: Name,
    /// The project's environments in their order.
    pub environments: Vec<Name>,
    /// What that environment asks.
    pub policy: Policy,
    /// In whose name, and why.
    pub author: Author,
    /// Only say what would move.
    pub dry_run: bool,
    /// Move also where a gate refuses; a reason must be given.
    pub skip_gates: bool,
    /// Also from an environment that stands after `to`.
    pub backwards: bool,
    /// Also where it takes away what whoever asks for these names relies on.
    pub allow_breaking: bool,
}

impl Engine {
    /// Moves the pointers of an environment to versions and to all that they read, in one transaction that is one run.
    ///
    /// # Errors
    /// Those of a reference; `not_a_version`, `not_of_this_project`, `two_versions`, `against_the_order` for what cannot be
    /// promoted; `breaking_change`; `gate_refused`; `why_not_said`; `pointer_moved` if somebody else was quicker. Then
    /// nothing was changed.
    pub async fn promote(&self, scope: &Scope, request: PromoteRequest, progress: Arc<dyn Progress>) -> Result<Moved> {
        let mut roots: BTreeMap<Name, Pinned> = BTreeMap::new();
        for reference in &request.references {
            if !request.backwards {
                request.follows_the_order(scope, reference)?;
            }
            let root = self.version(scope, reference).await?.pinned;
            if let Some(other) = roots.insert(root.name.clone(), root.clone()).filter(|other| *other != root) {
                let (name, environment) = (&root.name, &request.to);
                let message = format!("`{name}` is named as {} and as {}", other.reference(), root.reference());
                return Err(Error::new(ErrorKind::Invalid, "two_versions", message)
                    .remedy(format!("`{environment}` points at one version of a name: name one")));
            }
        }
        let named: Vec<_> = roots.values().cloned().collect();
        let mut closure = self.catalog().closure(&named).await?;
        closure.retain(|registered| registered.pinned.project == scope.project);
        let mut newest: BTreeMap<Name, Version> = BTreeMap::new();
        for pinned in closure.iter().map(|registered| &registered.pinned) {
            let newest = newest.entry(pinned.name.clone()).or_insert(pinned.version);
            *newest = pinned.version.max(*newest);
        }
        newest.extend(named.iter().map(|root| (root.name.clone(), root.version)));
        closure.retain(|registered| newest.get(&registered.pinned.name) == Some(&registered.pinned.version));
        let now = self.pointers(&scope.project, &request.to).await?;
        let targets = closure.into_iter().map(|to| {
            let from = now.get(&to.pinned.name).map(|registered| registered.pinned.version);
            Target { from, to }
        });
        let how = Moving {
            verb: Verb::Promote,
            project: &scope.project,
            environment: &request.to,
            author: &request.author,
            policy: &request.policy,
            roots: &named,
            allow_breaking: request.allow_breaking,
            skip_gates: request.skip_gates,
            dry_run: request.dry_run,
        };
        self.move_pointers(how, targets.collect(), Vec::new(), &progress).await
    }

    /// The version that a reference means, of this project. A number is a version: of datasets and training sets, whose
    /// numbers are those of data, it is refused.
    pub(crate) async fn version(&self, scope: &Scope, reference: &Reference) -> Result<Registered> {
        let name = &reference.name;
        if let Some(project) = reference.project.as_ref().filter(|project| **project != scope.project) {
            let message = format!("`{reference}` is of project `{project}`, not of `{}`", scope.project);
            return Err(Error::new(ErrorKind::Invalid, "not_of_this_project", message)
                .remedy(format!("work in its project: --project {project}")));
        }
        if let Some(Selector::Number(_)) = reference.selector {
            let names = self.catalog().names(&scope.project).await?;
            let data = names.iter().find(|(known, _)| known == name).and_then(|(_, kind)| match kind {
                Kind::Dataset => Some("a snapshot of a dataset"),
                Kind::TrainingSet => Some("a training set that was built"),
                Kind::Entity | Kind::FeatureView | Kind::FeatureService => None,
            });
            if let Some(data) = data {
                let message = format!("`{reference}` is {data}, not a version of its definition");
                return Err(Error::new(ErrorKind::Invalid, "not_a_version", message)
                    .remedy(format!("name its version as {name}@latest, {name}@ENVIRONMENT or {name}@sha256:…")));
            }
        }
        self.catalog().resolve(&scope.project, &scope.environment, reference, None).await
    }
}

impl PromoteRequest {
    /// Refuses what comes from an environment that stands after the one it is to go to: that is rather a mistake than a
    /// promotion.
    fn follows_the_order(&self, scope: &Scope, reference: &Reference) -> Result<()> {
        let from = match &reference.selector {
            None => &scope.environment,
            Some(Selector::Environment(environment)) => environment,
            Some(Selector::Number(_) | Selector::Latest | Selector::Digest(_)) => return Ok(()),
        };
        let place = |wanted: &Name| self.environments.iter().position(|environment| environment == wanted);
        if place(from) <= place(&self.to) {
            return Ok(());
        }
        let order: Vec<_> = self.environments.iter().map(Name::as_str).collect();
        let (name, to, order) = (&reference.name, &self.to, order.join(" → "));
        let message = format!("`{name}` of `{from}` is not promoted to `{to}`, which comes before it: {order}");
        Err(Error::new(ErrorKind::Invalid, "against_the_order", message).remedy(format!(
            "if that is meant, add --force; to take back the last move in `{from}`: asof rollback {name} --in {from}"
        )))
    }
}
