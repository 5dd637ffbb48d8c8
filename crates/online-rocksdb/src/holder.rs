//! One process at a time.
//!
//! RocksDB has a lock of its own, but its message names no process. The system frees this one with the
//! process, however it ends, so there is nothing to clean up after a kill.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::Error;

/// Holds the store's folder until dropped.
#[derive(Debug)]
pub(crate) struct Holder {
    _file: File,
}

impl Holder {
    /// Takes the folder, or says who has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("holder");
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::file("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is only said if it can be read.
                let _ = file.read_to_string(&mut text);
                return Err(Error::Held { path: folder.to_owned(), process: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(Error::file("locking", &path)(source)),
        }
        let note = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        note.map_err(Error::file("writing", &path))?;
        Ok(Holder { _file: file })
    }
}
