//! The offline store from outside: files in, snapshots and training sets out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod crash;
mod dedup;
mod errors;
mod formats;
mod schema;
mod seq;
mod sorting;
mod training;
mod vacuum;
mod world;
