//! The rows of a view that somebody still refers to.
//!
//! Batches are kept as they came, with a count of references each, and dropped at zero. When rows that nobody
//! refers to dominate, the others are copied together. A row is copied once per halving, so the work is in
//! proportion to the rows read, and at most twice the referenced rows plus one batch are held.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::error::DataFusionError;

use super::choose::{Held, Holder, RowRef};
use super::error::Error;

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
    features: Vec<usize>,
    batches: Vec<Option<Batch>>,
    ties: Vec<usize>,
    converter: RowConverter,
    rows: usize,
    references: usize,
    bytes: usize,
    batch_size: usize,
}

impl Kept {
    /// Nothing yet. Of each batch the columns `features` are kept, which have this schema; `ties` are those of them that
    /// decide between rows of equal rank.
    pub(super) fn new(
        schema: SchemaRef,
        features: Vec<usize>,
        ties: Vec<usize>,
        batch_size: usize,
    ) -> Result<Self, Error> {
        let fields = ties.iter().map(|i| SortField::new(schema.field(*i).data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(DataFusionError::from)?;
        let batches = Vec::new();
        Ok(Kept { schema, features, batches, ties, converter, rows: 0, references: 0, bytes: 0, batch_size })
    }

    fn push(&mut self, rows: RecordBatch) -> Result<u32, Error> {
        let batch = u32::try_from(self.batches.len()).ok().filter(|n| *n < RowRef::PLACES);
        let batch = batch.ok_or_else(|| Error::Defect("too many batches".to_owned()))?;
        let bytes = (rows.columns().iter())
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()))
            .sum();
        self.rows += rows.num_rows();
        self.bytes += bytes;
        self.batches.push(Some(Batch { rows, references: 0, bytes, content: None }));
        Ok(batch)
    }

    /// Refers to a batch as such.
    fn refer(&mut self, batch: u32, more: isize) {
        if let Some(Some(batch)) = self.batches.get_mut(batch as usize) {
            batch.references = batch.references.saturating_add_signed(more);
        }
    }

    fn drop_if_unused(&mut self, batch: u32) {
        let place = &mut self.batches[batch as usize];
        if let Some(unused) = place.take_if(|b| b.references == 0) {
            self.rows -= unused.rows.num_rows();
            self.bytes -= unused.bytes;
        }
    }

    fn encode(&mut self, batch: usize) -> Result<(), Error> {
        if let Some(Some(batch)) = self.batches.get_mut(batch)
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

    /// The columns of the rows that these refer to, each row once; each reference becomes the number of its row among
    /// them.
    pub(super) fn into_columns(mut self, references: &mut [RowRef]) -> Result<Vec<Vec<ArrayRef>>, Error> {
        self.compact(references.iter_mut().filter(|row| row.is_row()).collect())?;
        for row in references.iter_mut().filter(|row| row.is_row()) {
            *row = RowRef::new(0, (row.place() * self.batch_size + row.row()) as u32);
        }
        let mut columns = vec![Vec::with_capacity(self.batches.len()); self.schema.fields().len()];
        for batch in self.batches.into_iter().flatten() {
            for (column, array) in columns.iter_mut().zip(batch.rows.columns()) {
                column.push(array.clone());
            }
        }
        Ok(columns)
    }

    /// Copies the rows that are referred to together, forgets the others, and changes the references accordingly:
    /// all there are, a row as often as it is referred to.
    fn compact(&mut self, mut references: Vec<&mut RowRef>) -> Result<(), Error> {
        references.sort_unstable();
        let mut rows: Vec<RowRef> = references.iter().map(|row| **row).collect();
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
        // Both are sorted.
        let mut number = 0;
        for reference in references {
            while rows[number] < *reference {
                number += 1;
            }
            *reference = RowRef::new((number / self.batch_size) as u32, (number % self.batch_size) as u32);
            self.retain(*reference);
        }
        Ok(())
    }

    /// Copies some rows, which are sorted by batch.
    fn pick(&self, rows: &[RowRef]) -> Result<RecordBatch, Error> {
        let mut sources: Vec<&RecordBatch> = Vec::new();
        let mut last = usize::MAX;
        let mut positions = Vec::with_capacity(rows.len());
        for row in rows {
            if row.place() != last {
                let batch = self.batches.get(row.place()).and_then(Option::as_ref);
                sources.push(&batch.ok_or_else(|| Error::Defect("a row in use was dropped".to_owned()))?.rows);
                last = row.place();
            }
            positions.push((sources.len() - 1, row.row()));
        }
        let columns = (0..self.schema.fields().len()).map(|i| {
            let arrays: Vec<&dyn Array> = sources.iter().map(|s| s.column(i).as_ref()).collect();
            interleave(&arrays, &positions)
        });
        let columns = columns.collect::<Result<_, _>>().map_err(DataFusionError::from)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(DataFusionError::from)?)
    }
}

/// The number of a batch.
#[derive(Debug)]
pub(super) struct InBatch(u32);

impl Held for InBatch {
    fn row_ref(&self, row: usize) -> RowRef {
        // A batch with more than four billion rows cannot be made.
        RowRef::new(self.0, row as u32)
    }
}

impl Holder for Kept {
    type Held = InBatch;

    fn hold(&mut self, batch: &RecordBatch) -> Result<InBatch, Error> {
        let held = InBatch(self.push(batch.project(&self.features).map_err(DataFusionError::from)?)?);
        // Its rows come and go while others are still to be offered.
        self.refer(held.0, 1);
        Ok(held)
    }

    fn seal(&mut self, held: InBatch) {
        self.refer(held.0, -1);
        self.drop_if_unused(held.0);
    }

    /// By their values, to the bit.
    fn compare(&mut self, left: RowRef, right: RowRef) -> Result<Ordering, Error> {
        if self.ties.is_empty() || left == right {
            return Ok(Ordering::Equal);
        }
        self.encode(left.place())?;
        self.encode(right.place())?;
        let content = |r: RowRef| Some(self.batches.get(r.place())?.as_ref()?.content.as_ref()?.row(r.row()));
        Ok(content(left).cmp(&content(right)))
    }

    fn retain(&mut self, row: RowRef) {
        if let Some(Some(batch)) = self.batches.get_mut(row.place()) {
            batch.references += 1;
            self.references += 1;
        }
    }

    fn release(&mut self, row: RowRef) {
        if let Some(Some(batch)) = self.batches.get_mut(row.place()) {
            batch.references -= 1;
            self.references -= 1;
            self.drop_if_unused(row.place() as u32);
        }
    }

    fn append(&mut self, other: Kept) -> u32 {
        let shift = self.batches.len() as u32;
        self.rows += other.rows;
        self.references += other.references;
        self.bytes += other.bytes;
        self.batches.extend(other.batches);
        shift
    }

    fn tidy<'a>(&mut self, references: impl Iterator<Item = &'a mut RowRef>) -> Result<(), Error> {
        // Copying pays when most rows are not wanted any more.
        if self.rows <= 2 * self.references + self.batch_size {
            return Ok(());
        }
        let references: Vec<_> = references.collect();
        debug_assert_eq!(self.references, references.len(), "every reference is counted");
        self.compact(references)
    }

    fn size(&self) -> usize {
        self.bytes + self.batches.capacity() * size_of::<Option<Batch>>()
    }
}
