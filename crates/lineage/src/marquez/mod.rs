//! The graph by the standard's names, in the shapes that the API of Marquez gives, so that its client and its page show it.
//!
//! What others told of and what is ours are one [`World`] of datasets and jobs: ours are told as we would tell them to others
//! ([`crate::openlineage::out`]), so a name means here what it means there, and no name has a version.
//!
//! **Promises.** Pure: no I/O, no clock. The same sets of events give the same answers. As of a moment, edges are those that held
//! then, and there is nothing that nobody had told of. Members that the client and the page read are always there, null where
//! nothing is known.
//!
//! **Costs.** Making a world takes time and memory in the number of datasets, jobs and edges, and copies no facet; an answer
//! takes time in what it gives. A search goes through all names. A graph has at most [`MOST_NODES`] nodes, the nearest.
//!
//! **Deliberately not here.** What is known of things as of a moment is brought along ([`World::knowing`]). Runs come as events, since only the
//! catalog has their text ([`run::of`]).

mod columns;
mod graph;
mod lists;
pub mod run;
mod shape;
mod world;

pub use graph::MOST_NODES;
pub use lists::{Filter, Listed, Sort};
pub use shape::JobVersion;
pub use world::{Tags, Thing, World};

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// After so many,
    pub offset: usize,
    /// so many.
    pub limit: usize,
}
