//! Rows to a training set.

use std::path::{Path, PathBuf};

use asof_model::{Error, ErrorKind, Name, Result};
use datafusion::execution::SendableRecordBatchStream;

use super::digest::Content;
use super::{MANIFEST, Manifest, ManifestDraft};
use crate::failure::{Failure, of_file};
use crate::folder::Folder;
use crate::ingest::Meter;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::snapshot::DataFile;
use crate::stage::drain;
use crate::store::Store;

impl Store {
    /// Writes a training set: Parquet parts, then, create-if-absent, the manifest. A reader sees it whole or not at
    /// all; what a killed attempt left behind is removed.
    ///
    /// Types become normal (see [`asof_model::schema`]); the order of the rows is kept.
    ///
    /// # Errors
    /// `training_set_exists` when there is one of that number; `unsupported_type` for a column that Asof does not
    /// keep; those of the stream. Nothing is visible then.
    pub async fn write_training_set(
        &self,
        draft: ManifestDraft,
        number: u32,
        rows: SendableRecordBatchStream,
        progress: &dyn Progress,
    ) -> Result<Manifest> {
        let folder = self.training(&draft.project, &draft.name).join(number.to_string());
        if folder.read(MANIFEST).await?.is_some() {
            return Err(exists(&draft.name, number));
        }
        let meter = Meter::default();
        meter.report(progress, write(&folder, draft, number, rows, &meter)).await
    }
}

fn exists(name: &Name, number: u32) -> Error {
    let message = format!("training set `{name}@{number}` is there already");
    Error::new(ErrorKind::Conflict, "training_set_exists", message)
        .remedy("a training set never changes: build the next one")
}

async fn write(
    folder: &Folder,
    draft: ManifestDraft,
    number: u32,
    rows: SendableRecordBatchStream,
    meter: &Meter,
) -> Result<Manifest> {
    let scratch = tempfile::Builder::new().prefix("asof-train-").tempdir().map_err(Failure::Io)?;
    let target = target(folder, scratch.path())?;
    // Unique to the run, so that two builders of one number never write to one file.
    let prefix = format!("part-{}", draft.run);
    let content = Content::new(&rows.schema())?;
    let columns = content.columns().clone();
    let parts = Parts::new(&target, prefix.clone(), content.schema().clone());
    let written = parts_of(rows, parts, content, meter).await;
    let manifest = match written {
        Ok((files, digest)) => {
            for file in files.iter().filter(|_| folder.local().is_none()) {
                folder.upload(&target.join(&file.path), &file.path).await?;
            }
            draft.finish(number, columns, files, digest)
        }
        Err(error) => {
            remove(folder, |name| name.starts_with(&prefix)).await;
            return Err(error);
        }
    };
    let json = serde_json::to_vec_pretty(&manifest).map_err(Error::internal)?;
    if !folder.create(MANIFEST, json).await? {
        remove(folder, |name| name.starts_with(&prefix)).await;
        return Err(exists(&manifest.name, number));
    }
    // Whoever else was building this number can only fail now: nothing refers to other files, or ever will.
    remove(folder, |name| name != MANIFEST && !manifest.files.iter().any(|file| file.path == name)).await;
    Ok(manifest)
}

type Written = (Vec<DataFile>, (asof_model::Digest, u64));

async fn parts_of(
    rows: SendableRecordBatchStream,
    mut parts: Parts,
    mut content: Content,
    meter: &Meter,
) -> Result<Written> {
    let meter = meter.clone();
    drain(rows, move |next| {
        meter.start("writing", None);
        while let Some(batch) = next() {
            let batch = content.normal(&batch)?;
            content.add(&batch);
            parts.write(&batch)?;
            meter.add(batch.num_rows() as u64);
        }
        // Without rows there are still columns, for whoever opens the folder.
        parts.at_least_one()?;
        Ok((parts.finish()?, content.finish()))
    })
    .await
}

fn target(folder: &Folder, scratch: &Path) -> Result<PathBuf> {
    match folder.local() {
        None => Ok(scratch.to_owned()),
        Some(local) => {
            crate::durable::create_folder(local).map_err(of_file(local))?;
            Ok(local.to_owned())
        }
    }
}

async fn remove(folder: &Folder, which: impl Fn(&str) -> bool) {
    if let Ok((_, files)) = folder.list().await {
        folder.remove_quietly(files.into_iter().filter(|name| which(name))).await;
    }
}
