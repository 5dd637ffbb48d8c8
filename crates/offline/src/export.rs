//! Rows as one file of a format that others read.

use std::io::Write;

use asof_model::Result;
use datafusion::execution::SendableRecordBatchStream;

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// Arrow IPC, as a file.
    Arrow,
}

/// Writes the rows in a format, and says how many they were.
///
/// # Errors
/// `unsupported_type` for a nested column in CSV, before anything is written; those of the stream and of `out`.
pub async fn export(rows: SendableRecordBatchStream, format: ExportFormat, out: impl Write + Send) -> Result<u64> {
    let _ = (rows, format, out);
    Err(asof_model::Error::internal("not built yet"))
}
