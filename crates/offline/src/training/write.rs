//! Rows to a training set.

use std::path::Path;
use std::sync::Arc;

use asof_model::{Error, ErrorKind, Name, Result};
use datafusion::execution::SendableRecordBatchStream;

use super::{MANIFEST, Manifest, ManifestDraft};
use crate::content::{Content, Normal};
use crate::folder::Folder;
use crate::ingest::Meter;
use crate::ongoing::{Guard, to_its_end};
use crate::parts::{Parts, Written};
use crate::progress::Progress;
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
        meter.report(progress, self.write(&folder, draft, number, rows, &meter)).await
    }

    async fn write(
        &self,
        folder: &Folder,
        draft: ManifestDraft,
        number: u32,
        rows: SendableRecordBatchStream,
        meter: &Meter,
    ) -> Result<Manifest> {
        // What goes elsewhere is written here first.
        let scratch = match folder.local() {
            Some(_) => None,
            None => Some(self.scratch("train-")?),
        };
        let target = match (folder.local(), &scratch) {
            (Some(local), _) => local.to_owned(),
            (None, Some(scratch)) => scratch.path().to_owned(),
            (None, None) => return Err(Error::internal("no place for the files of a training set")),
        };
        // Unique to the run, so that two builders of one number never write to one file.
        let prefix = format!("part-{}", draft.run);
        let normal = Normal::new(&rows.schema())?;
        let columns = normal.columns().clone();
        let written = parts_of(rows, self.ongoing().begin(), normal, &target, prefix.clone(), meter).await?;
        let Written { files, unclaimed, content: Some(digest) } = written else {
            return Err(Error::internal("a training set without a digest of its content"));
        };
        for file in files.iter().filter(|_| folder.local().is_none()) {
            folder.upload(&target.join(&file.path), &file.path).await?;
        }
        let manifest = draft.finish(number, columns, files, digest);
        let json = serde_json::to_vec_pretty(&manifest).map_err(Error::internal)?;
        // From here on a manifest may refer to the files, also where nobody hears of it.
        unclaimed.keep();
        let place = folder.clone();
        if !to_its_end(self.ongoing(), async move { place.create(MANIFEST, json).await }).await? {
            remove(folder, |name| name.starts_with(&prefix)).await;
            return Err(exists(&manifest.name, number));
        }
        // Whoever else was building this number can only fail now: nothing refers to other files, or ever will.
        remove(folder, |name| name != MANIFEST && !manifest.files.iter().any(|file| file.path == name)).await;
        Ok(manifest)
    }
}

fn exists(name: &Name, number: u32) -> Error {
    let message = format!("training set `{name}@{number}` is there already");
    Error::new(ErrorKind::Conflict, "training_set_exists", message)
        .remedy("a training set never changes: build the next one")
}

async fn parts_of(
    rows: SendableRecordBatchStream,
    ongoing: Guard,
    normal: Normal,
    target: &Path,
    prefix: String,
    meter: &Meter,
) -> Result<Written> {
    let meter = meter.clone();
    let mut parts = Parts::new(target, prefix, Arc::clone(normal.schema()), Some(Content::new(&normal)));
    drain(rows, ongoing, move |next| {
        meter.start("writing", None);
        while let Some(batch) = next()? {
            parts.write(&normal.of(&batch)?)?;
            meter.add(batch.num_rows() as u64);
        }
        // Without rows there are still columns, for whoever opens the folder.
        parts.finish(true)
    })
    .await
}

async fn remove(folder: &Folder, which: impl Fn(&str) -> bool) {
    if let Ok((_, files)) = folder.list().await {
        folder.remove_quietly(files.into_iter().filter(|name| which(name))).await;
    }
}
