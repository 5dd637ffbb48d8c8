//! The catalog through its public calls.

mod applying;
mod at_once;
mod files;
mod finding;
mod golden;
mod running;
mod sample;
