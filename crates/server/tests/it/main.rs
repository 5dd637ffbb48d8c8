//! A server over a real engine in a temporary store, asked through the wire.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod endings;
mod fixture;
mod json;
mod marquez;
mod openapi;
mod openlineage;
mod refusals;
mod rows;
mod socket;
mod standards;
mod stores;
mod streams;
mod telling;
mod tour;
