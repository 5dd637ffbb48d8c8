//! Requests for features and their answers.

use std::sync::Arc;

use arrow::array::ArrayRef;
use asof_engine::{GetReply, GetRequest, MAX_ENTITIES, ServedRows};
use asof_model::{Micros, Result};
use asof_proto::column::v1::Column;
use asof_proto::serving::v1 as wire;

use super::column::{from_array, to_batch};
use super::object::{from_pinned, reference};

/// What besides the values an answer tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Details {
    pub(crate) event_times: bool,
    pub(crate) receipts: bool,
}

pub(crate) fn to_get(service: &str, columns: Vec<Column>, at: Option<i64>) -> Result<GetRequest> {
    Ok(GetRequest { service: reference(service)?, rows: to_batch(columns, MAX_ENTITIES)?, at: at.map(Micros) })
}

/// # Errors
/// `unsupported_type` for a feature that cannot be sent.
pub(crate) fn from_reply(reply: &GetReply, details: Details) -> Result<wire::GetFeaturesResponse> {
    let told = details.event_times || details.receipts;
    let schema = reply.features.schema();
    let features = schema.fields().iter().zip(reply.features.columns()).zip(&reply.details);
    let features = features.map(|((field, array), feature)| {
        let views = feature.views.iter().filter(|_| told).map(|view| *view as u32);
        Ok(wire::Feature {
            values: Some(from_array(field.name(), array)?),
            statuses: feature.statuses.values().to_vec(),
            views: views.collect(),
        })
    });
    let views = reply.views.iter().filter(|_| told).map(|rows| from_rows(rows, details));
    Ok(wire::GetFeaturesResponse {
        service: Some(from_pinned(&reply.service)),
        at: reply.at.0,
        features: features.collect::<Result<_>>()?,
        views: views.collect::<Result<_>>()?,
    })
}

fn from_rows(rows: &ServedRows, details: Details) -> Result<wire::View> {
    let event_times = details.event_times.then(|| {
        let times: ArrayRef = Arc::new(rows.event_times.clone());
        from_array("event_time", &times)
    });
    let mut view =
        wire::View { alias: rows.alias.clone(), event_times: event_times.transpose()?, ..wire::View::default() };
    if details.receipts {
        view.view = Some(from_pinned(&rows.view));
        view.run = rows.run.to_string();
        view.materialized_at = rows.at.0;
    }
    Ok(view)
}
