//! How far each journal reached, where the database cannot lose it.
//!
//! A write-ahead log that is damaged can open with fewer entries and no error. So the last order of acceptance that was
//! acknowledged is also written to a file of its own, `accepted`, by a thread, a moment later: an acknowledgement need not
//! wait for a second sync. What the file says must be in the database at the next start.
//!
//! It lags behind by a tenth of a second at most, and so does what it can tell.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::Error;
use crate::journal::Reach;

/// How often the file is written at most.
const PACE: Duration = Duration::from_millis(100);

/// Writes down what was acknowledged. Dropped, it writes the last of it.
#[derive(Debug)]
pub(crate) struct Witness {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By journal.
    accepted: BTreeMap<String, i64>,
    stale: bool,
    closed: bool,
}

impl Witness {
    /// Compares what was acknowledged with what is there.
    ///
    /// # Errors
    /// [`Error::Lost`] naming the journal where something is missing.
    pub(crate) fn open(path: PathBuf, reaches: &[Reach]) -> Result<Self, Error> {
        let mut accepted = read(&path)?;
        for (journal, last) in &accepted {
            let reach = reaches.iter().find(|reach| reach.pending.journal.to_string() == *journal);
            let ever = reach.map_or(0, |reach| reach.ever);
            if ever < *last {
                return Err(Error::Lost { path, journal: journal.clone(), after: ever, last: *last });
            }
        }
        for reach in reaches {
            accepted.insert(reach.pending.journal.to_string(), reach.ever);
        }
        let state = Mutex::new(State { accepted, ..State::default() });
        let shared = Arc::new(Shared { path, state, changed: Condvar::new() });
        let writing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("asof-witness".to_owned()).spawn(move || writing.run());
        let thread = thread.map_err(Error::file("starting the thread that writes", &shared.path))?;
        Ok(Witness { shared, thread: Some(thread) })
    }

    /// Something was acknowledged.
    pub(crate) fn accepted<'a>(&self, all: impl Iterator<Item = (&'a asof_online::Journal, i64)>) {
        let mut state = self.shared.state();
        for (journal, last) in all {
            let known = state.accepted.entry(journal.to_string()).or_default();
            *known = last.max(*known);
        }
        state.stale = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked in a way that matters: what it writes only makes the next start more careful.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            if state.stale {
                state.stale = false;
                let accepted = state.accepted.clone();
                drop(state);
                if let Err(error) = write(&self.path, &accepted) {
                    tracing::warn!(%error, "what was pushed is written down in the database alone for now");
                }
                state = self.state();
                if !state.closed {
                    state = self
                        .changed
                        .wait_timeout_while(state, PACE, |s| !s.closed)
                        .map_or_else(|e| e.into_inner().0, |s| s.0);
                }
            } else if state.closed {
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, i64>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Error::Malformed(format!("{} cannot be read: {e}", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(Error::file("reading", path)(e)),
    }
}

fn write(path: &Path, accepted: &BTreeMap<String, i64>) -> Result<(), Error> {
    let text = serde_json::to_vec(accepted).expect("texts and numbers");
    let aside = path.with_extension("new");
    let written = File::create(&aside)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&aside, path));
    written.map_err(Error::file("writing", path))
}
