//! The output: spine rows side by side with what their slots got.

use std::ops::Range;
use std::sync::Arc;

use asof_model::Status;
use datafusion::arrow::array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt8Array, new_null_array,
};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;

use super::choose::{Chosen, Winner};
use super::error::Error;

/// One output batch: the spine's batch with the rows of these numbers, and what each view chose for them.
pub(super) fn gather(
    spine: &RecordBatch,
    rows: Range<usize>,
    views: &[(Chosen, SchemaRef)],
    schema: &SchemaRef,
) -> Result<RecordBatch, Error> {
    let mut columns = spine.columns().to_vec();
    for (chosen, features) in views {
        chosen.columns(rows.clone(), features, &mut columns)?;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(DataFusionError::from)?)
}

impl Chosen {
    /// Adds the columns of one view: its features, event time and status.
    fn columns(&self, rows: Range<usize>, features: &SchemaRef, columns: &mut Vec<ArrayRef>) -> Result<(), Error> {
        // What was not found comes from a batch of one null after the others.
        let nothing = (self.batches.len(), 0);
        let mut positions = Vec::with_capacity(rows.len());
        let mut times = Vec::with_capacity(rows.len());
        let mut statuses = Vec::with_capacity(rows.len());
        for slot in self.index.slots_of_rows(rows) {
            let (position, time, status) = match slot.map_or(Winner::Missing, |slot| self.winners[slot]) {
                Winner::Found { time, row } => (row.position(), Some(time), Status::Present),
                Winner::Missing => (nothing, None, Status::Missing),
                Winner::Expired => (nothing, None, Status::Expired),
            };
            positions.push(position);
            times.push(time);
            statuses.push(status as u8);
        }
        for (i, field) in features.fields().iter().enumerate() {
            let null = new_null_array(field.data_type(), 1);
            let mut arrays: Vec<&dyn Array> = self.batches.iter().map(|b| b.column(i).as_ref()).collect();
            arrays.push(&null);
            columns.push(interleave(&arrays, &positions).map_err(DataFusionError::from)?);
        }
        columns.push(Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")));
        columns.push(Arc::new(UInt8Array::from(statuses)));
        Ok(())
    }
}
