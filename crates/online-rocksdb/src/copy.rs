//! The copy in memory that a generation may have, and how it is made beside what goes on.
//!
//! A publication makes it of its rows as they pass by. After a start, when one is worn by pushes, and when memory has become
//! free, it is made by reading the rows from the database. Then pushes go on meanwhile: their keys are noted from before the
//! first row is read, and are outdated in the copy before anybody sees it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use asof_online::{Budget, Slab};

/// Of one generation. Who changes something is alone in it, by the lock of the ledger.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    slab: ArcSwapOption<Slab>,
    /// Keys that were pushed while it is made anew; none when it is not.
    noted: Mutex<Option<Vec<Box<[u8]>>>>,
    /// What memory it needs at the least, as far as that was found out.
    needed: AtomicUsize,
}

impl Copy {
    /// Of rows that were just written, or what memory it would need.
    pub(crate) fn new(made: Result<Slab, usize>) -> Self {
        let needed = made.as_ref().err().copied().unwrap_or_default();
        let slab = ArcSwapOption::from(made.ok().map(Arc::new));
        Copy { slab, noted: Mutex::default(), needed: AtomicUsize::new(needed) }
    }

    /// For a read.
    pub(crate) fn load(&self) -> Guard<Option<Arc<Slab>>> {
        self.slab.load()
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.slab.load().as_ref().map_or(0, |slab| slab.bytes() as u64)
    }

    /// Whether what was loaded is still what pushes are marked in.
    pub(crate) fn is(&self, loaded: &Guard<Option<Arc<Slab>>>) -> bool {
        match (&*self.slab.load(), &**loaded) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            (None, None) => true,
            _ => false,
        }
    }

    /// A key is about to be pushed. Whether the copy should be made anew.
    pub(crate) fn outdate(&self, key: &[u8]) -> bool {
        if let Some(noted) = &mut *self.noted() {
            noted.push(key.into());
        }
        self.slab.load().as_ref().is_some_and(|slab| {
            slab.outdate(key);
            slab.is_worn()
        })
    }

    /// Whether there should be another, and could.
    pub(crate) fn is_wanted(&self, budget: &Budget) -> bool {
        match &*self.slab.load() {
            Some(slab) => slab.is_worn(),
            None => self.needed.load(Ordering::Relaxed) <= budget.left(),
        }
    }

    /// From now on keys that are pushed are noted. The former copy goes now where there is no room beside it.
    pub(crate) fn begin(&self, budget: &Budget) {
        *self.noted() = Some(Vec::new());
        if self.slab.load().as_ref().is_some_and(|slab| budget.left() < slab.bytes() + slab.bytes() / 8) {
            self.slab.store(None);
        }
    }

    /// The new copy, or what it would need.
    pub(crate) fn end(&self, made: Result<Slab, usize>) {
        let noted = self.noted().take();
        match made {
            Ok(slab) => {
                noted.iter().flatten().for_each(|key| slab.outdate(key));
                self.slab.store(Some(Arc::new(slab)));
            }
            Err(needed) => {
                self.needed.store(needed, Ordering::Relaxed);
                self.slab.store(None);
            }
        }
    }

    /// Lets go of it.
    pub(crate) fn drop_now(&self) {
        *self.noted() = None;
        self.slab.store(None);
    }

    fn noted(&self) -> MutexGuard<'_, Option<Vec<Box<[u8]>>>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
