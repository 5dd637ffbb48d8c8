//! A Mermaid flowchart.

use std::collections::HashMap;

use super::{edges, label, nodes};
use crate::node::Node;
use crate::tree::{Shown, Tree};

/// Trees as one flowchart, left to right, from source to use. What the depth cut off is a dotted end.
pub fn mermaid(trees: &[Tree]) -> String {
    let nodes = nodes(trees);
    let number: HashMap<&Node, usize> = nodes.iter().enumerate().map(|(i, line)| (&line.node, i)).collect();
    let mut text = String::from("flowchart LR\n");
    for (i, line) in nodes.iter().enumerate() {
        let (open, close) = shape(&line.node);
        text.push_str(&format!("  n{i}{open}\"{}\"{close}\n", escaped(&line.text)));
        if let Shown::Cut { branches } = line.shown {
            text.push_str(&format!("  n{i} -.- c{i}[\"… {branches} more\"]\n"));
        }
    }
    for edge in edges(trees) {
        let (from, to) = (number[edge.upstream], number[edge.downstream]);
        text.push_str(&format!("  n{from} -->|\"{}\"| n{to}\n", escaped(&label(edge.via))));
    }
    text
}

/// What holds rows is round, what is written is square.
fn shape(node: &Node) -> (&'static str, &'static str) {
    match node {
        Node::Definition(_) => ("[", "]"),
        Node::File { .. } | Node::External(_) => ("[/", "/]"),
        Node::Job(_) => ("{{", "}}"),
        Node::Snapshot { .. } | Node::TrainingSet { .. } => ("[(", ")]"),
        Node::Online { .. } => ("([", "])"),
        Node::Model { .. } => ("[[", "]]"),
        Node::Column { .. } => ("(", ")"),
    }
}

/// Mermaid writes `"` as `#quot;`, so `#` needs the same care.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
