//! Asof's side of `make bench`: one job per process, timed by the process that does it.
//!
//! A job takes Parquet files, or datasets that Asof has laid out itself, to a result in memory or on disk, the way a
//! training run does: the logical as-of join over table providers, in the session and on the threads of offline work. The
//! clock runs from opening the files to the last row; starting the process and its threads is not counted, nor
//! is it for the rivals. Each run prints one line of JSON: seconds, rows, and the most memory that the process ever
//! had resident.

mod asof;
mod job;
mod lay_out;
mod measure;
mod plain;
mod tables;
mod training;
mod windows;

use std::error::Error;
use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Deep enough for the deepest SQL that is let in; the same as for offline work.
const STACK: usize = 16 << 20;

/// Measures Asof.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Join views to a spine with the as-of join.
    Join(job::Job),
    /// Aggregate the view's first feature over windows that end at each spine row.
    Windows(job::Job),
    /// The same question in plain SQL, with no operator of ours.
    Sql(job::Job),
    /// Ingest a Parquet file into a dataset, as users do.
    LayOut(lay_out::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().what {
        What::Join(job) => on_threads(job.partitions, asof::run(job)),
        What::Windows(job) => on_threads(job.partitions, windows::run(job)),
        What::Sql(job) => on_threads(job.partitions, plain::run(job)),
        What::LayOut(args) => on_threads(2, lay_out::run(args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            measure::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Runs a job on worker threads of its own; the main thread only waits.
fn on_threads(threads: usize, work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_stack_size(STACK)
        .enable_all()
        .build()?;
    runtime.block_on(runtime.spawn(work))?
}
