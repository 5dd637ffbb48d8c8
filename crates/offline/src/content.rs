//! The digest of rows: equal for equal columns, types and values in equal order, and for nothing else.
//!
//! Column by column, so that how rows are cut into batches leaves no trace: which values are null, the lengths of
//! texts and lists, and the values that are there are hashed apart, each as one unbroken run of bytes. Floats count by
//! their bits. Encodings (dictionaries, views, offsets, bytes below a null) do not count: values are made normal
//! first. Costs one pass, and the memory of a few hash states per column.

use std::sync::Arc;

use arrow::array::cast::AsArray as _;
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, filter, is_not_null};
use arrow::datatypes::{DataType, SchemaRef};
use asof_model::digest::Hasher;
use asof_model::schema::sql_type;
use asof_model::{Columns, Digest, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::progress::Progress;
use crate::together::Task;

/// What the rows of a stream are counted under.
const COMPARING: &str = "comparing";

/// The digest of a stream's content, and its rows.
///
/// Names, types and values count, in their order; batches, encodings and files do not. Floats are compared by bits.
/// `expected` is how many rows there should be; it is only told.
///
/// # Errors
/// Those of the stream; `unsupported_type` for a column that Asof does not keep.
pub async fn content_digest(
    mut rows: SendableRecordBatchStream,
    expected: Option<u64>,
    progress: &dyn Progress,
) -> Result<(Digest, u64)> {
    let normal = Normal::new(&rows.schema())?;
    let mut content = Content::new(&normal);
    progress.advance(COMPARING, 0, expected);
    while let Some(batch) = rows.try_next().await.map_err(Failure::from)? {
        content.add(&normal.of(&batch)?);
        progress.advance(COMPARING, content.rows, expected);
    }
    Ok(content.finish())
}

/// Rows with normal types (see [`asof_model::schema`]).
pub(crate) struct Normal {
    columns: Columns,
    schema: SchemaRef,
}

impl Normal {
    /// Of rows with this schema.
    pub(crate) fn new(schema: &arrow::datatypes::Schema) -> Result<Self> {
        let columns = Columns::from_arrow(schema)?;
        Ok(Normal { schema: Arc::new(columns.to_arrow()), columns })
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows with normal types. Times finer than a microsecond are floored, as everywhere; a number beyond its
    /// normal type is an error.
    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let options = CastOptions { safe: false, ..Default::default() };
        let columns = batch.columns().iter().zip(&self.columns.0).map(|(array, column)| {
            if array.data_type() == &column.data_type {
                return Ok(array.clone());
            }
            cast_with_options(&floored(array)?, &column.data_type, &options)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Failure::Arrow)?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns).map_err(Failure::from)?)
    }
}

/// The normal rows so far.
pub(crate) struct Content {
    columns: Columns,
    hashed: Vec<Values>,
    rows: u64,
}

impl Content {
    pub(crate) fn new(normal: &Normal) -> Self {
        let columns = normal.columns.clone();
        Content { hashed: columns.0.iter().map(|c| Values::new(&c.data_type)).collect(), columns, rows: 0 }
    }

    fn add(&mut self, batch: &RecordBatch) {
        for (values, array) in self.hashed.iter_mut().zip(batch.columns()) {
            values.add(array);
        }
        self.rows += batch.num_rows() as u64;
    }

    /// Adds rows, column by column: they count once all tasks are done.
    pub(crate) fn tasks<'a>(&'a mut self, batches: &'a [RecordBatch]) -> impl Iterator<Item = Task<'a>> {
        self.rows += batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        self.hashed.iter_mut().enumerate().map(move |(at, values)| -> Task<'a> {
            Box::new(move || {
                batches.iter().for_each(|batch| values.add(batch.column(at)));
                Ok(())
            })
        })
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        let mut hasher = Hasher::new("asof.content.v1");
        hasher.part(&self.rows.to_le_bytes());
        for (column, values) in self.columns.0.iter().zip(self.hashed) {
            hasher.part(column.name.as_bytes()).part(sql_type(&column.data_type).as_bytes());
            values.finish(&mut hasher);
        }
        (hasher.finish(), self.rows)
    }
}

/// Nanoseconds floored to microseconds: a cast would cut towards zero.
fn floored(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    use arrow::datatypes::{TimeUnit, TimestampMicrosecondType, TimestampNanosecondType};
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let nanos = array.as_primitive::<TimestampNanosecondType>();
            let micros = nanos.unary::<_, TimestampMicrosecondType>(|value| value.div_euclid(1000));
            Ok(Arc::new(micros.with_timezone("UTC")))
        }
        _ => Ok(array.clone()),
    }
}

/// The values of a column, or of the lists of a column.
struct Values {
    /// A byte per value: whether it is there.
    there: Sha256,
    /// The length of each text or list that is there.
    lengths: Sha256,
    /// The bytes of all that are there.
    bytes: Sha256,
    items: Option<Box<Values>>,
}

impl Values {
    fn new(data_type: &DataType) -> Self {
        let items = match data_type {
            DataType::List(item) => Some(Box::new(Values::new(item.data_type()))),
            _ => None,
        };
        Values { there: Sha256::new(), lengths: Sha256::new(), bytes: Sha256::new(), items }
    }

    fn add(&mut self, array: &ArrayRef) {
        match array.nulls() {
            None => self.there.update(vec![1; array.len()]),
            Some(nulls) => self.there.update(nulls.iter().map(u8::from).collect::<Vec<_>>()),
        }
        let array = &present(array);
        match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().iter().flatten().for_each(|v| self.run(v.as_bytes())),
            DataType::Binary => array.as_binary::<i32>().iter().flatten().for_each(|v| self.run(v)),
            DataType::Boolean => {
                let bytes: Vec<u8> = array.as_boolean().values().iter().map(u8::from).collect();
                self.bytes.update(bytes);
            }
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                let (offsets, mut length) = (lists.offsets(), 0);
                for pair in offsets.windows(2) {
                    length += pair[1] - pair[0];
                    self.lengths.update(i64::from(pair[1] - pair[0]).to_le_bytes());
                }
                if let Some(items) = &mut self.items {
                    items.add(&lists.values().slice(offsets[0] as usize, length as usize));
                }
            }
            // All other normal types have values of one width, and nothing but the values in their buffer.
            other => {
                let width = other.primitive_width().unwrap_or_default();
                let data = array.to_data();
                let bytes = data.buffers().first().map_or(&[][..], |buffer| buffer.as_slice());
                self.bytes.update(&bytes[data.offset() * width..][..data.len() * width]);
            }
        }
    }

    fn run(&mut self, bytes: &[u8]) {
        self.lengths.update((bytes.len() as i64).to_le_bytes());
        self.bytes.update(bytes);
    }

    fn finish(self, hasher: &mut Hasher) {
        for part in [self.there, self.lengths, self.bytes] {
            hasher.part(&part.finalize());
        }
        if let Some(items) = self.items {
            items.finish(hasher);
        }
    }
}

/// The values that are not null.
fn present(array: &ArrayRef) -> ArrayRef {
    if array.null_count() == 0 {
        return array.clone();
    }
    let mask = is_not_null(array).and_then(|mask| filter(array, &mask));
    // Filtering by a mask of its own length cannot fail for a normal type.
    mask.unwrap_or_else(|_| new_null_array(array.data_type(), 0))
}
