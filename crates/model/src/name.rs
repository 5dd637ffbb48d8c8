//! Names of things in a project, and the suggestion for one that was nearly right.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// The longest name allowed, in bytes.
pub const MAX_LENGTH: usize = 63;

/// A validated name: `[a-z][a-z0-9_]{0,62}`. Clones share the text: requests carry several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    /// # Errors
    /// `invalid_name` when the text is not `[a-z][a-z0-9_]{0,62}`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if starts && goes_on && text.len() <= MAX_LENGTH {
            return Ok(Name(text.into()));
        }
        Err(Error::new(Kind::Invalid, "invalid_name", format!("`{text}` is not a name"))
            .remedy("names start with a lower-case letter, go on with lower-case letters, digits and `_`, and have at most 63 characters"))
    }
}

impl TryFrom<String> for Name {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The candidate that `written` most likely meant: at most a third of its letters off
/// (Damerau–Levenshtein), the nearest first, ties by the order of the candidates.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(written, c), c))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_edge() {
        for good in ["a", "carrier_delays", "x9", &"a".repeat(63)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "A", "9a", "_a", "a-b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_near_miss_is_suggested_and_a_stranger_is_not() {
        let known = ["carrier_delays", "airport_weather"];
        assert_eq!(nearest("carrier_delay", known), Some("carrier_delays"));
        assert_eq!(nearest("airport_wether", known), Some("airport_weather"));
        assert_eq!(nearest("planes", known), None);
    }
}
