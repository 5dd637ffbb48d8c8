//! What changes the store: pushes that are taken in, generations that become visible, and the ledger by which nothing comes
//! between the two.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use asof_model::{Micros, Pinned, RunId};
use asof_online::{Codec, Published, Push};
use rocksdb::{DB, DBRawIterator, WriteBatch, WriteOptions};

use super::{Inner, cursor};
use crate::cleaning;
use crate::database::{JOURNAL, ONCE, PUBLISHED, ROWS, family};
use crate::error::Error;
use crate::journal;
use crate::publication::{NewRows, Ready};
use crate::pushing::{Catching, Encoded, Families, InTheMaking};
use crate::record::{Record, Visible};
use crate::shelf::Generation;

/// What only those who change something need; its lock is held while they do.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The number of each view's last publication.
    pub(super) last: HashMap<Pinned, u64>,
    /// Generations that are visible no more but may still be read.
    retired: Vec<Arc<Generation>>,
    /// Publications that are to get what is pushed meanwhile.
    making: InTheMaking,
}

impl Inner {
    /// Makes the rows of a slot the visible ones of a view, then removes the former ones.
    pub(crate) fn switch(&self, ready: Ready, run: RunId, at: Micros) -> Result<Published, Error> {
        let Ready { view, codec, rows, basis } = ready;
        // Nothing is pushed while this is held: what came so far is merged in, and what comes later goes to the new rows.
        let mut ledger = self.ledger();
        let generation = ledger.last.get(&view).map_or(1, |last| last + 1);
        let (layout, view_) = (codec.layout().clone(), view.clone());
        let published = |rows, content, last_seq| Published {
            view: view_,
            generation,
            rows,
            at,
            run,
            layout,
            content,
            last_seq,
            basis,
        };
        let mut batch = WriteBatch::default();
        let (slot, published, copy) = match rows {
            NewRows::Aside { slot, content, catching, copy } => {
                catching.merge(&mut batch, family(&self.db(), ROWS), slot, &copy);
                (slot, published(content.rows(), content.digest(), content.last_seq()), Arc::new(copy))
            }
            NewRows::None { of } => {
                self.still(&of)?;
                let told = &of.published;
                (of.slot, published(told.rows, told.content, told.last_seq), Arc::clone(&of.copy))
            }
        };
        let visible = Some(Visible { slot, published: published.clone() });
        self.record(batch, &Record { view: view.clone(), last: generation, visible })?;
        forget_ended(&mut ledger.making, &view);
        ledger.last.insert(view.clone(), generation);
        let new = Generation { published: published.clone(), slot, codec, copy };
        self.replace(&mut ledger, &view, Some(Arc::new(new)));
        Ok(published)
    }

    /// What is visible of a view.
    pub(crate) fn generation(&self, view: &Pinned) -> Option<Arc<Generation>> {
        self.shelf.views().get(view).cloned()
    }

    /// Whether a generation is still the visible one.
    pub(super) fn still(&self, generation: &Arc<Generation>) -> Result<(), Error> {
        let view = &generation.published.view;
        match self.shelf.views().get(view).is_some_and(|visible| Arc::ptr_eq(visible, generation)) {
            true => Ok(()),
            false => Err(Error::Online(asof_online::Error::Overtaken { view: view.reference() })),
        }
    }

    /// A publication is to have the rows of a visible generation: a cursor over them as they are now, and what is pushed from
    /// now on.
    pub(crate) fn fork<'a>(
        &self,
        db: &'a DB,
        generation: &Arc<Generation>,
    ) -> Result<(DBRawIterator<'a>, Arc<Catching>), Error> {
        let catching = Arc::<Catching>::default();
        let mut ledger = self.ledger();
        self.still(generation)?;
        let view = &generation.published.view;
        forget_ended(&mut ledger.making, view);
        ledger.making.entry(view.clone()).or_default().push((generation.codec.clone(), Arc::downgrade(&catching)));
        // Nothing is pushed while the ledger is held, and a cursor sees what was there when it was made.
        Ok((cursor(db, generation.slot), catching))
    }

    /// A publication begins: from now on it gets what is pushed.
    pub(crate) fn begin(&self, view: &Pinned, codec: &Arc<Codec>) -> Arc<Catching> {
        let catching = Arc::<Catching>::default();
        let mut ledger = self.ledger();
        forget_ended(&mut ledger.making, view);
        let making = ledger.making.entry(view.clone()).or_default();
        making.push((Arc::clone(codec), Arc::downgrade(&catching)));
        catching
    }

    pub(super) fn take_pushes(&self, pushes: &[Push]) -> Result<(), Error> {
        let db = self.db();
        let families = Families { rows: family(&db, ROWS), journal: family(&db, JOURNAL), once: family(&db, ONCE) };
        // Held to the end, so that no switch comes between what is encoded and what is written.
        let ledger = self.ledger();
        let Encoded { batch, held, worn } = Encoded::new(pushes, families, &self.shelf.views(), &ledger.making)?;
        // A handle into the database that is written to must not keep it from being opened again.
        drop(db);
        // They are there together or not at all.
        let happened = |db: &DB| match pushes.first() {
            Some(push) => journal::has(db, family(db, JOURNAL), &push.journal, &push.entry),
            None => Ok(true),
        };
        self.database.write("writing a push", synced(&batch), happened)?;
        held.hand_over();
        drop(ledger);
        if worn {
            self.bell.ring();
        }
        self.witness.accepted(pushes.iter().map(|push| (&push.journal, push.entry.last)));
        let since = pushes.iter().filter_map(|push| push.once.as_ref()).map(|once| once.since.0).max();
        self.newest_push.fetch_max(since.unwrap_or(i64::MIN), Ordering::Relaxed);
        Ok(())
    }

    /// Writes a record durably, and with it whatever else is to happen: this is the moment at which a change has happened.
    ///
    /// When it fails nothing is cleaned up, since the record may be there after all: the next start tells.
    pub(super) fn record(&self, mut batch: WriteBatch, record: &Record) -> Result<(), Error> {
        let (key, value) = (Record::key(&record.view), record.to_bytes());
        batch.put_cf(family(&self.db(), PUBLISHED), &key, &value);
        let happened = |db: &DB| {
            let there = db.get_pinned_cf(family(db, PUBLISHED), &key).map_err(Error::rocks("reading a record"))?;
            Ok(there.is_some_and(|there| *there == *value))
        };
        self.database.write("recording a publication", synced(&batch), happened)?;
        // The log is where a synced write can be lost to damage in silence: do not leave the record there.
        let db = self.db();
        if let Err(error) = db.flush_cf(family(&db, PUBLISHED)) {
            tracing::warn!(%error, view = %record.view, "the record of a publication stays in the log for now");
        }
        Ok(())
    }

    /// Puts a generation in the place of a view's former one, whose memory and rows are given back.
    pub(super) fn replace(&self, ledger: &mut Ledger, view: &Pinned, generation: Option<Arc<Generation>>) {
        let same = generation.as_ref().map(|generation| Arc::clone(&generation.copy));
        let former = self.shelf.replace(view, generation);
        // Where nothing was added, the new generation has the rows of the former one, in memory too.
        let gone = former.iter().filter(|former| same.as_ref().is_none_or(|copy| !Arc::ptr_eq(copy, &former.copy)));
        gone.for_each(|former| former.copy.drop_now());
        ledger.retired.extend(former);
        self.sweep(ledger);
        self.bell.ring();
    }

    /// Does something while nothing is pushed or switched.
    pub(crate) fn alone(&self, change: impl FnOnce()) {
        let _alone = self.ledger();
        change();
    }

    /// Removes the rows of retired generations that nobody reads any more. Those still read are left for the next
    /// change, or the next start.
    pub(super) fn sweep(&self, ledger: &mut Ledger) {
        let (read, free): (Vec<_>, Vec<_>) = ledger.retired.drain(..).partition(|g| Arc::strong_count(g) > 1);
        ledger.retired = read;
        for generation in free {
            // Another generation may have the same rows, where nothing was added to them: the last of them frees them.
            let held = |other: &Arc<Generation>| other.slot == generation.slot;
            if ledger.retired.iter().any(held) || self.shelf.views().values().any(held) {
                continue;
            }
            let db = self.db();
            if let Err(error) = cleaning::remove(&db, family(&db, ROWS), generation.slot) {
                tracing::warn!(%error, slot = generation.slot, "old rows stay until the next start");
            }
        }
    }

    /// Removes what could not be removed when it was replaced.
    pub(crate) fn sweep_now(&self) {
        self.sweep(&mut self.ledger());
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // It is changed only after what it notes has happened, so it is whole wherever a panic struck.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the publications of a view that are visible or were abandoned.
fn forget_ended(making: &mut InTheMaking, view: &Pinned) {
    if let Some(all) = making.get_mut(view) {
        all.retain(|(_, catching)| catching.strong_count() > 0);
        if all.is_empty() {
            making.remove(view);
        }
    }
}

/// Writes a batch, durably.
pub(super) fn synced(batch: &WriteBatch) -> impl Fn(&DB) -> Result<(), rocksdb::Error> {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    // A batch is gone once it was tried to write it.
    move |db| db.write_opt(WriteBatch::from_data(batch.data()), &synced)
}
