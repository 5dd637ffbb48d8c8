//! Events of our own runs, sent to whoever is to have them as they happen: over HTTP, to a file, or to the terminal.
//!
//! **Promises.** No verb waits for it and none fails for it. Events leave one after another, in the order in which things
//! happened: of a run START before what became of it. What fails in passing is tried again, more and more slowly, for as long as the
//! settings say; what is refused for good is not. What is not delivered is counted and told ([`Telling::told`]).
//!
//! **Costs.** A run on its way to the queue is copied. The queue holds so many runs and takes no more: what comes then is
//! dropped, and counted. Events may come twice where an answer was lost; to whom that matters tells them apart by run and state.
//!
//! **Deliberately not here.** Nothing is kept for a later process: `asof log --openlineage` tells everything again.

mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use asof_engine::{Listener, Narrator, Told};
use asof_model::Result;
use tokio::sync::{mpsc, watch};

use crate::config;
use sink::{Failure, Sink};

/// The first wait before something is tried again; each further one is twice as long, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How events leave.
#[derive(Clone)]
pub(crate) struct Telling {
    queue: mpsc::Sender<Told>,
    /// Runs that are on their way.
    waiting: Arc<watch::Sender<u64>>,
    counts: Arc<Counts>,
}

/// What became of events.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

/// How many events were delivered, and how many were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Taken by whoever gets them.
    pub sent: u64,
    /// Dropped, refused, or given up; where the queue was full each counts as one that happened.
    pub lost: u64,
}

impl Telling {
    /// Starts a task that sends, if the settings say where to. It ends when nobody can tell anything any more.
    ///
    /// # Errors
    /// `invalid_config` for a URL that is none.
    pub(crate) fn start(settings: &config::Openlineage, narrator: Narrator) -> Result<Option<Telling>> {
        let Some(sink) = Sink::of(settings)? else { return Ok(None) };
        let (queue, events) = mpsc::channel(settings.queue.max(1));
        let telling = Telling { queue, waiting: Arc::new(watch::channel(0).0), counts: Arc::default() };
        let (waiting, counts) = (telling.waiting.clone(), telling.counts.clone());
        let sending = Sending { narrator, sink, patience: settings.retry_for, waiting, counts, failing: false };
        tokio::spawn(sending.run(events));
        Ok(Some(telling))
    }

    /// Waits until everything is on its way no more, or until `patience` ends; what was delivered, where what still waits
    /// counts as lost.
    pub(crate) async fn drained(&self, patience: Duration) -> Delivered {
        let mut waiting = self.waiting.subscribe();
        // Nobody is left who could end it: then nothing waits.
        let _ = tokio::time::timeout(patience, waiting.wait_for(|waiting| *waiting == 0)).await;
        let still = *self.waiting.borrow();
        let Delivered { sent, lost } = self.delivered();
        Delivered { sent, lost: lost + still }
    }

    fn delivered(&self) -> Delivered {
        let Counts { sent, lost } = &*self.counts;
        Delivered { sent: sent.load(Ordering::Relaxed), lost: lost.load(Ordering::Relaxed) }
    }
}

impl Listener for Telling {
    fn told(&self, told: Told) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        if self.queue.try_send(told).is_err() {
            self.waiting.send_modify(|waiting| *waiting -= 1);
            if self.counts.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("events of OpenLineage wait longer than there is room for them, and are dropped");
            }
        }
    }
}

/// The other end of the queue.
struct Sending {
    narrator: Narrator,
    sink: Sink,
    patience: Duration,
    waiting: Arc<watch::Sender<u64>>,
    counts: Arc<Counts>,
    /// Whether the last event was not delivered.
    failing: bool,
}

impl Sending {
    async fn run(mut self, mut queue: mpsc::Receiver<Told>) {
        while let Some(told) = queue.recv().await {
            for event in self.narrator.events(&told).await {
                self.send(event).await;
            }
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }

    /// Sends an event, again and again if need be.
    async fn send(&mut self, event: String) {
        let (mut waited, mut wait) = (Duration::ZERO, FIRST_WAIT);
        let failed = loop {
            match self.sink.send(&event).await {
                Ok(()) => break None,
                Err(Failure::ForGood(why)) => break Some(why),
                Err(Failure::InPassing(why)) if waited >= self.patience => break Some(why),
                Err(Failure::InPassing(_)) => {
                    let _ = tokio::time::timeout(wait, std::future::pending::<()>()).await;
                    waited += wait;
                    wait = (wait * 2).min(LAST_WAIT);
                }
            }
        };
        match failed {
            None => {
                self.counts.sent.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    tracing::warn!(to = %self.sink, "events of OpenLineage are delivered again");
                }
            }
            Some(why) => {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                // Once, not for each.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(to = %self.sink, "an event of OpenLineage was not delivered: {why}");
                }
            }
        }
    }
}
