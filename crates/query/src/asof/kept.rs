//! The rows of a view that somebody still refers to.
//!
//! Batches are kept as they came, with a count of references each, and dropped at zero. When rows that nobody
//! refers to dominate, the others are copied together. A row is copied once per halving, so the work is in
//! proportion to the rows read, and at most twice the referenced rows plus one batch are held.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::error::DataFusionError;

use super::error::Error;

/// A row among those kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowRef {
    batch: u32,
    row: u32,
}

impl RowRef {
    /// No row.
    pub(super) const NONE: RowRef = RowRef { batch: u32::MAX, row: 0 };

    /// The row of that number in a batch that was just pushed.
    pub(super) fn new(batch: u32, row: usize) -> Self {
        // A batch with more than four billion rows cannot be made.
        RowRef { batch, row: row as u32 }
    }

    /// Batch and row as positions.
    pub(super) fn position(self) -> (usize, usize) {
        (self.batch as usize, self.row as usize)
    }
}

#[derive(Debug)]
struct Batch {
    rows: RecordBatch,
    references: usize,
    bytes: usize,
    /// The columns that decide ties, encoded when the first tie is met.
    content: Option<Rows>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Kept {
    schema: SchemaRef,
    batches: Vec<Option<Batch>>,
    ties: Vec<usize>,
    converter: RowConverter,
    rows: usize,
    references: usize,
    bytes: usize,
    batch_size: usize,
}

impl Kept {
    /// Nothing yet. `ties` are the columns of `schema` that decide between rows of equal rank.
    pub(super) fn new(schema: SchemaRef, ties: Vec<usize>, batch_size: usize) -> Result<Self, Error> {
        let fields = ties.iter().map(|i| SortField::new(schema.field(*i).data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(DataFusionError::from)?;
        Ok(Kept { schema, batches: Vec::new(), ties, converter, rows: 0, references: 0, bytes: 0, batch_size })
    }

    /// Takes a batch in; [`Kept::seal`] must follow when its rows have been offered.
    pub(super) fn push(&mut self, rows: RecordBatch) -> Result<u32, Error> {
        let batch = u32::try_from(self.batches.len()).ok().filter(|n| *n < RowRef::NONE.batch);
        let batch = batch.ok_or_else(|| Error::Defect("too many batches".to_owned()))?;
        let bytes = (rows.columns().iter())
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()))
            .sum();
        self.rows += rows.num_rows();
        self.bytes += bytes;
        self.batches.push(Some(Batch { rows, references: 0, bytes, content: None }));
        Ok(batch)
    }

    /// Drops the batch if nobody refers to it.
    pub(super) fn seal(&mut self, batch: u32) {
        self.drop_if_unused(batch);
    }

    /// One more reference.
    pub(super) fn retain(&mut self, row: RowRef) {
        if let Some(Some(batch)) = self.batches.get_mut(row.batch as usize) {
            batch.references += 1;
            self.references += 1;
        }
    }

    /// One reference fewer.
    pub(super) fn release(&mut self, row: RowRef) {
        if let Some(Some(batch)) = self.batches.get_mut(row.batch as usize) {
            batch.references -= 1;
            self.references -= 1;
            self.drop_if_unused(row.batch);
        }
    }

    fn drop_if_unused(&mut self, batch: u32) {
        let place = &mut self.batches[batch as usize];
        if let Some(unused) = place.take_if(|b| b.references == 0) {
            self.rows -= unused.rows.num_rows();
            self.bytes -= unused.bytes;
        }
    }

    /// Orders two rows by their values, to the bit.
    pub(super) fn compare(&mut self, left: RowRef, right: RowRef) -> Result<Ordering, Error> {
        if self.ties.is_empty() || left == right {
            return Ok(Ordering::Equal);
        }
        self.encode(left.batch)?;
        self.encode(right.batch)?;
        let content =
            |r: RowRef| Some(self.batches.get(r.batch as usize)?.as_ref()?.content.as_ref()?.row(r.row as usize));
        Ok(content(left).cmp(&content(right)))
    }

    fn encode(&mut self, batch: u32) -> Result<(), Error> {
        if let Some(Some(batch)) = self.batches.get_mut(batch as usize)
            && batch.content.is_none()
        {
            let columns: Vec<_> = self.ties.iter().map(|i| batch.rows.column(*i).clone()).collect();
            let content = self.converter.convert_columns(&columns).map_err(DataFusionError::from)?;
            batch.bytes += content.size();
            self.bytes += content.size();
            batch.content = Some(content);
        }
        Ok(())
    }

    /// Whether [`Kept::compact`] would pay.
    pub(super) fn is_crowded(&self) -> bool {
        self.rows > 2 * self.references + self.batch_size
    }

    /// How many references there are.
    pub(super) fn references(&self) -> usize {
        self.references
    }

    /// Memory held, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes + self.batches.capacity() * size_of::<Option<Batch>>()
    }

    /// Copies the rows that are referred to together, forgets the others, and says where each went. `references`
    /// are all references there are, a row as often as it is referred to.
    pub(super) fn compact(&mut self, mut references: Vec<RowRef>) -> Result<Moved, Error> {
        references.sort_unstable();
        let mut rows = references.clone();
        rows.dedup();
        let mut packed = Vec::with_capacity(rows.len().div_ceil(self.batch_size));
        for chunk in rows.chunks(self.batch_size) {
            packed.push(self.pick(chunk)?);
        }
        self.batches = Vec::with_capacity(packed.len());
        (self.rows, self.references, self.bytes) = (0, 0, 0);
        for batch in packed {
            self.push(batch)?;
        }
        let moved = Moved { rows, batch_size: self.batch_size };
        for row in references {
            self.retain(moved.to(row));
        }
        Ok(moved)
    }

    /// Copies some rows, which are sorted by batch.
    fn pick(&self, rows: &[RowRef]) -> Result<RecordBatch, Error> {
        let mut sources: Vec<&RecordBatch> = Vec::new();
        let mut last = RowRef::NONE.batch;
        let mut positions = Vec::with_capacity(rows.len());
        for row in rows {
            if row.batch != last {
                let batch = self.batches.get(row.batch as usize).and_then(Option::as_ref);
                sources.push(&batch.ok_or_else(|| Error::Defect("a row in use was dropped".to_owned()))?.rows);
                last = row.batch;
            }
            positions.push((sources.len() - 1, row.row as usize));
        }
        let columns = (0..self.schema.fields().len()).map(|i| {
            let arrays: Vec<&dyn Array> = sources.iter().map(|s| s.column(i).as_ref()).collect();
            interleave(&arrays, &positions)
        });
        let columns = columns.collect::<Result<_, _>>().map_err(DataFusionError::from)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(DataFusionError::from)?)
    }

    /// Takes in all that another one keeps, with its references; says by how much its batch numbers grow.
    pub(super) fn append(&mut self, other: Kept) -> u32 {
        let shift = self.batches.len() as u32;
        self.rows += other.rows;
        self.references += other.references;
        self.bytes += other.bytes;
        self.batches.extend(other.batches);
        shift
    }

    /// The batches, for good; those that were dropped are left out, so references hold after [`Kept::compact`] only.
    pub(super) fn into_batches(self) -> Vec<RecordBatch> {
        self.batches.into_iter().flatten().map(|b| b.rows).collect()
    }
}

impl RowRef {
    /// The same row after its batch got another number.
    pub(super) fn shifted(self, by: u32) -> Self {
        if self == RowRef::NONE { self } else { RowRef { batch: self.batch + by, ..self } }
    }
}

/// Where rows went when they were copied together.
#[derive(Debug)]
pub(super) struct Moved {
    /// The rows before, in their new order.
    rows: Vec<RowRef>,
    batch_size: usize,
}

impl Moved {
    /// The new place of a row that was in use.
    pub(super) fn to(&self, row: RowRef) -> RowRef {
        match self.rows.binary_search(&row) {
            Ok(n) => RowRef { batch: (n / self.batch_size) as u32, row: (n % self.batch_size) as u32 },
            Err(_) => RowRef::NONE,
        }
    }
}
