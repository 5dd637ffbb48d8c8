//! `push`: rows for a dataset, one message at a time, online at once and in the table soon.
//!
//! A push goes through the [`entrance`] of its dataset, which fits its rows and works out what becomes of the views that
//! follow it row by row; then through the one [`writer`], which numbers it and writes it to the online store in one durable
//! step, many pushes at a time; then it is acknowledged. Small ones go through the entrance [`together`]. The [`lander`] brings the table up to date from the journal, in
//! the background and before anybody pins a snapshot.
//!
//! Promises: an acknowledged row is online for every view that follows, and in the table exactly once, whatever crashes
//! when. A push that is repeated under its key counts once. When the table falls behind, pushes become slow and then are
//! refused; nothing is dropped, and memory is bounded.
//!
//! A publication that is under way gets the rows that are pushed meanwhile. For that its beginning makes all entrances be
//! looked up anew ([`Entrances::forget`]) and then waits for the writer ([`Pusher::settle`]), before it pins its snapshot.

mod entrance;
mod entry;
mod lander;
mod marks;
mod numbers;
mod together;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use asof_model::{Columns, Error, ErrorKind, Micros, Pinned, Reference, Result};
use asof_online::{Journal, OnlineStore, Pending};
use tokio::sync::Notify;

use crate::{Engine, Scope};
pub(crate) use entrance::{Entrances, with_seq};
pub(crate) use marks::{Mark, Marks};
use numbers::Sequences;
use together::{Arrived, SMALL};
use writer::{Outcome, Writer};

/// The most rows that one push may bring.
pub const MAX_PUSHED: usize = 10_000;

/// How pushes are treated.
#[derive(Clone, Copy, Debug)]
pub struct PushLimits {
    /// How far ahead of this machine's clock a row may be.
    pub clock_skew: Duration,
    /// How long the key of a push is remembered.
    pub remember: Duration,
    /// How often the tables are brought up to date.
    pub every: Duration,
    /// How many bytes of rows may wait for their tables; from half of it on, pushes are slowed down.
    pub waiting: u64,
}

impl Default for PushLimits {
    fn default() -> Self {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        PushLimits { clock_skew: 5 * minute, remember: day, every: Duration::from_secs(5), waiting: 256 << 20 }
    }
}

/// Rows for a dataset.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The dataset, without a selector.
    pub dataset: Reference,
    /// Its columns by name, in any order; those that are left out are null.
    pub rows: RecordBatch,
    /// Names the push, so that it counts once however often it is sent.
    pub key: Option<String>,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushReport {
    /// The dataset's version that let the rows in.
    pub dataset: Pinned,
    /// Rows that were accepted, now or when the push came first.
    pub rows: u64,
    /// The order of acceptance of the last of them.
    pub last: i64,
    /// Whether it had been accepted before under its key; nothing was changed then.
    pub repeated: bool,
    /// Rows with a time that was floored to a microsecond.
    pub lost_precision: u64,
    /// Views that are up to date online.
    pub followed: Vec<Pinned>,
    /// Views that are online, read this dataset, and wait for the next materialization; and why.
    pub waiting: Vec<(Pinned, String)>,
}

/// All that is needed to take pushes in.
pub(crate) struct Pusher {
    pub(crate) limits: PushLimits,
    pub(crate) entrances: Arc<Entrances>,
    pub(crate) sequences: Arc<Sequences>,
    pub(crate) marks: Arc<Marks>,
    writer: Writer,
    backlog: Arc<Backlog>,
    /// One lands at a time.
    landing: tokio::sync::Mutex<()>,
}

/// What the tables do not have yet.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    journals: Mutex<HashMap<Journal, Waiting>>,
    /// There is so much of it that it should not wait for its time.
    full: Notify,
    /// Some of it has landed.
    landed: Notify,
}

/// What one table does not have yet.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    bytes: u64,
    /// The order of acceptance of its last row.
    last: i64,
}

impl Pusher {
    pub(crate) fn new(online: &Arc<dyn OnlineStore>, limits: PushLimits) -> Result<Self> {
        let sequences = Arc::new(Sequences::default());
        let (backlog, marks) = (Arc::new(Backlog::default()), Arc::new(Marks::default()));
        for Pending { journal, last, bytes, .. } in online.journals()? {
            sequences.given(&journal, last);
            backlog.add(&journal, bytes, last);
            marks.of(&journal).end(last);
        }
        let entrances = Arc::new(Entrances::default());
        let writer = Writer::new(online, &entrances, &sequences, (&backlog, &marks), limits.remember)?;
        Ok(Pusher { limits, entrances, sequences, marks, writer, backlog, landing: tokio::sync::Mutex::default() })
    }

    /// Waits until every push that came before this has been written or refused.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.writer.settle().await
    }

    /// Waits where much is waiting, and refuses where too much is.
    async fn admit(&self) -> Result<()> {
        let waiting = self.backlog.bytes();
        if waiting < self.limits.waiting / 2 {
            return Ok(());
        }
        self.backlog.full.notify_one();
        // A push that waits is not lost: it goes on as soon as something has landed, or after a moment anyway.
        let _ = tokio::time::timeout(Duration::from_millis(200), self.backlog.landed.notified()).await;
        if self.backlog.bytes() < self.limits.waiting {
            return Ok(());
        }
        let (waiting, limit) = (asof_model::memory::Bytes(waiting), asof_model::memory::Bytes(self.limits.waiting));
        let message = format!("{waiting} of pushed rows wait to be written to their tables, and {limit} may");
        Err(Error::new(ErrorKind::Unavailable, "push_behind", message).remedy(
            "try again in a second; if it lasts, look into the server's log for why tables cannot be written, or raise \
             waiting in [push] of asof.toml",
        ))
    }
}

impl Backlog {
    fn journals(&self) -> MutexGuard<'_, HashMap<Journal, Waiting>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes wait.
    fn bytes(&self) -> u64 {
        self.journals().values().map(|waiting| waiting.bytes).sum()
    }

    /// How far what waits for a table reaches; none where nothing does.
    fn last(&self, journal: &Journal) -> Option<i64> {
        self.journals().get(journal).map(|waiting| waiting.last)
    }

    fn add(&self, journal: &Journal, bytes: u64, last: i64) {
        let mut journals = self.journals();
        let waiting = journals.entry(journal.clone()).or_default();
        *waiting = Waiting { bytes: waiting.bytes + bytes, last: waiting.last.max(last) };
    }

    fn remove(&self, journal: &Journal, bytes: u64) {
        let mut journals = self.journals();
        if let Some(waiting) = journals.get_mut(journal) {
            waiting.bytes = waiting.bytes.saturating_sub(bytes);
            if waiting.bytes == 0 {
                journals.remove(journal);
            }
        }
        drop(journals);
        self.landed.notify_waiters();
    }
}

/// How often a push is prepared anew because something changed meanwhile.
const ATTEMPTS: u32 = 10;

impl Engine {
    /// The version of a dataset that pushes go to, and the columns that it takes.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, `nothing_ingested`.
    pub async fn pushed_columns(&self, scope: &Scope, dataset: &Reference) -> Result<(Pinned, Columns)> {
        let entrance = self.entrance(scope, dataset).await?;
        Ok((entrance.dataset.clone(), entrance.columns().clone()))
    }

    /// Accepts rows for a dataset: online for the views that follow it when this returns, and durably on their way to
    /// the table.
    ///
    /// # Errors
    /// `unknown_name`, `wrong_kind`, `nothing_ingested`, `immutable_snapshot`, `too_many_rows`, `future_row`,
    /// `push_key_reused`, `push_behind`, `storage_full`, and those of values, naming row and column. Nothing is accepted then.
    pub async fn push(&self, scope: &Scope, request: PushRequest) -> Result<PushReport> {
        if let Some(selector) = &request.dataset.selector {
            let message = format!("`{}@{selector}`: data cannot be added to a past snapshot", request.dataset.name);
            return Err(Error::new(ErrorKind::Invalid, "immutable_snapshot", message)
                .remedy(format!("push to the dataset: asof push {} …", request.dataset.name)));
        }
        if request.rows.num_rows() > MAX_PUSHED {
            let message = format!("{} rows in one push; at most {MAX_PUSHED} are taken", request.rows.num_rows());
            return Err(Error::new(ErrorKind::Invalid, "too_many_rows", message).remedy("split it, or ingest a file"));
        }
        let pusher = self.pusher();
        pusher.admit().await?;
        for _ in 0..ATTEMPTS {
            let entrance = self.entrance(scope, &request.dataset).await?;
            let now = self.clock().now();
            let latest = Micros(now.0.saturating_add(micros(pusher.limits.clock_skew)));
            let outcome = if request.key.is_none() && request.rows.num_rows() <= SMALL {
                let arrived = Arrived { entrance: Arc::clone(&entrance), rows: request.rows.clone(), now, latest };
                pusher.writer.write_small(arrived).await?
            } else {
                let (prepared, floored) = entrance.prepare(&request.rows, request.key.as_deref(), now, latest)?;
                pusher.writer.write(prepared, floored).await?
            };
            match outcome {
                Outcome::Stale => {}
                Outcome::Accepted { rows, last, repeated, floored } => {
                    return Ok(PushReport {
                        dataset: entrance.dataset.clone(),
                        rows,
                        last,
                        repeated,
                        lost_precision: floored,
                        followed: entrance.routes.iter().map(|route| route.view.clone()).collect(),
                        waiting: entrance.waiting.clone(),
                    });
                }
            }
        }
        let message = format!("`{}` kept changing while rows were pushed to it", request.dataset.name);
        Err(Error::new(ErrorKind::Unavailable, "concurrent_push", message).remedy("try again"))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
