//! Rows between async streams and threads that may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use asof_model::{Error, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt as _;
use tokio::sync::mpsc;

use crate::failure::{Failure, through_engine};
use crate::ongoing::Guard;

/// Batches that may wait in a channel: enough to keep both ends busy, few enough to not count.
const WAITING: usize = 2;

/// Where a thread puts rows for a stream.
pub(crate) struct Sink(mpsc::Sender<datafusion::error::Result<RecordBatch>>);

/// A stream of what a thread puts into the sink. The stream ends when the sink is dropped, so the thread's own result
/// must be asked for before what was read is believed to be all.
pub(crate) fn channel(schema: SchemaRef) -> (Sink, SendableRecordBatchStream) {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let rows = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    (Sink(sender), Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

impl Sink {
    /// Puts rows, waiting for room; false where nobody reads any more.
    pub(crate) fn put(&self, batch: RecordBatch) -> bool {
        self.0.blocking_send(Ok(batch)).is_ok()
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&self, error: Error) {
        // Nobody reads any more: then somebody else knows why.
        let _ = self.0.blocking_send(Err(through_engine(error)));
    }
}

/// The next batch for a thread's work; none at the end of the rows.
pub(crate) type Next<'a> = dyn FnMut() -> Result<Option<RecordBatch>> + 'a;

/// Gives every batch of a stream to `work`, on a thread that may block.
///
/// Where the rows end early, because reading them failed or because nobody waits for the work any more, the work is told
/// by an error instead of a batch, and is to stop at once. Until the thread has ended, it is ongoing.
pub(crate) async fn drain<T: Send + 'static>(
    mut rows: SendableRecordBatchStream,
    ongoing: Guard,
    work: impl FnOnce(&mut Next<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, mut receiver) = mpsc::channel::<RecordBatch>(WAITING);
    let all = Arc::new(AtomicBool::new(false));
    let is_all = Arc::clone(&all);
    let thread = tokio::task::spawn_blocking(move || {
        let result = work(&mut || match receiver.blocking_recv() {
            None if !is_all.load(Ordering::Acquire) => Err(Error::internal("the rows ended early")),
            next => Ok(next),
        });
        drop(ongoing);
        result
    });
    let mut read = Ok(());
    loop {
        match rows.try_next().await {
            Ok(Some(batch)) => {
                // The thread gave up: its own result says why.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(None) => {
                all.store(true, Ordering::Release);
                break;
            }
            Err(error) => {
                read = Err(Failure::from(error).into());
                break;
            }
        }
    }
    drop(sender);
    let written = thread.await.map_err(Failure::from)?;
    read.and(written)
}
