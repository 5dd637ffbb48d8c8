//! Training sets that are there.

use std::sync::Arc;

use arrow::array::RecordBatch;
use asof_model::{Error, ErrorKind, Name, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::manifest::FORMAT;
use super::{MANIFEST, Manifest};
use crate::failure::Failure;
use crate::snapshot::FilesTable;
use crate::store::Store;

impl Store {
    /// The numbers of the training sets built under a name, ascending.
    ///
    /// # Errors
    /// Those of listing the store.
    pub async fn training_sets(&self, project: &Name, name: &Name) -> Result<Vec<u32>> {
        let folder = self.training(project, name);
        let (folders, _) = folder.list().await?;
        let mut numbers = Vec::new();
        for number in folders.iter().filter_map(|folder| folder.parse::<u32>().ok()) {
            // A folder without a manifest is what a killed attempt left.
            if folder.join(number.to_string()).list().await?.1.iter().any(|file| file == MANIFEST) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The names under which training sets were built.
    ///
    /// # Errors
    /// Those of listing the store.
    pub async fn training_set_names(&self, project: &Name) -> Result<Vec<Name>> {
        Ok(self.training_of(project).list().await?.0.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The manifest of a training set.
    ///
    /// # Errors
    /// `unknown_training_set` naming those that there are; `corrupt_manifest`.
    pub async fn manifest(&self, project: &Name, name: &Name, number: u32) -> Result<Manifest> {
        let Some(bytes) = self.training(project, name).join(number.to_string()).read(MANIFEST).await? else {
            let there = self.training_sets(project, name).await?;
            let (there, remedy) = match there.as_slice() {
                [] => ("none was built yet".to_owned(), format!("build it: asof train {name}")),
                numbers => (
                    format!("there are {}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
                    format!("asof log {name} --verb train tells when each was built"),
                ),
            };
            let message = format!("there is no training set `{name}@{number}`: {there}");
            return Err(Error::new(ErrorKind::NotFound, "unknown_training_set", message).remedy(remedy));
        };
        let corrupt = |why: String| {
            Error::new(
                ErrorKind::Corrupt,
                "corrupt_manifest",
                format!("training set `{name}@{number}`: manifest.json: {why}"),
            )
            .remedy("restore the file from a backup")
        };
        let form: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| corrupt(e.to_string()))?;
        match form["format"].as_u64() {
            Some(format) if format > u64::from(FORMAT) => {
                let message = format!("training set `{name}@{number}` was built by a newer Asof");
                return Err(Error::new(ErrorKind::Precondition, "other_format", message).remedy("use the newer Asof"));
            }
            Some(_) => {}
            None => return Err(corrupt("it does not say its format".to_owned())),
        }
        let manifest: Manifest = serde_json::from_value(form).map_err(|e| corrupt(e.to_string()))?;
        if (&manifest.project, &manifest.name, manifest.number) != (project, name, number) {
            return Err(corrupt("it is that of another training set".to_owned()));
        }
        Ok(manifest)
    }

    /// One row of a training set, counted from 0. Reads the file that has it, after comparing that with its digest.
    ///
    /// # Errors
    /// `corrupt_file`; a row that is not there.
    pub async fn training_row(&self, manifest: &Manifest, row: u64) -> Result<RecordBatch> {
        let folder = self.training(&manifest.project, &manifest.name).join(manifest.number.to_string());
        let (mut left, mut wanted) = (row, None);
        for file in &manifest.files {
            if left < file.rows {
                wanted = Some(file.clone());
                break;
            }
            left -= file.rows;
        }
        let absent = || Error::internal(format!("{}@{} has no row {row}", manifest.name, manifest.number));
        let file = wanted.ok_or_else(absent)?;
        folder.verify(&file).await?;
        let schema = Arc::new(manifest.columns.to_arrow());
        let mut batches = FilesTable::new(folder, schema, vec![file]).in_order().map_err(Failure::from)?;
        while let Some(batch) = batches.try_next().await.map_err(Failure::from)? {
            match usize::try_from(left) {
                Ok(place) if place < batch.num_rows() => return Ok(batch.slice(place, 1)),
                _ => left -= batch.num_rows() as u64,
            }
        }
        Err(absent())
    }

    /// The rows of a training set, in order, after its files have been compared with their digests.
    ///
    /// # Errors
    /// `corrupt_file` naming the first file that is missing or not what was written.
    pub async fn read_training_set(&self, manifest: &Manifest) -> Result<SendableRecordBatchStream> {
        let folder = self.training(&manifest.project, &manifest.name).join(manifest.number.to_string());
        for file in &manifest.files {
            folder.verify(file).await?;
        }
        let schema = Arc::new(manifest.columns.to_arrow());
        Ok(FilesTable::new(folder, schema, manifest.files.clone()).in_order().map_err(Failure::from)?)
    }
}
