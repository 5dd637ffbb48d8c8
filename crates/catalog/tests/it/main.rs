//! The catalog through its public calls.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod applying;
mod at_once;
mod events;
mod files;
mod finding;
mod golden;
mod jobs;
mod models;
mod moves;
mod remarks;
mod running;
mod sample;
mod server;
mod whole;
