//! Questions over the graph of definitions, of what runs made, and of what other tools told: what a thing comes from, what depends
//! on it, now or as of then.
//!
//! **Promises.** Pure: no I/O, no clock. The same definitions, runs and events give the same graph, in whatever order
//! they come, and the same text. Of our own runs only those that are done add edges: a failed, aborted or unfinished one changed
//! nothing, so it neither adds an edge nor takes one away. [`Graph::upstream`] and [`Graph::downstream`] are each
//! other's inverse, as of any moment. What comes from a snapshot is exact: a training set leads to the snapshots it
//! read, never to later ones; so is what comes from a file, unless others told of its place ([`Node::External`]).
//!
//! **Costs.** [`Graph::with`] takes time and memory in the number of definitions' inputs, runs' items and others' edges; a
//! question takes time in the part of the graph it reaches, and one byte or word per node. Nothing recurses, so depth is no danger.
//!
//! **The graph.** Definitions are joined by what they read. A run joins each thing it read with each thing it
//! made; where it read a definition and also what that definition reads, only the former is joined, since the
//! rest follows. A snapshot holds what the snapshot before it held, so it is joined with that one. An apply
//! joins nothing: what definitions are made of is in the definitions. Others' jobs stand between the datasets that they read
//! and write ([`openlineage`]). Columns are no nodes of it: they are walked when somebody asks for one ([`columns`]). An edge holds from the moment at which it came to be; others' may end.

pub mod columns;
mod draft;
mod graph;
pub mod marquez;
mod node;
pub mod openlineage;
pub mod render;
mod tellers;
mod tree;

pub use graph::{Column, Graph, Told, Via};
pub use node::Node;
pub use tellers::Tellers;
pub use tree::{Ask, Direction, Line, Shown, Tree};
