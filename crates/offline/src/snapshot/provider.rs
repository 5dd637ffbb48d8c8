//! Our own Parquet files as a table of a query engine.
//!
//! Not the table provider of the Delta library: the files are ours, without partitions, deletions or renamed columns,
//! so they can be scanned as they are, with exactly the types they were written with.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan};
use object_store::ObjectMeta;

use super::DataFile;
use crate::folder::Folder;

/// Parquet files in one folder.
#[derive(Debug)]
pub(crate) struct FilesTable {
    folder: Folder,
    schema: SchemaRef,
    files: Vec<DataFile>,
}

impl FilesTable {
    pub(crate) fn new(folder: Folder, schema: SchemaRef, files: Vec<DataFile>) -> Self {
        FilesTable { folder, schema, files }
    }

    /// All rows as one stream, in the order of the files and of the rows in them.
    pub(crate) fn in_order(&self) -> Result<SendableRecordBatchStream> {
        if self.files.is_empty() {
            return Ok(Box::pin(EmptyRecordBatchStream::new(self.schema.clone())));
        }
        let runtime = RuntimeEnvBuilder::new().build_arc()?;
        let (store, url) = self.folder.store();
        runtime.register_object_store(url.as_ref(), store.clone());
        let source = Arc::new(ParquetSource::new(self.schema.clone()));
        let config = FileScanConfigBuilder::new(url.clone(), source)
            .with_file_groups(self.groups(1))
            .with_preserve_order(true)
            .build();
        DataSourceExec::from_data_source(config).execute(0, Arc::new(TaskContext::default().with_runtime(runtime)))
    }

    /// The files, in their order, in at most so many groups.
    fn groups(&self, partitions: usize) -> Vec<FileGroup> {
        let files = self.files.iter().map(|file| {
            let rows = Precision::Exact(file.rows as usize);
            let known = Statistics { num_rows: rows, ..Statistics::new_unknown(&self.schema) };
            PartitionedFile::new_from_meta(ObjectMeta {
                location: self.folder.file(&file.path),
                last_modified: DateTime::UNIX_EPOCH,
                size: file.bytes,
                e_tag: None,
                version: None,
            })
            .with_statistics(Arc::new(known))
        });
        FileGroup::new(files.collect()).split_files(partitions.max(1))
    }
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let (store, url) = self.folder.store();
        if self.folder.local().is_none() {
            state.runtime_env().register_object_store(url.as_ref(), store.clone());
        }
        let mut source =
            ParquetSource::new(self.schema.clone()).with_table_parquet_options(state.table_options().parquet.clone());
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            let schema = DFSchema::try_from(self.schema.clone())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let config = FileScanConfigBuilder::new(url.clone(), Arc::new(source))
            .with_file_groups(self.groups(state.config().target_partitions()))
            .with_statistics(Statistics::new_unknown(&self.schema))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows = self.files.iter().map(|f| f.rows as usize).sum();
        Some(Statistics { num_rows: Precision::Exact(rows), ..Statistics::new_unknown(&self.schema) })
    }
}
