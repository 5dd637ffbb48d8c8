//! A view's rows as bytes: what they are, what they say, and from when until when they count.
//!
//! Arrow's row format keeps every bit: NaNs of different payload differ, and so do 0 and −0.

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, Rows, SortField};
use asof_model::{Error, Result};
use asof_query::{Moments, Timeline};
use std::sync::Arc;

/// Reads batches of a view's timeline.
pub(super) struct Reader {
    identity: Part,
    features: Part,
    times: Moments,
    superseded: Option<usize>,
}

/// Some columns of a row.
pub(super) struct Part {
    places: Vec<usize>,
    schema: SchemaRef,
    converter: RowConverter,
}

/// One row of a batch.
pub(super) struct Row<'a> {
    /// Key, event time and known-at.
    pub(super) identity: &'a [u8],
    /// The features.
    pub(super) features: &'a [u8],
    /// The moment from which it counts.
    pub(super) from: i64,
    /// The moment from which it counts no longer; the greatest one for never.
    pub(super) until: i64,
}

impl Reader {
    pub(super) fn new(timeline: &Timeline) -> Result<Self> {
        let schema = timeline.plan.schema().as_arrow();
        let named = |places: &[usize]| -> Vec<_> {
            places.iter().map(|place| (*place, schema.field(*place).name().clone())).collect()
        };
        Ok(Reader {
            identity: Part::new(schema, named(&timeline.identity))?,
            features: Part::new(schema, timeline.features.clone())?,
            times: timeline.times,
            superseded: timeline.superseded,
        })
    }

    /// Visits every row that counts at some time.
    pub(super) fn read(&self, batch: &RecordBatch, mut visit: impl FnMut(Row<'_>)) -> Result<()> {
        let (identity, features) = (self.identity.rows(batch)?, self.features.rows(batch)?);
        let until = self.superseded.map(|place| batch.column(place).as_primitive::<TimestampMicrosecondType>());
        moments(batch, self.times, |row, from| {
            let until = until.filter(|u| u.is_valid(row)).map_or(i64::MAX, |u| u.value(row));
            let (identity, features) = (bytes(identity.as_ref(), row), bytes(features.as_ref(), row));
            visit(Row { identity, features, from, until });
        });
        Ok(())
    }

    /// What the features are called.
    pub(super) fn feature_names(&self) -> Vec<String> {
        self.features.schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    /// The key and times of rows.
    pub(super) fn identity(&self, rows: &[&[u8]]) -> Result<RecordBatch> {
        self.identity.batch(rows)
    }

    /// The features of rows.
    pub(super) fn features(&self, rows: &[&[u8]]) -> Result<RecordBatch> {
        self.features.batch(rows)
    }
}

/// Visits the moment from which each row counts; a row without an event time never does.
pub(super) fn moments(batch: &RecordBatch, times: Moments, mut visit: impl FnMut(usize, i64)) {
    let happened = batch.column(times.timestamp).as_primitive::<TimestampMicrosecondType>();
    let known = times.known.map(|place| batch.column(place).as_primitive::<TimestampMicrosecondType>());
    for row in (0..batch.num_rows()).filter(|row| happened.is_valid(*row)) {
        let known = known.filter(|k| k.is_valid(row)).map_or(i64::MIN, |k| k.value(row));
        visit(row, happened.value(row).max(known));
    }
}

impl Part {
    fn new(schema: &Schema, columns: impl IntoIterator<Item = (usize, String)>) -> Result<Self> {
        let (places, names): (Vec<usize>, Vec<String>) = columns.into_iter().unzip();
        let fields = places.iter().zip(names).map(|(place, name)| schema.field(*place).clone().with_name(name));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let fields = schema.fields().iter().map(|f| SortField::new(f.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(Error::internal)?;
        Ok(Part { places, schema: Arc::new(schema), converter })
    }

    /// The rows of a batch; none where there are no columns, and each row is empty.
    fn rows(&self, batch: &RecordBatch) -> Result<Option<Rows>> {
        if self.places.is_empty() {
            return Ok(None);
        }
        let columns: Vec<_> = self.places.iter().map(|place| batch.column(*place).clone()).collect();
        self.converter.convert_columns(&columns).map(Some).map_err(Error::internal)
    }

    fn batch(&self, rows: &[&[u8]]) -> Result<RecordBatch> {
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(rows.iter().map(|bytes| parser.parse(bytes)));
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns.map_err(Error::internal)?, &options)
            .map_err(Error::internal)
    }
}

fn bytes(rows: Option<&Rows>, row: usize) -> &[u8] {
    rows.map_or(&[], |rows| rows.row(row).data())
}
