//! The values of chosen rows, straight from the pages of their columns.
//!
//! The engine's reader of Parquet is made to give batches of many columns. To pick every tenth value of a column it
//! holds the chunks of all columns of a row group at once, and describes what is wanted as a list of runs, or else
//! decodes everything and filters it. Here pages are read, decoded a block of values at a time into one buffer, and what is
//! wanted copied from there: memory is the values themselves and for each reader a page, or a chunk of a file that is not on this machine,
//! and pages without a wanted row are neither read nor decompressed where the file's page index tells where they are.
//!
//! It takes columns of numbers, dates and moments that lie in the file as they are wanted ([`Leaf::of`]); whatever else
//! there is, texts, nested values, columns that must be cast, is left to the engine. Readers share one queue of row
//! groups, so that none idles while another has work; the values come out in the order of files and row groups all the same.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use datafusion::arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanBufferBuilder, PrimitiveArray};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Field, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::runtime::JoinSet;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::basic::{LogicalType, TimeUnit as StoredUnit, Type as Stored};
use datafusion::parquet::column::reader::ColumnReaderImpl;
use datafusion::parquet::data_type::{
    DataType as StoredType, DoubleType, FloatType, Int32Type as I32, Int64Type as I64,
};
use datafusion::parquet::errors::{ParquetError, Result as FileResult};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::page_index::offset_index::PageLocation;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;
use datafusion::parquet::schema::types::ColumnDescriptor;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use super::error::Error;
use super::files::{Files, Local};

/// Values decoded at a time: few enough for a buffer of them to stay in a processor's nearest cache.
const BLOCK: usize = 2048;

/// Bytes between two pages that are wanted, up to which reading them is cheaper than to ask once more.
const GAP: u64 = 32 << 10;

/// A file whose rows were numbered in the first pass.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) file: PartitionedFile,
    pub(super) footer: Arc<ParquetMetaData>,
}

/// Rows of one row group that are wanted.
pub(super) struct Unit {
    /// Number of the file.
    pub(super) file: usize,
    /// Number of the row group in it.
    pub(super) group: usize,
    /// A bit for each of its rows.
    pub(super) wanted: BooleanBuffer,
    /// How many bits are set.
    pub(super) count: usize,
}

/// A column as it lies in a file: the number of its leaf.
pub(super) fn leaf(footer: &ParquetMetaData, wanted: &Field) -> Option<usize> {
    let schema = footer.file_metadata().schema_descr();
    let mut named = (0..schema.num_columns()).filter(|leaf| schema.get_column_root(*leaf).name() == wanted.name());
    let (leaf, None) = (named.next()?, named.next()) else { return None };
    is_stored_as_wanted(&schema.column(leaf), wanted.data_type()).then_some(leaf)
}

/// Whether a column's stored values are those of the type, bit by bit, and not repeated or nested.
fn is_stored_as_wanted(column: &ColumnDescriptor, wanted: &DataType) -> bool {
    if column.max_rep_level() > 0 || column.max_def_level() > 1 || column.path().parts().len() != 1 {
        return false;
    }
    match (column.physical_type(), wanted, column.logical_type_ref()) {
        (Stored::DOUBLE, DataType::Float64, None) | (Stored::FLOAT, DataType::Float32, None) => true,
        (Stored::INT32, DataType::Date32, Some(LogicalType::Date)) => true,
        (Stored::INT64, DataType::Int64, None) | (Stored::INT32, DataType::Int32, None) => {
            // Written by old writers, this says what `None` leaves open.
            column.converted_type() == datafusion::parquet::basic::ConvertedType::NONE
        }
        (Stored::INT64, DataType::Int64, Some(LogicalType::Integer(of))) => of.is_signed && of.bit_width == 64,
        (Stored::INT32, DataType::Int32, Some(LogicalType::Integer(of))) => of.is_signed && of.bit_width == 32,
        (Stored::INT64, DataType::Timestamp(TimeUnit::Microsecond, zone), Some(LogicalType::Timestamp(of))) => {
            of.unit == StoredUnit::MICROS && of.is_adjusted_to_u_t_c == zone.is_some()
        }
        _ => false,
    }
}

/// Reads the wanted values of some columns: for each column its values, in one array, if there are any units.
///
/// `leaves` are for each file those of the columns, `fields` are what the columns become.
pub(super) async fn pick(
    sources: Vec<Source>,
    leaves: Vec<Vec<usize>>,
    fields: Vec<Arc<Field>>,
    units: Vec<Unit>,
    readers: (usize, Arc<Files>),
    reservation: &MemoryReservation,
) -> Result<Vec<Vec<ArrayRef>>, Error> {
    let (parallel, files) = readers;
    let columns = fields.len();
    let count = units.len();
    if count == 0 {
        return Ok(vec![Vec::new(); columns]);
    }
    let work = Arc::new(Work { sources, leaves, fields, units, next: AtomicUsize::new(0), files });
    let mut workers = JoinSet::new();
    for _ in 0..parallel.clamp(1, count) {
        let (work, reserved) = (Arc::clone(&work), reservation.new_empty());
        workers.spawn(async move {
            let mut done = Vec::new();
            loop {
                let unit = work.next.fetch_add(1, Ordering::Relaxed);
                if unit >= work.units.len() {
                    // What was read outlives the reader: its owner reserves memory for it.
                    return Ok::<_, DataFusionError>((done, reserved));
                }
                done.push((unit, work.unit(unit, &reserved).await?));
            }
        });
    }
    let mut parts: Vec<(usize, Vec<ArrayRef>)> = Vec::with_capacity(count);
    let mut held = Vec::new();
    while let Some(done) = workers.join_next().await {
        let (done, reserved) = done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        parts.extend(done);
        held.push(reserved);
    }
    parts.sort_unstable_by_key(|(unit, _)| *unit);
    let mut picked = vec![Vec::with_capacity(count); columns];
    for (column, array) in parts.into_iter().flat_map(|(_, arrays)| arrays.into_iter().enumerate()) {
        picked[column].push(array);
    }
    // Values are looked up by number afterwards, which is quicker in one array than in many.
    let mut joined = JoinSet::new();
    for (column, parts) in picked.iter_mut().map(std::mem::take).enumerate() {
        let reserved = reservation.new_empty();
        reserved.try_grow(parts.iter().map(|part: &ArrayRef| part.get_array_memory_size()).sum())?;
        joined.spawn(async move {
            let whole = concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
            drop((parts, reserved));
            Ok::<_, DataFusionError>((column, whole))
        });
    }
    while let Some(done) = joined.join_next().await {
        let (column, whole) = done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        picked[column].push(whole);
    }
    Ok(picked)
}

/// What readers share.
struct Work {
    sources: Vec<Source>,
    leaves: Vec<Vec<usize>>,
    fields: Vec<Arc<Field>>,
    units: Vec<Unit>,
    /// The unit that nobody has begun.
    next: AtomicUsize,
    files: Arc<Files>,
}

impl Work {
    /// The columns of one unit.
    async fn unit(&self, number: usize, reserved: &MemoryReservation) -> Result<Vec<ArrayRef>, DataFusionError> {
        let unit = &self.units[number];
        let source = &self.sources[unit.file];
        let mut place = match self.files.local(&source.file).await? {
            Some(local) => Place::Here(Arc::new(local)),
            None => {
                let metrics = ExecutionPlanMetricsSet::new();
                Place::Elsewhere(self.files.create_reader(number, source.file.clone(), None, &metrics)?)
            }
        };
        let mut arrays = Vec::with_capacity(self.fields.len());
        for (field, leaf) in self.fields.iter().zip(&self.leaves[unit.file]) {
            let chunk = ChunkOf::new(&source.footer, unit, *leaf)?;
            let bytes = match place {
                Place::Here(_) => chunk.largest(),
                Place::Elsewhere(_) => chunk.bytes(),
            } as usize;
            let width = field.data_type().primitive_width().unwrap_or(8);
            reserved.try_grow(bytes + unit.count * width)?;
            let array = match &mut place {
                Place::Here(local) => chunk.values(field.data_type(), Arc::clone(local))?,
                Place::Elsewhere(reader) => {
                    let parts = reader.get_byte_ranges(chunk.ranges.clone()).await?;
                    let starts = chunk.ranges.iter().map(|range| range.start);
                    chunk.values(field.data_type(), Arc::new(Chunk { parts: starts.zip(parts).collect() }))?
                }
            };
            reserved.shrink(bytes);
            arrays.push(array);
        }
        Ok(arrays)
    }
}

/// Where a file is read.
enum Place {
    /// On this machine, a page at a time.
    Here(Arc<Local>),
    /// From its store, a column chunk at a time.
    Elsewhere(Box<dyn AsyncFileReader + Send>),
}

/// The wanted values of one column chunk.
struct ChunkOf<'a> {
    footer: &'a ParquetMetaData,
    unit: &'a Unit,
    leaf: usize,
    /// Where its pages are, where the file says so.
    pages: Option<&'a [PageLocation]>,
    /// The bytes to be read.
    ranges: Vec<Range<u64>>,
}

impl<'a> ChunkOf<'a> {
    fn new(footer: &'a ParquetMetaData, unit: &'a Unit, leaf: usize) -> FileResult<Self> {
        let chunk = footer.row_group(unit.group).column(leaf);
        let (start, length) = chunk.byte_range();
        let all = start..start + length;
        let index = footer.offset_index().and_then(|index| index.get(unit.group)?.get(leaf));
        let pages = index.map(|index| index.page_locations.as_slice()).filter(|pages| !pages.is_empty());
        let mut found = ChunkOf { footer, unit, leaf, pages, ranges: Vec::new() };
        let Some(pages) = pages else {
            found.ranges.push(all);
            return Ok(found);
        };
        // What lies before the first page is the dictionary.
        let first = pages[0].offset as u64;
        if first > start {
            found.ranges.push(start..first);
        }
        for (page, rows) in pages.iter().zip(found.rows_of_pages()) {
            if found.wanted(&rows) == 0 {
                continue;
            }
            let bytes = page.offset as u64..page.offset as u64 + page.compressed_page_size as u64;
            match found.ranges.last_mut() {
                Some(last) if bytes.start <= last.end + GAP => last.end = bytes.end,
                _ => found.ranges.push(bytes),
            }
        }
        if found.ranges.iter().any(|range| range.start < all.start || range.end > all.end) {
            return Err(ParquetError::General("the page index points outside its column".to_owned()));
        }
        Ok(found)
    }

    /// The rows of each page; of the whole chunk, where its pages are not known.
    fn rows_of_pages(&self) -> Vec<Range<usize>> {
        let rows = self.unit.wanted.len();
        let starts = self.pages.unwrap_or_default().iter().map(|page| (page.first_row_index as usize).min(rows));
        let mut starts: Vec<usize> = if self.pages.is_some() { starts.collect() } else { vec![0] };
        starts.push(rows);
        starts.windows(2).map(|ends| ends[0]..ends[1]).collect()
    }

    fn wanted(&self, rows: &Range<usize>) -> usize {
        self.unit.wanted.slice(rows.start, rows.len()).count_set_bits()
    }

    /// How many bytes there are to be read.
    fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// The most that is read at once where pages are read one by one.
    fn largest(&self) -> u64 {
        let pages = self.pages.unwrap_or_default().iter().map(|page| page.compressed_page_size.max(0) as u64);
        pages.max().unwrap_or_else(|| self.bytes())
    }

    /// Decodes what is wanted of it.
    fn values<R: ChunkReader + 'static>(
        &self,
        data_type: &DataType,
        chunk: Arc<R>,
    ) -> Result<ArrayRef, DataFusionError> {
        let group = self.footer.row_group(self.unit.group);
        let pages = self.pages.map(<[PageLocation]>::to_vec);
        let rows = self.unit.wanted.len();
        let pages = SerializedPageReader::new(chunk, group.column(self.leaf), rows, pages)?;
        Ok(match data_type {
            DataType::Float64 => self.array::<DoubleType, Float64Type, R>(pages, data_type)?,
            DataType::Float32 => self.array::<FloatType, Float32Type, R>(pages, data_type)?,
            DataType::Int64 => self.array::<I64, Int64Type, R>(pages, data_type)?,
            DataType::Int32 => self.array::<I32, Int32Type, R>(pages, data_type)?,
            DataType::Date32 => self.array::<I32, Date32Type, R>(pages, data_type)?,
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.array::<I64, TimestampMicrosecondType, R>(pages, data_type)?
            }
            other => return Err(Error::Defect(format!("{other} cannot be picked")).into()),
        })
    }

    fn array<S, A, R>(&self, pages: SerializedPageReader<R>, data_type: &DataType) -> FileResult<ArrayRef>
    where
        R: ChunkReader + 'static,
        S: StoredType,
        A: ArrowPrimitiveType<Native = S::T>,
        S::T: ArrowNativeType,
    {
        let column = self.footer.row_group(self.unit.group).column(self.leaf).column_descr_ptr();
        let mut reader = ColumnReaderImpl::<S>::new(column, Box::new(pages));
        let mut picked: Vec<S::T> = Vec::with_capacity(self.unit.count);
        let mut nulls: Option<BooleanBufferBuilder> = None;
        let (mut values, mut levels): (Vec<S::T>, Vec<i16>) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
        let mut skipped = 0;
        let pages = self.rows_of_pages().into_iter();
        let blocks =
            pages.flat_map(|page| page.clone().step_by(BLOCK).map(move |start| start..page.end.min(start + BLOCK)));
        for block in blocks {
            let wanted = self.unit.wanted.slice(block.start, block.len());
            if wanted.count_set_bits() == 0 {
                skipped += block.len();
                continue;
            }
            if skipped > 0 && reader.skip_records(std::mem::take(&mut skipped))? == 0 {
                return Err(too_few());
            }
            values.clear();
            levels.clear();
            let mut records = 0;
            while records < block.len() {
                let (more, _, _) = reader.read_records(block.len() - records, Some(&mut levels), None, &mut values)?;
                if more == 0 {
                    return Err(too_few());
                }
                records += more;
            }
            if values.len() == block.len() {
                picked.extend(wanted.set_indices().map(|row| values[row]));
                if let Some(nulls) = &mut nulls {
                    nulls.append_n(picked.len() - nulls.len(), true);
                }
                continue;
            }
            // Values that are null are not among those read: a row's value is found by counting those before it.
            let nulls = nulls.get_or_insert_with(|| BooleanBufferBuilder::new(self.unit.count));
            nulls.append_n(picked.len() - nulls.len(), true);
            let mut value = 0;
            for (row, level) in levels.iter().enumerate() {
                let is_valid = *level > 0;
                if wanted.value(row) {
                    picked.push(if is_valid { values[value] } else { S::T::default() });
                    nulls.append(is_valid);
                }
                value += usize::from(is_valid);
            }
        }
        if picked.len() != self.unit.count {
            return Err(too_few());
        }
        let nulls = nulls.map(|mut nulls| NullBuffer::new(nulls.finish()));
        let array = PrimitiveArray::<A>::try_new(picked.into(), nulls)?;
        Ok(Arc::new(array.with_data_type(data_type.clone())))
    }
}

fn too_few() -> ParquetError {
    ParquetError::General("a column has fewer values than its row group has rows".to_owned())
}

/// Parts of a column chunk, each with its place in the file.
struct Chunk {
    parts: Vec<(u64, Bytes)>,
}

impl Chunk {
    /// What was read from here on.
    fn from(&self, start: u64) -> FileResult<Bytes> {
        let behind = self.parts.partition_point(|(first, _)| *first <= start);
        let part = behind.checked_sub(1).map(|part| &self.parts[part]);
        let found = part.filter(|(first, bytes)| start - first <= bytes.len() as u64);
        found
            .map(|(first, bytes)| bytes.slice((start - first) as usize..))
            .ok_or_else(|| ParquetError::EOF(format!("nothing was read at {start}")))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.parts.last().map_or(0, |(first, bytes)| first + bytes.len() as u64)
    }
}

impl ChunkReader for Chunk {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> FileResult<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> FileResult<Bytes> {
        let bytes = self.from(start)?;
        match length <= bytes.len() {
            true => Ok(bytes.slice(..length)),
            false => Err(ParquetError::EOF(format!("{length} bytes at {start}, of which {} were read", bytes.len()))),
        }
    }
}
