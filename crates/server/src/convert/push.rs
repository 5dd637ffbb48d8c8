//! Pushed rows, and what became of them.

use asof_engine::{MAX_PUSHED, PushReport, PushRequest};
use asof_model::Result;
use asof_proto::push::v1 as wire;

use super::column::to_batch;
use super::object::{from_pinned, reference};

/// # Errors
/// `invalid_reference`, and those of reading columns.
pub(crate) fn to_push(dataset: &str, columns: Vec<asof_proto::column::v1::Column>, key: String) -> Result<PushRequest> {
    let key = (!key.is_empty()).then_some(key);
    Ok(PushRequest { dataset: reference(dataset)?, rows: to_batch(columns, MAX_PUSHED)?, key })
}

pub(crate) fn from_report(report: &PushReport) -> wire::PushResponse {
    let waiting = report
        .waiting
        .iter()
        .map(|(view, reason)| wire::Waiting { view: Some(from_pinned(view)), reason: reason.clone() });
    wire::PushResponse {
        dataset: Some(from_pinned(&report.dataset)),
        rows: report.rows,
        last: report.last,
        repeated_push: report.repeated,
        lost_precision: report.lost_precision,
        followed: report.followed.iter().map(from_pinned).collect(),
        waiting: waiting.collect(),
    }
}
