//! Which of the events that were heard tell an answer.

use std::collections::{BTreeSet, HashSet};

use asof_model::{Digest, Micros};

use super::external::{End, External};
use super::heard::{Claim, Heard, Speaker};
use crate::tellers::Tellers;

impl Heard {
    /// The events that tell what others said of an answer, by their digests; with a moment, those until then. `folded` is the fold of all.
    /// They are those that are about its jobs and datasets, but for runs that say nothing any more ([`Heard::spent`]); if a
    /// dataset has several names, or had, so are those of the jobs that say so. Takes time in the number of all events.
    pub fn telling(&self, folded: &External, tellers: &Tellers, at: Option<Micros>) -> BTreeSet<Digest> {
        let until = at.unwrap_or(Micros(i64::MAX));
        let mut jobs: HashSet<u32> = tellers.jobs.iter().filter_map(|job| self.jobs.find(job)).collect();
        let mut datasets = HashSet::new();
        for name in &tellers.datasets {
            let Some(End::Dataset(place)) = folded.find(name) else { continue };
            let dataset = &folded.datasets()[place as usize];
            datasets.extend(dataset.also.iter().chain([&dataset.name]).filter_map(|name| self.datasets.find(name)));
        }
        loop {
            let known = (jobs.len(), datasets.len());
            let tied = datasets.iter().filter_map(|number| self.ties.get(number)).flatten();
            jobs.extend(tied.copied());
            // What else they are about may go by several names, too, or may not do so any more.
            let about = self.statements.iter().filter(|said| said.job().is_some_and(|job| jobs.contains(&job)));
            let about = about.flat_map(|said| &said.claims).filter_map(|claim| match claim {
                Claim::Reads(dataset) | Claim::Writes(dataset) => Some(*dataset),
                Claim::Column(_) => None,
            });
            datasets.extend(about.filter(|number| self.ties.contains_key(number)));
            if known == (jobs.len(), datasets.len()) {
                break;
            }
        }
        let speakers = jobs.iter().map(|job| Speaker::Declared(*job));
        let speakers = speakers.chain(datasets.into_iter().map(Speaker::Dataset));
        let declared = speakers.filter_map(|speaker| self.declared.get(&speaker)).flatten();
        let of_runs = self.statements.iter().filter(|said| said.run.is_some());
        let of_runs = of_runs.filter(|said| said.job().is_some_and(|job| jobs.contains(&job)));
        let told = declared.copied().chain(of_runs.map(|said| (said.time, said.digest)));
        let mut told: BTreeSet<Digest> = told.filter(|(time, _)| *time <= until).map(|(_, digest)| digest).collect();
        if !told.is_empty() {
            // What was said at the moment itself is part of the answer.
            self.spent(Micros(until.0.saturating_add(1))).iter().for_each(|digest| _ = told.remove(digest));
        }
        told
    }
}
