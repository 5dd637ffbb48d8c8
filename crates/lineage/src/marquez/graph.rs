//! What a dataset or a job comes from and what depends on it, as nodes with edges.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::world::{Thing, World};

/// The most nodes that one answer has; those nearest to what was asked about.
pub const MOST_NODES: usize = 10_000;

impl World {
    /// The dataset or job that the id of a node means, if anybody told of it; a namespace may have colons, and so may a name. A
    /// version after `#` says nothing: the graph is that of names.
    pub fn node(&self, id: &str) -> Option<&Thing> {
        let versionless = id.rsplit_once('#').map(|(id, _)| id);
        [Some(id), versionless].into_iter().flatten().find_map(|id| {
            let (kind, rest) = id.split_once(':')?;
            let mut names = splits(rest);
            match kind {
                "dataset" => names.find_map(|(namespace, name)| self.dataset(namespace, name)),
                "job" => names.find_map(|(namespace, name)| self.job(namespace, name)),
                _ => None,
            }
        })
    }

    /// The graph around a thing: what it comes from and what depends on it, so many jobs far.
    pub fn lineage(&self, around: &Thing, depth: u32) -> Value {
        let Some(start) = self.number(around) else { return json!({"graph": []}) };
        // A step is from a dataset to a job or back.
        let steps = depth.saturating_mul(2);
        let mut reached: BTreeMap<u32, u32> = BTreeMap::from([(start, 0)]);
        for upstream in [true, false] {
            let mut seen: BTreeMap<u32, u32> = BTreeMap::from([(start, 0)]);
            let mut next = VecDeque::from([(start, 0)]);
            while let Some((number, far)) = next.pop_front()
                && far < steps
                && reached.len().max(seen.len()) < MOST_NODES
            {
                let thing = &self.things[number as usize];
                let beside = if upstream { &thing.upstream } else { &thing.downstream };
                for number in beside {
                    if let Entry::Vacant(place) = seen.entry(*number) {
                        place.insert(far + 1);
                        next.push_back((*number, far + 1));
                    }
                }
            }
            for (number, far) in seen {
                let nearest = reached.entry(number).or_insert(far);
                *nearest = far.min(*nearest);
            }
        }
        let mut nearest: Vec<_> = reached.into_iter().map(|(number, far)| (far, number)).collect();
        nearest.sort_unstable();
        nearest.truncate(MOST_NODES);
        let shown: BTreeSet<u32> = nearest.into_iter().map(|(_, number)| number).collect();
        let nodes = shown.iter().map(|number| {
            let thing = &self.things[*number as usize];
            let id = thing.id();
            let beside = |numbers: &BTreeSet<u32>| {
                let ids = numbers.iter().filter(|number| shown.contains(number));
                ids.map(|number| self.things[*number as usize].id()).collect::<Vec<_>>()
            };
            let into = beside(&thing.upstream).into_iter().map(|from| json!({"origin": from, "destination": id}));
            let out = beside(&thing.downstream).into_iter().map(|to| json!({"origin": id, "destination": to}));
            json!({"id": id, "type": if thing.is_job { "JOB" } else { "DATASET" }, "data": self.thing_shape(thing),
                "inEdges": into.collect::<Vec<_>>(), "outEdges": out.collect::<Vec<_>>()})
        });
        json!({"graph": nodes.collect::<Vec<_>>()})
    }
}

/// All ways to take a text apart at a colon.
pub(super) fn splits(text: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    text.match_indices(':').map(|(colon, _)| (&text[..colon], &text[colon + 1..]))
}
