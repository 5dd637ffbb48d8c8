//! The built binary from outside, and the shape of the workspace.
//!
//! Every test has a project of its own in a temporary folder and talks to the binary as a user does. What it
//! prints for people is held by snapshots, the rest by its JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod comparing;
mod crates;
mod environments;
mod flights;
mod gates;
mod increments;
mod interruption;
mod leakage;
mod logged;
mod memory;
mod models;
mod project;
mod pushing;
mod refusals;
mod scrub;
mod serving;
mod stopping;
mod together;
mod tour;
mod usage;
