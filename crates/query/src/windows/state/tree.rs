//! The tree over each key's slots: a key with n slots, the first of them s, owns the places 2s + 1 to 2s + 2n − 1.
//!
//! Place 2s + 1 is the root, 2s + n + i the leaf of slot i. An event sits in the O(log n) nodes that together cover its
//! stretch; a slot has what its leaf and the nodes above it hold. Nothing is asked of the order of nodes.

use super::super::place::{Placed, Slots, cover};

/// The places of the nodes that cover an event's stretch.
pub(super) fn places(placed: &Placed) -> impl Iterator<Item = usize> {
    let base = 2 * placed.base as usize;
    cover(placed.first as usize, placed.end as usize, placed.slots as usize).map(move |node| base + node)
}

/// The places of a slot's leaf and of all nodes above it.
pub(super) struct Path {
    base: usize,
    node: usize,
}

impl Iterator for Path {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let node = self.node;
        self.node /= 2;
        (node > 0).then_some(self.base + node)
    }
}

/// For each slot, in order, its path.
pub(super) fn each_slot(slots: &dyn Slots, mut visit: impl FnMut(usize, Path)) {
    for key in 0..slots.keys() {
        let of = slots.of(key);
        of.clone().for_each(|slot| visit(slot, Path { base: 2 * of.start, node: of.len() + slot - of.start }));
    }
}

/// What is done on a walk through a tree.
pub(super) enum Step {
    /// A node is entered: what it holds counts for all below it.
    Enter(usize),
    /// A slot is reached.
    Slot(usize),
    /// A node is left.
    Leave(usize),
}

/// Walks the tree of every key, each node once.
pub(super) fn walk(slots: &dyn Slots, mut visit: impl FnMut(Step)) {
    for key in 0..slots.keys() {
        let of = slots.of(key);
        if !of.is_empty() {
            descend(1, of.len(), of.start, &mut visit);
        }
    }
}

/// As deep as a logarithm.
fn descend(node: usize, leaves: usize, start: usize, visit: &mut impl FnMut(Step)) {
    visit(Step::Enter(2 * start + node));
    if node < leaves {
        descend(2 * node, leaves, start, visit);
        descend(2 * node + 1, leaves, start, visit);
    } else {
        visit(Step::Slot(start + node - leaves));
    }
    visit(Step::Leave(2 * start + node));
}
