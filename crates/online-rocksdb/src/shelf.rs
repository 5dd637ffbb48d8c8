//! What is visible, as one value that readers take whole.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use asof_model::Pinned;
use asof_online::{Codec, Published};

/// The visible rows of a view: immutable while anybody holds this.
#[derive(Debug)]
pub(crate) struct Generation {
    /// What is told of it.
    pub(crate) published: Published,
    /// The prefix of its rows.
    pub(crate) slot: u64,
    /// Its layout, compiled.
    pub(crate) codec: Arc<Codec>,
}

/// The visible generation of every view.
pub(crate) type Views = HashMap<Pinned, Arc<Generation>>;

/// The one pointer that readers take and publications swap.
#[derive(Debug, Default)]
pub(crate) struct Shelf(RwLock<Arc<Views>>);

impl Shelf {
    pub(crate) fn new(views: Views) -> Self {
        Shelf(RwLock::new(Arc::new(views)))
    }

    /// All that is visible at this moment. Rows of a generation stay where they are until its last holder
    /// lets go, so this is a consistent view over all of them.
    pub(crate) fn views(&self) -> Arc<Views> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a generation in the place of the view's former one, which is returned; none takes it away.
    pub(crate) fn replace(&self, view: &Pinned, generation: Option<Arc<Generation>>) -> Option<Arc<Generation>> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut views = Views::clone(&current);
        let former = match generation {
            Some(generation) => views.insert(view.clone(), generation),
            None => views.remove(view),
        };
        *current = Arc::new(views);
        former
    }
}
