//! Which rows of its dataset a publication is made of: what one that only adds to it must know.
//!
//! It is committed in the same step as the rows, so that the two never tell different things.

use asof_model::{Micros, Name, RunId, SnapshotNumber};
use serde::{Deserialize, Serialize};

/// What the online rows of a view over one dataset rest on.
///
/// They are made of the rows of [`snapshot`](Self::snapshot) that count at the moment of the publication, and of whatever was pushed after
/// [`whole`](Self::whole), since that came by being pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The dataset.
    pub dataset: Name,
    /// The newest snapshot of it that is in the rows.
    pub snapshot: SnapshotNumber,
    /// The run that made that snapshot: a number alone could be that of another one, in a folder that was restored.
    pub made_by: Option<RunId>,
    /// Up to which order of acceptance that snapshot has what was pushed.
    pub pushed: i64,
    /// The snapshot that was last read as a whole.
    pub whole: SnapshotNumber,
    /// When the first of the rows that are in the snapshot, and did not count yet, begins to; none where all of them did.
    pub due: Option<Micros>,
}
