//! The tools of `make bench BENCH='online …'`: a load generator, and what the server is measured against.
//!
//! Each call does one thing and prints one line of JSON; `run.py` beside it starts servers, takes turns and tells how they
//! compare. Servers and clients are processes of their own and share the machine's cores.
//!
//! - `load` asks a server, in a closed loop or at a fixed rate; `ask` asks once and looks at the answer.
//! - `bare` is a tonic service that returns a reply that was ready before: what the wire alone costs.
//! - `raw` looks the same keys up in RocksDB with nothing around it: what the store alone costs.
//! - `inside` asks the engine within this process, without a wire.
//! - `push` pushes rows, `synced` writes as much to RocksDB with nothing around it.
//! - `sorted` reads columns and writes sorted rows with `SstFileWriter`: what a materialization cannot do without.
//!
//! Keys are drawn from a fixed seed, the same ones for all contenders.

mod ask;
mod bare;
mod bytes_codec;
mod clock;
mod http;
mod inside;
mod keys;
mod load;
mod measure;
mod push;
mod raw;
mod sorted;
mod synced;
mod target;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures serving.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Ask once, check the answer, and keep it.
    Ask(ask::Args),
    /// Ask many times.
    Load(load::Args),
    /// Answer every call with the same bytes.
    Bare(bare::Args),
    /// Look keys up in RocksDB.
    Raw(raw::Args),
    /// Ask the engine in this process.
    Inside(inside::Args),
    /// Push rows, one at a time.
    Push(push::Args),
    /// Write small batches to RocksDB, each with a sync.
    Synced(synced::Args),
    /// Read columns and write sorted rows.
    Sorted(sorted::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().what {
        What::Ask(args) => on_threads(1, ask::run(args)),
        What::Load(args) => on_threads(args.threads, load::run(args)),
        What::Bare(args) => on_threads(args.threads, bare::run(args)),
        What::Raw(args) => raw::run(&args),
        What::Inside(args) => on_threads(args.threads, inside::run(args)),
        What::Push(args) => on_threads(args.threads, push::run(args)),
        What::Synced(args) => synced::run(&args),
        What::Sorted(args) => sorted::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            measure::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Runs work on so many threads; on one it is the main thread itself, which spares a latency test the way to another.
fn on_threads(threads: usize, work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    use tokio::runtime::Builder;
    if threads <= 1 {
        return Builder::new_current_thread().enable_all().build()?.block_on(work);
    }
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(work).await? })
}
