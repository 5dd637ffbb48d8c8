//! Which snapshots have which files: read off the whole log, once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use asof_model::{Error, ErrorKind, Result, SnapshotNumber};
use deltalake::kernel::Action;

use super::Table;

/// When the files of a table came, and when they went.
pub(crate) struct Lives {
    /// By path: the version that added it, and the one that took it away.
    files: BTreeMap<String, (u64, Option<u64>)>,
    newest: u64,
}

impl Table {
    /// Reads every commit.
    ///
    /// # Errors
    /// `corrupt_log` where one is missing: then nobody can tell what is needed.
    pub(crate) async fn lives(&self) -> Result<Option<Lives>> {
        let missing = |what: &str| {
            let message = format!("dataset `{}`: {what}, so it cannot be told what is needed", self.dataset);
            Error::new(ErrorKind::Corrupt, "corrupt_log", message).remedy("restore the folder from a backup")
        };
        // Whoever looks for the newest stumbles over a gap.
        let newest = self.newest().await.map_err(|error| match error.code() {
            "internal" => missing("its Delta log is not whole"),
            _ => error,
        })?;
        let Some(newest) = newest else { return Ok(None) };
        let mut files: BTreeMap<String, (u64, Option<u64>)> = BTreeMap::new();
        for version in 0..=newest.0 {
            let actions = self.actions_of(SnapshotNumber(version)).await?;
            let actions = actions.ok_or_else(|| missing(&format!("commit {version} of its Delta log is not there")))?;
            for action in actions {
                match action {
                    Action::Add(add) => {
                        files.insert(add.path, (version, None));
                    }
                    Action::Remove(remove) => {
                        files.entry(remove.path).or_insert((0, None)).1 = Some(version);
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(Lives { files, newest: newest.0 }))
    }
}

impl Lives {
    /// Whether the log knows the file.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The files that none of these snapshots has, nor the newest.
    pub(crate) fn needless(&self, keep: &BTreeSet<SnapshotNumber>) -> HashSet<&str> {
        let needed =
            |added: u64, removed: u64| keep.range(SnapshotNumber(added)..SnapshotNumber(removed)).next().is_some();
        let taken = self.files.iter().filter_map(|(path, (added, removed))| Some((path, *added, (*removed)?)));
        taken.filter(|(_, added, removed)| !needed(*added, *removed)).map(|(path, _, _)| path.as_str()).collect()
    }

    /// The snapshots that have any of these files, in order.
    pub(crate) fn having(&self, files: &HashSet<&str>) -> Vec<SnapshotNumber> {
        // Up at the version that has it first, down at the first that has it no more.
        let mut steps = vec![0_i64; self.newest as usize + 2];
        for (added, removed) in files.iter().filter_map(|path| self.files.get(*path)) {
            steps[*added as usize] += 1;
            steps[removed.unwrap_or(self.newest + 1) as usize] -= 1;
        }
        let mut count = 0;
        let numbers = (0..=self.newest).zip(steps).filter_map(|(version, step)| {
            count += step;
            (count > 0).then_some(SnapshotNumber(version))
        });
        numbers.collect()
    }
}
