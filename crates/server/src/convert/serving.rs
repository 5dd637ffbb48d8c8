//! Requests for features and their answers.

use std::sync::Arc;

use arrow::array::ArrayRef;
use asof_engine::{GetReply, GetRequest, MAX_ENTITIES, RowError, ServedRows};
use asof_model::{Error, ErrorKind, Micros, Result, Selector};
use asof_proto::column::v1::Column;
use asof_proto::serving::v1 as wire;

use super::column::{from_array, to_batch, to_batch_apart};
use super::error;
use super::object::{from_pinned, from_warnings, reference};

/// What besides the values an answer tells, and what it leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Details {
    pub(crate) event_times: bool,
    pub(crate) receipts: bool,
    pub(crate) row_errors: bool,
    pub(crate) omit_schema: bool,
}

pub(crate) fn to_get(service: &str, columns: Vec<Column>, at: Option<i64>) -> Result<GetRequest> {
    Ok(GetRequest { service: reference(service)?, rows: to_batch(columns, MAX_ENTITIES)?, at: at.map(Micros) })
}

/// A request, the rows of it that are in error, and what the answer is to tell.
///
/// # Errors
/// `not_pinned` where a schema is to be left out that the client cannot know; those of references and columns.
pub(crate) fn to_get_apart(request: wire::GetFeaturesRequest) -> Result<(GetRequest, Vec<RowError>, Details)> {
    let wire::GetFeaturesRequest { service, columns, at, event_times, receipts, row_errors, omit_schema, .. } = request;
    let service = reference(&service)?;
    if omit_schema && !matches!(service.selector, Some(Selector::Number(_) | Selector::Digest(_))) {
        let message =
            format!("names and types cannot be left out for `{service}`, which may mean another version any time");
        return Err(Error::new(ErrorKind::Invalid, "not_pinned", message)
            .remedy(format!("ask for a version, as {}@3, or leave omit_schema out", service.name)));
    }
    let (rows, bad) = to_batch_apart(columns, MAX_ENTITIES)?;
    let details = Details { event_times, receipts, row_errors, omit_schema };
    Ok((GetRequest { service, rows, at: at.map(Micros) }, bad, details))
}

/// # Errors
/// `unsupported_type` for a feature that cannot be sent.
pub(crate) fn from_reply(reply: &GetReply, details: Details) -> Result<wire::GetFeaturesResponse> {
    let told = details.told();
    let schema = reply.features.schema();
    let features = schema.fields().iter().zip(reply.features.columns()).zip(&reply.details);
    let features = features.map(|((field, array), feature)| {
        let views = feature.views.iter().filter(|_| told).map(|view| *view as u32);
        Ok(wire::Feature {
            values: Some(details.column(field.name(), array)?),
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
        errors: reply.errors.iter().map(from_row_error).collect(),
        warnings: from_warnings(&reply.warnings),
    })
}

impl Details {
    /// Whether the views that features were computed from are told.
    pub(super) fn told(self) -> bool {
        self.event_times || self.receipts
    }

    pub(super) fn column(self, name: &str, array: &ArrayRef) -> Result<Column> {
        let mut column = from_array(name, array)?;
        if self.omit_schema {
            (column.name, column.r#type) = (String::new(), String::new());
        }
        Ok(column)
    }
}

fn from_row_error(bad: &RowError) -> wire::RowError {
    // A request has at most MAX_ENTITIES rows.
    wire::RowError { row: bad.row as u32, error: Some(error::one(&bad.error)) }
}

pub(super) fn from_rows(rows: &ServedRows, details: Details) -> Result<wire::View> {
    let event_times = details.event_times.then(|| {
        let times: ArrayRef = Arc::new(rows.event_times.clone());
        details.column("event_time", &times)
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
