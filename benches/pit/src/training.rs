//! A result to Parquet, by the writer of training sets: parts with their digests, synced to disk, and a manifest.

use std::path::Path;

use asof_model::clock::System;
use asof_model::{Clock, Digest, Kind, KnownMoment, Micros, Name, Pinned, RunId, Version};
use asof_offline::{ManifestDraft, Quiet, Store, TrainingOptions};
use datafusion::execution::SendableRecordBatchStream;

use crate::Result;

/// Writes the rows as the next training set `joined` of the store in this folder; returns how many they were.
pub(crate) async fn write(folder: &Path, rows: SendableRecordBatchStream) -> Result<usize> {
    let store = Store::open(folder.to_str().ok_or("a path that is not UTF-8")?).await?;
    let draft = draft(System.now())?;
    let number = store.training_sets(&draft.project, &draft.name).await?.into_iter().max().unwrap_or(0) + 1;
    let manifest = store.write_training_set(draft, number, rows, &Quiet).await?;
    Ok(usize::try_from(manifest.rows)?)
}

/// A manifest names definitions; here they were never written down.
fn draft(now: Micros) -> Result<ManifestDraft> {
    let (project, name): (Name, Name) = ("bench".parse()?, "joined".parse()?);
    let pinned = |kind| Pinned {
        kind,
        project: project.clone(),
        name: name.clone(),
        version: Version(1),
        digest: Digest::of(b"joined"),
    };
    Ok(ManifestDraft {
        definition: pinned(Kind::TrainingSet),
        service: pinned(Kind::FeatureService),
        closure: vec![],
        spine: "SELECT * FROM spine".to_owned(),
        options: TrainingOptions { known_at: KnownMoment::EventTime, statuses: false },
        inputs: vec![],
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        run: RunId::new(now),
        created: now,
        project,
        name,
    })
}
