//! The output: spine rows side by side with what their slots got.

use std::ops::Range;
use std::sync::Arc;

use asof_model::Status;
use datafusion::arrow::array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt8Array, UInt32Array,
    new_empty_array, new_null_array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::{concat, interleave, take};
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;

use super::choose::{RowRef, Winners};
use super::error::Error;
use super::exec::ViewInput;
use super::spine::{KeyIndex, NO_SLOT, RowSlots};
use crate::windows::Settled;

/// The outcome for one view: what each slot got, and the rows that were found.
#[derive(Debug)]
pub(super) struct Chosen {
    slots: Arc<RowSlots>,
    /// The event time of each slot's row, where it comes out.
    times: Vec<i64>,
    /// Per slot the number of its row among those found, or one of the two below.
    rows: Vec<u32>,
    features: Vec<Feature>,
    windows: Option<Settled>,
    /// Whether the event time and the status come out.
    found: bool,
    _reservation: MemoryReservation,
}

/// In place of a row's number: no row counts.
const MISSING: u32 = u32::MAX;
/// In place of a row's number: the row that counts is older than the TTL.
const EXPIRED: u32 = u32::MAX - 1;

/// One feature of the rows found.
#[derive(Debug)]
enum Feature {
    Whole(ArrayRef),
    /// Values of no fixed width, which together may be more than one array can hold; with the number of the first row
    /// of each part.
    Parts(Vec<ArrayRef>, Vec<u32>),
}

impl Chosen {
    /// Puts winners and their rows together. The winners refer to the rows by number, with place 0; `columns` has the
    /// view's features of these rows in order, each in one array or several.
    pub(super) fn new(
        index: &KeyIndex,
        mut winners: Winners,
        windows: Option<Settled>,
        columns: Vec<Vec<ArrayRef>>,
        view: &ViewInput,
    ) -> Result<Self, Error> {
        let schema = view.feature_schema()?;
        winners.account(columns.iter().flatten().map(|array| array.get_array_memory_size()).sum())?;
        let features = columns.into_iter().zip(schema.fields()).map(|(parts, field)| Feature::new(parts, field));
        let features = features.collect::<Result<_, _>>()?;
        let (times, rows, reservation) = winners.into_parts();
        let number = |row: RowRef| match row {
            RowRef::NONE => MISSING,
            RowRef::EXPIRED => EXPIRED,
            row => row.row() as u32,
        };
        let rows = rows.into_iter().map(number).collect();
        Ok(Chosen {
            slots: Arc::clone(index.row_slots()),
            times,
            rows,
            features,
            windows,
            found: view.found,
            _reservation: reservation,
        })
    }

    /// How many rows were found, each counted once.
    pub(super) fn found(&self) -> usize {
        match self.features.first() {
            None => 0,
            Some(Feature::Whole(array)) => array.len(),
            Some(Feature::Parts(parts, _)) => parts.iter().map(|part| part.len()).sum(),
        }
    }

    /// Adds the columns of one view: its features, results of windows, event time and status.
    fn columns(&self, rows: Range<usize>, columns: &mut Vec<ArrayRef>) -> Result<(), Error> {
        let slots = self.slots.of(rows);
        if self.features.is_empty() && !self.found {
            if let Some(windows) = &self.windows {
                columns.extend(windows.take(slots)?);
            }
            return Ok(());
        }
        let row_of = |slot: &u32| if *slot == NO_SLOT { MISSING } else { self.rows[*slot as usize] };
        let rows: Vec<u32> = slots.iter().map(row_of).collect();
        let is_found = |row: u32| row != MISSING && row != EXPIRED;
        // Where all are found, as they mostly are, nobody need look at nulls.
        let all = rows.iter().all(|row| is_found(*row));
        let nulls = (!all).then(|| NullBuffer::new(BooleanBuffer::collect_bool(rows.len(), |row| is_found(rows[row]))));
        let numbers = rows.iter().map(|row| if is_found(*row) { *row } else { 0 }).collect::<Vec<_>>();
        let found = UInt32Array::new(numbers.into(), nulls.clone());
        for feature in &self.features {
            columns.push(feature.take(&found).map_err(DataFusionError::from)?);
        }
        if let Some(windows) = &self.windows {
            columns.extend(windows.take(slots)?);
        }
        if self.found {
            let time = |(slot, row): (&u32, &u32)| if is_found(*row) { self.times[*slot as usize] } else { 0 };
            let times = slots.iter().zip(&rows).map(time).collect::<Vec<_>>();
            let times = TimestampMicrosecondArray::new(times.into(), nulls);
            let status = |row: &u32| match *row {
                MISSING => Status::Missing as u8,
                EXPIRED => Status::Expired as u8,
                _ => Status::Present as u8,
            };
            let statuses = UInt8Array::from_iter_values(rows.iter().map(status));
            columns.push(Arc::new(times.with_timezone("UTC")));
            columns.push(Arc::new(statuses));
        }
        Ok(())
    }
}

impl Feature {
    fn new(parts: Vec<ArrayRef>, field: &Field) -> Result<Self, Error> {
        Ok(match parts.as_slice() {
            [] => Feature::Whole(new_empty_array(field.data_type())),
            [only] => Feature::Whole(only.clone()),
            several if field.data_type().primitive_width().is_some() => {
                let whole = concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>());
                Feature::Whole(whole.map_err(DataFusionError::from)?)
            }
            _ => {
                let mut starts = Vec::with_capacity(parts.len());
                let mut rows = 0_usize;
                for part in &parts {
                    starts.push(u32::try_from(rows).map_err(|_| Error::Defect("more rows than slots".to_owned()))?);
                    rows += part.len();
                }
                Feature::Parts(parts, starts)
            }
        })
    }

    /// The values of these rows; null where there is no row.
    fn take(&self, rows: &UInt32Array) -> Result<ArrayRef, datafusion::arrow::error::ArrowError> {
        match self {
            Feature::Whole(array) if array.is_empty() => Ok(new_null_array(array.data_type(), rows.len())),
            Feature::Whole(array) => take(array, rows, None),
            Feature::Parts(parts, starts) => {
                let null = new_null_array(parts[0].data_type(), 1);
                let mut arrays: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                arrays.push(&null);
                let position = |row: Option<u32>| match row {
                    None => (parts.len(), 0),
                    Some(row) => {
                        let part = starts.partition_point(|start| *start <= row) - 1;
                        (part, (row - starts[part]) as usize)
                    }
                };
                interleave(&arrays, &rows.iter().map(position).collect::<Vec<_>>())
            }
        }
    }
}

/// One output batch: the spine's batch with the rows of these numbers, and what each view chose for them.
pub(super) fn gather(
    spine: &RecordBatch,
    rows: Range<usize>,
    views: &[Chosen],
    schema: &SchemaRef,
) -> Result<RecordBatch, Error> {
    let mut columns = spine.columns().to_vec();
    for chosen in views {
        chosen.columns(rows.clone(), &mut columns)?;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(DataFusionError::from)?)
}
