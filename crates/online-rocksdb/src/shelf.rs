//! What is visible, as one value that readers take whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use asof_model::Pinned;
use asof_online::{Codec, Published};

use crate::copy::Copy;

/// The visible rows of a view: immutable while anybody holds this.
#[derive(Debug)]
pub(crate) struct Generation {
    /// What is told of it.
    pub(crate) published: Published,
    /// The prefix of its rows.
    pub(crate) slot: u64,
    /// Its layout, compiled.
    pub(crate) codec: Arc<Codec>,
    /// Its rows in memory, perhaps. A generation of the same rows shares it.
    pub(crate) copy: Arc<Copy>,
}

/// The visible generation of every view.
pub(crate) type Views = HashMap<Pinned, Arc<Generation>>;

/// The one pointer that readers take, without a lock, and publications swap.
#[derive(Debug, Default)]
pub(crate) struct Shelf(ArcSwap<Views>);

impl Shelf {
    pub(crate) fn new(views: Views) -> Self {
        Shelf(ArcSwap::from_pointee(views))
    }

    /// All that is visible at this moment. Rows of a generation stay where they are until its last holder
    /// lets go, so this is a consistent view over all of them.
    pub(crate) fn views(&self) -> Guard<Arc<Views>> {
        self.0.load()
    }

    /// Puts a generation in the place of the view's former one, which is returned; none takes it away. The caller is alone in
    /// this. Once it returns, whoever still reads what was there before is counted among its holders.
    pub(crate) fn replace(&self, view: &Pinned, generation: Option<Arc<Generation>>) -> Option<Arc<Generation>> {
        let mut views = Views::clone(&self.0.load());
        let former = match generation {
            Some(generation) => views.insert(view.clone(), generation),
            None => views.remove(view),
        };
        self.0.store(Arc::new(views));
        former
    }
}
