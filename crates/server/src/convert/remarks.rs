//! What people say of versions: that they may go somewhere, that they are not to be used any more.

use asof_engine::{Approval, ApproveRequest, Approved, DeprecateRequest, Deprecated, Deprecation, Scope};
use asof_model::Result;
use asof_proto::registry::v1 as wire;

use super::object::{from_pinned, optional_reference, reference};
use super::pointers::{elsewhere, to_author};
use crate::config;

pub(crate) fn to_approve(
    project: &config::Project,
    scope: &Scope,
    request: wire::ApproveRequest,
) -> Result<ApproveRequest> {
    Ok(ApproveRequest {
        reference: reference(&request.reference)?,
        environment: elsewhere(project, scope, request.environment)?.environment,
        author: to_author(request.author)?,
    })
}

pub(crate) fn from_approved(approved: &Approved) -> wire::ApproveResponse {
    wire::ApproveResponse {
        pinned: Some(from_pinned(&approved.pinned)),
        run: approved.run.map(|run| run.to_string()).unwrap_or_default(),
        approvals: approved.approvals.iter().map(from_approval).collect(),
    }
}

pub(crate) fn from_approval(approval: &Approval) -> wire::Approval {
    wire::Approval {
        environment: approval.environment.to_string(),
        who: approval.who.clone(),
        why: approval.why.clone(),
        at: approval.at.0,
        run: approval.run.to_string(),
    }
}

pub(crate) fn to_deprecate(request: wire::DeprecateRequest) -> Result<DeprecateRequest> {
    Ok(DeprecateRequest {
        reference: reference(&request.reference)?,
        successor: optional_reference(&request.successor)?,
        author: to_author(request.author)?,
        undo: request.undo,
    })
}

pub(crate) fn from_deprecated(deprecated: &Deprecated) -> wire::DeprecateResponse {
    wire::DeprecateResponse {
        pinned: Some(from_pinned(&deprecated.pinned)),
        run: deprecated.run.map(|run| run.to_string()).unwrap_or_default(),
        deprecated: deprecated.remark.as_ref().map(from_deprecation),
    }
}

pub(crate) fn from_deprecation(remark: &Deprecation) -> wire::Deprecation {
    wire::Deprecation {
        why: remark.why.clone(),
        successor: remark.successor.clone().unwrap_or_default(),
        who: remark.who.clone().unwrap_or_default(),
        at: remark.at.0,
        run: remark.run.to_string(),
    }
}
