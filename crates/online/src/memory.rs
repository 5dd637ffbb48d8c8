//! The smallest store that does what [`OnlineStore`] promises: for tests, and for what need not outlive
//! the process.
//!
//! Rows are held encoded, as everywhere else, in one sorted map per generation. One lock holds everything: readers share
//! it, and who changes something has it alone. Costs: all rows in memory, twice during a publication.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};

use arrow::array::RecordBatch;
use asof_model::{Micros, Pinned, Result, RunId};

use crate::{
    Ask, Basis, Change, Codec, Content, Entry, Error, Increase, Journal, Layout, Once, OnlineStore, Pending,
    Publication, Published, Push, Reading, Rows, Value, merged,
};

/// An [`OnlineStore`] in memory. Clones share their rows.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<RwLock<Held>>);

#[derive(Debug, Default)]
struct Held {
    views: HashMap<Pinned, View>,
    journals: BTreeMap<Journal, BTreeMap<i64, Entry>>,
    once: HashMap<(Journal, String), Once>,
}

/// What is known of one view.
#[derive(Debug, Default)]
struct View {
    /// The number of its last publication, kept when the view is dropped.
    last: u64,
    visible: Option<Generation>,
    /// Publications that are not visible yet.
    aside: Vec<Weak<Aside>>,
}

#[derive(Debug)]
struct Generation {
    published: Published,
    codec: Arc<Codec>,
    rows: Map,
}

/// Rows nobody sees yet.
#[derive(Debug)]
struct Aside {
    codec: Arc<Codec>,
    rows: Mutex<Map>,
    caught: Mutex<Vec<Caught>>,
}

/// What was pushed while a publication was made: the order of acceptance of the push's last row, key and value.
type Caught = (i64, Vec<u8>, Vec<u8>);

#[derive(Clone, Debug, Default)]
struct Map(BTreeMap<Box<[u8]>, Box<[u8]>>);

impl Map {
    /// Adds a value to those of its key.
    fn put(&mut self, key: &[u8], value: &[u8]) {
        match self.0.get_mut(key) {
            Some(held) => {
                // What was written here is whole.
                if let Some(all) = merged(key, [&**held, value].into_iter()).map(|all| all.into_owned()) {
                    *held = all.into();
                }
            }
            None => {
                self.0.insert(key.into(), value.into());
            }
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // Nothing panics while a lock is held; were one poisoned, what it holds would still be whole.
    fn look<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Aside {
    fn rows(&self) -> MutexGuard<'_, Map> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn caught(&self) -> MutexGuard<'_, Vec<Caught>> {
        self.caught.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(codec: &Codec, rows: &RecordBatch, mut each: impl FnMut(Vec<u8>, Vec<u8>)) -> Result<(), Error> {
    codec.encode(rows, &[], |key, row| {
        each(key.to_vec(), row.to_vec());
        Ok(())
    })
}

impl Held {
    fn generation(&self, view: &Pinned) -> Result<&Generation, Error> {
        let visible = self.views.get(view).and_then(|v| v.visible.as_ref());
        visible.ok_or_else(|| Error::NotMaterialized(Box::new(view.clone())))
    }
}

impl OnlineStore for MemoryStore {
    fn publish(&self, view: &Pinned, layout: &Layout) -> Result<Box<dyn Publication>> {
        Ok(Box::new(Publishing::begin(self, view, Arc::new(Codec::new(view, layout)?), None)))
    }

    fn increase(&self, view: &Pinned, layout: &Layout) -> Result<Option<Increase>> {
        let visible = self.look(|held| held.generation(view).ok().map(|g| (g.published.clone(), Arc::clone(&g.codec))));
        let same = visible.filter(|(published, _)| published.layout.fingerprint() == layout.fingerprint());
        Ok(same.map(|(to, codec)| {
            let publication = Publishing::begin(self, view, codec, Some(to.generation));
            Increase { to, publication: Box::new(publication) }
        }))
    }

    fn published(&self, view: &Pinned) -> Result<Option<Published>> {
        Ok(self.look(|held| held.generation(view).ok().map(|g| g.published.clone())))
    }

    fn list(&self) -> Result<Vec<Published>> {
        let mut all: Vec<_> = self
            .look(|held| held.views.values().filter_map(|v| v.visible.as_ref()).map(|g| g.published.clone()).collect());
        all.sort_by(|a, b| a.view.cmp(&b.view));
        Ok(all)
    }

    fn read(&self, asks: &[Ask<'_>]) -> Result<Vec<Rows>> {
        self.look(|held| {
            let answer = |ask: &Ask<'_>| {
                let Generation { published, codec, rows } = held.generation(ask.view)?;
                let reading = Reading::new(codec, ask, &[])?;
                let values: Vec<_> = reading.keys().iter().map(|key| rows.0.get(key?).map(Value::Read)).collect();
                reading.found(published, &values)
            };
            asks.iter().map(answer).collect()
        })
    }

    fn check(&self, view: &Pinned) -> Result<()> {
        self.look(|held| {
            let generation = held.generation(view)?;
            let mut content = Content::default();
            for (key, row) in &generation.rows.0 {
                generation.codec.verify(key, row)?;
                content.add(key, row);
            }
            Ok(generation.published.check(&content)?)
        })
    }

    fn drop_view(&self, view: &Pinned) -> Result<()> {
        if let Some(view) = self.write().views.get_mut(view) {
            view.visible = None;
        }
        Ok(())
    }

    fn count_from(&self, view: &Pinned, last: u64) {
        let mut held = self.write();
        let entry = held.views.entry(view.clone()).or_default();
        entry.last = last.max(entry.last);
    }

    fn push(&self, pushes: &[Push]) -> Result<()> {
        let mut held = self.write();
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        let changes = pushes.iter().flat_map(|push| push.changes.iter().map(move |change| (push.entry.last, change)));
        for (last, Change { view: name, rows }) in changes {
            let Some(view) = held.views.get(name) else { continue };
            if let Some(generation) = &view.visible {
                encode(&generation.codec, rows, |key, row| seen.push((name, key, row)))?;
            }
            for aside in view.aside.iter().filter_map(Weak::upgrade) {
                encode(&aside.codec, rows, |key, row| unseen.push((aside.clone(), (last, key, row))))?;
            }
        }
        // From here on nothing can fail.
        for (name, key, row) in seen {
            if let Some(generation) = held.views.get_mut(name).and_then(|view| view.visible.as_mut()) {
                generation.rows.put(&key, &row);
            }
        }
        unseen.into_iter().for_each(|(aside, caught)| aside.caught().push(caught));
        for Push { journal, entry, once, .. } in pushes {
            held.journals.entry(journal.clone()).or_default().insert(entry.last, entry.clone());
            if let Some(once) = once {
                held.once.insert((journal.clone(), once.key.clone()), once.clone());
            }
        }
        Ok(())
    }

    fn pushed(&self, journal: &Journal, key: &str) -> Result<Option<Once>> {
        Ok(self.look(|held| held.once.get(&(journal.clone(), key.to_owned())).cloned()))
    }

    fn journals(&self) -> Result<Vec<Pending>> {
        let pending = |(journal, entries): (&Journal, &BTreeMap<i64, Entry>)| {
            let (last, _) = entries.last_key_value()?;
            let (rows, bytes) = entries
                .values()
                .fold((0, 0), |(rows, bytes), entry| (rows + entry.rows, bytes + entry.bytes.len() as u64));
            Some(Pending { journal: journal.clone(), last: *last, rows, bytes })
        };
        Ok(self.look(|held| held.journals.iter().filter_map(pending).collect()))
    }

    fn entries(&self, journal: &Journal, bytes: usize) -> Result<Vec<Entry>> {
        let mut taken = 0;
        Ok(self.look(|held| {
            let entries = held.journals.get(journal).into_iter().flat_map(BTreeMap::values);
            let more = |entry: &&Entry| {
                let more = taken < bytes.max(1);
                taken += entry.bytes.len();
                more
            };
            entries.take_while(more).cloned().collect()
        }))
    }

    fn trim(&self, journal: &Journal, last: i64) -> Result<()> {
        if let Some(entries) = self.write().journals.get_mut(journal) {
            entries.retain(|entry, _| *entry > last);
        }
        Ok(())
    }
}

/// A publication.
struct Publishing {
    store: MemoryStore,
    view: Pinned,
    aside: Arc<Aside>,
    /// The generation that it adds to.
    to: Option<u64>,
    basis: Option<Basis>,
    until: Option<Micros>,
}

impl Publishing {
    fn begin(store: &MemoryStore, view: &Pinned, codec: Arc<Codec>, to: Option<u64>) -> Self {
        let aside = Arc::new(Aside { codec, rows: Mutex::default(), caught: Mutex::default() });
        if to.is_none() {
            // What adds to visible rows has what is pushed to these.
            store.write().views.entry(view.clone()).or_default().aside.push(Arc::downgrade(&aside));
        }
        Publishing { store: store.clone(), view: view.clone(), aside, to, basis: None, until: None }
    }
}

impl Publication for Publishing {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rows = self.aside.rows();
        self.aside.codec.encode(batch, &[], |key, row| {
            rows.put(key, row);
            Ok(())
        })
    }

    fn rests_on(&mut self, basis: Basis) {
        self.basis = Some(basis);
    }

    fn leave_out(&mut self, until: Micros) {
        self.until = Some(until);
    }

    fn commit(self: Box<Self>, run: RunId, at: Micros) -> Result<Published> {
        let Publishing { store, view, aside, to, basis, until } = *self;
        let mut held = store.write();
        let mut rows = std::mem::take(&mut *aside.rows());
        if let Some(to) = to {
            let visible = held.generation(&view).ok().filter(|generation| generation.published.generation == to);
            let visible = visible.ok_or_else(|| Error::Overtaken { view: view.reference() })?;
            let added = std::mem::replace(&mut rows, visible.rows.clone());
            added.0.iter().for_each(|(key, row)| rows.put(key, row));
        }
        if let Some(until) = until {
            rows.0.retain(|key, row| !aside.codec.is_over(key, row, until));
        }
        let had = basis.as_ref().map_or(0, |basis| basis.pushed);
        let caught = std::mem::take(&mut *aside.caught());
        caught.iter().filter(|(last, ..)| *last > had).for_each(|(_, key, row)| rows.put(key, row));
        let mut content = Content::default();
        rows.0.iter().for_each(|(key, row)| content.add(key, row));
        let entry = held.views.entry(view.clone()).or_default();
        let layout = aside.codec.layout().clone();
        let codec = Arc::clone(&aside.codec);
        drop(aside);
        entry.aside.retain(|other| other.strong_count() > 0);
        entry.last += 1;
        let published = Published {
            view,
            generation: entry.last,
            rows: content.rows(),
            at,
            run,
            layout,
            content: content.digest(),
            last_seq: content.last_seq(),
            basis,
        };
        entry.visible = Some(Generation { published: published.clone(), codec, rows });
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
