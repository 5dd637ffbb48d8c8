//! A graph in the language of Graphviz.

use std::collections::HashMap;

use super::{edges, label, nodes};
use crate::node::Node;
use crate::tree::{Shown, Tree};

/// Trees as one graph, left to right, from source to use. What the depth cut off is a dashed end.
pub fn dot(trees: &[Tree]) -> String {
    let nodes = nodes(trees);
    let number: HashMap<&Node, usize> = nodes.iter().enumerate().map(|(i, line)| (&line.node, i)).collect();
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n");
    for (i, line) in nodes.iter().enumerate() {
        text.push_str(&format!("  n{i} [label=\"{}\", shape={}];\n", escaped(&line.text), shape(&line.node)));
        if let Shown::Cut { branches } = line.shown {
            text.push_str(&format!(
                "  c{i} [label=\"… {branches} more\", shape=plaintext];\n  n{i} -> c{i} [style=dashed, dir=none];\n"
            ));
        }
    }
    for edge in edges(trees) {
        let (from, to) = (number[edge.upstream], number[edge.downstream]);
        text.push_str(&format!("  n{from} -> n{to} [label=\"{}\"];\n", escaped(&label(edge.via))));
    }
    text.push_str("}\n");
    text
}

/// What holds rows is round, what is written is square.
fn shape(node: &Node) -> &'static str {
    match node {
        Node::Definition(_) => "box",
        Node::File { .. } | Node::External(_) => "note",
        Node::Job(_) => "hexagon",
        Node::Snapshot { .. } | Node::TrainingSet { .. } => "cylinder",
        Node::Online { .. } => "ellipse",
        Node::Model { .. } => "component",
        Node::Column { .. } => "tab",
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
