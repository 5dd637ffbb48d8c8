//! Reads: out of the copies in memory where they know, out of the database otherwise.
//!
//! Both ways give what was true at one moment for all keys of all views. The database reads at one order of writes; but a
//! push goes to the generation that is visible then, so a read of several views that a switch came into begins again. A
//! copy is marked before a push is written: so what was found in copies, all of them still the ones that are marked, was
//! true when the first of it was looked at; and where some keys were read from the database besides, it was still true
//! then if no mark came since. Otherwise, which is rare, all is read from the database.

use std::sync::Arc;

use asof_model::Result;
use asof_online::{Ask, Look, Reading, Rows, Slab, Value};
use rocksdb::{DB, DBPinnableSlice};

use crate::cleaning::{WIDTH, prefix};
use crate::database::{ROWS, family};
use crate::shelf::{Generation, Views};
use crate::store::{Inner, unreadable, visible};

type Loaded = arc_swap::Guard<Option<Arc<Slab>>>;
type Row<'a> = DBPinnableSlice<'a>;
type Found<T> = std::result::Result<T, rocksdb::Error>;

/// An ask, on its way through one generation.
struct Asked<'a> {
    generation: &'a Generation,
    reading: Reading<'a>,
    slab: Loaded,
}

impl Inner {
    /// See [`OnlineStore::read`](asof_online::OnlineStore::read).
    pub(crate) fn read(&self, asks: &[Ask<'_>]) -> Result<Vec<Rows>> {
        loop {
            // Held to the end: as long as somebody holds it, no row of it is removed.
            let views = self.views();
            let rows = self.read_from(&views, asks)?;
            if asks.len() < 2 || Arc::ptr_eq(&views, &self.views()) {
                return Ok(rows);
            }
        }
    }

    fn read_from(&self, views: &Views, asks: &[Ask<'_>]) -> Result<Vec<Rows>> {
        let asked = asks.iter().map(|ask| {
            let generation = visible(views, ask.view)?;
            let reading = Reading::new(&generation.codec, ask, &prefix(generation.slot))?;
            Ok(Asked { generation, reading, slab: generation.copy.load() })
        });
        let asked: Vec<_> = asked.collect::<Result<_>>()?;
        if asked.iter().any(|asked| asked.slab.is_some())
            && let Some(rows) = self.read_copies(&asked)?
        {
            return Ok(rows);
        }
        let db = self.db();
        let rows = look_up(&db, asked.iter().flat_map(|asked| asked.reading.keys().iter().flatten()));
        let mut rows = rows.into_iter();
        let answers = asked.iter().map(|asked| {
            // One result per key that is whole, in order.
            let found = asked.reading.keys().iter().map(|key| asked.row(key.and_then(|_| rows.next())));
            asked.answer(&found.collect::<Result<Vec<_>>>()?)
        });
        answers.collect()
    }

    /// Reads what copies have from them. None where something was pushed in between.
    fn read_copies(&self, asked: &[Asked<'_>]) -> Result<Option<Vec<Rows>>> {
        let looks: Vec<Vec<Option<Look<'_>>>> = asked.iter().map(Asked::looks).collect();
        let elsewhere = asked.iter().zip(&looks).flat_map(|(asked, looks)| {
            let keys = asked.reading.keys().iter().zip(looks);
            keys.filter_map(|(key, look)| key.filter(|_| matches!(look, Some(Look::Elsewhere))))
        });
        let mut elsewhere = elsewhere.peekable();
        let db = self.db();
        let rows = if elsewhere.peek().is_some() { look_up(&db, elsewhere) } else { Vec::new() };
        let read = !rows.is_empty();
        if !asked.iter().zip(&looks).all(|(asked, looks)| asked.still(looks, read)) {
            return Ok(None);
        }
        let mut rows = rows.into_iter();
        let answers = asked.iter().zip(looks).map(|(asked, looks)| {
            let values = looks.into_iter().map(|look| match look {
                Some(Look::Here(held)) => Ok(Some(Value::Held(held))),
                Some(Look::Elsewhere) => asked.row(rows.next()),
                Some(Look::Nothing(_)) | None => Ok(None),
            });
            asked.answer(&values.collect::<Result<Vec<_>>>()?)
        });
        answers.collect::<Result<_>>().map(Some)
    }
}

/// One look into the database for many keys.
fn look_up<'a, 'd>(db: &'d DB, mut keys: impl Iterator<Item = &'a [u8]>) -> Vec<Found<Option<Row<'d>>>> {
    let family = family(db, ROWS);
    match (keys.next(), keys.next()) {
        // A single look-up is spared what it takes to prepare many.
        (Some(only), None) => vec![db.get_pinned_cf(family, only)],
        (first, second) => db.batched_multi_get_cf(family, first.into_iter().chain(second).chain(keys), false),
    }
}

impl Asked<'_> {
    /// What its copy says of each key; elsewhere for all where there is none.
    fn looks(&self) -> Vec<Option<Look<'_>>> {
        let slab = self.slab.as_ref();
        let look = |key: &[u8]| slab.map_or(Look::Elsewhere, |slab| slab.look(&key[WIDTH..]));
        self.reading.keys().iter().map(|key| key.map(look)).collect()
    }

    /// Whether what its copy said still holds, where the database was read meanwhile, and is of the copy that is marked.
    fn still(&self, looks: &[Option<Look<'_>>], read: bool) -> bool {
        let Some(slab) = &*self.slab else { return true };
        self.generation.copy.is(&self.slab) && (!read || looks.iter().flatten().all(|look| slab.still(*look)))
    }

    /// What was found in the database.
    fn row<'r>(&self, found: Option<Found<Option<Row<'r>>>>) -> Result<Option<Value<'_, Row<'r>>>> {
        let found = found.transpose().map_err(|source| unreadable(self.generation, source))?;
        Ok(found.flatten().map(Value::Read))
    }

    fn answer(&self, values: &[Option<Value<'_, Row<'_>>>]) -> Result<Rows> {
        self.reading.found(&self.generation.published, values)
    }
}
