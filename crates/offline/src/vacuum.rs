//! What nothing needs: found, and removed on request.
//!
//! Promises: a snapshot that is to be kept keeps every file, and so does the newest. That others are gone is written down durably
//! before the first of their files goes, so one that lacks a file never answers, whenever this is killed; what it left is
//! removed the next time. Files that are not ours are left alone.
//!
//! Costs: every commit of the log is read, and the folder is listed.

use std::collections::BTreeSet;

use asof_model::{Micros, Name, Result, RunId, SnapshotNumber};

use crate::folder::Folder;
use crate::store::Store;
use crate::table::Gone;

/// What can be removed of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vacuum {
    /// The snapshots that are gone then, and were there before; in order.
    pub gone: Vec<SnapshotNumber>,
    /// Files that only such snapshots have.
    pub files: Vec<Removable>,
    /// Files that no snapshot has.
    pub orphans: Vec<Orphan>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removable {
    /// Its name in its folder.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A data file that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The file.
    pub file: Removable,
    /// The run that wrote it.
    pub run: RunId,
}

impl Store {
    /// What of a dataset neither these snapshots need nor the newest one, and what no snapshot has, written by runs of which
    /// `ended` says that they have ended. Where a run and a moment are given, it is removed in their name.
    ///
    /// # Errors
    /// `corrupt_log`; those of the store. What was removed until then is gone.
    pub async fn vacuum(
        &self,
        project: &Name,
        dataset: &Name,
        keep: &BTreeSet<SnapshotNumber>,
        ended: &(dyn Fn(RunId) -> bool + Send + Sync),
        remove: Option<(RunId, Micros)>,
    ) -> Result<Vacuum> {
        // Nobody of this process commits meanwhile.
        let _turn = self.turn(project, dataset).await;
        let table = self.table(project, dataset);
        let Some(lives) = table.lives().await? else { return Ok(Vacuum::default()) };
        let needless = lives.needless(keep);
        let mut vacuum = Vacuum::default();
        for (name, bytes) in table.folder.sizes().await? {
            let known = lives.knows(&name);
            let file = Removable { name, bytes };
            if needless.contains(file.name.as_str()) {
                vacuum.files.push(file);
            } else if let Some(run) = written_by(&file.name).filter(|run| !known && ended(*run)) {
                vacuum.orphans.push(Orphan { file, run });
            }
        }
        // Those that lack a file already, too: a removal may have been killed, or somebody removed it by hand.
        let before = table.gone().await?;
        vacuum.gone = lives.having(&needless);
        vacuum.gone.retain(|number| !before.iter().any(|gone| gone.has(*number)));
        if let Some((run, now)) = remove {
            if !vacuum.gone.is_empty() {
                table.mark_gone(&Gone::new(run, now, &vacuum.gone)).await?;
            }
            let orphans = vacuum.orphans.iter().map(|orphan| &orphan.file);
            take(&table.folder, vacuum.files.iter().chain(orphans)).await?;
        }
        Ok(vacuum)
    }

    /// What runs that have ended left of training sets that they did not finish, under one name. Where `remove` says so, it is
    /// removed.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn vacuum_training_sets(
        &self,
        project: &Name,
        name: &Name,
        ended: &(dyn Fn(RunId) -> bool + Send + Sync),
        remove: bool,
    ) -> Result<Vec<Orphan>> {
        let folder = self.training(project, name);
        let numbers = folder.list().await?.0;
        let whole: BTreeSet<_> = self.training_sets(project, name).await?.into_iter().collect();
        let mut orphans = Vec::new();
        for number in numbers.iter().filter(|number| number.parse().is_ok_and(|number| !whole.contains(&number))) {
            let folder = folder.join(number);
            let mut here = Vec::new();
            for (name, bytes) in folder.sizes().await? {
                if let Some(run) = written_by(&name).filter(|run| ended(*run)) {
                    here.push(Orphan { file: Removable { name, bytes }, run });
                }
            }
            if remove {
                take(&folder, here.iter().map(|orphan| &orphan.file)).await?;
            }
            orphans.extend(here);
        }
        Ok(orphans)
    }
}

async fn take(folder: &Folder, files: impl Iterator<Item = &Removable>) -> Result<()> {
    for file in files {
        folder.remove(&file.name).await?;
    }
    Ok(())
}

/// The run that wrote a data file, by its name: `part-<run>-….parquet`; none for what is not ours.
fn written_by(name: &str) -> Option<RunId> {
    /// Letters of a UUID.
    const ID: usize = 36;
    let rest = name.strip_prefix("part-")?.strip_suffix(".parquet")?;
    let (run, part) = rest.split_at_checked(ID)?;
    part.starts_with('-').then(|| run.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_ours_name_their_run() {
        let run = RunId::new(Micros(1));
        assert_eq!(written_by(&format!("part-{run}-1-00000.parquet")), Some(run));
        assert_eq!(written_by(&format!("part-{run}-00000.parquet")), Some(run));
        for name in [format!("part-{run}.parquet"), format!("{run}-0.parquet"), "part-00000.parquet".into()] {
            assert_eq!(written_by(&name), None, "{name}");
        }
    }
}
