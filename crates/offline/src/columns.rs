//! The columns of a row group, each with what it takes to encode it apart from the others.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use asof_model::{Error, Result};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::schema::types::SchemaDescriptor;

use crate::failure::Failure;

/// A column's values, and the writers of its leaves.
pub(crate) struct Column {
    field: FieldRef,
    values: Vec<ArrayRef>,
    leaves: Vec<ArrowColumnWriter>,
}

/// The columns of these rows. There is a writer for every leaf of the file's schema, in order.
pub(crate) fn of(
    schema: &SchemaRef,
    parquet: &SchemaDescriptor,
    rows: &[RecordBatch],
    writers: Vec<ArrowColumnWriter>,
) -> Vec<Column> {
    let mut columns: Vec<_> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| Column {
            field: Arc::clone(field),
            values: rows.iter().map(|batch| Arc::clone(batch.column(at))).collect(),
            leaves: Vec::new(),
        })
        .collect();
    for (leaf, writer) in writers.into_iter().enumerate() {
        columns[parquet.get_column_root_idx(leaf)].leaves.push(writer);
    }
    columns
}

impl Column {
    /// The encoded values, a chunk for each leaf.
    pub(crate) fn encode(mut self) -> Result<Vec<ArrowColumnChunk>> {
        for values in &self.values {
            let leaves = compute_leaves(&self.field, values).map_err(Failure::from)?;
            if leaves.len() != self.leaves.len() {
                return Err(Error::internal(format!("column `{}` has leaves without a writer", self.field.name())));
            }
            for (writer, leaf) in self.leaves.iter_mut().zip(&leaves) {
                writer.write(leaf).map_err(Failure::from)?;
            }
        }
        let chunks = self.leaves.into_iter().map(ArrowColumnWriter::close);
        Ok(chunks.collect::<Result<_, _>>().map_err(Failure::from)?)
    }
}
