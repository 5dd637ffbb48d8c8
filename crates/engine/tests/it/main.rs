//! The verbs over real tables and a catalog in memory: what a user sees of the engine, without the wire.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "a test may")]

mod bundles;
mod columns;
mod compared;
mod consequences;
mod deprecated;
mod environments;
mod equal;
mod explained;
mod gates;
mod gc;
mod increments;
mod leakage;
mod logged;
mod models;
mod plans;
mod progress;
mod push;
mod record;
mod refuse;
mod windows;
mod world;
