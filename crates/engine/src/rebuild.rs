//! `rebuild`: computes a training set again from its manifest and compares, bit for bit.

use std::sync::Arc;

use asof_model::run::{Item, RunId, Verb};
use asof_model::{Digest, Error, ErrorKind, Reference, Registered, Result};
use asof_offline::{InputSnapshot, Manifest, Progress};

use crate::train::options_of;
use crate::{Engine, Scope};

/// The outcome of a rebuild.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The run.
    pub run: RunId,
    /// What was built then.
    pub manifest: Manifest,
    /// The digest of what comes out now; equal to the manifest's if nothing differs.
    pub content: Digest,
    /// How many rows come out now.
    pub rows: u64,
}

impl Rebuilt {
    /// Whether every bit is the same.
    pub fn equal(&self) -> bool {
        self.content == self.manifest.content && self.rows == self.manifest.rows
    }
}

impl Engine {
    /// Computes a training set again from the definitions and snapshots its manifest pins. The data files
    /// of those snapshots are held against their digests first, so that damage is not taken for a
    /// difference.
    ///
    /// # Errors
    /// `unknown_training_set`; `snapshot_gone` and `snapshots_missing` where what it was built from is not here; `corrupt_file` for
    /// a damaged source; a definition whose digest is not the
    /// manifest's is `other_digest`.
    pub async fn rebuild(&self, scope: &Scope, reference: &Reference, progress: Arc<dyn Progress>) -> Result<Rebuilt> {
        let manifest = self.training_set(scope, reference).await?;
        let content = manifest.content;
        let set = Item::TrainingSet { name: manifest.name.clone(), number: manifest.number, content };
        let mut record = self.start(&scope.project, Verb::Rebuild, vec![set]).await?;
        let result = self.recompute(manifest, record.id(), progress).await.inspect(|rebuilt| {
            record.note("equal", rebuilt.equal());
            record.note("content", rebuilt.content);
        });
        self.finish(record, result).await
    }

    /// Whether every snapshot that a training set was built from is here, and is the same.
    ///
    /// # Errors
    /// `snapshot_gone` where one was removed here, `snapshots_missing` where one is not here or is another one: with all of
    /// them, and what was in them.
    async fn inputs_are_here(&self, manifest: &Manifest) -> Result<()> {
        let (mut gone, mut missing) = (None, Vec::new());
        for InputSnapshot { dataset, number, content } in &manifest.inputs {
            let with = content.map(|content| format!(" with the content {}", content.short())).unwrap_or_default();
            let what = format!("{dataset}@{number}{with}");
            match self.offline().snapshot(&manifest.project, dataset, Some(*number)).await {
                Ok(Some(snapshot)) if content.is_none_or(|content| content == snapshot.content()) => {}
                Ok(Some(snapshot)) => missing.push(format!("{what}, and here it has {}", snapshot.content().short())),
                Ok(None) => missing.push(what),
                Err(error) if error.code() == "snapshot_gone" => gone = gone.or(Some(error)),
                Err(error) if error.code() == "unknown_snapshot" => missing.push(what),
                Err(error) => return Err(error),
            }
        }
        let set = format!("training set `{}@{}`", manifest.name, manifest.number);
        match (gone, missing.is_empty()) {
            (Some(gone), true) => Err(gone.context(format!("{set} cannot be built again"))),
            (Some(gone), false) => {
                Err(gone.context(format!("{set} cannot be built again; besides it needs {}", missing.join("; "))))
            }
            (None, true) => Ok(()),
            (None, false) => {
                let message = format!("{set} cannot be built again here: it needs {}", missing.join("; "));
                Err(Error::new(ErrorKind::Precondition, "snapshots_missing", message)
                    .remedy("copy the folders of these datasets from where it was built, with their _delta_log"))
            }
        }
    }

    async fn recompute(&self, manifest: Manifest, run: RunId, progress: Arc<dyn Progress>) -> Result<Rebuilt> {
        let definition: Registered = self.catalog().pinned(&manifest.definition).await?;
        self.inputs_are_here(&manifest).await?;
        let snapshots = manifest.inputs.iter().map(|input| (input.dataset.clone(), input.number)).collect();
        let recipe = self.recipe(definition, options_of(&manifest), Some(&snapshots)).await?;
        let engine = self.clone();
        self.workshop()
            .run(async move {
                for (_, snapshot) in recipe.pins.snapshots() {
                    snapshot.verify_files(progress.as_ref()).await?;
                }
                let (rows, making) = engine.rows(&recipe, &progress).await?;
                let (content, rows) = asof_offline::content_digest(rows, Some(manifest.rows), &making).await?;
                making.all_read();
                Ok(Rebuilt { run, manifest, content, rows })
            })
            .await
    }
}
