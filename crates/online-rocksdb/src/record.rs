//! What is stored of each view besides its rows: one record, replaced whole.

use asof_model::Pinned;
use asof_online::Published;
use serde::{Deserialize, Serialize};

/// A view's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The view.
    pub(crate) view: Pinned,
    /// The number of its last publication, kept when the view is dropped.
    pub(crate) last: u64,
    /// What is visible, if anything.
    pub(crate) visible: Option<Visible>,
}

/// What is visible, and where its rows are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Visible {
    /// The prefix of its rows.
    pub(crate) slot: u64,
    /// What is told of it.
    pub(crate) published: Published,
}

impl Record {
    /// The key of a view's record. The digest is part of it: a version that was defined again in a new catalog
    /// is another view.
    pub(crate) fn key(view: &Pinned) -> Vec<u8> {
        format!("{view}#{}", view.digest).into_bytes()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record has only named fields, numbers and text")
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
}
