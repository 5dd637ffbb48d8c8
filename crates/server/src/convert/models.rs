//! Models.

use asof_engine::{RegisterRequest, RegisteredModel, ShownModel};
use asof_model::{Error, ErrorKind, Model, Result};
use asof_proto::model::v1 as wire;

use super::object::{from_columns, from_pinned, reference};
use super::pointers::to_author;
use super::registry::from_manifest;

/// The longest URI and description that are kept, in bytes.
const LONGEST: usize = 4096;

/// # Errors
/// `invalid_name`, `invalid_label`, `invalid_reference`; `invalid_request` for a text that is too long to be kept.
pub(crate) fn to_register(request: wire::RegisterRequest) -> Result<RegisterRequest> {
    let said = |what: &str, text: String| match text.len() {
        0 => Ok(None),
        1..=LONGEST => Ok(Some(text)),
        long => {
            let message = format!("the {what} of a model has {long} bytes; at most {LONGEST} are kept");
            Err(Error::new(ErrorKind::Invalid, "invalid_request", message).remedy("say it shortly"))
        }
    };
    Ok(RegisterRequest {
        name: request.name.parse()?,
        version: request.version.parse()?,
        trained_on: reference(&request.trained_on)?,
        uri: said("URI", request.uri)?,
        description: said("description", request.description)?,
        author: to_author(request.author)?,
    })
}

pub(crate) fn from_registered(registered: RegisteredModel) -> wire::RegisterResponse {
    let run = registered.run.map(|run| run.to_string()).unwrap_or_default();
    wire::RegisterResponse { model: Some(from_model(&registered.model)), run }
}

pub(crate) fn from_model(model: &Model) -> wire::Model {
    wire::Model {
        project: model.project.to_string(),
        name: model.name.to_string(),
        version: model.version.to_string(),
        training_set: model.training_set.to_string(),
        number: model.number,
        content: model.content.to_string(),
        service: Some(from_pinned(&model.service)),
        uri: model.uri.clone().unwrap_or_default(),
        description: model.description.clone().unwrap_or_default(),
        registered: model.registered.0,
        run: model.run.to_string(),
    }
}

pub(crate) fn from_shown_model(shown: &ShownModel) -> wire::ShowResponse {
    wire::ShowResponse {
        model: Some(from_model(&shown.model)),
        request: from_columns(&shown.request),
        features: from_columns(&shown.features),
        training_set: shown.manifest.as_ref().map(from_manifest),
        offline: shown.offline.iter().map(from_pinned).collect(),
    }
}
