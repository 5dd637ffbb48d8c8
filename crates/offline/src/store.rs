//! The root of everything offline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use asof_model::{Name, Result, RunId, SnapshotNumber};
use tempfile::TempDir;
use tokio::sync::OwnedMutexGuard;

use crate::failure::{Failure, of_file};
use crate::folder::Folder;
use crate::ongoing::Ongoing;
use crate::snapshot::Snapshot;
use crate::table::Table;

pub use crate::table::{Added, Commit};

/// All datasets and training sets under one root URL. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    root: Folder,
    /// Who may ingest into a dataset next, among the tasks of this process.
    turns: Arc<Mutex<HashMap<(Name, Name), Turn>>>,
    ongoing: Ongoing,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Store {
    /// Opens the store at a path, a `file:` URL or an object-store URL (`s3://`, `gs://`, `az://`; credentials from
    /// the environment). Creates the folder of a local one.
    ///
    /// # Errors
    /// `invalid_url` and failures of the file system.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Store { root: Folder::open(url)?, turns: Arc::default(), ongoing: Ongoing::default() })
    }

    /// A snapshot of a dataset: the newest, or the one of that number. None where nothing was ingested yet.
    ///
    /// # Errors
    /// `unknown_snapshot` naming those that there are.
    pub async fn snapshot(
        &self,
        project: &Name,
        dataset: &Name,
        number: Option<SnapshotNumber>,
    ) -> Result<Option<Snapshot>> {
        self.table(project, dataset).snapshot(number).await
    }

    /// Every commit of a dataset, oldest first; empty where nothing was ingested yet. Reads the whole log.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn commits(&self, project: &Name, dataset: &Name) -> Result<Vec<Commit>> {
        self.table(project, dataset).commits().await
    }

    /// What each commit of a dataset behind the first number up to the second added to it, oldest first; none where one of
    /// them is not there. Reads their entries of the log.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn added(
        &self,
        project: &Name,
        dataset: &Name,
        behind: SnapshotNumber,
        to: SnapshotNumber,
    ) -> Result<Option<Vec<Added>>> {
        self.table(project, dataset).added(behind, to).await
    }

    /// The same of all commits, each under its number; none where one is not there, or none is. Reads the whole log.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn added_ever(&self, project: &Name, dataset: &Name) -> Result<Option<Vec<Added>>> {
        self.table(project, dataset).added_ever().await
    }

    /// The run that made a snapshot; none where another writer of Delta tables did, or the snapshot is not there.
    ///
    /// # Errors
    /// Those of reading the log.
    pub async fn made_by(&self, project: &Name, dataset: &Name, number: SnapshotNumber) -> Result<Option<RunId>> {
        self.table(project, dataset).made_by(number).await
    }

    /// Where the Delta table of a dataset lies, for other readers: a path of a local store, else a URL.
    pub fn location(&self, project: &Name, dataset: &Name) -> String {
        let folder = self.root.join("datasets").join(project).join(dataset);
        folder.local().map_or_else(|| folder.url().to_string(), |path| path.display().to_string())
    }

    /// The same store, whose threads count as this work as long as they run, also where nobody waits for them any more.
    pub fn working_on(&self, ongoing: &Ongoing) -> Self {
        Store { ongoing: ongoing.clone(), ..self.clone() }
    }

    /// What threads of this store are at work on.
    pub(crate) fn ongoing(&self) -> &Ongoing {
        &self.ongoing
    }

    /// A new folder for files in between, removed when dropped. It lies in the `tmp` folder of a local store, where whoever
    /// opens the store next finds what a killed process left.
    pub(crate) fn scratch(&self, prefix: &str) -> Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix);
        let made = match self.root.local() {
            Some(root) => {
                let folder = root.join("tmp");
                std::fs::create_dir_all(&folder).map_err(of_file(&folder))?;
                builder.tempdir_in(folder)
            }
            None => builder.tempdir(),
        };
        Ok(made.map_err(Failure::Io)?)
    }

    pub(crate) fn table(&self, project: &Name, dataset: &Name) -> Table {
        Table::new(self.root.join("datasets").join(project).join(dataset), dataset.clone())
    }

    /// The table of what was served of a project. It lies beside the datasets, not among them, so that no dataset can have its name.
    pub(crate) fn serving_log_table(&self, project: &Name) -> Result<Table> {
        Ok(Table::new(self.root.join("serving_log").join(project), "serving_log".parse()?))
    }

    pub(crate) fn training_of(&self, project: &Name) -> Folder {
        self.root.join("training").join(project)
    }

    pub(crate) fn training(&self, project: &Name, name: &Name) -> Folder {
        self.training_of(project).join(name)
    }

    /// Waits until no other task of this process ingests into the dataset.
    pub(crate) async fn turn(&self, project: &Name, dataset: &Name) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry((project.clone(), dataset.clone())).or_default().clone()
        };
        turn.lock_owned().await
    }
}
