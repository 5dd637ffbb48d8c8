//! Where offline work happens: its own threads, memory pool and spill folder.
//!
//! Planning and executing queries is heavy and can recurse deeply, so the threads have large stacks; and
//! they are not the threads that answer requests, so a training set in the making slows no lookup.
//!
//! Work that nobody waits for any more is stopped at its next await; [`Workshop::ongoing`] says when the last has ended.
//! Work that takes far more memory than operators account for is stopped too ([`crate::resident`]).

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asof_model::memory::Bytes;
use asof_model::{Error, Result};
use asof_offline::{Budget, Ongoing};
use datafusion::execution::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use tokio::runtime::{Builder, Runtime};

use crate::giving_way::GivingWay;
use crate::resident::Lookout;

/// The stack of a worker thread, in bytes: deep enough for the deepest SQL that is let in.
pub(crate) const STACK: usize = 16 << 20;

/// How many workshops this process had: each has a folder of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

/// How much of the machine offline work may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Worker threads, and partitions of a plan.
    pub threads: usize,
    /// Memory for operators, in bytes; what needs more spills to disk.
    pub memory: usize,
    /// Whether its threads give way to all others: where features are served beside it. Requests are then answered as if it did
    /// not run, and it gets what they leave; if it has fewer threads than there are processors, all but one of these.
    pub gives_way: bool,
}

/// Threads and memory for offline work.
pub struct Workshop {
    /// Taken only on drop, which must not block an asynchronous caller.
    runtime: Option<Runtime>,
    environment: Arc<RuntimeEnv>,
    /// Where it spills to, alone.
    spills: Option<PathBuf>,
    limits: Limits,
    lookout: Lookout,
    ongoing: Ongoing,
}

impl Workshop {
    /// A workshop within these limits. What does not fit into memory goes to a folder in `scratch`, which is removed with
    /// the workshop; without one, to a folder for temporary files of the system's.
    ///
    /// # Errors
    /// `internal` when threads or the spill folder cannot be made.
    pub fn new(limits: Limits, scratch: Option<&Path>) -> Result<Self> {
        let limits = Limits { threads: limits.threads.max(1), ..limits };
        let giving_way = limits.gives_way.then(|| GivingWay::new(limits.threads));
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads)
            .thread_stack_size(STACK)
            .thread_name("asof-offline")
            .on_thread_start(move || {
                if let Some(giving_way) = &giving_way {
                    giving_way.begin();
                }
            })
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let spills = scratch.map(|folder| folder.join(format!("offline-{}-{number}", std::process::id())));
        let mode = match &spills {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(Error::internal)?;
                DiskManagerMode::Directories(vec![folder.clone()])
            }
            None => DiskManagerMode::OsTmpDirectory,
        };
        let pool = Budget::new(FairSpillPool::new(limits.memory), "offline work", limits.memory);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
            .build_arc()
            .map_err(Error::internal)?;
        let lookout = Lookout::new(limits.memory as u64)?;
        Ok(Workshop { runtime: Some(runtime), environment, spills, limits, lookout, ongoing: Ongoing::default() })
    }

    /// How much it may use.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What is at work, and what is still to be recorded of it.
    pub(crate) fn ongoing(&self) -> &Ongoing {
        &self.ongoing
    }

    /// Removes what lies on disk. Work that was given up and goes on for a moment keeps its files otherwise, and a process does
    /// not wait for it to the last; it fails now.
    pub(crate) fn clear(&self) {
        let Some(folder) = &self.spills else { return };
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(folder = %folder.display(), %error, "files of offline work could not be removed");
            }
            _ => {}
        }
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
    ///
    /// # Errors
    /// The work's own; `out_of_memory` where it takes far more than operators account for.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.run_as(&self.ongoing, work).await
    }

    /// The same, as part of something whose end somebody waits for.
    pub(crate) async fn run_as<T, F>(&self, part_of: &Ongoing, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().expect("the runtime is taken only on drop");
        let (_watched, too_much) = self.lookout.watch();
        let ongoing = part_of.begin();
        let mut task = AbortOnDrop(runtime.spawn(async move {
            let result = work.await;
            drop(ongoing);
            result
        }));
        let result = tokio::select! {
            biased;
            done = &mut task.0 => done.map_err(|e| Error::internal(format!("offline work stopped: {e}")))?,
            Ok(error) = too_much => Err(error),
        };
        result.map_err(|error| self.with_limit(error))
    }

    /// The limit, where an operator that cannot go on did not say it.
    fn with_limit(&self, error: Error) -> Error {
        if error.code() != "out_of_memory" || error.message().contains(" may take ") {
            return error;
        }
        let limit = Bytes(self.limits.memory as u64);
        asof_model::memory::exhausted(&format!("{} (offline work may take {limit} of memory)", error.message()))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.clear();
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
