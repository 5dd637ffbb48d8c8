//! A tree drawn with lines, for terminals.

use super::label;
use crate::tree::{Shown, Tree};

/// Deeper lines are counted, not drawn: nobody reads them and their indentation alone would be long.
const DEEPEST: u32 = 40;

/// The tree, one thing a line, each with why it is there:
///
/// ```text
/// delays@1 (built training set, 1,000 rows)
/// ├─ delays@1 (training set) [train 0197…]
/// └─ flights@1 (snapshot, 336,776 rows) [train 0197…]
///    └─ flights.parquet (file, 1f2e3d4c5b6a) [ingest 0197…]
/// ```
pub fn tree(tree: &Tree) -> String {
    let last = last_children(tree);
    let mut text = String::new();
    let mut hidden = 0;
    // For each depth above the line: does that line have a sibling below?
    let mut open: Vec<bool> = Vec::new();
    for (i, line) in tree.lines.iter().enumerate() {
        if line.depth > DEEPEST {
            hidden += 1;
            continue;
        }
        if line.depth > 0 {
            open.truncate(line.depth as usize - 1);
            text.extend(open.iter().map(|open| if *open { "│  " } else { "   " }));
            text.push_str(if last[i] { "└─ " } else { "├─ " });
            open.push(!last[i]);
        }
        text.push_str(&line.text);
        if !line.via.is_empty() {
            text.push_str(&format!(" [{}]", label(&line.via)));
        }
        match line.shown {
            Shown::Whole => {}
            Shown::Elsewhere { line } => text.push_str(if line < i { " ↑ see above" } else { " ↓ see below" }),
            Shown::Cut { branches } => text.push_str(&format!(" … {branches} more")),
        }
        text.push('\n');
    }
    if hidden > 0 {
        text.push_str(&format!("… {hidden} more lines below depth {DEEPEST}\n"));
    }
    text
}

/// For each line, whether it is the last under its parent.
fn last_children(tree: &Tree) -> Vec<bool> {
    let mut last = vec![false; tree.lines.len()];
    let mut closed = vec![false; tree.lines.len()];
    for (i, line) in tree.lines.iter().enumerate().rev() {
        if let Some(parent) = line.parent {
            last[i] = !std::mem::replace(&mut closed[parent], true);
        }
    }
    last
}
