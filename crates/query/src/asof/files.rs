//! Bytes of Parquet files.
//!
//! A store gives a range as a buffer that it clears, fills and hands over. Of a column of ten million values that is
//! as much work as to decode it, and by the time it is decoded it has left the processor's caches. So a file that lies on this
//! machine is read as one: into memory that nobody clears, by whoever decodes it, and for picking ([`Local`]) a page at a time.
//! Files that are elsewhere are asked for from their store, as ever. Footers are
//! those of the session's cache. A reader of its own that a scan may have is passed over: what it reads is what its store has.
//!
//! Reading on the thread that decodes means that it waits where the file is not in the system's cache; offline work has
//! its own threads, and each of them has a partition to read.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result as EngineResult;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as FileResult};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectStore};

/// Bytes that are read to find the header of a page; one with more is read on.
const HEADER: usize = 1 << 10;

/// The files of a store.
#[derive(Debug)]
pub(super) struct Files {
    store: Arc<dyn ObjectStore>,
    footers: CachedParquetFileReaderFactory,
}

impl Files {
    /// Those of a store that the session knows.
    pub(super) fn new(url: &ObjectStoreUrl, context: &TaskContext) -> EngineResult<Self> {
        let runtime = context.runtime_env();
        let store = runtime.object_store(url)?;
        let footers =
            CachedParquetFileReaderFactory::new(store.clone(), runtime.cache_manager.get_file_metadata_cache());
        Ok(Files { store, footers })
    }

    /// A file of this machine, open; none where it is elsewhere.
    pub(super) async fn local(&self, file: &PartitionedFile) -> FileResult<Option<Local>> {
        local(self.store.as_ref(), &file.object_meta.location).await
    }
}

impl ParquetFileReaderFactory for Files {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> EngineResult<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location.clone();
        let elsewhere = self.footers.create_reader(partition, file, hint, metrics)?;
        Ok(Box::new(OneFile { store: self.store.clone(), location, elsewhere, local: None }))
    }
}

async fn local(store: &dyn ObjectStore, location: &Path) -> FileResult<Option<Local>> {
    let found =
        store.get_opts(location, GetOptions::default()).await.map_err(|e| ParquetError::External(Box::new(e)))?;
    let GetResultPayload::File(file, path) = found.payload else { return Ok(None) };
    Ok(Some(Local { file: Arc::new(file), path, bytes: found.meta.size }))
}

/// One of them, as the engine reads it.
struct OneFile {
    store: Arc<dyn ObjectStore>,
    location: Path,
    elsewhere: Box<dyn AsyncFileReader + Send>,
    /// Whether it is on this machine, once that is known.
    local: Option<Option<Local>>,
}

impl AsyncFileReader for OneFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, FileResult<Bytes>> {
        async move {
            let mut bytes = self.get_byte_ranges(vec![range]).await?;
            bytes.pop().ok_or_else(|| ParquetError::General("nothing was read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, FileResult<Vec<Bytes>>> {
        async move {
            let known = match self.local.take() {
                Some(known) => known,
                None => local(self.store.as_ref(), &self.location).await?,
            };
            match self.local.insert(known) {
                Some(local) => ranges.into_iter().map(|range| local.get_bytes(range.start, length(&range)?)).collect(),
                None => self.elsewhere.get_byte_ranges(ranges).await,
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, FileResult<Arc<ParquetMetaData>>> {
        self.elsewhere.get_metadata(options)
    }
}

fn length(range: &Range<u64>) -> FileResult<usize> {
    let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| ParquetError::General(format!("a file has no bytes {range:?}")))
}

/// A file of this machine.
///
/// It has one place at which it is read next, so one reader uses it at a time.
#[derive(Debug)]
pub(super) struct Local {
    file: Arc<File>,
    path: PathBuf,
    bytes: u64,
}

impl Local {
    fn failed(&self, error: std::io::Error) -> ParquetError {
        ParquetError::External(Box::new(std::io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))))
    }
}

impl Length for Local {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Local {
    type T = BufReader<Behind>;

    fn get_read(&self, start: u64) -> FileResult<Self::T> {
        Ok(BufReader::with_capacity(HEADER, Behind { file: self.file.clone(), next: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> FileResult<Bytes> {
        let too_short = |there: u64| {
            let path = self.path.display();
            ParquetError::EOF(format!("{path} has {there} bytes at {start} where {length} were expected"))
        };
        // Before memory is taken: a damaged file may ask for any.
        let there = self.bytes.saturating_sub(start);
        if (length as u64) > there {
            return Err(too_short(there));
        }
        let mut bytes = Vec::with_capacity(length);
        let mut file = self.file.as_ref();
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(length as u64).read_to_end(&mut bytes));
        match read.map_err(|error| self.failed(error))? {
            read if read < length => Err(too_short(read as u64)),
            _ => Ok(bytes.into()),
        }
    }
}

/// What lies behind some place of a file.
#[derive(Debug)]
pub(super) struct Behind {
    file: Arc<File>,
    next: u64,
}

impl Read for Behind {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut file = self.file.as_ref();
        file.seek(SeekFrom::Start(self.next))?;
        let read = file.read(buffer)?;
        self.next += read as u64;
        Ok(read)
    }
}
