//! What was served, written down while serving, so that it can be verified later ([`Engine::compare_log`]).
//!
//! # What it promises
//! Every n-th request that is answered is logged: its keys and parameters, its values and their statuses, the receipt of each view, and
//! between which numbers of acceptance the reading happened ([`Mark`]). An entry is what was served, to the bit, whatever changes
//! afterwards. A request never waits for it and never fails by it: what there is no room for is dropped, counted, and told with the
//! entries that come after it.
//!
//! # What it costs
//! A request that is not logged: one counter. One that is: its reply once more as columns, and a lock for as long as it takes to put
//! that into a list. Entries wait in memory, at most [`MAX_WAITING`] of them and [`MAX_BYTES`], until enough of them or a minute have come
//! together; then they are one commit of the Delta table `serving_log`. At the end what waits is written; a process that is killed
//! loses it.
//!
//! # What it does not do
//! A commit of it is no run: there would be more runs than entries, and nothing rests on them. Rows that could not be answered
//! are left out, as they are not compared. Nothing is removed from the table.

mod entry;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use asof_model::{Kind, Micros, Name, Pinned, Registered, Result, RunId};
use asof_online::Journal;
use tokio::sync::Notify;

use crate::push::Mark;
use crate::serve::ServingPlan;
use crate::{Background, Engine, GetReply};
use entry::encode;
pub(crate) use entry::{Entry, Ground, columns, corrupt, decode, dropped};

/// How many entries may wait.
const MAX_WAITING: usize = 4096;
/// How many bytes they may have together.
const MAX_BYTES: usize = 64 << 20;
/// From so many on they are written at once.
const ENOUGH: usize = MAX_WAITING / 4;
const ENOUGH_BYTES: usize = MAX_BYTES / 4;
/// How long they wait else.
const EVERY: Duration = Duration::from_secs(60);

/// Which requests are logged, and what waits to be written.
#[derive(Default)]
pub(crate) struct Log {
    /// Every so many; 0 for none.
    every: AtomicU64,
    requests: AtomicU64,
    waiting: Mutex<Waiting>,
    /// There is so much that it should not wait for its time.
    enough: Notify,
    /// One writes at a time.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Handed>,
    bytes: usize,
    /// Entries that were given up since some were written.
    dropped: u64,
}

/// A request that was answered, as it is handed over.
pub(crate) struct Handed {
    logged_at: Micros,
    plan: Arc<ServingPlan>,
    request: RecordBatch,
    reply: GetReply,
    /// By dataset, how far pushes had come before the reading, and had begun after it.
    accepted: BTreeMap<Name, (i64, i64)>,
    /// By view.
    grounds: Vec<Option<Ground>>,
}

/// The datasets that a service reads, and how far their pushes have come.
pub(crate) type Watched = Vec<(Name, Arc<Mark>)>;

/// A request that is to be logged, from before its reading.
pub(crate) struct Turn(Vec<i64>);

impl Log {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any request is logged.
    pub(crate) fn is_on(&self) -> bool {
        self.every.load(Ordering::Relaxed) > 0
    }

    /// Whether the request that begins now is to be logged.
    pub(crate) fn turn(&self, plan: &ServingPlan) -> Option<Turn> {
        let every = self.every.load(Ordering::Relaxed);
        if every == 0 || !self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(every) {
            return None;
        }
        Some(Turn(plan.watched.as_ref()?.iter().map(|(_, mark)| mark.ended()).collect()))
    }

    fn put(&self, logged: Handed) {
        let bytes = logged.request.get_array_memory_size() + logged.reply.features.get_array_memory_size();
        let mut waiting = self.waiting();
        if waiting.entries.len() >= MAX_WAITING || waiting.bytes + bytes > MAX_BYTES {
            waiting.dropped += 1;
            if waiting.dropped == 1 {
                tracing::warn!("served requests come faster than the serving log is written; some are not logged");
            }
            return;
        }
        waiting.bytes += bytes;
        waiting.entries.push(logged);
        if waiting.entries.len() >= ENOUGH || waiting.bytes >= ENOUGH_BYTES {
            self.enough.notify_one();
        }
    }
}

impl Engine {
    /// Logs every so many answered requests from now on, until that is ended; then what waits is written. Call it within a tokio runtime.
    pub fn log_served(&self, every: u64) -> Background {
        // Plans that were compiled before do not know how far pushes have come.
        self.served_log.every.store(every, Ordering::Relaxed);
        self.plans.forget_all();
        let engine = self.clone();
        Background::begin(|mut stopped| async move {
            loop {
                let last = tokio::select! {
                    _ = &mut stopped => true,
                    // Both ends of this wait mean the same: it is time.
                    _ = tokio::time::timeout(EVERY, engine.served_log.enough.notified()) => false,
                };
                if last {
                    engine.served_log.every.store(0, Ordering::Relaxed);
                }
                engine.write_served().await;
                if last {
                    return;
                }
            }
        })
    }

    /// How far pushes to the datasets of a service have come; none where nothing is logged.
    pub(crate) async fn watched(&self, closure: &[Registered]) -> Option<Watched> {
        if !self.served_log.is_on() {
            return None;
        }
        let mut watched = Watched::new();
        for Pinned { project, name, .. } in closure.iter().map(|r| &r.pinned).filter(|p| p.kind == Kind::Dataset) {
            let mark = self.pusher().marks.of(&Journal { project: project.clone(), dataset: name.clone() });
            // What landed before this process began has ended, too.
            match self.offline().landed(project, name).await {
                Ok(landed) => mark.end(landed),
                Err(error) => {
                    tracing::warn!(%error, dataset = %name, "what is served of it is not logged");
                    return None;
                }
            }
            watched.push((name.clone(), mark));
        }
        Some(watched)
    }

    /// Hands over what was answered.
    pub(crate) fn log_reply(&self, turn: Turn, plan: &Arc<ServingPlan>, request: &RecordBatch, reply: GetReply) {
        let watched = plan.watched.iter().flatten();
        let accepted =
            watched.zip(turn.0).map(|((name, mark), before)| (name.clone(), (before, mark.begun()))).collect();
        let grounds = reply.views.iter().map(|view| {
            let published = self.online().published(&view.view).ok().flatten()?;
            (published.run == view.run).then(|| Ground::of(&published))
        });
        let grounds = grounds.collect();
        let (plan, request) = (Arc::clone(plan), request.clone());
        self.served_log.put(Handed { logged_at: self.clock().now(), plan, request, reply, accepted, grounds });
    }

    /// Writes what waits. What cannot be written is given up, and counted with what is dropped.
    pub(crate) async fn write_served(&self) {
        let _alone = self.served_log.writing.lock().await;
        let Waiting { entries, dropped, .. } = {
            let mut waiting = self.served_log.waiting();
            if waiting.entries.is_empty() {
                return;
            }
            std::mem::take(&mut *waiting)
        };
        let count = entries.len() as u64;
        if let Err(error) = self.append_served(entries, dropped).await {
            tracing::warn!(%error, entries = count, "what was served could not be logged, and is given up");
            self.served_log.waiting().dropped += dropped + count;
        }
    }

    async fn append_served(&self, entries: Vec<Handed>, dropped: u64) -> Result<()> {
        let now = self.clock().now();
        let store = self.offline().clone();
        let work = async move {
            let mut projects: BTreeMap<Name, Vec<Handed>> = BTreeMap::new();
            for entry in entries {
                let project = entry.reply.service.project.clone();
                projects.entry(project).or_default().push(entry);
            }
            let mut dropped = Some(dropped);
            for (project, entries) in projects {
                if let Some(rows) = encode(&entries, dropped.unwrap_or(0))? {
                    dropped = None;
                    store.append_to_serving_log(&project, &rows, RunId::new(now), now).await?;
                }
            }
            Ok(())
        };
        self.workshop().run(work).await
    }
}
