//! `rollback`: the last move of a name is taken back, with what moved with it, in one step.
//!
//! Nothing is computed: versions are there for good, and rows stay online by version, so serving follows at once. Each
//! rollback takes back the last move that still stands; twice goes back by two. What was moved again since stays
//! where it is, as does what was new in the environment then: there is no version of it to go back to.

use std::sync::Arc;

use asof_catalog::standing;
use asof_model::run::{Item, Verb};
use asof_model::{Error, ErrorKind, Name, Result, Selector, Version};
use asof_offline::{Progress, Quiet};

use crate::gates::{Gate, Policy};
use crate::pointers::{Moving, Stay, Target};
use crate::{Author, Engine, Moved, Scope};

/// What is to be taken back.
#[derive(Clone, Debug)]
pub struct RollbackRequest {
    /// The name whose last move it is.
    pub name: Name,
    /// Where.
    pub environment: Name,
    /// What that environment asks. Of it only `online` counts: going back must be quick, and leads to what was there.
    pub policy: Policy,
    /// In whose name, and why.
    pub author: Author,
    /// Only say what would move.
    pub dry_run: bool,
    /// Move also where a gate refuses; a reason must be given.
    pub skip_gates: bool,
}

impl Engine {
    /// Takes back the last move of a name that stands, and the moves of the same run, in one transaction that is one run.
    ///
    /// # Errors
    /// `unknown_name`, `not_in_environment`; `nothing_before` if the name is at its first version there; `gate_refused` if
    /// what the older version reads is not online any more; `why_not_said`; `pointer_moved`.
    pub async fn rollback(&self, scope: &Scope, request: RollbackRequest) -> Result<Moved> {
        let (project, environment, name) = (&scope.project, &request.environment, &request.name);
        let now = Selector::Environment(environment.clone());
        let now = self.catalog().select(project, name, &now).await?;
        let history = self.catalog().pointer_history(project, environment, name).await?;
        let last = standing(&history).filter(|last| last.from.is_some()).ok_or_else(|| {
            let message = format!("`{environment}` had no version of `{name}` before {}", now.pinned.reference());
            Error::new(ErrorKind::Precondition, "nothing_before", message)
                .remedy(format!("promote the version that is wanted: asof promote {name}@N --to {environment}"))
        })?;
        let run = self.catalog().run(last.run).await?;
        let run = run.ok_or_else(|| Error::internal(format!("run {} moved a pointer and is not there", last.run)))?;
        let (mut targets, mut stays) = (Vec::new(), Vec::new());
        for item in &run.outputs {
            let Item::Definition(moved) = item else { continue };
            let history = self.catalog().pointer_history(project, environment, &moved.name).await?;
            if !history.iter().any(|moved| moved.run == run.id) {
                continue;
            }
            let mut stay = |reason: String| stays.push(Stay { name: moved.name.clone(), reason });
            match standing(&history).filter(|last| last.run == run.id) {
                Some(last) => match last.from {
                    Some(Version(before)) => {
                        let before = Selector::Number(before.into());
                        let to = self.catalog().select(project, &moved.name, &before).await?;
                        targets.push(Target { from: Some(last.to), to });
                    }
                    None => stay("it was new there then".to_owned()),
                },
                None => stay("it was moved again since".to_owned()),
            }
        }
        if !targets.iter().any(|target| target.to.pinned.name == *name) {
            let message = format!("`{name}` was moved in `{environment}` while it was being rolled back");
            return Err(Error::new(ErrorKind::Conflict, "pointer_moved", message)
                .remedy(format!("nothing was changed; `asof log {name}@{environment}` tells how it moved")));
        }
        let gates = request.policy.gates.iter().copied().filter(|gate| *gate == Gate::Online).collect();
        let how = Moving {
            verb: Verb::Rollback,
            project,
            environment,
            author: &request.author,
            policy: &Policy { gates, ..Policy::default() },
            roots: &[],
            allow_breaking: true,
            skip_gates: request.skip_gates,
            dry_run: request.dry_run,
        };
        let quiet: Arc<dyn Progress> = Arc::new(Quiet);
        self.move_pointers(how, targets, stays, &quiet).await
    }
}
