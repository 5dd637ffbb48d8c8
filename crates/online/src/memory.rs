//! The smallest store that does what [`OnlineStore`] promises: for tests, and for what need not outlive
//! the process.
//!
//! Rows are held encoded, as everywhere else, in one sorted map per generation. Reads clone a pointer to the
//! generations they use and then work without a lock. Costs: all rows in memory, twice during a publication.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::RecordBatch;
use asof_model::{Micros, Pinned, Result, RunId};

use crate::{Codec, Content, Error, Found, Layout, Lookup, OnlineStore, Publication, Published, Reading, replaces};

type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// An [`OnlineStore`] in memory. Clones share their rows.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    views: Arc<RwLock<HashMap<Pinned, View>>>,
}

/// What is known of one view.
#[derive(Debug, Default)]
struct View {
    /// The number of its last publication, kept when the view is dropped.
    last: u64,
    visible: Option<Arc<Generation>>,
}

#[derive(Debug)]
struct Generation {
    published: Published,
    codec: Arc<Codec>,
    rows: Rows,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, look: impl FnOnce(&HashMap<Pinned, View>) -> T) -> T {
        // Nothing panics while the lock is held; were it poisoned, the map would still be whole.
        look(&self.views.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn generation(&self, view: &Pinned) -> Result<Arc<Generation>> {
        let visible = self.read(|views| views.get(view).and_then(|v| v.visible.clone()));
        Ok(visible.ok_or_else(|| Error::NotMaterialized(Box::new(view.clone())))?)
    }
}

impl OnlineStore for MemoryStore {
    fn publish(&self, view: &Pinned, layout: &Layout) -> Result<Box<dyn Publication>> {
        let codec = Arc::new(Codec::new(view, layout)?);
        Ok(Box::new(Aside { store: self.clone(), view: view.clone(), codec, rows: Rows::new() }))
    }

    fn published(&self, view: &Pinned) -> Result<Option<Published>> {
        Ok(self.generation(view).ok().map(|g| g.published.clone()))
    }

    fn list(&self) -> Result<Vec<Published>> {
        let mut all: Vec<_> =
            self.read(|views| views.values().filter_map(|v| v.visible.as_ref()).map(|g| g.published.clone()).collect());
        all.sort_by(|a, b| a.view.cmp(&b.view));
        Ok(all)
    }

    fn get(&self, lookups: &[Lookup<'_>]) -> Result<Vec<Found>> {
        let generations = self.read(|views| {
            let visible = |l: &Lookup<'_>| views.get(l.view).and_then(|v| v.visible.clone());
            lookups
                .iter()
                .map(|l| visible(l).ok_or_else(|| Error::NotMaterialized(Box::new(l.view.clone()))))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let answer = |(lookup, generation): (&Lookup<'_>, &Arc<Generation>)| {
            let reading = Reading::new(&generation.codec, lookup, &[])?;
            let rows: Vec<_> = reading.keys().iter().map(|key| generation.rows.get(key?)).collect();
            reading.found(&generation.published, &rows)
        };
        lookups.iter().zip(&generations).map(answer).collect()
    }

    fn check(&self, view: &Pinned) -> Result<()> {
        let generation = self.generation(view)?;
        let mut content = Content::default();
        for (key, row) in &generation.rows {
            generation.codec.verify(key, row)?;
            content.add(key, row);
        }
        Ok(generation.published.check(&content)?)
    }

    fn drop_view(&self, view: &Pinned) -> Result<()> {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.get_mut(view) {
            view.visible = None;
        }
        Ok(())
    }
}

/// A publication: rows nobody sees yet.
struct Aside {
    store: MemoryStore,
    view: Pinned,
    codec: Arc<Codec>,
    rows: Rows,
}

impl Publication for Aside {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let codec = Arc::clone(&self.codec);
        codec.encode(rows, &[], |key, row| {
            match self.rows.get_mut(key) {
                Some(held) if replaces(row, held) => *held = row.into(),
                Some(_) => {}
                None => {
                    self.rows.insert(key.into(), row.into());
                }
            }
            Ok(())
        })
    }

    fn commit(self: Box<Self>, run: RunId, at: Micros) -> Result<Published> {
        let Aside { store, view, codec, rows } = *self;
        let mut content = Content::default();
        rows.iter().for_each(|(key, row)| content.add(key, row));
        let mut views = store.views.write().unwrap_or_else(PoisonError::into_inner);
        let entry = views.entry(view.clone()).or_default();
        entry.last += 1;
        let published = Published {
            view,
            generation: entry.last,
            rows: content.rows(),
            at,
            run,
            layout: codec.layout().clone(),
            content: content.digest(),
        };
        entry.visible = Some(Arc::new(Generation { published: published.clone(), codec, rows }));
        Ok(published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite;

    #[test]
    fn the_suite_passes() {
        suite::run_all(&|| Arc::new(MemoryStore::new()));
    }
}
