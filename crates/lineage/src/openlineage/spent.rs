//! Which events may be forgotten: those that say nothing any more about a moment, or later.
//!
//! Of a run all events go, or none. One goes if all that it said was said before the moment, if another run said last whatever of it
//! still held then, if it was not the last to end what it did not say, and if nothing that was known then of a dataset or a job was told by it last. So the graph as of that moment, and
//! as of any later one, is the same without it; as of an earlier one it is not. What is told without a run stays, and so does what
//! takes something back.
//!
//! What does change: since when an edge holds is the time of the first event that is left, and so is when a thing was told of first.
//! That one job is part of another is forgotten with the last run that says so.

use std::collections::{BTreeSet, HashMap};

use asof_model::{Digest, Micros};

use super::heard::{Heard, Statement};

impl Heard {
    /// The events that may be forgotten if nobody asks about what was before a moment; sorted.
    pub fn spent(&self, before: Micros) -> Vec<Digest> {
        let holders = self.holders(before);
        let facets = self.past.holders(before);
        let mut runs: HashMap<u32, Vec<&Statement>> = HashMap::new();
        for said in &self.statements {
            if let Some(run) = said.run {
                runs.entry(run).or_default().push(said);
            }
        }
        let spent = runs.into_iter().filter(|(run, said)| {
            !holders.contains(run)
                && said
                    .iter()
                    .all(|said| said.time < before && said.taken_back.is_empty() && !facets.contains(&said.digest))
        });
        let spent: BTreeSet<Digest> = spent.flat_map(|(_, said)| said.into_iter().map(|said| said.digest)).collect();
        spent.into_iter().collect()
    }
}
