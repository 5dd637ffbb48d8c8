//! `hear`: what other tools say that their jobs read and wrote, as OpenLineage events, is kept.
//!
//! An event is looked at before it is kept, so that what is kept can be folded; what it says is looked at when somebody asks
//! for lineage. It is no run: it changes nothing of ours.

use asof_catalog::LineageEvent;
use asof_lineage::openlineage::{Event, canonical};
use asof_model::{Error, ErrorKind, Micros, Result};

use crate::Engine;

/// What became of events.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// How many were not there yet.
    pub new: u64,
    /// The others that were taken: they were there.
    pub known: u64,
    /// Those that were not taken, by their place among all, and why.
    pub refused: Vec<(usize, Error)>,
}

impl Engine {
    /// Keeps events, each the text of one; all that can be read, or none. When this is done they are on disk. The same event
    /// again is no other one.
    ///
    /// # Errors
    /// Those of the catalog. What is wrong with an event is told with the others.
    pub async fn hear(&self, events: Vec<String>) -> Result<Heard> {
        let now = self.clock().now();
        // Not in the workshop: a sender waits for seconds, and what is trained there may take longer.
        let looked_at = move || looked_at(events, now);
        let (events, refused) = tokio::task::spawn_blocking(looked_at).await.map_err(Error::internal)?;
        let new = if events.is_empty() { 0 } else { self.catalog().keep_events(&events).await? };
        Ok(Heard { new, known: events.len() as u64 - new, refused })
    }
}

fn looked_at(events: Vec<String>, now: Micros) -> (Vec<LineageEvent>, Vec<(usize, Error)>) {
    let (mut taken, mut refused) = (Vec::with_capacity(events.len()), Vec::new());
    for (place, body) in events.into_iter().enumerate() {
        let value = serde_json::from_str(&body).map_err(|e| {
            Error::new(ErrorKind::Invalid, "invalid_event", format!("this is not an OpenLineage event: {e}"))
                .remedy("send events as https://openlineage.io/spec describes them")
        });
        match value.and_then(|value| Event::read(&value).map(|_| canonical::digest(&value))) {
            Ok(digest) => taken.push(LineageEvent { digest, received: now, body }),
            Err(error) => refused.push((place, error)),
        }
    }
    (taken, refused)
}
