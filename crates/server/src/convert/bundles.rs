//! Bundles.

use asof_engine::{ExportRequest, Exported, ImportReport, ImportRequest};
use asof_model::{Error, ErrorKind, Name, Result};
use asof_proto::bundle::v1 as wire;

use super::object::{from_pinned, reference};
use super::pointers::to_author;

pub(crate) fn to_export(request: &wire::ExportRequest) -> Result<ExportRequest> {
    if request.references.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "invalid_request", "nothing is named to be exported")
            .remedy("name at least one version: name@3"));
    }
    let references = request.references.iter().map(|text| reference(text)).collect::<Result<_>>()?;
    Ok(ExportRequest { references, training_sets: request.training_sets })
}

pub(crate) fn from_exported(exported: Exported) -> wire::ExportResponse {
    wire::ExportResponse {
        bundle: exported.bundle,
        definitions: exported.definitions.iter().map(from_pinned).collect(),
        training_sets: from_sets(exported.training_sets),
    }
}

pub(crate) fn to_import(request: wire::ImportRequest) -> Result<ImportRequest> {
    let called = if request.called.is_empty() { "bundle".to_owned() } else { request.called };
    let author = to_author(request.author)?;
    Ok(ImportRequest { bundle: request.bundle, called, dry_run: request.dry_run, author })
}

pub(crate) fn from_imported(report: ImportReport) -> wire::ImportResponse {
    let conflicts = report.conflicts.into_iter().map(|c| wire::Conflict { what: c.what, why: c.why });
    wire::ImportResponse {
        run: report.run.map(|run| run.to_string()).unwrap_or_default(),
        new: report.new.iter().map(from_pinned).collect(),
        there: report.there.iter().map(from_pinned).collect(),
        training_sets: from_sets(report.training_sets),
        training_sets_there: from_sets(report.training_sets_there),
        conflicts: conflicts.collect(),
    }
}

fn from_sets(sets: Vec<(Name, u32)>) -> Vec<wire::TrainingSet> {
    sets.into_iter().map(|(name, number)| wire::TrainingSet { name: name.to_string(), number }).collect()
}
