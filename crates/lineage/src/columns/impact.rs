//! What changes with a column.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use asof_model::flow::{Way, Ways};
use asof_model::{Micros, Pinned, Result};

use super::Flowing;
use super::steps::Steps;
use crate::graph::{Graph, Via};
use crate::node::Node;
use crate::tree::{Ask, Direction};

/// What is to happen to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It goes.
    Drop,
    /// It gets another type.
    Retype,
}

impl Change {
    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Drop => "drop",
            Change::Retype => "retype",
        }
    }
}

/// What changes with a column, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// The column.
    pub column: Node,
    /// What is to happen to it.
    pub change: Change,
    /// The definitions that it concerns, nearest first.
    pub definitions: Vec<Affected>,
    /// Columns of others' datasets, by name.
    pub outside: Vec<(Node, Ways)>,
    /// What was made of those definitions, and of that, with what there is to be said of each.
    pub made: Vec<(Node, String)>,
}

/// A definition that a column concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// The definition.
    pub definition: Pinned,
    /// What of it the column goes into, and how in all: by name, in its order; none is its rows, and so all its columns.
    pub columns: Vec<(Option<String>, Ways)>,
    /// Whether it reads the column itself. Others are concerned by what they read of those that do.
    pub reads: bool,
    /// For what is only concerned because it reads such a definition, whatever of it: that definition.
    pub through: Option<Pinned>,
}

impl Affected {
    /// Whether the column goes into one of its columns as a value.
    pub fn is_direct(&self) -> bool {
        self.columns.iter().any(|(_, ways)| ways.has_direct())
    }
}

impl Graph {
    /// What changes with a column, as of a moment. Without it, what reads it cannot be bound any more, and neither can
    /// what reads that, whatever of it; with another type, that concerns which columns it goes into.
    ///
    /// # Errors
    /// Those of [`Flowing::flows`].
    pub fn impact(&self, flowing: &dyn Flowing, column: &Node, change: Change, at: Option<Micros>) -> Result<Impact> {
        let steps = Steps::new(self, flowing, at);
        let reached = steps.reached(column)?;
        let mut impact =
            Impact { column: column.clone(), change, definitions: Vec::new(), outside: Vec::new(), made: Vec::new() };
        let mut by_definition: BTreeMap<Pinned, Vec<(Option<String>, Ways)>> = BTreeMap::new();
        let (mut made, mut first) = (BTreeSet::new(), BTreeSet::new());
        for (node, found) in reached.into_iter().filter(|(node, _)| node != column) {
            match node {
                Node::Column { of, name } => match *of {
                    Node::Definition(pinned) => {
                        let is_table = pinned.kind == asof_model::Kind::Dataset;
                        if found.first && !is_table {
                            first.insert(pinned.clone());
                        }
                        by_definition.entry(pinned).or_default().push((name, found.ways));
                    }
                    of => impact.outside.push((Node::Column { of: Box::new(of), name }, found.ways)),
                },
                other => {
                    made.insert(other);
                }
            }
        }
        impact.outside.sort();
        let mut definitions = Vec::new();
        for (definition, mut columns) in by_definition {
            let order = flowing.flows(&definition)?;
            let place = |name: &Option<String>| {
                name.as_ref().map(|name| order.columns.iter().position(|made| made.name == *name))
            };
            columns.sort_by_cached_key(|(name, _)| (name.is_none(), place(name)));
            definitions.push(Affected { reads: first.contains(&definition), definition, columns, through: None });
        }
        if change == Change::Drop {
            self.cannot_be_bound(&mut definitions, at);
        }
        self.sort(&mut definitions, at);
        for definition in
            definitions.iter().filter(|affected| affected.definition.kind == asof_model::Kind::TrainingSet)
        {
            let node = Node::Definition(definition.definition.clone());
            let ask = Ask { at, depth: Some(1), ..Ask::of(Direction::Downstream) };
            let built = self.reached(&node, &ask).into_iter().map(|(node, _)| node.clone());
            made.extend(built.filter(|node| matches!(node, Node::TrainingSet { .. })));
        }
        impact.made = made.into_iter().map(|node| (node.clone(), self.said(&node))).collect();
        impact.definitions = definitions;
        Ok(impact)
    }

    fn said(&self, node: &Node) -> String {
        self.position(node).map_or_else(|| node.text(None, None), |place| self.text(place))
    }

    /// Adds what reads a definition that cannot be bound any more.
    fn cannot_be_bound(&self, definitions: &mut Vec<Affected>, at: Option<Micros>) {
        let mut known: BTreeSet<Pinned> = definitions.iter().map(|affected| affected.definition.clone()).collect();
        let mut next: VecDeque<Pinned> = known.iter().cloned().collect();
        while let Some(broken) = next.pop_front() {
            if broken.kind == asof_model::Kind::Dataset {
                continue;
            }
            let Some(place) = self.position(&Node::Definition(broken.clone())) else { continue };
            for to in self.beside(place, Direction::Downstream, at) {
                if let Node::Definition(reader) = &self.nodes[to]
                    && known.insert(reader.clone())
                {
                    next.push_back(reader.clone());
                    let through = Some(broken.clone());
                    definitions.push(Affected {
                        definition: reader.clone(),
                        columns: Vec::new(),
                        reads: false,
                        through,
                    });
                }
            }
        }
    }

    /// What is read stands before what reads it.
    fn sort(&self, definitions: &mut [Affected], at: Option<Micros>) {
        let among: BTreeSet<Pinned> = definitions.iter().map(|affected| affected.definition.clone()).collect();
        let mut depth: HashMap<Pinned, usize> = HashMap::new();
        // As often as there are steps in the longest way, and no oftener: there are no circles.
        let mut changed = true;
        while changed {
            changed = false;
            for definition in &among {
                let Some(place) = self.position(&Node::Definition(definition.clone())) else { continue };
                let above = self.beside(place, Direction::Upstream, at).filter_map(|to| match &self.nodes[to] {
                    Node::Definition(pinned) if among.contains(pinned) => depth.get(pinned).map(|depth| depth + 1),
                    _ => None,
                });
                let found = above.max().unwrap_or(0);
                let known = depth.insert(definition.clone(), found);
                changed |= known != Some(found);
            }
        }
        definitions.sort_by_cached_key(|affected| {
            (depth.get(&affected.definition).copied().unwrap_or(0), affected.definition.clone())
        });
    }
}

/// How a column is reached.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    /// In all, along every way.
    ways: Ways,
    /// Whether a definition reads the column itself.
    first: bool,
}

impl Steps<'_> {
    /// Everything downstream of a column, with how it goes into that along all ways.
    fn reached(&self, from: &Node) -> Result<HashMap<Node, Found>> {
        let start = Found { ways: Way::Identity.into(), first: true };
        let mut reached: HashMap<Node, Found> = [(from.clone(), start)].into();
        let mut below: HashMap<Node, Vec<(Node, Via)>> = HashMap::new();
        let mut next = VecDeque::from([from.clone()]);
        // Ways only grow, so this ends; a column is looked at again only where there are more of them than before.
        while let Some(node) = next.pop_front() {
            let here = reached.get(&node).copied().unwrap_or_default();
            // What holds the very column: the root, and the tables that files and others' datasets are read into.
            let is_it = here.first && is_table(&node);
            if !below.contains_key(&node) {
                below.insert(node.clone(), self.next(&node, Direction::Downstream)?);
            }
            for (to, via) in &below[&node] {
                let found = reached.entry(to.clone()).or_default();
                let ways = found.ways.and(here.ways.then(of(via)));
                let first = found.first || is_it || node == *from;
                if (Found { ways, first }) != *found {
                    *found = Found { ways, first };
                    next.push_back(to.clone());
                }
            }
        }
        Ok(reached)
    }
}

fn is_table(node: &Node) -> bool {
    matches!(node, Node::Column { of, .. } if matches!(of.as_ref(), Node::Definition(pinned) if pinned.kind == asof_model::Kind::Dataset))
}

/// What a step does to the value.
fn of(via: &Via) -> Ways {
    match via {
        Via::Columns(ways) => *ways,
        // Which rows there are is decided, by whatever decided it.
        Via::Rows => Way::Filter.into(),
        _ => Way::Identity.into(),
    }
}
