//! Questions by column: what a column is made of, what is made of it, and what would break without it.
//!
//! **Promises.** Definitions are asked what their columns are made of ([`Flowing`]), one by one, and only those that the question
//! reaches. What others told of columns is walked along with them, so that a column of a table elsewhere leads to a feature here.
//! Upstream and downstream are each other's inverse, as of any moment: if one column is upstream of another, that one, or the rows that it is in,
//! are downstream of the first.
//!
//! **Costs.** In proportion to the columns that are reached, and what [`Flowing`] takes for each definition that is reached.
//! Nothing recurses.
//!
//! **The columns.** A dataset is one table whatever the version of its definition, so its versions have the same columns. A column of a dataset
//! comes from that of the same name in the files that were read into it. What decides which rows there are concerns every
//! column: it goes into the **rows** of a definition ([`Node::Column`] without a name), and these into each of its columns; from there downstream, into
//! the rows of what reads it. A training set that was built has the columns of its definition.
//!
//! **Deliberately not here.** Columns of snapshots are those of their dataset; who asks for a snapshot by number is led to its
//! files. No column is said to come from a job.

mod flat;
mod impact;
mod steps;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use asof_model::{Flows, Pinned, Result};

use crate::graph::{Drawn, Graph, Reason, Via};
use crate::node::Node;
use crate::tree::{Ask, Direction, Tree};
pub use flat::{DatasetColumn, Flat, flat};
pub use impact::{Affected, Change, Impact};
use steps::Steps;

/// Says what the columns of definitions are made of.
pub trait Flowing: Sync {
    /// Those of one definition.
    ///
    /// # Errors
    /// Its own.
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>>;
}

impl Graph {
    /// The column of a thing as the graph has it: of a dataset that of its newest version.
    pub fn column(&self, of: &Node, name: &str) -> Node {
        let of = match of {
            Node::Definition(pinned) => Node::Definition(self.one_table(pinned).clone()),
            other => other.clone(),
        };
        Node::Column { of: Box::new(of), name: Some(name.to_owned()) }
    }

    /// What a column is made of, or what is made of it, as a tree.
    ///
    /// # Errors
    /// Those of [`Flowing::flows`].
    pub fn column_tree(&self, flowing: &dyn Flowing, root: &Node, ask: &Ask) -> Result<Tree> {
        let steps = Steps::new(self, flowing, ask.at);
        let now = Ask { at: None, ..ask.clone() };
        let drawn = match &ask.toward {
            // From the end of a way it is told exactly which columns lead to it.
            Some(goal) if ask.direction == Direction::Downstream => {
                steps.drawn(goal, Direction::Upstream, None, root)?
            }
            _ => steps.drawn(root, ask.direction, ask.depth, root)?,
        };
        Ok(drawn.tree(root, &now))
    }
}

impl Steps<'_> {
    /// The part of the columns' graph around one of them, so many steps far, as a graph; `also` is in it in any case.
    fn drawn(&self, from: &Node, direction: Direction, depth: Option<u32>, also: &Node) -> Result<Graph> {
        let mut edges: BTreeMap<(Node, Node), BTreeSet<Via>> = BTreeMap::new();
        let mut nodes: BTreeSet<Node> = [from.clone(), also.clone()].into();
        let mut seen: HashSet<Node> = [from.clone()].into();
        let mut next = VecDeque::from([(from.clone(), 0u32)]);
        while let Some((node, steps)) = next.pop_front() {
            // One more than is shown, to say how many follow.
            if depth.is_some_and(|depth| steps > depth) {
                continue;
            }
            for (to, via) in self.next(&node, direction)? {
                let ends = match direction {
                    Direction::Upstream => (to.clone(), node.clone()),
                    Direction::Downstream => (node.clone(), to.clone()),
                };
                edges.entry(ends).or_default().insert(via);
                nodes.insert(to.clone());
                if seen.insert(to.clone()) {
                    next.push_back((to, steps + 1));
                }
            }
        }
        let numbers: HashMap<&Node, u32> = nodes.iter().zip(0..).collect();
        let mut drawn = Drawn::default();
        for ((from, to), why) in &edges {
            let always = |via: &Via| Reason { via: via.clone(), from: asof_model::Micros(i64::MIN), until: None };
            drawn.add(numbers[from], numbers[to], why.iter().map(always));
        }
        let notes = nodes.iter().zip(0..).filter_map(|(node, number)| Some((number, self.note(node)?))).collect();
        drop(numbers);
        let sized = nodes.into_iter().map(|node| {
            let size = self.graph.position(&node).and_then(|place| self.graph.sizes[place]);
            (node, size)
        });
        Ok(Graph::drawn(sized.collect(), notes, HashMap::new(), drawn, Vec::new()))
    }
}
