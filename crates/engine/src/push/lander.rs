//! Brings tables up to date from their journals.
//!
//! What has landed is part of the commit that landed it, so every step may be done again: a crash between the commit
//! and the trimming of the journal costs looking at some entries twice.

use std::sync::Arc;

use asof_model::run::{Item, Verb};
use asof_model::{Definition, Error, Name, Result, Selector};
use asof_offline::Land;
use asof_online::{Entry, Journal};

use super::entry;
use crate::{Background, Engine};

/// Bytes of entries that become one commit, unless one alone has more.
const COMMIT_BYTES: usize = 64 << 20;

impl Engine {
    /// Brings tables up to date at the pace that was set, until that is ended; then the rest. What cannot be landed waits in its
    /// journal for the next start. Call it within a tokio runtime.
    pub fn land_in_the_background(&self) -> Background {
        let engine = self.clone();
        Background::begin(|mut stopped| async move {
            let (backlog, every) = (Arc::clone(&engine.pusher.backlog), engine.pusher.limits.every);
            loop {
                let last = tokio::select! {
                    _ = &mut stopped => true,
                    // Both ends of this wait mean the same: it is time.
                    _ = tokio::time::timeout(every, backlog.full.notified()) => false,
                };
                if let Err(error) = engine.land_all().await {
                    tracing::warn!(%error, "pushed rows could not be written to their table, and wait");
                }
                if last {
                    return;
                }
            }
        })
    }

    /// Lands everything that can be landed; one dataset that cannot is in no other's way.
    ///
    /// # Errors
    /// The first that came up.
    pub(crate) async fn land_all(&self) -> Result<()> {
        let journals: Vec<_> = self.pusher.backlog.journals().keys().cloned().collect();
        let mut landed = Ok(());
        for journal in journals {
            landed = landed.and(self.land_journal(&journal).await);
        }
        landed
    }

    /// Lands what was acknowledged for a dataset so far, so that who looks at the table next sees it.
    pub(crate) async fn land(&self, project: &Name, dataset: &Name) -> Result<()> {
        self.land_journal(&Journal { project: project.clone(), dataset: dataset.clone() }).await
    }

    async fn land_journal(&self, journal: &Journal) -> Result<()> {
        // What comes from now on is not waited for: it might never end.
        let Some(until) = self.pusher.backlog.last(journal) else { return Ok(()) };
        let _alone = self.pusher.landing.lock().await;
        let mut landed = 0;
        while landed < until && self.pusher.backlog.last(journal).is_some() {
            let (online, from) = (Arc::clone(self.online()), journal.clone());
            let entries = tokio::task::spawn_blocking(move || online.entries(&from, COMMIT_BYTES));
            let entries = entries.await.map_err(Error::internal)??;
            let Some(last) = entries.last().map(|entry| entry.last) else {
                // Somebody else landed them, or they are just being written.
                return Ok(());
            };
            if last > self.offline().landed(&journal.project, &journal.dataset).await? {
                self.commit(journal, &entries).await?;
            }
            self.online().trim(journal, last)?;
            landed = last;
            self.pusher.backlog.remove(journal, entries.iter().map(|entry| entry.bytes.len() as u64).sum());
        }
        Ok(())
    }

    /// One run, one commit.
    async fn commit(&self, journal: &Journal, entries: &[Entry]) -> Result<()> {
        let Journal { project, dataset } = journal;
        // Whatever version let them in, the table is one, and the newest version says how its files are sorted.
        let registered = self.catalog().select(project, dataset, &Selector::Latest).await?;
        let Definition::Dataset(definition) = registered.definition else {
            return Err(Error::internal("a dataset was asked for"));
        };
        let rows = entries.iter().map(entry::decode).collect::<Result<Vec<_>>>()?;
        let mut record = self.start(project, Verb::Push, vec![Item::Definition(registered.pinned.clone())]).await?;
        let request = Land { project: project.clone(), definition, rows, run: record.id(), now: self.clock().now() };
        let store = self.offline().working_on(record.work());
        let work = async move { store.land(request).await };
        let result = self.workshop().run_as(record.work(), work).await.map(|landing| match landing {
            asof_offline::Landing::Committed { number, rows } => {
                record.made(Item::Snapshot { dataset: dataset.clone(), number });
                record.note("rows", rows);
                record.note("entries", entries.len());
            }
            asof_offline::Landing::Unchanged => record.note("unchanged", "all of it had landed before"),
        });
        self.finish(record, result).await
    }
}
