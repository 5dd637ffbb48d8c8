//! The four answers a feature can give, and the one that is none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a value is, or is not, there. Training sets show null for what is null, missing or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Status {
    /// A row was found and its value is not null.
    Present = 0,
    /// A row was found and its value is null.
    Null = 1,
    /// No row of the key by that moment.
    Missing = 2,
    /// Only rows older than the TTL.
    Expired = 3,
    /// No answer: the row of the request is in error. Only where a request asked for errors row by row.
    Failed = 4,
}

impl Status {
    /// As shown to people and stored in `<feature>__status` columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Present => "present",
            Status::Null => "null",
            Status::Missing => "missing",
            Status::Expired => "expired",
            Status::Failed => "failed",
        }
    }

    /// From the number on the wire and in operators.
    pub fn from_u8(number: u8) -> Option<Self> {
        let all = [Status::Present, Status::Null, Status::Missing, Status::Expired, Status::Failed];
        all.into_iter().find(|s| *s as u8 == number)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
