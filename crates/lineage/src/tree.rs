//! A question's answer: the part of the graph around a thing, as a tree.
//!
//! A tree is kept as its lines from top to bottom. Each thing is shown whole exactly once and elsewhere as a
//! mark, so a diamond does not repeat what is below it. Whole is the first line about it; but with a depth
//! the first that is as near to the root as any, so that what is cut off at a far place is not lost if it
//! is near by another way.

use std::collections::VecDeque;

use asof_model::Micros;

use crate::graph::{Column, Graph, Via};
use crate::node::{Node, Size};

/// Which way to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What it comes from.
    Upstream,
    /// What depends on it.
    Downstream,
}

impl Direction {
    fn other(self) -> Self {
        match self {
            Direction::Upstream => Direction::Downstream,
            Direction::Downstream => Direction::Upstream,
        }
    }
}

/// Which part of the graph around a thing is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which way to look.
    pub direction: Direction,
    /// At most so many steps; all the way without one.
    pub depth: Option<u32>,
    /// As of this moment; without one what holds now.
    pub at: Option<Micros>,
    /// Only what lies on a way to this thing, which is then the end of each.
    pub toward: Option<Node>,
}

impl Ask {
    /// All of that direction, now.
    pub fn of(direction: Direction) -> Self {
        Ask { direction, depth: None, at: None, toward: None }
    }
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
    /// What others told of columns of the datasets in it.
    pub columns: Vec<Column>,
}

impl Tree {
    /// The things of the tree, each once, the root first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let whole = self.lines.iter().filter(|line| !matches!(line.shown, Shown::Elsewhere { .. }));
        whole.map(|line| &line.node)
    }
}

pub(crate) fn walk(graph: &Graph, root: &Node, ask: &Ask) -> Tree {
    let Ask { direction, depth, at, ref toward } = *ask;
    let limit = depth.unwrap_or(u32::MAX);
    let alone = |text: String| {
        let line =
            Line { node: root.clone(), text, parent: None, depth: 0, via: Vec::new(), shown: Shown::Whole, size: None };
        Tree { direction, lines: vec![line], columns: Vec::new() }
    };
    let Some(start) = graph.position(root) else { return alone(root.text(None, None)) };
    let goal = toward.as_ref().map(|goal| graph.position(goal));
    // On a way to the goal lies what can be reached from it, looking back.
    let ways = match goal {
        None => None,
        Some(None) => return alone(graph.text(start)),
        Some(Some(goal)) => Some(distances(graph, goal, direction.other(), u32::MAX, at)),
    };
    let on_a_way = |node: usize| ways.as_ref().is_none_or(|ways| ways[node].is_some());
    let beyond = |node: usize| goal == Some(Some(node));
    let (beyond, on_a_way) = (&beyond, &on_a_way);
    let next_to = |node: usize| graph.edges(node, direction, at).filter(move |(to, _)| !beyond(node) && on_a_way(*to));
    let nearest = depth.map(|limit| distances(graph, start, direction, limit, at));
    let is_farther = |node: usize, depth| nearest.as_ref().is_some_and(|nearest| nearest[node] != Some(depth));
    // Where each thing is shown whole, once it is.
    let mut place: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut lines: Vec<Line> = Vec::new();
    let mut shown_as: Vec<usize> = Vec::new();
    let mut next = vec![(start, None, 0, Vec::new())];
    while let Some((node, parent, depth, via)) = next.pop() {
        let here = lines.len();
        let shown = match place[node] {
            Some(line) => Shown::Elsewhere { line },
            // Its own place comes below; the line is filled in at the end.
            None if is_farther(node, depth) => Shown::Elsewhere { line: usize::MAX },
            None => {
                place[node] = Some(here);
                let branches = if depth == limit { next_to(node).count() } else { 0 };
                if branches > 0 {
                    Shown::Cut { branches }
                } else {
                    // Last in, first out.
                    next.extend(next_to(node).rev().map(|(to, reasons)| {
                        let holding = reasons.iter().filter(|reason| reason.holds(at));
                        let mut via: Vec<_> = holding.map(|reason| reason.via.clone()).collect();
                        via.dedup();
                        (to, Some(here), depth + 1, via)
                    }));
                    Shown::Whole
                }
            }
        };
        let (thing, size) = (&graph.nodes[node], graph.sizes[node]);
        let foreign = thing.project().filter(|project| root.project().is_some_and(|home| home != *project));
        let text = match foreign {
            Some(project) => format!("{project}/{}", graph.text(node)),
            None => graph.text(node),
        };
        lines.push(Line { node: thing.clone(), text, parent, depth, via, shown, size });
        shown_as.push(node);
    }
    for (line, node) in lines.iter_mut().zip(shown_as) {
        if let Shown::Elsewhere { line: at } = &mut line.shown {
            *at = place[node].expect("what has a mark is within the depth, so its place was reached");
        }
    }
    let of = |node| graph.columns(node, at, |to| place[to].is_some());
    let columns = (0..place.len()).filter(|node| place[*node].is_some()).flat_map(of).collect();
    Tree { direction, lines, columns }
}

/// Everything that is reached, nearest first, with the fewest steps to it.
pub(crate) fn reached(graph: &Graph, root: &Node, ask: &Ask) -> Vec<(usize, u32)> {
    let Some(start) = graph.position(root) else { return Vec::new() };
    let mut seen = vec![false; graph.nodes.len()];
    seen[start] = true;
    let limit = ask.depth.unwrap_or(u32::MAX);
    let (mut reached, mut next) = (vec![(start, 0)], 0);
    while let Some((node, steps)) = reached.get(next).copied() {
        next += 1;
        if steps == limit {
            break;
        }
        for to in graph.beside(node, ask.direction, ask.at) {
            if !std::mem::replace(&mut seen[to], true) {
                reached.push((to, steps + 1));
            }
        }
    }
    reached.remove(0);
    reached
}

/// The fewest steps to each thing, as far as the limit.
fn distances(graph: &Graph, start: usize, direction: Direction, limit: u32, at: Option<Micros>) -> Vec<Option<u32>> {
    let mut distances = vec![None; graph.nodes.len()];
    distances[start] = Some(0);
    let mut next = VecDeque::from([(start, 0)]);
    while let Some((node, depth)) = next.pop_front() {
        if depth == limit {
            continue;
        }
        for to in graph.beside(node, direction, at) {
            if distances[to].is_none() {
                distances[to] = Some(depth + 1);
                next.push_back((to, depth + 1));
            }
        }
    }
    distances
}
