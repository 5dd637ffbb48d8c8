//! Questions over the graph of definitions and of what runs made: what a thing comes from, what depends on
//! it.
//!
//! **Promises.** Pure: no I/O, no clock. The same definitions and runs give the same graph, in whatever order
//! they come, and the same text. Only runs that are done add edges: a failed, aborted or unfinished run changed
//! nothing, so it neither adds an edge nor takes one away. [`Graph::upstream`] and [`Graph::downstream`] are each
//! other's inverse. What comes from a file or a snapshot is exact: a training set leads to the snapshots it
//! read, never to later ones.
//!
//! **Costs.** [`Graph::build`] takes time and memory in the number of definitions' inputs plus runs' items; a
//! question takes time in the part of the graph it reaches. Nothing recurses, so depth is no danger.
//!
//! **The graph.** Definitions are joined by what they read. A run joins each thing it read with each thing it
//! made; where it read a definition and also what that definition reads, only the former is joined, since the
//! rest follows. A snapshot holds what the snapshot before it held, so it is joined with that one. An apply
//! joins nothing: what definitions are made of is in the definitions.

mod draft;
mod graph;
mod node;
pub mod openlineage;
pub mod render;
mod tree;

pub use graph::{Graph, Told, Via};
pub use node::Node;
pub use tree::{Ask, Direction, Line, Shown, Tree};
