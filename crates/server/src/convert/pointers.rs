//! What environments point at: moves, their history, and how two of them differ.

use asof_engine::{Approval, Author, Difference, Moved, PointerMove, PromoteRequest, RollbackRequest, Scope, Verdict};
use asof_model::{Error, ErrorKind, Name, Reference, Result};
use asof_proto::registry::v1 as wire;

use super::object::{self, from_pinned, reference};
use super::registry::from_change;
use super::remarks::from_approval;
use crate::config;

/// The longest text that is kept of who moved a pointer and why, in bytes.
const LONGEST: usize = 4096;

/// # Errors
/// `invalid_request` for a text that is too long to be kept.
pub(crate) fn to_author(author: Option<wire::Author>) -> Result<Author> {
    let wire::Author { who, why } = author.unwrap_or_default();
    let said = |text: String| match text.len() {
        0 => Ok(None),
        1..=LONGEST => Ok(Some(text)),
        long => {
            let message = format!("who moves a pointer and why is said in {long} bytes; at most {LONGEST} are kept");
            Err(Error::new(ErrorKind::Invalid, "invalid_request", message).remedy("say it shortly"))
        }
    };
    Ok(Author { who: said(who)?, why: said(why)? })
}

/// The same project, and another environment.
///
/// # Errors
/// `unknown_environment`, also where none is named.
pub(crate) fn elsewhere(project: &config::Project, scope: &Scope, environment: String) -> Result<Scope> {
    if environment.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "invalid_request", "no environment is named")
            .remedy("name the environment whose pointers are to move"));
    }
    let named = asof_proto::object::v1::Scope { project: scope.project.to_string(), environment };
    object::scope(project, Some(named))
}

pub(crate) fn to_promote(
    project: &config::Project,
    rules: &config::Rules,
    scope: &Scope,
    request: wire::PromoteRequest,
) -> Result<PromoteRequest> {
    let references = request.references.iter().map(|text| reference(text));
    let references: Vec<_> = references.collect::<Result<_>>()?;
    if references.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "invalid_request", "nothing is named to be promoted")
            .remedy("name at least one version: name@3"));
    }
    let to = elsewhere(project, scope, request.to)?.environment;
    Ok(PromoteRequest {
        references,
        policy: rules.policy(&to)?,
        to,
        environments: project.environments.clone(),
        author: to_author(request.author)?,
        dry_run: request.dry_run,
        skip_gates: request.skip_gates,
        backwards: request.backwards,
        allow_breaking: request.allow_breaking,
    })
}

pub(crate) fn to_rollback(
    project: &config::Project,
    rules: &config::Rules,
    scope: &Scope,
    request: wire::RollbackRequest,
) -> Result<RollbackRequest> {
    let environment = elsewhere(project, scope, request.environment)?.environment;
    Ok(RollbackRequest {
        name: request.name.parse()?,
        policy: rules.policy(&environment)?,
        environment,
        author: to_author(request.author)?,
        dry_run: request.dry_run,
        skip_gates: request.skip_gates,
    })
}

/// What is to be compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    /// Two environments.
    Environments(Name, Name),
    /// Two versions.
    Versions(Reference, Reference),
}

/// # Errors
/// `invalid_reference`; `unknown_environment` where only one side is an environment.
pub(crate) fn to_sides(project: &config::Project, scope: &Scope, request: wire::DiffRequest) -> Result<Sides> {
    let wire::DiffRequest { left, right, .. } = request;
    let is_environment = |text: &str| project.environments.iter().any(|known| known.as_str() == text);
    if is_environment(&left) || is_environment(&right) {
        let side = |text| elsewhere(project, scope, text).map(|scope| scope.environment);
        return Ok(Sides::Environments(side(left)?, side(right)?));
    }
    Ok(Sides::Versions(reference(&left)?, reference(&right)?))
}

pub(crate) fn from_moved(moved: Moved) -> wire::Moved {
    let moves = moved.moves.iter().map(|shift| wire::Move {
        pinned: Some(from_pinned(&shift.to)),
        from: shift.from.map_or(0, |version| version.0),
        others: shift.others.iter().map(from_pinned).collect(),
    });
    let refusals = moved.refusals().map(|refusal| wire::Refusal {
        service: refusal.service.as_ref().map(from_pinned),
        view: refusal.view.as_ref().map(from_pinned),
        reason: refusal.reason.clone(),
        gate: refusal.gate.clone(),
        remedy: refusal.remedy.clone(),
    });
    let gates = moved.gates.iter().map(|asked| wire::Gate {
        name: asked.gate.clone(),
        verdict: match asked.verdict {
            Verdict::Passed => wire::Verdict::Passed,
            Verdict::Refused => wire::Verdict::Refused,
            Verdict::NotAsked => wire::Verdict::NotAsked,
        }
        .into(),
        said: asked.said.clone(),
    });
    let stays = moved.stays.iter();
    wire::Moved {
        environment: moved.environment.to_string(),
        run: moved.run.map(|run| run.to_string()).unwrap_or_default(),
        moves: moves.collect(),
        refusals: refusals.collect(),
        gates: gates.collect(),
        stays: stays.map(|s| wire::Stay { name: s.name.to_string(), reason: s.reason.clone() }).collect(),
    }
}

/// With who had approved.
pub(crate) fn from_pointer_move(moved: PointerMove, approvals: &[Approval]) -> wire::PointerMove {
    wire::PointerMove {
        name: moved.name.to_string(),
        from: moved.from.map_or(0, |version| version.0),
        to: moved.to.0,
        at: moved.at.0,
        run: moved.run.to_string(),
        verb: moved.verb.as_str().to_owned(),
        who: moved.who.unwrap_or_default(),
        why: moved.why,
        approvals: approvals.iter().map(from_approval).collect(),
    }
}

pub(crate) fn from_difference(difference: &Difference) -> wire::Change {
    match difference {
        Difference::Changed(change) => from_change(change),
        Difference::Removed(registered) => wire::Change {
            pinned: Some(from_pinned(&registered.pinned)),
            effect: wire::Effect::Removed.into(),
            ..wire::Change::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_move_is_bounded() {
        let author = |who: usize| to_author(Some(wire::Author { who: "a".repeat(who), why: String::new() }));
        assert_eq!(author(0), Ok(Author::default()));
        assert_eq!(author(LONGEST).unwrap().who.map(|who| who.len()), Some(LONGEST));
        assert_eq!(author(LONGEST + 1).unwrap_err().code(), "invalid_request");
    }

    #[test]
    fn what_is_compared_is_two_environments_or_two_versions() {
        let project = config::Project::default();
        let scope = object::scope(&project, None).unwrap();
        let sides = |left: &str, right: &str| {
            let request = wire::DiffRequest { left: left.into(), right: right.into(), ..wire::DiffRequest::default() };
            to_sides(&project, &scope, request).map_err(|error| error.to_string())
        };
        let name = |name: &str| name.parse::<Name>().unwrap();
        assert_eq!(sides("staging", "prod"), Ok(Sides::Environments(name("staging"), name("prod"))));
        assert!(matches!(sides("a@1", "a"), Ok(Sides::Versions(_, _))));
        let refused = sides("staging", "prd").unwrap_err();
        assert!(refused.contains("there is no environment `prd`") && refused.contains("`prod`"), "{refused}");
    }
}
