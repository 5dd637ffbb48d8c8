//! The folders of a store, and whether there is one already.
//!
//! A store that exists is never silently begun anew: RocksDB would make an empty database where a file that
//! it begins with is gone, and forget the rest. So a mark is written beside it once it is made.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The content of the mark: also the version of what lies where.
const FORMAT: &str = "asof online rocksdb 2";

/// Where things are.
#[derive(Debug)]
pub(crate) struct Folders {
    root: PathBuf,
}

/// Whether the store was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Existing,
}

impl State {
    pub(crate) fn is_new(self) -> bool {
        self == State::New
    }
}

impl Folders {
    /// Of a store, whether it is there or not.
    pub(crate) fn of(root: &Path) -> Self {
        Folders { root: root.to_owned() }
    }

    /// Looks what is there, and empties `building`.
    pub(crate) fn prepare(root: &Path) -> Result<(Self, State), Error> {
        let folders = Folders::of(root);
        let state = folders.state()?;
        let building = folders.building();
        if building.exists() {
            fs::remove_dir_all(&building).map_err(Error::file("emptying", &building))?;
        }
        fs::create_dir_all(&building).map_err(Error::file("creating", &building))?;
        Ok((folders, state))
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    pub(crate) fn accepted(&self) -> PathBuf {
        self.root.join("accepted")
    }

    pub(crate) fn building(&self) -> PathBuf {
        self.root.join("building")
    }

    fn format(&self) -> PathBuf {
        self.root.join("format")
    }

    fn state(&self) -> Result<State, Error> {
        let format = self.format();
        match fs::read_to_string(&format) {
            Ok(found) if found.trim_end() == FORMAT => return Ok(State::Existing),
            Ok(found) => {
                let found = found.trim_end().chars().take(80).collect();
                return Err(Error::OtherFormat { path: self.root.clone(), found, known: FORMAT });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::file("reading", &format)(e)),
        }
        // Nothing is published before the mark is there: what lies here without it was begun and not finished.
        let db = self.db();
        if !db.exists() {
            return Ok(State::New);
        }
        let files = fs::read_dir(&db).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let files = files.map_err(Error::file("reading", &db))?;
        if files.iter().any(|file| file.path().extension().is_some_and(|e| e == "sst")) {
            let reason = "there are table files, but the file `format` is gone".to_owned();
            return Err(Error::Damaged { path: self.root.clone(), reason });
        }
        fs::remove_dir_all(&db).map_err(Error::file("emptying", &db))?;
        Ok(State::New)
    }

    /// Marks the store as made, durably.
    pub(crate) fn mark(&self) -> Result<(), Error> {
        let path = self.format();
        let aside = path.with_extension("new");
        let written = File::create(&aside)
            .and_then(|mut file| writeln!(file, "{FORMAT}").and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&aside, &path))
            .and_then(|()| File::open(&self.root)?.sync_all());
        written.map_err(Error::file("writing", &path))
    }
}
