//! The graph as its users see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod columns;
mod marquez;
mod openlineage;
mod outside;
mod questions;
mod rendering;
mod tour;
