//! The offline store from outside: files in, snapshots and training sets out.

mod crash;
mod dedup;
mod errors;
mod formats;
mod schema;
mod seq;
mod sorting;
mod training;
mod world;
