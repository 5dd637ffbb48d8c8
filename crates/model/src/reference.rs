//! How everything is asked for: `[project/]name[@selector]`, and the pinned form that is stored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Kind as ErrorKind};
use crate::name::Name;

/// What a name stands for. Names are unique in a project across kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A curated table of timestamped facts.
    Dataset,
    /// What a feature describes: typed key columns.
    Entity,
    /// A query whose rows are feature values.
    FeatureView,
    /// The input vector of a model.
    FeatureService,
    /// A feature service joined to a spine.
    TrainingSet,
}

impl Kind {
    /// All kinds, upstream first.
    pub const ALL: [Kind; 5] =
        [Kind::Dataset, Kind::Entity, Kind::FeatureView, Kind::FeatureService, Kind::TrainingSet];

    /// As people say it: `feature view`.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Dataset => "dataset",
            Kind::Entity => "entity",
            Kind::FeatureView => "feature view",
            Kind::FeatureService => "feature service",
            Kind::TrainingSet => "training set",
        }
    }

    /// One of them, as people say it: `an entity`.
    pub fn one(self) -> String {
        let article = if self == Kind::Entity { "an" } else { "a" };
        format!("{article} {self}")
    }

    /// As written in paths and stores: `feature_view`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Dataset => "dataset",
            Kind::Entity => "entity",
            Kind::FeatureView => "feature_view",
            Kind::FeatureService => "feature_service",
            Kind::TrainingSet => "training_set",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl FromStr for Kind {
    type Err = Error;
    /// Accepts `view`, `views`, `feature view`, `feature_views`, …
    ///
    /// # Errors
    /// `unknown_kind`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        let one = match plain.as_str() {
            "entities" => "entity",
            other => other.strip_suffix('s').unwrap_or(other),
        };
        (Kind::ALL.into_iter())
            .find(|k| k.as_str() == one || k.as_str().strip_prefix("feature_") == Some(one))
            .ok_or_else(|| {
                Error::new(ErrorKind::Invalid, "unknown_kind", format!("`{text}` is not a kind of object"))
                    .remedy("kinds are: datasets, entities, views, services, training_sets")
            })
    }
}

/// The number of a definition among those of its name, from 1; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a dataset's snapshot: the version of its Delta table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotNumber(pub u64);

impl fmt::Display for SnapshotNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part after the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// `@3`: a version; of a dataset a snapshot, of a training set the n-th one built.
    Number(u64),
    /// `@latest`: the newest version.
    Latest,
    /// `@prod`: what an environment points at.
    Environment(Name),
    /// `@sha256:0123abcd`: the version whose digest begins so; at least 8 hex digits.
    Digest(String),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Number(number) => number.fmt(f),
            Selector::Latest => f.write_str("latest"),
            Selector::Environment(name) => name.fmt(f),
            Selector::Digest(prefix) => write!(f, "sha256:{prefix}"),
        }
    }
}

/// `[project/]name[@selector]`, as users write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The project, where it is not the current one.
    pub project: Option<Name>,
    /// The name.
    pub name: Name,
    /// Which version; none means what the current environment points at.
    pub selector: Option<Selector>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project {
            write!(f, "{project}/")?;
        }
        self.name.fmt(f)?;
        match &self.selector {
            Some(selector) => write!(f, "@{selector}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// # Errors
    /// `invalid_reference` when a part is not of its form.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: String| {
            Error::new(ErrorKind::Invalid, "invalid_reference", format!("`{text}` is not a reference: {why}"))
                .remedy("write name, name@3, name@prod, name@latest or name@sha256:<8 or more hex digits>")
        };
        let (path, selector) = match text.split_once('@') {
            Some((path, selector)) => (path, Some(selector)),
            None => (text, None),
        };
        let (project, name) = match path.split_once('/') {
            Some((project, name)) => (Some(project), name),
            None => (None, path),
        };
        let named = |part: &str| part.parse::<Name>().map_err(|e| bad(e.message().to_owned()));
        let selector = match selector {
            None => None,
            Some("latest") => Some(Selector::Latest),
            Some(s) if s.starts_with(|c: char| c.is_ascii_digit()) => match s.parse() {
                Ok(number) => Some(Selector::Number(number)),
                Err(_) => return Err(bad(format!("`{s}` is not a number"))),
            },
            Some(s) => match s.strip_prefix("sha256:") {
                Some(hex) => {
                    let fits = (8..=64).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
                    if !fits {
                        return Err(bad("a digest needs 8 to 64 hex digits".into()));
                    }
                    Some(Selector::Digest(hex.to_ascii_lowercase()))
                }
                None => Some(Selector::Environment(named(s)?)),
            },
        };
        Ok(Reference { project: project.map(named).transpose()?, name: named(name)?, selector })
    }
}

/// The stored form of a reference: one immutable definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pinned {
    /// What it is.
    pub kind: Kind,
    /// Its project.
    pub project: Name,
    /// Its name.
    pub name: Name,
    /// Its number among those of the name.
    pub version: Version,
    /// The digest of its definition.
    pub digest: Digest,
}

impl Pinned {
    /// `name@3`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// `asof://project/kind/name@version`.
impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asof://{}/{}/{}@{}", self.project, self.kind.as_str(), self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_round_trip() {
        for text in ["a", "p/a", "a@3", "p/a@prod", "a@latest", "a@sha256:0123abcd"] {
            assert_eq!(text.parse::<Reference>().map(|r| r.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_reference_says_why() {
        for (text, why) in [
            ("A", "is not a name"),
            ("a@", "is not a name"),
            ("a@3x", "is not a number"),
            ("a@sha256:12", "8 to 64 hex digits"),
            ("a@b@c", "is not a name"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn one_of_a_kind_has_its_article() {
        let ones = ["a dataset", "an entity", "a feature view", "a feature service", "a training set"];
        assert_eq!(Kind::ALL.map(Kind::one), ones);
    }

    #[test]
    fn kinds_are_read_as_people_write_them() {
        for (text, kind) in [
            ("views", Kind::FeatureView),
            ("feature view", Kind::FeatureView),
            ("entities", Kind::Entity),
            ("Training-Sets", Kind::TrainingSet),
        ] {
            assert_eq!(text.parse::<Kind>(), Ok(kind));
        }
        assert!("tables".parse::<Kind>().is_err());
    }
}
