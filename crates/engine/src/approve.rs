//! `approve`: somebody finds a version fit for an environment, where that needs somebody's word.
//!
//! The word is about exactly that content, all that it reads included, and holds for good. Who said it is what the client
//! says, as with every move of a pointer: it keeps honest people from overlooking each other, and nobody else out.

use asof_catalog::Approval;
use asof_model::run::{Item, Outcome, RunId, Verb};
use asof_model::{Error, ErrorKind, Name, Pinned, Reference, Result};

use crate::{Author, Engine, Scope, Told};

/// What is to be approved.
#[derive(Clone, Debug)]
pub struct ApproveRequest {
    /// The version.
    pub reference: Reference,
    /// Where it may go.
    pub environment: Name,
    /// Who says so, and why.
    pub author: Author,
}

/// What was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The version.
    pub pinned: Pinned,
    /// The run, unless that person said so before.
    pub run: Option<RunId>,
    /// All who said so for that environment, oldest first.
    pub approvals: Vec<Approval>,
}

impl Engine {
    /// Keeps somebody's word that a version may go to an environment. Saying it again changes nothing.
    ///
    /// # Errors
    /// Those of a reference; `not_a_version`, `not_of_this_project`; `who_not_said`.
    pub async fn approve(&self, scope: &Scope, request: ApproveRequest) -> Result<Approved> {
        let pinned = self.version(scope, &request.reference).await?.pinned;
        let Some(who) = request.author.who.clone().filter(|who| !who.is_empty()) else {
            return Err(Error::new(
                ErrorKind::Invalid,
                "who_not_said",
                "an approval is somebody's, and nobody is named",
            )
            .remedy("say who with --by NAME"));
        };
        let mut run = self.new_run(&scope.project, Verb::Approve);
        let at = self.clock().now();
        run.finished = Some(at);
        run.outcome = Outcome::Done;
        run.inputs = vec![Item::Definition(pinned.clone())];
        run.notes.insert("environment".to_owned(), request.environment.to_string());
        request.author.note(&mut run);
        let id = run.id;
        let approval = Approval {
            environment: request.environment.clone(),
            name: pinned.name.clone(),
            version: pinned.version,
            digest: pinned.digest,
            who,
            why: request.author.why.unwrap_or_default(),
            at,
            run: id,
        };
        let new = self.catalog().approve(&scope.project, &approval, &run).await?;
        if new {
            self.tell(|| Told::Happened(run));
        }
        let approvals = self.approvals(&pinned, Some(&request.environment)).await?;
        Ok(Approved { pinned, run: new.then_some(id), approvals })
    }

    /// Who found a version fit, for one environment or for all, oldest first.
    pub(crate) async fn approvals(&self, of: &Pinned, environment: Option<&Name>) -> Result<Vec<Approval>> {
        let mut approvals = self.catalog().approvals(&of.project, &of.name).await?;
        approvals.retain(|a| a.is_of(of) && environment.is_none_or(|environment| a.environment == *environment));
        Ok(approvals)
    }
}
