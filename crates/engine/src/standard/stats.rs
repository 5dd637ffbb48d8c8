//! How much there was hour by hour of a day, or day by day of a week: what the first page of Marquez draws.
//!
//! Days are those of UTC. Of runs here the last [`MOST_COUNTED`] of each project are counted, as when they began.

use asof_lineage::openlineage::State;
use asof_model::time::{DAY, SECOND};
use asof_model::{Micros, Result};
use serde_json::{Value, json};

use super::Seen;
use crate::Engine;

/// How many runs of a project are counted.
const MOST_COUNTED: u64 = 20_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Events, by what they say of a run.
    Events,
    /// Jobs that there are.
    Jobs,
    /// Datasets that there are.
    Datasets,
    /// Places where datasets lie.
    Sources,
}

/// Slots of time, the last of which is the present one.
struct Slots {
    from: i64,
    width: i64,
    count: usize,
}

impl Slots {
    fn of(now: Micros, week: bool) -> Slots {
        let (width, count) = if week { (DAY, 7) } else { (3600 * SECOND, 24) };
        Slots { from: now.0.div_euclid(width) * width - (count as i64 - 1) * width, width, count }
    }

    fn bounds(&self, slot: usize) -> (Micros, Micros) {
        let from = self.from + slot as i64 * self.width;
        (Micros(from), Micros(from + self.width))
    }

    fn slot(&self, time: Micros) -> Option<usize> {
        let slot = usize::try_from((time.0 - self.from).div_euclid(self.width)).ok()?;
        (slot < self.count).then_some(slot)
    }
}

impl Engine {
    pub(super) async fn counts(&self, seen: &Seen, counted: Counted, week: bool, at: Option<Micros>) -> Result<Value> {
        let slots = Slots::of(at.unwrap_or_else(|| self.clock().now()), week);
        if counted == Counted::Events {
            return self.events_counted(&slots).await;
        }
        let firsts = match counted {
            Counted::Jobs => seen.world.firsts(true),
            Counted::Sources => seen.world.firsts_of_sources(),
            Counted::Datasets | Counted::Events => seen.world.firsts(false),
        };
        let shaped = (0..slots.count).map(|slot| {
            let (from, until) = slots.bounds(slot);
            let count = firsts.iter().filter(|first| **first < until).count();
            json!({"startInterval": from.to_string(), "endInterval": until.to_string(), "count": count})
        });
        Ok(shaped.collect())
    }

    async fn events_counted(&self, slots: &Slots) -> Result<Value> {
        // START, COMPLETE, FAIL, ABORT.
        let mut counts = vec![[0u64; 4]; slots.count];
        let (from, _) = slots.bounds(0);
        let (_, until) = slots.bounds(slots.count - 1);
        let told = self.heard(|heard| heard.states_between(from, until)).await?;
        for (time, state) in told {
            let place = match state {
                State::Start => 0,
                State::Complete => 1,
                State::Fail => 2,
                State::Abort => 3,
                State::Running | State::Other => continue,
            };
            if let Some(slot) = slots.slot(time) {
                counts[slot][place] += 1;
            }
        }
        for project in self.catalog().projects().await? {
            for (slot, state, runs) in self.catalog().runs_by_slot(&project, from, slots.width, MOST_COUNTED).await? {
                let Some(count) = usize::try_from(slot).ok().and_then(|slot| counts.get_mut(slot)) else { continue };
                count[0] += runs;
                match state.as_str() {
                    "done" => count[1] += runs,
                    "failed" => count[2] += runs,
                    "aborted" => count[3] += runs,
                    _ => {}
                }
            }
        }
        let shaped = counts.iter().enumerate().map(|(slot, [start, complete, fail, abort])| {
            let (from, until) = slots.bounds(slot);
            json!({"startInterval": from.to_string(), "endInterval": until.to_string(), "start": start,
                "complete": complete, "fail": fail, "abort": abort})
        });
        Ok(shaped.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slot_is_the_present_one() {
        let now: Micros = "2026-03-04T05:30:00Z".parse().unwrap();
        let day = Slots::of(now, false);
        assert_eq!((day.slot(now), day.count), (Some(23), 24));
        assert_eq!(day.bounds(0).0.to_string(), "2026-03-03T06:00:00Z");
        let week = Slots::of(now, true);
        assert_eq!((week.slot(now), week.bounds(6).0.to_string()), (Some(6), "2026-03-04T00:00:00Z".to_owned()));
        assert_eq!(week.slot(Micros(0)), None);
    }
}
