//! `fresh`: of views with a TTL there is something that has not expired, and it is online.
//!
//! Looked at is the newest row only: that some key was heard of in time says that the source is alive, not that every key
//! is. A view that follows what is pushed is as new online as its dataset is, whenever it was materialized.

use std::sync::Arc;

use asof_model::time::SECOND;
use asof_model::{Definition, Kind, Micros, Pinned, Registered, Result};
use asof_offline::Progress;
use asof_query::Definitions;

use super::{Answer, Question, Refusal, counted};
use crate::Engine;

impl Engine {
    pub(super) async fn ask_fresh(&self, question: &Question<'_>, progress: &Arc<dyn Progress>) -> Result<Answer> {
        let now = self.clock().now();
        let (mut refusals, mut fresh) = (Vec::new(), 0);
        let read: Vec<(&Pinned, &Pinned)> = question.read_views().collect();
        for (index, (service, view)) in read.iter().copied().enumerate() {
            // What two services read is told of the first.
            if read.iter().take(index).any(|(_, before)| *before == view) {
                continue;
            }
            let view = self.catalog().pinned(view).await?;
            let Definition::FeatureView(definition) = &view.definition else { continue };
            let Some(ttl) = definition.ttl else { continue };
            match self.stale(&view, ttl, now, progress).await? {
                None => fresh += 1,
                Some(refusal) => refusals.push(Refusal { service: Some(service.clone()), ..refusal }),
            }
        }
        Ok(Answer { said: format!("{} with a TTL", counted(fresh, "view")), refusals })
    }

    /// Why what is online of a view has expired, or will never be there.
    async fn stale(
        &self,
        view: &Registered,
        ttl: Micros,
        now: Micros,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Refusal>> {
        let pinned = &view.pinned;
        let materialize = format!("asof materialize {}", pinned.reference());
        let Some(published) = self.online().published(pinned)? else {
            return Ok(Some(Refusal::about(Some(pinned), "is not online", materialize)));
        };
        let closure = self.catalog().closure(std::slice::from_ref(pinned)).await?;
        let dataset = closure.iter().find(|r| r.pinned.kind == Kind::Dataset).map(|r| r.pinned.name.clone());
        let ingest = dataset.map(|dataset| format!("asof ingest {dataset} FILE…, then ")).unwrap_or_default();
        let pins = self.pin(&closure, None).await?;
        let definitions = Arc::new(Definitions::new(closure.into_iter().map(Arc::new)));
        let Some(newest) = self.newest_event(view, &definitions, &pins, now, progress).await? else {
            let remedy = format!("{ingest}{materialize}");
            return Ok(Some(Refusal::about(Some(pinned), "has no row", remedy)));
        };
        let age = |moment: Micros| Micros(now.0.saturating_sub(moment.0));
        if age(newest) > ttl {
            let (old, ttl) = (span(age(newest)), span(ttl));
            let reason = format!("has expired: its newest row is {old} old, and its TTL is {ttl}");
            return Ok(Some(Refusal::about(Some(pinned), reason, format!("{ingest}{materialize}"))));
        }
        if age(published.at) > ttl && !self.pushed_to(view, &definitions, published.run).await? {
            let (old, ttl) = (span(age(published.at)), span(ttl));
            let reason = format!("has expired online: it was materialized {old} ago, and its TTL is {ttl}");
            return Ok(Some(Refusal::about(Some(pinned), reason, materialize)));
        }
        Ok(None)
    }
}

/// A length of time for people, in its largest unit, what is left over cut off.
fn span(length: Micros) -> String {
    let seconds = length.0.max(0) / SECOND;
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(usize::try_from(count).unwrap_or_default(), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_their_largest_unit() {
        let check = |seconds: i64, expected: &str| assert_eq!(span(Micros(seconds * SECOND)), expected);
        check(0, "0 seconds");
        check(61, "1 minute");
        check(3 * 3_600, "3 hours");
        check(49 * 3_600, "2 days");
        check(-5, "0 seconds");
    }
}
