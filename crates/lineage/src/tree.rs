//! A question's answer: the part of the graph around a thing, as a tree.
//!
//! A tree is kept as its lines from top to bottom. Each thing is shown whole exactly once and elsewhere as a
//! mark, so a diamond does not repeat what is below it. Whole is the first line about it; but with a depth
//! the first that is as near to the root as any, so that what is cut off at a far place is not lost if it
//! is near by another way.

use std::collections::VecDeque;

use crate::graph::{Graph, Via};
use crate::node::{Node, Size};

/// Which way to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What it comes from.
    Upstream,
    /// What depends on it.
    Downstream,
}

/// What of a thing stands below its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All that is next to it.
    Whole,
    /// Nothing: another line shows it whole.
    Elsewhere {
        /// That line's index.
        line: usize,
    },
    /// Nothing: the depth ends here.
    Cut {
        /// How many things would follow.
        branches: usize,
    },
}

/// One line of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The thing.
    pub node: Node,
    /// The thing for people: `flights@1 (snapshot, 336,776 rows)`.
    pub text: String,
    /// The index of the line it belongs under; none for the root.
    pub parent: Option<usize>,
    /// Steps from the root.
    pub depth: u32,
    /// Why it is next to its parent; empty for the root.
    pub via: Vec<Via>,
    /// What stands below it.
    pub shown: Shown,
    pub(crate) size: Option<Size>,
}

/// What is upstream or downstream of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Which way it looks.
    pub direction: Direction,
    /// Its lines, the root first, each under its parent.
    pub lines: Vec<Line>,
}

impl Tree {
    /// The things of the tree, each once, the root first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let whole = self.lines.iter().filter(|line| !matches!(line.shown, Shown::Elsewhere { .. }));
        whole.map(|line| &line.node)
    }
}

pub(crate) fn walk(graph: &Graph, root: &Node, direction: Direction, depth: Option<u32>) -> Tree {
    let limit = depth.unwrap_or(u32::MAX);
    let Some(start) = graph.position(root) else {
        let line = Line {
            node: root.clone(),
            text: root.text(None),
            parent: None,
            depth: 0,
            via: Vec::new(),
            shown: Shown::Whole,
            size: None,
        };
        return Tree { direction, lines: vec![line] };
    };
    let nearest = depth.map(|limit| distances(graph, start, direction, limit));
    let is_farther = |node: usize, depth| nearest.as_ref().is_some_and(|nearest| nearest[node] != Some(depth));
    // Where each thing is shown whole, once it is.
    let mut place: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut lines: Vec<Line> = Vec::new();
    let mut shown_as: Vec<usize> = Vec::new();
    let mut next = vec![(start, None, 0, Vec::new())];
    while let Some((node, parent, depth, via)) = next.pop() {
        let edges = graph.edges(node, direction);
        let here = lines.len();
        let shown = match place[node] {
            Some(line) => Shown::Elsewhere { line },
            // Its own place comes below; the line is filled in at the end.
            None if is_farther(node, depth) => Shown::Elsewhere { line: usize::MAX },
            None => {
                place[node] = Some(here);
                if depth == limit && !edges.is_empty() {
                    Shown::Cut { branches: edges.len() }
                } else {
                    // Last in, first out.
                    next.extend(edges.iter().rev().map(|edge| (edge.to, Some(here), depth + 1, edge.via.clone())));
                    Shown::Whole
                }
            }
        };
        let (thing, size) = (&graph.nodes[node], graph.sizes[node]);
        let foreign = thing.project().filter(|project| root.project().is_some_and(|home| home != *project));
        let text = match foreign {
            Some(project) => format!("{project}/{}", thing.text(size)),
            None => thing.text(size),
        };
        lines.push(Line { node: thing.clone(), text, parent, depth, via, shown, size });
        shown_as.push(node);
    }
    for (line, node) in lines.iter_mut().zip(shown_as) {
        if let Shown::Elsewhere { line: at } = &mut line.shown {
            *at = place[node].expect("what has a mark is within the depth, so its place was reached");
        }
    }
    Tree { direction, lines }
}

/// The fewest steps to each thing, as far as the limit.
fn distances(graph: &Graph, start: usize, direction: Direction, limit: u32) -> Vec<Option<u32>> {
    let mut distances = vec![None; graph.nodes.len()];
    distances[start] = Some(0);
    let mut next = VecDeque::from([(start, 0)]);
    while let Some((node, depth)) = next.pop_front() {
        if depth == limit {
            continue;
        }
        for edge in graph.edges(node, direction) {
            if distances[edge.to].is_none() {
                distances[edge.to] = Some(depth + 1);
                next.push_back((edge.to, depth + 1));
            }
        }
    }
    distances
}
