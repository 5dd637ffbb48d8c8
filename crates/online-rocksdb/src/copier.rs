//! The thread that makes copies in memory: after a start, of what was worn by pushes, and where memory has become free.
//!
//! Small views come first, so that as many as can be have one. It works while somebody has the store open, and looks at every
//! few rows whether that is still so.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use asof_online::SlabBuilder;

use crate::cleaning::WIDTH;
use crate::error::Error;
use crate::shelf::Generation;
use crate::store::{Inner, cursor};

/// How many rows are read between two looks at whether to stop.
const ROWS_AT_ONCE: usize = 1024;

/// How it is told what to do.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    heard: Mutex<Heard>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct Heard {
    look: bool,
    stop: bool,
}

impl Bell {
    /// There may be something to copy.
    pub(crate) fn ring(&self) {
        self.heard().look = true;
        self.rung.notify_one();
    }

    fn stop(&self) {
        self.heard().stop = true;
        self.rung.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.heard().stop
    }

    /// Waits until there is something to do; false when it is to stop.
    fn wait(&self) -> bool {
        let idle = |heard: &mut Heard| !heard.look && !heard.stop;
        let mut heard = self.rung.wait_while(self.heard(), idle).unwrap_or_else(PoisonError::into_inner);
        heard.look = false;
        !heard.stop
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Copier {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Copier {
    /// Begins to copy what a store has. None where there is no memory for it.
    pub(crate) fn start(store: &Arc<Inner>) -> Result<Option<Self>, Error> {
        if store.budget().limit() == 0 {
            return Ok(None);
        }
        let bell = Arc::clone(store.bell());
        let (told, store) = (Arc::clone(&bell), Arc::downgrade(store));
        let work = move || {
            while told.wait() {
                store.upgrade().iter().for_each(|store| store.copy());
            }
        };
        bell.ring();
        let thread = std::thread::Builder::new().name("asof-copier".to_owned()).spawn(work).map_err(Error::Thread)?;
        Ok(Some(Copier { bell, thread: Some(thread) }))
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.bell.stop();
        // It has logged what went wrong.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Inner {
    /// Copies into memory what is visible and is not there yet, as far as there is room.
    fn copy(&self) {
        let mut wanted: Vec<_> = self.views().values().filter(|g| g.copy.is_wanted(self.budget())).cloned().collect();
        wanted.sort_by(|a, b| (a.published.rows, &a.published.view).cmp(&(b.published.rows, &b.published.view)));
        for generation in wanted {
            if self.bell().is_stopped() {
                return;
            }
            if let Err(error) = self.copy_rows(&generation) {
                // Reads go to the database, and say what is wrong.
                tracing::warn!(%error, view = %generation.published.view, "rows could not be copied into memory");
            }
        }
        self.sweep_now();
    }

    fn copy_rows(&self, generation: &Arc<Generation>) -> Result<(), Error> {
        self.alone(|| generation.copy.begin(self.budget()));
        let (made, result) = match self.read_all(generation) {
            Ok(Some(builder)) => (builder.finish(), Ok(())),
            Ok(None) => return Ok(()),
            // Not to be tried again.
            Err(error) => (Err(usize::MAX), Err(error)),
        };
        let view = &generation.published.view;
        match &made {
            Ok(slab) => tracing::info!(%view, keys = slab.keys(), bytes = slab.bytes(), "rows are in memory"),
            Err(needed) => tracing::info!(%view, needed, left = self.budget().left(), "no memory for the rows"),
        }
        self.alone(|| match self.views().get(view) {
            Some(visible) if Arc::ptr_eq(&visible.copy, &generation.copy) => generation.copy.end(made),
            _ => generation.copy.drop_now(),
        });
        result
    }

    /// All rows of a generation, or as many as there is room for; none when the store is being closed.
    fn read_all(&self, generation: &Generation) -> Result<Option<SlabBuilder>, Error> {
        let db = self.db();
        let mut cursor = cursor(&db, generation.slot);
        let mut builder = SlabBuilder::new(self.budget());
        let mut rows = 0;
        while let Some((key, row)) = cursor.item() {
            builder.push(&generation.codec, &key[WIDTH..], row)?;
            rows += 1;
            if !builder.is_open() {
                return Ok(Some(builder));
            }
            if rows % ROWS_AT_ONCE == 0 && self.bell().is_stopped() {
                return Ok(None);
            }
            cursor.next();
        }
        // An iterator that meets damage just ends; only its status tells.
        cursor.status().map_err(Error::rocks("reading rows"))?;
        Ok(Some(builder))
    }
}
