//! The graph: nodes, and edges from what is upstream to what is downstream.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Kind, Name, Pinned, Registered, Run, RunId, Selector, Version};

use crate::node::{Node, Size};
use crate::tree::{self, Direction, Tree};

/// Why one thing is upstream of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The definition downstream names the one upstream.
    Defines,
    /// The snapshot downstream holds what the one upstream holds, and more.
    Continues,
    /// A run read the one and made the other.
    Run {
        /// Its identifier; first, so that runs sort by their start.
        id: RunId,
        /// Its verb, as typed.
        verb: &'static str,
    },
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Via::Defines => f.write_str("defines"),
            Via::Continues => f.write_str("continues"),
            Via::Run { id, verb } => write!(f, "{verb} {id}"),
        }
    }
}

/// An end of an edge, seen from the other one.
#[derive(Debug)]
pub(crate) struct Edge {
    /// Where it leads: an index into the nodes.
    pub(crate) to: usize,
    /// Every reason there is for it; at least one.
    pub(crate) via: Vec<Via>,
}

/// Definitions, what was made of them, and how they hang together.
#[derive(Debug)]
pub struct Graph {
    /// Sorted, so that an index compares as its node does.
    pub(crate) nodes: Vec<Node>,
    pub(crate) sizes: Vec<Option<Size>>,
    /// For each node what is next to it, sorted.
    upstream: Vec<Vec<Edge>>,
    downstream: Vec<Vec<Edge>>,
    index: HashMap<Node, usize>,
}

impl Graph {
    /// The graph of these definitions and runs.
    pub fn build(definitions: &[Registered], runs: &[Run]) -> Graph {
        let mut draft = Draft::default();
        draft.definitions(definitions);
        for run in runs.iter().filter(|run| run.outcome == Outcome::Done && run.verb != Verb::Apply) {
            draft.run(run);
        }
        draft.snapshots_in_sequence();
        draft.finish()
    }

    /// The thing that a reference means, if the graph has it. A number is a snapshot of a dataset, the
    /// n-th training set built, a version of anything else; without a selector and with `latest` it is the newest version of
    /// the definition. What an environment points at is not in the graph: resolve it first.
    pub fn find(&self, project: &Name, name: &Name, selector: Option<&Selector>) -> Option<&Node> {
        let fits = |node: &&Node| match (node, selector) {
            (Node::Snapshot { project: p, dataset, number }, Some(Selector::Number(n))) => {
                (p, dataset, number.0) == (project, name, *n)
            }
            (Node::TrainingSet { project: p, name: built, number }, Some(Selector::Number(n))) => {
                (p, built, u64::from(*number)) == (project, name, *n)
            }
            (Node::Definition(p), _) if (&p.project, &p.name) == (project, name) => match selector {
                Some(Selector::Number(n)) => {
                    u64::from(p.version.0) == *n && !matches!(p.kind, Kind::Dataset | Kind::TrainingSet)
                }
                Some(Selector::Digest(prefix)) => p.digest.hex().starts_with(prefix),
                Some(Selector::Environment(_)) => false,
                Some(Selector::Latest) | None => true,
            },
            _ => false,
        };
        let version = |node: &&Node| match node {
            Node::Definition(p) => p.version,
            _ => Version(0),
        };
        self.nodes.iter().filter(fits).max_by_key(version)
    }

    /// What a thing comes from, so many steps far; all the way without a depth. A thing that the graph does
    /// not have comes from nothing.
    pub fn upstream(&self, node: &Node, depth: Option<u32>) -> Tree {
        tree::walk(self, node, Direction::Upstream, depth)
    }

    /// What depends on a thing, so many steps far; all the way without a depth.
    pub fn downstream(&self, node: &Node, depth: Option<u32>) -> Tree {
        tree::walk(self, node, Direction::Downstream, depth)
    }

    /// All things, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn position(&self, node: &Node) -> Option<usize> {
        self.index.get(node).copied()
    }

    pub(crate) fn edges(&self, node: usize, direction: Direction) -> &[Edge] {
        match direction {
            Direction::Upstream => &self.upstream[node],
            Direction::Downstream => &self.downstream[node],
        }
    }
}

/// A graph in the making: sets, so that nothing depends on the order in which things come.
#[derive(Default)]
struct Draft {
    nodes: BTreeMap<Node, Option<Size>>,
    /// By (upstream, downstream).
    edges: BTreeMap<(Node, Node), BTreeSet<Via>>,
    /// What each definition reads, for [`Draft::outermost`].
    reads: HashMap<Pinned, Vec<Pinned>>,
}

impl Draft {
    fn definitions(&mut self, definitions: &[Registered]) {
        for registered in definitions {
            let pinned = &registered.pinned;
            self.node(pinned.clone().into(), None);
            for input in &registered.inputs {
                self.edge(input.pinned.clone().into(), pinned.clone().into(), Via::Defines);
            }
            let reads = registered.inputs.iter().map(|input| input.pinned.clone());
            self.reads.insert(pinned.clone(), reads.collect());
        }
    }

    fn run(&mut self, run: &Run) {
        let node = |item: &Item| Node::of(&run.project, item);
        for item in &run.inputs {
            self.node(node(item), None);
        }
        for item in &run.outputs {
            self.node(node(item), size(run, item));
        }
        let implied = self.implied(&run.inputs);
        for input in &run.inputs {
            if matches!(input, Item::Definition(pinned) if implied.contains(pinned)) {
                continue;
            }
            for output in &run.outputs {
                self.edge(node(input), node(output), Via::Run { id: run.id, verb: run.verb.as_str() });
            }
        }
    }

    /// What the definitions among these items read, directly or not.
    fn implied(&self, items: &[Item]) -> HashSet<Pinned> {
        let read = |pinned: &Pinned| self.reads.get(pinned).into_iter().flatten();
        let definitions = items.iter().filter_map(|item| match item {
            Item::Definition(pinned) => Some(pinned),
            _ => None,
        });
        let mut next: Vec<_> = definitions.flat_map(read).collect();
        let mut implied = HashSet::new();
        while let Some(pinned) = next.pop() {
            if implied.insert(pinned.clone()) {
                next.extend(read(pinned));
            }
        }
        implied
    }

    /// Joins each snapshot with the one before it, and says of its rows that they were added.
    fn snapshots_in_sequence(&mut self) {
        let snapshots: Vec<_> =
            self.nodes.keys().filter(|node| matches!(node, Node::Snapshot { .. })).cloned().collect();
        for pair in snapshots.windows(2) {
            if let [earlier @ Node::Snapshot { project, dataset, .. }, later] = pair
                && matches!(later, Node::Snapshot { project: p, dataset: d, .. } if (p, d) == (project, dataset))
            {
                self.edge(earlier.clone(), later.clone(), Via::Continues);
                if let Some(size @ Some(Size::Rows(_))) = self.nodes.get_mut(later)
                    && let Some(Size::Rows(rows)) = *size
                {
                    *size = Some(Size::RowsAdded(rows));
                }
            }
        }
    }

    fn node(&mut self, node: Node, size: Option<Size>) {
        let known = self.nodes.entry(node).or_default();
        // Not the first that comes, which would depend on the order.
        *known = size.max(*known);
    }

    fn edge(&mut self, from: Node, to: Node, via: Via) {
        self.node(from.clone(), None);
        self.node(to.clone(), None);
        if from != to {
            self.edges.entry((from, to)).or_default().insert(via);
        }
    }

    fn finish(self) -> Graph {
        let (nodes, sizes): (Vec<_>, Vec<_>) = self.nodes.into_iter().unzip();
        let index: HashMap<_, _> = nodes.iter().cloned().enumerate().map(|(i, node)| (node, i)).collect();
        let empty = || nodes.iter().map(|_| Vec::new()).collect::<Vec<_>>();
        let (mut upstream, mut downstream) = (empty(), empty());
        for ((from, to), via) in self.edges {
            let (from, to) = (index[&from], index[&to]);
            let via: Vec<_> = via.into_iter().collect();
            downstream[from].push(Edge { to, via: via.clone() });
            upstream[to].push(Edge { to: from, via });
        }
        Graph { nodes, sizes, upstream, downstream, index }
    }
}

/// How large a run says that the thing is which it made.
fn size(run: &Run, item: &Item) -> Option<Size> {
    match item {
        Item::Online { rows, .. } => Some(Size::Keys(*rows)),
        // The note counts the one thing made.
        _ if run.outputs.len() == 1 => run.notes.get("rows")?.parse().ok().map(Size::Rows),
        _ => None,
    }
}
