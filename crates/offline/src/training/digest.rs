//! The digest of rows.

use asof_model::{Digest, Result};
use datafusion::execution::SendableRecordBatchStream;

/// The digest of a stream's content, and its rows.
///
/// # Errors
/// Those of the stream.
pub async fn content_digest(rows: SendableRecordBatchStream) -> Result<(Digest, u64)> {
    let _ = rows;
    Err(asof_model::Error::internal("not built yet"))
}
