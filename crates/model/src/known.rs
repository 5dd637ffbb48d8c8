//! By when something must have been known to count.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Micros;

/// The moment by which a row must have been known. Stored in manifests: the serialized names never change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KnownMoment {
    /// The spine row's own: what was learned later did not exist yet.
    #[default]
    #[serde(rename = "row")]
    EventTime,
    /// One moment for all rows: "as we knew it on 1 March".
    #[serde(rename = "moment")]
    At(Micros),
    /// The rule is off: whatever is known today counts, in its latest revision.
    #[serde(rename = "now")]
    Now,
}

impl fmt::Display for KnownMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnownMoment::EventTime => f.write_str("event time"),
            KnownMoment::At(moment) => moment.fmt(f),
            KnownMoment::Now => f.write_str("now"),
        }
    }
}
