//! The graph as its users see it.

mod questions;
mod rendering;
mod tour;
