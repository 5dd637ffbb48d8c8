//! Work that goes on in the background until it is ended.

use std::future::Future;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Some work in the background.
#[derive(Debug)]
pub struct Background {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Background {
    /// Begins work that is told when it is to end. Call it within a tokio runtime.
    pub(crate) fn begin<F>(work: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Background { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Lets it do what is left, and waits until it has ended.
    pub async fn end(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
