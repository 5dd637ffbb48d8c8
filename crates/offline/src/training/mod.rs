//! Training sets: Parquet parts and a manifest that pins every input.
//!
//! A training set is the files its manifest names. The manifest is created last and create-if-absent, so a reader sees
//! a training set whole or not at all, and of two builders of one number one wins.

mod manifest;
mod read;
mod write;

pub use manifest::{InputSnapshot, Manifest, ManifestDraft, TrainingOptions};

/// The file that makes a folder a training set.
const MANIFEST: &str = "manifest.json";
