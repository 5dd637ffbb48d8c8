//! Definitions: changes, listings, and one thing whole.

use asof_engine::{Change, Consequence, Effect, Listing, Manifest, Shown, ShownSnapshot, Source, Upkeep};
use asof_model::{Columns, KnownMoment, Pinned};
use asof_offline::DataFile;
use asof_proto::registry::v1 as wire;

use super::consequences::from_consequence;
use super::object::{from_columns, from_pinned, from_warnings};
use super::remarks::{from_approval, from_deprecation};

pub(crate) fn to_sources(files: Vec<wire::SourceFile>) -> Vec<Source> {
    files.into_iter().map(|f| Source { file: f.path, text: f.text }).collect()
}

/// Each with what it does.
pub(crate) fn from_changes(changes: &[Change], consequences: &[Consequence]) -> Vec<wire::Change> {
    let each = changes.iter().zip(consequences).map(|(change, consequence)| wire::Change {
        consequence: from_consequence(consequence),
        ..from_change(change)
    });
    each.collect()
}

pub(crate) fn from_change(change: &Change) -> wire::Change {
    let (effect, from, clauses, upstream) = match &change.effect {
        Effect::Created => (wire::Effect::Created, 0, &[][..], &[][..]),
        Effect::Versioned { from, clauses, upstream } => (wire::Effect::Versioned, from.0, &clauses[..], &upstream[..]),
        Effect::Annotated { clauses } => (wire::Effect::Annotated, 0, &clauses[..], &[][..]),
        Effect::Unchanged => (wire::Effect::Unchanged, 0, &[][..], &[][..]),
    };
    let clauses = clauses.iter().map(|c| wire::ClauseChange {
        clause: c.name.to_owned(),
        before: c.before.clone(),
        after: c.after.clone(),
    });
    wire::Change {
        pinned: Some(from_pinned(&change.registered.pinned)),
        effect: effect.into(),
        from,
        clauses: clauses.collect(),
        upstream: upstream.to_vec(),
        consequence: None,
    }
}

pub(crate) fn from_listing(listing: &Listing) -> wire::Listing {
    wire::Listing {
        pinned: Some(from_pinned(&listing.registered.pinned)),
        current: listing.current,
        newest: listing.newest,
        online: listing.online.map(|m| m.0),
        annotations: listing.registered.definition.annotations().clone(),
        created: listing.registered.created.0,
        deprecated: listing.deprecated.as_ref().map(from_deprecation),
    }
}

pub(crate) fn from_shown(shown: Shown) -> wire::ShowResponse {
    let registered = &shown.registered;
    let clauses = registered.definition.clauses().into_iter();
    let inputs = registered.inputs.iter();
    wire::ShowResponse {
        pinned: Some(from_pinned(&registered.pinned)),
        versions: shown.versions,
        created: registered.created.0,
        clauses: clauses.map(|c| wire::Clause { name: c.name.to_owned(), text: c.text, counts: c.counts }).collect(),
        inputs: inputs
            .map(|i| wire::Input { written: i.written.clone(), pinned: Some(from_pinned(&i.pinned)) })
            .collect(),
        columns: from_columns(&registered.columns),
        request: from_columns(&shown.request.unwrap_or(Columns(Vec::new()))),
        snapshot: shown.snapshot.map(from_snapshot),
        training_set: shown.manifest.as_ref().map(from_manifest),
        online: shown.online.map(|o| wire::Online { at: o.at.0, rows: o.rows, copied: o.copied }),
        upkeep: shown.upkeep.as_ref().map(|upkeep| from_upkeep(&registered.pinned, upkeep)),
        deprecated: shown.deprecated.as_ref().map(from_deprecation),
        warnings: from_warnings(&shown.warnings),
        approvals: shown.approvals.iter().map(from_approval).collect(),
    }
}

pub(crate) fn from_upkeep(view: &Pinned, upkeep: &Upkeep) -> wire::Upkeep {
    use wire::upkeep::How;
    let how = match upkeep {
        Upkeep::Increments(dataset) => How::Increments(dataset.to_string()),
        Upkeep::Whole(why) => How::Whole(why.clone()),
        Upkeep::Never(why) => How::Never(why.clone()),
        Upkeep::Unknown(why) => How::Unknown(why.clone()),
    };
    wire::Upkeep { view: Some(from_pinned(view)), how: Some(how) }
}

fn from_snapshot(snapshot: ShownSnapshot) -> wire::Snapshot {
    let files = snapshot.files.into_iter();
    wire::Snapshot {
        number: snapshot.number.0,
        rows: snapshot.rows,
        columns: from_columns(&snapshot.columns),
        committed: snapshot.committed.0,
        run: snapshot.run.map(|run| run.to_string()).unwrap_or_default(),
        files: files.map(|(path, bytes)| wire::DataFile { path, bytes }).collect(),
        location: snapshot.location,
    }
}

/// A training set that was built.
pub(crate) fn from_manifest(manifest: &Manifest) -> wire::BuiltTrainingSet {
    let inputs = manifest.inputs.iter();
    let file = |f: &DataFile| wire::DataFile { path: f.path.clone(), bytes: f.bytes };
    wire::BuiltTrainingSet {
        name: manifest.name.to_string(),
        number: manifest.number,
        definition: Some(from_pinned(&manifest.definition)),
        service: Some(from_pinned(&manifest.service)),
        snapshots: inputs.map(|i| (i.dataset.to_string(), i.number.0)).collect(),
        columns: from_columns(&manifest.columns),
        rows: manifest.rows,
        content: manifest.content.to_string(),
        known_at: match manifest.options.known_at {
            KnownMoment::EventTime => String::new(),
            moment => moment.to_string(),
        },
        run: manifest.run.to_string(),
        created: manifest.created.0,
        engine: manifest.engine.clone(),
        spine: manifest.spine.clone(),
        files: manifest.files.iter().map(file).collect(),
        digest: manifest.data.brief(),
    }
}
