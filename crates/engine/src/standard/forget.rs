//! Forgetting old events of others that say nothing any more.

use asof_model::{Micros, Result};

use crate::Engine;

/// Events that were forgotten, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// How many.
    pub events: u64,
    /// Of how many altogether.
    pub of: u64,
}

impl Engine {
    /// Forgets the events of runs that were over before a moment and that say nothing about it or what came after: the graph as of
    /// any moment from then on stays what it is. `dry` only counts them.
    ///
    /// # Errors
    /// `event_corrupt`; those of the catalog.
    pub async fn forget_events(&self, before: Micros, dry: bool) -> Result<Forgotten> {
        let engine = self.clone();
        let looking = async move { engine.heard(|heard| (heard.spent(before), heard.len() as u64)).await };
        let (spent, of) = self.workshop().run(looking).await?;
        if dry || spent.is_empty() {
            return Ok(Forgotten { events: spent.len() as u64, of });
        }
        let events = self.catalog().forget_events(&spent).await?;
        self.hear_anew().await;
        Ok(Forgotten { events, of })
    }
}
