//! Training sets: Parquet parts and a manifest that pins every input.

mod digest;
mod manifest;

pub use digest::content_digest;
pub use manifest::{InputSnapshot, KnownAt, Manifest, ManifestDraft, TrainingOptions};

use asof_model::{Name, Result};
use datafusion::execution::SendableRecordBatchStream;

use crate::progress::Progress;
use crate::store::Store;

impl Store {
    /// The numbers of the training sets built under a name, ascending.
    ///
    /// # Errors
    /// Those of listing the store.
    pub async fn training_sets(&self, project: &Name, name: &Name) -> Result<Vec<u32>> {
        let _ = (project, name);
        Err(asof_model::Error::internal("not built yet"))
    }

    /// The manifest of a training set.
    ///
    /// # Errors
    /// `unknown_training_set` naming those that there are; `corrupt_manifest`.
    pub async fn manifest(&self, project: &Name, name: &Name, number: u32) -> Result<Manifest> {
        let _ = (project, name, number);
        Err(asof_model::Error::internal("not built yet"))
    }

    /// Writes a training set: Parquet parts, then, create-if-absent, the manifest. A reader sees it whole or not at
    /// all; what a killed attempt left behind is removed.
    ///
    /// # Errors
    /// `training_set_exists` when there is one of that number; those of the stream.
    pub async fn write_training_set(
        &self,
        draft: ManifestDraft,
        number: u32,
        rows: SendableRecordBatchStream,
        progress: &dyn Progress,
    ) -> Result<Manifest> {
        let _ = (draft, number, rows, progress);
        Err(asof_model::Error::internal("not built yet"))
    }

    /// The rows of a training set, in order, after its files have been compared with their digests.
    ///
    /// # Errors
    /// `corrupt_file` naming the first file that is missing or not what was written.
    pub async fn read_training_set(&self, manifest: &Manifest) -> Result<SendableRecordBatchStream> {
        let _ = manifest;
        Err(asof_model::Error::internal("not built yet"))
    }
}
