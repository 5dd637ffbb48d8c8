//! What a backend must do.
//!
//! A view is **published** whole: its rows are built aside under a new generation and become visible all at
//! once with [`Publication::commit`]. Every read sees, for each view, the rows of exactly one generation.
//!
//! A **push** changes single rows of what is published: the newest row of a key wins, whatever the order in which
//! pushes come, and a publication that was begun before a push has its rows too when it becomes visible.

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use asof_model::{Digest, Micros, Pinned, Result, RunId};
use serde::{Deserialize, Serialize};

use crate::{Basis, Cells, Content, Entry, Error, Journal, Layout, Once, Pending, Push, Rows, Span};

/// What is visible of a view.
///
/// It is the store's own witness: `rows` and `content` say what [`OnlineStore::check`] must find again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The view's version.
    pub view: Pinned,
    /// Which publication of it, from 1; counted up for ever, also past [`OnlineStore::drop_view`].
    pub generation: u64,
    /// How many keys.
    pub rows: u64,
    /// The moment as of which the rows are the newest.
    pub at: Micros,
    /// The run that published it.
    pub run: RunId,
    /// Its columns.
    pub layout: Layout,
    /// What was written, in any order: see [`Content`](crate::Content).
    pub content: Digest,
    /// The order of acceptance of the last row that was written; rows after it were pushed later.
    #[serde(default)]
    pub last_seq: i64,
    /// What they rest on, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
}

impl Published {
    /// Compares with what was counted by reading every row again. Where rows were pushed since, some took the place of
    /// those that were published: then there must be at least as many.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming the view and the difference.
    pub fn check(&self, found: &Content) -> Result<(), Error> {
        let damaged = |reason| Err(Error::Damaged { view: self.view.reference(), reason });
        if found.last_seq() > self.last_seq && found.rows() >= self.rows {
            return Ok(());
        }
        if found.rows() != self.rows {
            return damaged(format!("{} rows were published, and {} are there", self.rows, found.rows()));
        }
        if found.digest() != self.content {
            return damaged(format!("of {} rows some are not those that were published", self.rows));
        }
        Ok(())
    }
}

/// A store of the newest row of each key of each published view.
///
/// All methods may be called from any thread at any time; reads never wait for a publication.
pub trait OnlineStore: Send + Sync {
    /// Begins a publication of the whole view, aside from what is visible. Several at once, of the same view
    /// too, do not disturb one another: the one that commits last stays.
    ///
    /// # Errors
    /// `unsupported_key` or `unsupported_type` where the layout cannot be stored.
    fn publish(&self, view: &Pinned, layout: &Layout) -> Result<Box<dyn Publication>>;

    /// Begins a publication that has, when it becomes visible, what is visible of the view then, and besides what is written
    /// to it: of rows of one key the newer stays, tiles are added up. None where nothing is visible, or under another layout.
    /// Costs a rewriting of all the view's rows, unless nothing is written.
    ///
    /// # Errors
    /// Those of the backend.
    fn increase(&self, view: &Pinned, layout: &Layout) -> Result<Option<Increase>>;

    /// What is visible of a view; none where it was never published or was dropped.
    ///
    /// # Errors
    /// Those of the backend.
    fn published(&self, view: &Pinned) -> Result<Option<Published>>;

    /// All that is visible, ordered by view.
    ///
    /// # Errors
    /// Those of the backend.
    fn list(&self) -> Result<Vec<Published>>;

    /// One consistent read over all views and keys: the rows of each, in order, as bytes that were checked.
    ///
    /// # Errors
    /// `not_materialized`, `key_mismatch`; `online_damaged` and `other_format` where stored bytes are not what
    /// was written: a damaged row is never answered as a missing one.
    fn read(&self, asks: &[Ask<'_>]) -> Result<Vec<Rows>>;

    /// The same as columns.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and `unknown_column`.
    fn get(&self, lookups: &[Lookup<'_>]) -> Result<Vec<Found>> {
        let asks: Vec<_> = lookups
            .iter()
            .map(|lookup| Ask { view: lookup.view, keys: &lookup.keys, windows: lookup.windows.as_ref() })
            .collect();
        let found = self.read(&asks)?;
        found.into_iter().zip(lookups).map(|(rows, lookup)| rows.found(&lookup.columns)).collect()
    }

    /// How many bytes of memory a copy of a view's visible rows takes, which makes reads quick; 0 where there is none.
    fn copied(&self, _view: &Pinned) -> u64 {
        0
    }

    /// Reads every row of a view and compares count and content with [`Published`]. Costs a full scan.
    ///
    /// # Errors
    /// `not_materialized`; `online_damaged` naming the view and the difference.
    fn check(&self, view: &Pinned) -> Result<()>;

    /// Makes a view invisible and frees its rows. A view that is not there is fine.
    ///
    /// # Errors
    /// Those of the backend.
    fn drop_view(&self, view: &Pinned) -> Result<()>;

    /// Publications of a view are counted on from this number, where the store knows of fewer: it was made anew since, and the
    /// record of them was not.
    fn count_from(&self, view: &Pinned, last: u64);

    /// Takes pushes in: all of them in one step, visible and durable when it returns. Of two rows of one key the one with
    /// the later [`Stamp`](crate::Stamp) stays. Views that are neither visible nor being published are passed over.
    ///
    /// # Errors
    /// `layout_mismatch`, `null_event_time`, `row_too_large`, `storage_full`; nothing is changed then.
    fn push(&self, pushes: &[Push]) -> Result<()>;

    /// What is remembered of a push of this name. It may be remembered longer than was asked for.
    ///
    /// # Errors
    /// Those of the backend.
    fn pushed(&self, journal: &Journal, key: &str) -> Result<Option<Once>>;

    /// The journals that have entries, ordered. Costs a reading of all of them.
    ///
    /// # Errors
    /// Those of the backend.
    fn journals(&self) -> Result<Vec<Pending>>;

    /// The first entries of a journal, in order: at least one if there is any, and no more once they have so many bytes.
    ///
    /// # Errors
    /// Those of the backend.
    fn entries(&self, journal: &Journal, bytes: usize) -> Result<Vec<Entry>>;

    /// Removes the entries of a journal up to this order of acceptance. A crash may bring some of them back.
    ///
    /// # Errors
    /// Those of the backend.
    fn trim(&self, journal: &Journal, last: i64) -> Result<()>;
}

/// A publication that adds to what is visible.
pub struct Increase {
    /// What it adds to.
    pub to: Published,
    /// Its commit fails with `publication_overtaken` where something else became visible meanwhile.
    pub publication: Box<dyn Publication>,
}

/// A view's rows being built aside. Dropped without [`commit`](Publication::commit), it leaves nothing.
pub trait Publication: Send {
    /// Adds rows, in any order: the key columns and values of the layout by name, and
    /// [`EVENT_TIME`](crate::EVENT_TIME), also [`KNOWN`](crate::KNOWN) and [`SEQ`](crate::SEQ) where they are kept; other
    /// columns are ignored. Of two rows of one key the one with the later [`Stamp`](crate::Stamp) stays, of equal ones
    /// the one written last. A row whose key has a null is left out, since null
    /// equals nothing and nobody could ask for it.
    ///
    /// # Errors
    /// `layout_mismatch` where a column lacks or has another type, `null_event_time`, `row_too_large`.
    fn write(&mut self, rows: &RecordBatch) -> Result<()>;

    /// The same, of rows whose keys are each greater than all that were written before, and behind which only such rows come.
    /// It may be quicker.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    fn write_in_order(&mut self, rows: &RecordBatch) -> Result<()> {
        self.write(rows)
    }

    /// Says what the rows rest on; the last time that it is said before the commit counts. From then on what is pushed,
    /// and was pushed since the publication began, with an order of acceptance that the basis has already, is left out: it is
    /// among the rows that are written.
    fn rests_on(&mut self, basis: Basis);

    /// No window that will be asked for reaches back beyond this moment: tiles that end by then are left out.
    fn leave_out(&mut self, until: Micros);

    /// Makes the rows visible in place of the view's former ones, all at once, and durably where the store is
    /// durable. An error leaves the former ones visible, unless the machine failed in the very act: then
    /// [`OnlineStore::published`] tells after the next start which it was.
    ///
    /// # Errors
    /// `publication_overtaken`, and those of the backend.
    fn commit(self: Box<Self>, run: RunId, at: Micros) -> Result<Published>;
}

/// Keys asked of one view.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The view's version.
    pub view: &'a Pinned,
    /// One array per key column, in the layout's order, all of one length. Integers of any width match.
    pub keys: &'a [ArrayRef],
    /// The windows wanted, if any.
    pub windows: Option<&'a Windows>,
}

/// Keys asked of one view, and the columns wanted.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    /// The view's version.
    pub view: &'a Pinned,
    /// One array per key column, in the layout's order, all of one length. Integers of any width match.
    pub keys: Vec<ArrayRef>,
    /// The values wanted, in this order.
    pub columns: Vec<String>,
    /// The as-of windows wanted.
    pub windows: Option<Windows>,
}

/// As-of windows that end at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The moment.
    pub at: Micros,
    /// Where each begins.
    pub spans: Vec<Span>,
}

/// The answer to one [`Lookup`], row by row.
#[derive(Debug)]
pub struct Found {
    /// The generation that all rows are of.
    pub generation: u64,
    /// The run that published it.
    pub run: RunId,
    /// The moment as of which the rows are the newest.
    pub at: Micros,
    /// From when on all that was found counts: the latest of the event and known-at times of rows, and of the events in
    /// windows. None where nothing was found.
    pub counts_from: Option<Micros>,
    /// The event time of each row; null where the key has none, or a part of the key is null.
    pub event_times: TimestampMicrosecondArray,
    /// The columns asked for; null where there is no row.
    pub values: RecordBatch,
    /// The states of the windows asked for; those of no events where there are none, or a part of the key is null.
    pub windows: Option<Cells>,
}
