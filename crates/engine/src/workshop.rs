//! Where offline work happens: its own threads, memory pool and spill folder.
//!
//! Planning and executing queries is heavy and can recurse deeply, so the threads have large stacks; and
//! they are not the threads that answer requests, so a training set in the making slows no lookup.

use std::future::Future;
use std::sync::Arc;

use asof_model::{Error, Result};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use tokio::runtime::{Builder, Runtime};

/// The stack of a worker thread, in bytes: deep enough for the deepest SQL that is let in.
const STACK: usize = 16 << 20;

/// How much of the machine offline work may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Worker threads, and partitions of a plan.
    pub threads: usize,
    /// Memory for operators, in bytes; what needs more spills to disk.
    pub memory: usize,
}

/// Threads and memory for offline work.
pub struct Workshop {
    /// Taken only on drop, which must not block an asynchronous caller.
    runtime: Option<Runtime>,
    environment: Arc<RuntimeEnv>,
    limits: Limits,
}

impl Workshop {
    /// A workshop within these limits.
    ///
    /// # Errors
    /// `internal` when threads or the spill folder cannot be made.
    pub fn new(limits: Limits) -> Result<Self> {
        let limits = Limits { threads: limits.threads.max(1), ..limits };
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads)
            .thread_stack_size(STACK)
            .thread_name("asof-offline")
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory)))
            .build_arc()
            .map_err(Error::internal)?;
        Ok(Workshop { runtime: Some(runtime), environment, limits })
    }

    /// How much it may use.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A session whose plans run within the limits.
    pub(crate) fn session(&self) -> SessionState {
        self.session_of(self.limits.threads)
    }

    /// A session whose plans run on so many partitions.
    pub(crate) fn session_of(&self, partitions: usize) -> SessionState {
        asof_query::session_state(self.environment.clone(), partitions)
    }

    /// Runs work on the workshop's threads. Dropping the future stops the work at its next await.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().expect("the runtime is taken only on drop");
        let mut task = AbortOnDrop(runtime.spawn(work));
        (&mut task.0).await.map_err(|e| Error::internal(format!("offline work stopped: {e}")))?
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
