//! What users read of a plan that fails while it runs.

use std::io;
use std::sync::Arc;

use asof_query::execution_error;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

#[test]
fn a_full_disk_is_no_defect() {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let wrapped = [
        DataFusionError::from(full()),
        DataFusionError::from(full()).context("sorting"),
        DataFusionError::from(ArrowError::IoError("spilling".to_owned(), full())),
        DataFusionError::from(ParquetError::External(Box::new(full()))),
        DataFusionError::Shared(Arc::new(DataFusionError::from(full()))),
    ];
    for error in wrapped {
        let shown = error.to_string();
        let error = execution_error(error);
        assert_eq!(error.code(), "storage_full", "{shown}");
    }
}
