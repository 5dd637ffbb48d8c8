//! The binary `asof`: a gRPC client of the contract in `proto/`.
//!
//! With `--server` it talks to one that runs; without, it opens the store of the nearest `asof.toml`
//! and serves it to itself inside the process, so every verb takes one code path. Promises: what a verb
//! answers goes to stdout and everything else to stderr; the exit code is 0 when it is done, 1 when it was
//! refused or failed, 2 for wrong usage, 3 and 4 where `plan --exit-code` finds changes and breaking ones, 130 and 143 when SIGINT or SIGTERM stopped it; a reader that closes the pipe
//! is no error.

mod args;
mod author;
mod changes;
mod comparison;
mod connection;
mod consequences;
mod counted;
mod download;
mod entities;
mod failure;
mod file_rows;
mod leakage;
mod literal;
mod moments;
mod moves;
mod out;
mod pairs;
mod pinned;
mod progress;
mod recorded;
mod reply;
mod rows;
mod signals;
mod sources;
mod table;
mod upkeep;
mod upload;
mod verb;
mod warnings;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;
use crate::failure::Failure;
use crate::out::Out;
use crate::verb::Answer;

/// Deep enough for the deepest SQL that is let in, for what is planned on these threads.
const STACK: usize = 16 << 20;

/// How long the store's own tasks may take to end once the verb has answered.
const CLOSING: Duration = Duration::from_secs(5);

/// The same, where the process was told to stop.
const LEAVING: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell it to if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { failure::WRONG_USAGE } else { 0 });
        }
    };
    log_to_stderr(cli.global.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(asof_model::Error::internal(error)).report(),
    };
    let mut out = Out::stdout();
    let answer = runtime.block_on(async {
        let answer = verb::run(cli, &mut out).await;
        answer.and_then(|answer| out.flush().map(|()| answer))
    });
    // Who was told to stop does not wait for what goes on; nobody has waited for it any more.
    let interrupted = matches!(answer, Err(Failure::Interrupted(_)));
    runtime.shutdown_timeout(if interrupted { LEAVING } else { CLOSING });
    match answer {
        Ok(Answer::Done) => ExitCode::SUCCESS,
        Ok(Answer::Refused) => ExitCode::from(failure::REFUSED),
        Ok(Answer::Changes) => ExitCode::from(failure::CHANGES),
        Ok(Answer::Breaking) => ExitCode::from(failure::BREAKING),
        Err(failure) => failure.report(),
    }
}

/// Warnings by default; `-v` tells what we do, `-vv` how. `RUST_LOG` has the last word.
fn log_to_stderr(verbose: u8) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(match verbose {
            0 => "warn",
            1 => "warn,asof=info",
            2 => "warn,asof=debug",
            _ => "info,asof=trace",
        })
    });
    let colour = failure::coloured(std::io::stderr().is_terminal());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
}
