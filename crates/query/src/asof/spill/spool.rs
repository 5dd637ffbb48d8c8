//! Rows on disk: written once, read any number of times, gone with the last who knows of them.
//!
//! Files are the engine's own spill files: they lie in its temporary folder, count towards `max_temp_directory_size` and the
//! node's metrics, and are removed when they are dropped, however the join ends.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::execution::spill_file::SpillFile;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan, SpillManager};
use futures::{TryStreamExt, stream};

/// What an open file takes while it is read: the engine reads 128 KiB at a time, and keeps what it decodes of it.
pub(super) const READING: usize = 256 << 10;

/// Makes files of rows of one schema.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    manager: SpillManager,
}

/// A file of rows, in the order in which they were written; none were written where there is none.
#[derive(Clone)]
pub(super) struct Spooled {
    spool: Spool,
    file: Option<Arc<dyn SpillFile>>,
}

/// A file that is being written.
pub(super) struct Spooling {
    spool: Spool,
    step: Box<Step>,
}

/// Appends a batch, or without one finishes the file. The engine does not tell the name of the type that does it.
type Step = dyn FnMut(Option<&RecordBatch>) -> Result<Option<Arc<dyn SpillFile>>> + Send;

impl Spool {
    /// Every column may be null: a batch knows no better.
    pub(super) fn new(schema: &Schema, context: &TaskContext, metrics: &SpillMetrics) -> Self {
        let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let manager = SpillManager::new(context.runtime_env(), metrics.clone(), Arc::new(Schema::new(fields)));
        Spool { manager: manager.with_compression_type(context.session_config().spill_compression()) }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.manager.schema()
    }

    /// A new file.
    pub(super) fn create(&self) -> Result<Spooling> {
        let mut file = self.manager.create_in_progress_file("AsofJoinExec")?;
        let step = Box::new(move |batch: Option<&RecordBatch>| match batch {
            Some(batch) => file.append_batch(batch).map(|_| None),
            None => file.finish(),
        });
        Ok(Spooling { spool: self.clone(), step })
    }
}

impl Spooling {
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        (self.step)(Some(batch)).map(drop)
    }

    pub(super) fn finish(mut self) -> Result<Spooled> {
        Ok(Spooled { file: (self.step)(None)?, spool: self.spool })
    }
}

impl Spooled {
    /// The rows from the first on, in the batches in which they were written.
    pub(super) fn read(&self) -> Result<SendableRecordBatchStream> {
        match &self.file {
            None => Ok(Box::pin(EmptyRecordBatchStream::new(Arc::clone(self.spool.schema())))),
            Some(file) => self.spool.manager.read_spill_as_stream_unbuffered(Arc::clone(file), None),
        }
    }

    /// As a plan of one partition.
    pub(super) fn plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::clone(self.spool.schema());
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(self.clone())], None, [], false, None)?))
    }
}

impl std::fmt::Debug for Spooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spooled").field("schema", self.spool.schema()).finish_non_exhaustive()
    }
}

impl PartitionStream for Spooled {
    fn schema(&self) -> &SchemaRef {
        self.spool.schema()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let spooled = self.clone();
        let rows = stream::once(async move { spooled.read() }).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.spool.schema()), rows))
    }
}
