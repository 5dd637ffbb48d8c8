//! Files on their way through the server: uploads before they are ingested, exports before they are sent.
//!
//! They lie in `<store>/tmp`, so that memory stays bounded and a slow client holds up no work. What is left of
//! a killed process is removed by the next one that opens the store.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use asof_model::{Error, Result};
use tempfile::TempDir;

/// The folder of temporary files.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The one of the store in a folder.
    pub(crate) fn of(store: &Path) -> Self {
        Spool { folder: store.join("tmp") }
    }

    /// Removes what earlier processes left. The caller holds the store alone.
    pub(crate) fn clear(&self) {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.folder.display(), %error, "old temporary files could not be removed");
            }
            _ => {}
        }
    }

    /// A new folder, removed when dropped.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        self.made(|folder| TempDir::with_prefix_in("upload-", folder))
    }

    /// A new file without a name, gone when closed.
    pub(crate) fn file(&self) -> Result<File> {
        self.made(|folder| tempfile::tempfile_in(folder))
    }

    fn made<T>(&self, make: impl FnOnce(&Path) -> io::Result<T>) -> Result<T> {
        let made = fs::create_dir_all(&self.folder).and_then(|()| make(&self.folder));
        made.map_err(|e| failure("a temporary file", &e))
    }
}

/// A temporary file that could not be made, written or read.
pub(crate) fn failure(what: &str, error: &io::Error) -> Error {
    Error::internal(format!("{what} of the server: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_by_the_next() {
        let store = tempfile::tempdir().unwrap();
        let spool = Spool::of(store.path());
        spool.clear();
        let killed = spool.folder().unwrap().keep();
        fs::write(killed.join("a.csv"), "half").unwrap();
        spool.clear();
        assert!(!killed.exists());
        spool.file().expect("the folder is made again");
    }
}
