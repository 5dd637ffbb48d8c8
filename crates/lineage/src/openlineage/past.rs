//! What facets said as of then.
//!
//! Of each job and dataset every facet is kept that was told of it, with when: which one stood at a moment does not depend on the order in
//! which they came. One that is told again as it was takes eight bytes, one that is new its content.
//!
//! **Deliberately not here.** Symlinks, and whether a job streams, have no history: what a dataset is called, and whose runs end what, is of now
//! at all times.

use std::collections::{BTreeMap, HashMap, HashSet};

use asof_model::{Digest, Micros};
use serde_json::Value;

use super::event::{Facets, is_deleted};

/// By name: which event told it, and which content it had.
type Told = BTreeMap<String, Vec<(u32, u32)>>;

/// All facets that were told of jobs and datasets.
#[derive(Debug, Default)]
pub(super) struct Past {
    events: Vec<(Micros, Digest)>,
    /// Null is one that was taken back.
    contents: Vec<Value>,
    datasets: HashMap<u32, Told>,
    jobs: HashMap<u32, Told>,
}

/// What is known of the jobs and datasets of a graph as of a moment, in their order there.
#[derive(Debug, Default)]
pub struct Then {
    pub(super) datasets: Vec<Facets>,
    pub(super) jobs: Vec<Facets>,
}

impl Then {
    /// Of a job or a dataset, by its place among those of the graph.
    pub fn of(&self, is_job: bool, place: u32) -> Option<&Facets> {
        let all = if is_job { &self.jobs } else { &self.datasets };
        all.get(place as usize)
    }
}

impl Past {
    /// What follows is told by this event.
    pub(super) fn event(&mut self, time: Micros, digest: Digest) {
        self.events.push((time, digest));
    }

    pub(super) fn of_dataset(&mut self, number: u32, facets: &Facets) {
        self.tell(false, number, facets);
    }

    pub(super) fn of_job(&mut self, number: u32, facets: &Facets) {
        self.tell(true, number, facets);
    }

    fn tell(&mut self, is_job: bool, number: u32, facets: &Facets) {
        if facets.is_empty() {
            return;
        }
        let event = (self.events.len() as u32).saturating_sub(1);
        let things = if is_job { &mut self.jobs } else { &mut self.datasets };
        let told = things.entry(number).or_default();
        for (name, facet) in facets {
            if !told.contains_key(name) {
                told.insert(name.clone(), Vec::new());
            }
            let Some(all) = told.get_mut(name) else { continue };
            let facet = if is_deleted(facet) { &Value::Null } else { facet };
            let same =
                all.last().map(|(_, content)| *content).filter(|content| self.contents[*content as usize] == *facet);
            let content = same.unwrap_or_else(|| {
                self.contents.push(facet.clone());
                self.contents.len() as u32 - 1
            });
            all.push((event, content));
        }
    }

    /// What is known at a moment of a job.
    pub(super) fn job(&self, number: u32, at: Micros) -> Facets {
        self.standing(self.jobs.get(&number), at)
    }

    /// What is known at a moment of a dataset, by the numbers of all its names.
    pub(super) fn dataset(&self, numbers: &[u32], at: Micros) -> Facets {
        self.standing(numbers.iter().filter_map(|number| self.datasets.get(number)), at)
    }

    /// The newest of each name until then, unless it was taken back.
    fn standing<'a>(&self, told: impl IntoIterator<Item = &'a Told>, at: Micros) -> Facets {
        let mut newest: BTreeMap<&String, (u32, u32)> = BTreeMap::new();
        for (name, all) in told.into_iter().flatten() {
            let Some(last) = self.last(all, at) else { continue };
            let held = newest.entry(name).or_insert(last);
            if self.events[held.0 as usize] < self.events[last.0 as usize] {
                *held = last;
            }
        }
        let contents = newest.into_iter().map(|(name, (_, content))| (name, &self.contents[content as usize]));
        contents.filter(|(_, facet)| !facet.is_null()).map(|(name, facet)| (name.clone(), facet.clone())).collect()
    }

    fn last(&self, all: &[(u32, u32)], at: Micros) -> Option<(u32, u32)> {
        let until = all.iter().filter(|(event, _)| self.events[*event as usize].0 <= at);
        until.max_by_key(|(event, _)| self.events[*event as usize]).copied()
    }

    /// The events that told what stood at a moment.
    pub(super) fn holders(&self, at: Micros) -> HashSet<Digest> {
        let all = self.datasets.values().chain(self.jobs.values()).flat_map(BTreeMap::values);
        all.filter_map(|all| self.last(all, at)).map(|(event, _)| self.events[event as usize].1).collect()
    }
}
