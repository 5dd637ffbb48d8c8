//! Between messages and the words of `model`: one file per resource, and the only place that knows both.
//!
//! What comes in is checked here and trusted afterwards; what goes out cannot fail, but for columns, whose
//! types may have no form on the wire.

pub(crate) mod bundles;
pub(crate) mod column;
pub(crate) mod comparison;
pub(crate) mod consequences;
pub(crate) mod error;
pub(crate) mod jobs;
pub(crate) mod json;
pub(crate) mod leakage;
pub(crate) mod lineage;
pub(crate) mod models;
pub(crate) mod object;
pub(crate) mod pointers;
pub(crate) mod push;
pub(crate) mod registry;
pub(crate) mod remarks;
pub(crate) mod reply;
pub(crate) mod run;
pub(crate) mod serving;
pub(crate) mod storage;
