//! Who tells an answer: the definitions, our runs, and the jobs and datasets of others, whose events together say what trees
//! show.
//!
//! A run is told whole, with all that it read and made, also where a question goes one way only: an event that was cut would say
//! that there was nothing else.

use std::collections::{BTreeSet, HashSet};

use asof_model::{Micros, Pinned, RunId};

use crate::graph::{Graph, Via};
use crate::node::Node;
use crate::openlineage;
use crate::tree::Tree;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tellers {
    /// Definitions.
    pub definitions: BTreeSet<Pinned>,
    /// Runs of ours.
    pub runs: BTreeSet<RunId>,
    /// Jobs of others.
    pub jobs: BTreeSet<openlineage::Name>,
    /// Datasets of others, by the name that stands for all.
    pub datasets: BTreeSet<openlineage::Name>,
}

impl Graph {
    /// Who tells what these trees of this graph show, as of the moment that was asked about.
    pub fn tellers(&self, trees: &[Tree], at: Option<Micros>) -> Tellers {
        let mut tellers = Tellers::default();
        for line in trees.iter().flat_map(|tree| &tree.lines) {
            tellers.add(&line.node);
            let runs = line.via.iter().filter_map(|via| match via {
                Via::Run { id, .. } => Some(*id),
                _ => None,
            });
            tellers.runs.extend(runs);
        }
        // Columns lead from dataset to dataset: between them is a job.
        let places = tellers.datasets.iter().filter_map(|name| self.position(&Node::External(name.clone())));
        let places: HashSet<u32> = places.map(|place| place as u32).collect();
        let within = self.columns.iter().filter(|told| places.contains(&told.from) && places.contains(&told.to));
        let holding = within.filter(|told| told.flow.spans.iter().any(|span| span.holds(at)));
        holding.filter_map(|told| told.job).for_each(|job| tellers.add(&self.nodes[job as usize]));
        tellers
    }
}

impl Tellers {
    fn add(&mut self, node: &Node) {
        match node {
            Node::Definition(pinned) => _ = self.definitions.insert(pinned.clone()),
            Node::External(name) => _ = self.datasets.insert(name.clone()),
            Node::Job(name) => _ = self.jobs.insert(name.clone()),
            Node::Column { of, .. } => self.add(of),
            // Runs tell of what was made and read.
            Node::Snapshot { .. }
            | Node::File { .. }
            | Node::TrainingSet { .. }
            | Node::Online { .. }
            | Node::Model { .. } => {}
        }
    }
}
