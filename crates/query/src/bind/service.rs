//! Feature services: every name in FROM is a view, every parameter has its own name.

use asof_model::definition::Service;
use asof_model::{Definition, Kind, Registered};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::scope::{Scope, Stop, input, inputs};
use super::{Bound, Problem};
use crate::fault::At;
use crate::service::{self, BoundService, Found};
use crate::syntax::Written;

pub(super) fn bind(service: &Service, written: &Written, scope: &Scope<'_>) -> Result<Bound, Stop> {
    let mut read = Vec::new();
    let bound = service::bind(service, written.query(), written.name, |view, span| {
        let found = scope.resolve(view, span, &[Kind::FeatureView])?;
        read.push(input(view, &found));
        with_entity(found, span, scope)
    })?;
    Ok(Bound { inputs: inputs(read), columns: bound.columns() })
}

/// Binds a registered service again, for what reads it.
pub(super) fn rebind(registered: &Registered, span: Span, scope: &Scope<'_>) -> Result<BoundService, Stop> {
    let Definition::FeatureService(service) = &registered.definition else {
        let wanted = vec![Kind::FeatureService];
        let (written, kind) = (registered.pinned.reference(), registered.pinned.kind);
        return Err(Problem::WrongKind { written, kind, wanted }.at(span).into());
    };
    let (query, _) =
        crate::syntax::reread(registered, &service.query).map_err(|e| crate::fault::Fault::new(e, span))?;
    service::bind(service, &query, Span::empty(), |view, _| {
        let pinned = registered.inputs.iter().find(|i| i.written == view).and_then(|i| scope.pinned(&i.pinned));
        let found = pinned.ok_or_else(|| Problem::UnknownVersion(view.to_owned()).at(span))?;
        with_entity(found, span, scope)
    })
}

fn with_entity(view: std::sync::Arc<Registered>, span: Span, scope: &Scope<'_>) -> Result<Found, Stop> {
    let entity = view.inputs.iter().find(|i| i.pinned.kind == Kind::Entity).and_then(|i| scope.pinned(&i.pinned));
    match entity {
        Some(entity) => Ok(Found { view, entity }),
        None => Err(Problem::UnknownVersion(format!("{} (its entity)", view.pinned.reference())).at(span).into()),
    }
}
