//! Models: what was trained elsewhere on a training set of ours, under the name and version that a registry gave it.
//!
//! Asof holds no model. It remembers which training set one was trained on, so that it can be served the same features and
//! so that it stands in the graph.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::name::Name;
use crate::reference::Pinned;
use crate::run::RunId;
use crate::time::Micros;

/// The longest label, in bytes.
pub const MAX_LABEL: usize = 64;

/// What introduces a model where a definition could be meant: `model:fraud@7`.
pub const PREFIX: &str = "model:";

/// A version of a model as its registry writes it: `7`, `2026-11-01-a`, `v1.2.0+gpu`. Up to 64 letters and digits of ASCII, `.`,
/// `_`, `-` and `+`, with a letter or a digit first. It is compared as it is written: `7` and `07` are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = Error;

    /// # Errors
    /// `invalid_label`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let goes_on = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
        if starts && goes_on && text.len() <= MAX_LABEL {
            return Ok(Label(text.to_owned()));
        }
        Err(Error::new(Kind::Invalid, "invalid_label", format!("`{text}` is not the version of a model")).remedy(
            "write it as its registry does: up to 64 letters, digits, `.`, `_`, `-` and `+`, with a letter or a digit first",
        ))
    }
}

impl TryFrom<String> for Label {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[project/]name@version` of a model, with or without [`PREFIX`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelReference {
    /// The project, where it is not the current one.
    pub project: Option<Name>,
    /// The name.
    pub name: Name,
    /// The version.
    pub version: Label,
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project {
            write!(f, "{project}/")?;
        }
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for ModelReference {
    type Err = Error;

    /// # Errors
    /// `invalid_reference` when a part is not of its form, or there is no version.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| {
            Error::new(Kind::Invalid, "invalid_reference", format!("`{text}` is not a version of a model: {why}"))
                .remedy("write name@version, with the version as its registry writes it: fraud@7")
        };
        let plain = text.strip_prefix(PREFIX).unwrap_or(text);
        let (path, version) = plain.split_once('@').ok_or_else(|| bad("it has no version"))?;
        let (project, name) = match path.split_once('/') {
            Some((project, name)) => (Some(project), name),
            None => (None, path),
        };
        let named = |part: &str| part.parse::<Name>().map_err(|e| bad(e.message()));
        let version = version.parse::<Label>().map_err(|e| bad(e.message()))?;
        Ok(ModelReference { project: project.map(named).transpose()?, name: named(name)?, version })
    }
}

/// One version of a model: immutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its project, which is that of its training set.
    pub project: Name,
    /// Its name; names of models and of definitions do not meet.
    pub name: Name,
    /// Its version, as its registry writes it.
    pub version: Label,
    /// The training set that it was trained on.
    pub training_set: Name,
    /// The n-th one built under that name.
    pub number: u32,
    /// The digest of that one's rows.
    pub content: Digest,
    /// The service whose features it was trained on, and is served.
    pub service: Pinned,
    /// Where the model itself lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was registered.
    pub registered: Micros,
    /// The run that did.
    pub run: RunId,
}

impl Model {
    /// `fraud@7`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// What differs from another of the same name and version, for people; when and by whom it was registered does not
    /// count.
    pub fn differences(&self, other: &Model) -> Vec<String> {
        let built = |model: &Model| format!("{}@{}", model.training_set, model.number);
        let text = |text: &Option<String>| text.as_ref().map_or("none".to_owned(), |text| format!("`{text}`"));
        let mut differences = Vec::new();
        let mut differ = |what: &str, here: String, there: String| {
            if here != there {
                differences.push(format!("{what} {here}, not {there}"));
            }
        };
        differ("trained on", built(self), built(other));
        differ("with the content", self.content.short(), other.content.short());
        differ("of", self.service.reference(), other.service.reference());
        differ("URI", text(&self.uri), text(&other.uri));
        differ("description", text(&self.description), text(&other.description));
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_registries() {
        for good in ["7", "07", "2026-11-01-a", "v1.2.0+gpu", "A_b", &"9".repeat(64)] {
            assert_eq!(good.parse::<Label>().map(|l| l.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-7", ".7", "7/8", "7@8", "a b", "é", "a:b", &"9".repeat(65)] {
            assert_eq!(bad.parse::<Label>().unwrap_err().code(), "invalid_label", "{bad}");
        }
    }

    #[test]
    fn references_of_models_round_trip() {
        for (text, written) in [("fraud@7", "fraud@7"), ("p/fraud@2026-11-01-a", "p/fraud@2026-11-01-a")] {
            assert_eq!(text.parse::<ModelReference>().map(|r| r.to_string()), Ok(written.to_owned()));
            assert_eq!(format!("model:{text}").parse::<ModelReference>(), text.parse());
        }
        for (text, why) in [("fraud", "it has no version"), ("Fraud@7", "not a name"), ("fraud@", "not the version")] {
            let error = text.parse::<ModelReference>().unwrap_err();
            assert!(error.message().contains(why), "{error}");
        }
    }
}
