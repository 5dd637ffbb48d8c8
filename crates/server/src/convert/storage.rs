//! What is removed and what is kept.

use asof_engine::{CollectRequest, Collected};
use asof_model::{Error, ErrorKind, Micros, Result};
use asof_proto::storage::v1 as wire;

use super::pointers::to_author;

/// # Errors
/// `invalid_request` for a time below nothing.
pub(crate) fn to_collect(request: wire::CollectRequest) -> Result<CollectRequest> {
    let older_than = request.older_than.map_or(CollectRequest::OLDER_THAN, Micros);
    if older_than.0 < 0 {
        let message = "what is kept is told by a time that has passed since, which is not below 0";
        return Err(Error::new(ErrorKind::Invalid, "invalid_request", message).remedy("leave it out for 7 days"));
    }
    let author = to_author(request.author)?;
    let events_before = request.events_before.map(Micros);
    Ok(CollectRequest { apply: request.apply, older_than, compact: request.compact, events_before, author })
}

pub(crate) fn from_collected(collected: Collected) -> wire::CollectResult {
    let removals = collected.removals.into_iter().map(|removal| wire::Removal {
        kind: removal.kind.as_str().to_owned(),
        what: removal.what,
        why: removal.why,
        files: removal.files,
        bytes: removal.bytes,
    });
    let compacted = collected.compacted.into_iter().map(|compacted| wire::Compacted {
        dataset: compacted.dataset.to_string(),
        from: compacted.from.0,
        to: compacted.to.map(|number| number.0),
        files_before: compacted.files_before,
        files_after: compacted.files_after,
        rows: compacted.rows,
        run: compacted.run.map(|run| run.to_string()).unwrap_or_default(),
    });
    wire::CollectResult {
        run: collected.run.map(|run| run.to_string()).unwrap_or_default(),
        removals: removals.collect(),
        kept: collected.kept.into_iter().map(|kept| wire::Kept { what: kept.what, why: kept.why }).collect(),
        compacted: compacted.collect(),
    }
}
