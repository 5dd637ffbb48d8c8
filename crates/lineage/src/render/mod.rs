//! Trees as text: for terminals, as a Mermaid flowchart, for Graphviz, as JSON.
//!
//! All show the same lines; the charts and the JSON take several trees (upstream and downstream of one thing) as
//! one graph, in which every edge points from what is upstream to what is downstream.

mod dot;
mod impact;
mod json;
mod mermaid;
mod unicode;

pub use dot::dot;
pub use impact::{AffectedDocument, ColumnImpactDocument, ImpactDocument, impact, impact_document, impact_json};
pub use json::{ColumnDocument, Document, EdgeDocument, HowDocument, NodeDocument, ViaDocument, document, json};
pub use mermaid::mermaid;
pub use unicode::tree;

use std::collections::HashSet;

use crate::graph::Via;
use crate::node::Node;
use crate::tree::{Direction, Line, Shown, Tree};

/// An edge of several trees taken together.
struct Joined<'a> {
    upstream: &'a Node,
    downstream: &'a Node,
    via: &'a [Via],
}

/// The things of several trees, each once, as the line that shows it whole.
fn nodes(trees: &[Tree]) -> Vec<&Line> {
    let mut seen = HashSet::new();
    let lines = trees.iter().flat_map(|tree| &tree.lines);
    lines.filter(|line| !matches!(line.shown, Shown::Elsewhere { .. }) && seen.insert(&line.node)).collect()
}

/// The edges of several trees, each once.
fn edges(trees: &[Tree]) -> Vec<Joined<'_>> {
    let mut seen = HashSet::new();
    let all = trees.iter().flat_map(|tree| {
        tree.lines.iter().filter_map(|line| {
            let parent = &tree.lines[line.parent?].node;
            let (upstream, downstream) = match tree.direction {
                Direction::Upstream => (&line.node, parent),
                Direction::Downstream => (parent, &line.node),
            };
            Some(Joined { upstream, downstream, via: &line.via })
        })
    });
    all.filter(|edge| seen.insert((edge.upstream, edge.downstream))).collect()
}

/// `ingest 0197…, ingest 0198…`
fn label(via: &[Via]) -> String {
    via.iter().map(Via::to_string).collect::<Vec<_>>().join(", ")
}
