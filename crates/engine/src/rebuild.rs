//! `rebuild`: computes a training set again from its manifest and compares, bit for bit.

use std::sync::Arc;

use asof_model::run::{Item, RunId, Verb};
use asof_model::{Digest, Reference, Registered, Result};
use asof_offline::{Manifest, Progress};

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
    /// `unknown_training_set`; `corrupt_file` for a damaged source; a definition whose digest is not the
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

    async fn recompute(&self, manifest: Manifest, run: RunId, progress: Arc<dyn Progress>) -> Result<Rebuilt> {
        let definition: Registered = self.catalog().pinned(&manifest.definition).await?;
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
