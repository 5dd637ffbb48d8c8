//! Events, ours and those of others, in the order in which they happened, a page at a time.
//!
//! A run of ours stands where it began, with all its events. Reading a page costs what lies before it, so how far a page may be
//! away is limited; a narrower stretch of time leads further.

use asof_catalog::Page as Part;
use asof_lineage::marquez::Page;
use asof_model::{Error, ErrorKind, Micros, Name, Result, Run};
use serde_json::{Value, json};

use crate::Engine;

/// How many events may lie before a page.
const FARTHEST: usize = 100_000;

/// How far runs are counted.
const MOST_COUNTED: u64 = 100_000;

/// Where an event is to be had.
enum Place {
    Told(i64),
    Ours(usize, u8),
}

impl Engine {
    pub(super) async fn events_page(
        &self,
        namespace: Option<&str>,
        after: Option<Micros>,
        before: Option<Micros>,
        newest_first: bool,
        page: Page,
    ) -> Result<Value> {
        let reach = page.offset.saturating_add(page.limit);
        if reach > FARTHEST {
            let message = format!("a page of events may begin after no more than {FARTHEST} others");
            return Err(Error::new(ErrorKind::Invalid, "too_far_back", message)
                .remedy("narrow the time that is asked about with after=… and before=…"));
        }
        let from = after.unwrap_or(Micros(i64::MIN));
        // Without the moment itself, as the standard's readers ask for days.
        let until = before.map_or(Micros(i64::MAX), |before| Micros(before.0.saturating_sub(1)));
        let (mut places, mut total) = self
            .told(|events| {
                let start = events.partition_point(|event| event.time < from);
                let end = events.partition_point(|event| event.time <= until).max(start);
                let within = events[start..end]
                    .iter()
                    .filter(|event| namespace.is_none_or(|namespace| &*event.namespace == namespace));
                let place = |event: &crate::graphs::Event| (event.time, Place::Told(event.number));
                let total = match namespace {
                    None => end - start,
                    Some(_) => within.clone().count(),
                };
                let near: Vec<_> = match newest_first {
                    true => within.rev().take(reach).map(place).collect(),
                    false => within.take(reach).map(place).collect(),
                };
                (near, total as u64)
            })
            .await?;
        let mut runs: Vec<Run> = Vec::new();
        for project in self.catalog().projects().await? {
            if namespace.is_some_and(|namespace| namespace != format!("asof://{project}")) {
                continue;
            }
            total += 2 * self.catalog().runs_between_counted(&project, from, until, MOST_COUNTED).await?;
            runs.extend(self.began(&project, from, until, reach.div_ceil(2), newest_first).await?);
        }
        for (number, run) in runs.iter().enumerate() {
            let ended = run.finished.is_some();
            places.push((run.started, Place::Ours(number, 0)));
            places.extend(ended.then_some((run.started, Place::Ours(number, 1))));
        }
        // Of one moment in the order in which they are: stable, and the two of a run after each other.
        places.sort_by_key(|(time, place)| match place {
            Place::Told(number) => (*time, 0, *number as usize, 0),
            Place::Ours(number, event) => (*time, 1, *number, *event),
        });
        if newest_first {
            places.reverse();
        }
        let mut events = Vec::new();
        for (_, place) in places.into_iter().skip(page.offset).take(page.limit) {
            match place {
                Place::Told(number) => {
                    let kept = self.catalog().events_after(number - 1, 1).await?.into_iter().next();
                    events.extend(kept.and_then(|(_, event)| serde_json::from_str(&event.body).ok()));
                }
                Place::Ours(number, event) => {
                    let told = self.narrator().of_runs(&runs[number..=number]).await;
                    events.extend(told.into_iter().nth(event.into()));
                }
            }
        }
        Ok(json!({"events": Value::Array(events), "totalCount": total}))
    }

    async fn began(
        &self,
        project: &Name,
        from: Micros,
        until: Micros,
        most: usize,
        newest_first: bool,
    ) -> Result<Vec<Run>> {
        let part = Part { offset: 0, limit: most as u64, at: Some(until) };
        self.catalog().runs_between(project, from, part, newest_first).await
    }
}
