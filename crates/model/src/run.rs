//! Runs: what was done, from exactly what, with exactly what result; and receipts, which lead from a
//! value back to one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex};

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::name::Name;
use crate::reference::{Pinned, SnapshotNumber};
use crate::time::{Micros, SECOND};
use crate::trained::Label;

/// The identifier of a run: a UUID of version 7, so that runs sort by their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

/// Counts within a millisecond, so that the runs of one process sort as they were made.
static ORDER: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));

impl RunId {
    /// A new identifier for a run that starts now.
    pub fn new(now: Micros) -> Self {
        let micros = now.0.max(0);
        let (seconds, rest) = (micros / SECOND, micros % SECOND);
        RunId(Uuid::new_v7(Timestamp::from_unix(&*ORDER, seconds as u64, rest as u32 * 1000)))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = Error;
    /// # Errors
    /// `invalid_run` unless the text is a UUID.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.parse().map(RunId);
        parsed.map_err(|_| Error::new(Kind::Invalid, "invalid_run", format!("`{text}` is not the id of a run")))
    }
}

/// What kind of work a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Definitions were registered.
    Apply,
    /// Files became a snapshot.
    Ingest,
    /// A training set was built.
    Train,
    /// A training set was computed again and compared.
    Rebuild,
    /// A view's newest rows were published online.
    Materialize,
    /// Pushed rows became a snapshot.
    Push,
    /// Views were looked through for rows that tell the future.
    Verify,
    /// An environment was made to point at versions that are there.
    Promote,
    /// The last move of an environment's pointers was taken back.
    Rollback,
    /// A model was registered.
    Register,
    /// What another deployment exported was taken in.
    Import,
    /// What nothing needs was removed.
    Gc,
    /// Small files of a dataset became large ones.
    Compact,
    /// Somebody found a version fit for an environment.
    Approve,
    /// A version was said not to be used any more, or that was taken back.
    Deprecate,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Verb; 15] = [
        Verb::Apply,
        Verb::Ingest,
        Verb::Train,
        Verb::Rebuild,
        Verb::Materialize,
        Verb::Push,
        Verb::Verify,
        Verb::Promote,
        Verb::Rollback,
        Verb::Register,
        Verb::Import,
        Verb::Gc,
        Verb::Compact,
        Verb::Approve,
        Verb::Deprecate,
    ];

    /// As typed on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Apply => "apply",
            Verb::Ingest => "ingest",
            Verb::Train => "train",
            Verb::Rebuild => "rebuild",
            Verb::Materialize => "materialize",
            Verb::Push => "push",
            Verb::Verify => "verify",
            Verb::Promote => "promote",
            Verb::Rollback => "rollback",
            Verb::Register => "register",
            Verb::Import => "import",
            Verb::Gc => "gc",
            Verb::Compact => "compact",
            Verb::Approve => "approve",
            Verb::Deprecate => "deprecate",
        }
    }

    /// Whether it is about what names mean, and neither reads nor makes data.
    pub fn is_of_names(self) -> bool {
        matches!(self, Verb::Apply | Verb::Promote | Verb::Rollback | Verb::Import | Verb::Approve | Verb::Deprecate)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something a run read or made, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum Item {
    /// A file from outside, by content.
    File {
        /// Where it was read from.
        url: String,
        /// SHA-256 of its bytes.
        digest: Digest,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A snapshot of a dataset.
    Snapshot {
        /// The dataset.
        dataset: Name,
        /// Which snapshot.
        number: SnapshotNumber,
    },
    /// A definition.
    Definition(Pinned),
    /// A training set that was built.
    TrainingSet {
        /// Its name.
        name: Name,
        /// The n-th one built under that name.
        number: u32,
        /// The digest of its content.
        content: Digest,
    },
    /// A view's rows in the online store.
    Online {
        /// The view.
        view: Pinned,
        /// Which publication of it, from 1.
        generation: u64,
        /// How many keys.
        rows: u64,
        /// The moment as of which the rows are the newest.
        at: Micros,
    },
    /// A version of a model.
    Model {
        /// Its name.
        name: Name,
        /// Its version, as its registry writes it.
        version: Label,
    },
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    /// Not finished (or its process died; the next start tells).
    Running,
    /// Finished; the outputs are there.
    Done,
    /// Refused or failed; nothing was changed.
    Failed {
        /// The error as the user saw it.
        error: String,
    },
    /// Its process died before it finished; nothing was changed.
    Aborted,
}

impl Outcome {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Done => "done",
            Outcome::Failed { .. } => "failed",
            Outcome::Aborted => "aborted",
        }
    }
}

/// One recorded execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its identifier.
    pub id: RunId,
    /// The project it worked in.
    pub project: Name,
    /// What kind of work.
    pub verb: Verb,
    /// When it started.
    pub started: Micros,
    /// When it ended, if it did.
    pub finished: Option<Micros>,
    /// How it stands.
    pub outcome: Outcome,
    /// Exactly what it read.
    pub inputs: Vec<Item>,
    /// Exactly what it made.
    pub outputs: Vec<Item>,
    /// Counts and remarks for people (`rows`, `lost_precision`, …).
    pub notes: BTreeMap<String, String>,
    /// The version of Asof that ran it.
    pub engine: String,
}

impl Item {
    /// The name of what it is, or is of; a file has none.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Item::File { .. } => None,
            Item::Snapshot { dataset, .. } => Some(dataset),
            Item::Definition(pinned) | Item::Online { view: pinned, .. } => Some(&pinned.name),
            Item::TrainingSet { name, .. } | Item::Model { name, .. } => Some(name),
        }
    }
}

impl Run {
    /// What it is about: what it makes, or else what it was given first, which is what it was asked for. One that is about
    /// what names mean is about many.
    pub fn subject(&self) -> Option<&Name> {
        if self.verb.is_of_names() {
            return None;
        }
        self.outputs.iter().chain(&self.inputs).find_map(Item::name)
    }

    /// The job that it is a run of: its verb and what it is about (`materialize.carrier_delays`). The same while it goes on and
    /// when it is done.
    pub fn job(&self) -> String {
        match self.subject() {
            Some(subject) => format!("{}.{subject}", self.verb),
            None => self.verb.to_string(),
        }
    }
}

/// Where one value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The view's version.
    pub view: Pinned,
    /// The event time of the row.
    pub event_time: Option<Micros>,
    /// The run that brought it.
    pub run: RunId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_moment_sort_as_they_were_made() {
        let made: Vec<_> = (0..1000).map(|_| RunId::new(Micros(1_000_000))).collect();
        assert!(made.is_sorted());
        assert_eq!(made[0].to_string().parse::<RunId>(), Ok(made[0]));
    }
}
