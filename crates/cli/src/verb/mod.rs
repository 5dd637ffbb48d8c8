//! The verbs, one file each: what can be typed, what is asked of the server, what is printed.

pub(crate) mod apply;
pub(crate) mod approve;
pub(crate) mod deprecate;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod ingest;
pub(crate) mod init;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod materialize;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod push;
pub(crate) mod rebuild;
pub(crate) mod rollback;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod train;
pub(crate) mod verify;

use std::time::Duration;

use crate::args::{Brief, Cli, Global, Verb};
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::signals;

/// How a verb ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As asked.
    Done,
    /// The answer is no (`rebuild --check`, `diff --exit-code`, `verify`, `--check-leakage`, `promote --dry-run`, …): exit code 1.
    Refused,
    /// `plan --exit-code` finds that something would change: exit code 3.
    Changes,
    /// It finds that something would break: exit code 4.
    Breaking,
}

/// How long work that was given up may take to end and to be recorded. What goes on then ends with the process.
const ENDING: Duration = Duration::from_millis(700);

/// How long events of what was done may take to leave.
pub(crate) const TELLING: Duration = Duration::from_secs(3);

/// Does what was typed. A signal ends it, where the verb does not end gracefully by itself: the call is given
/// up, and what it had not committed does not happen.
///
/// # Errors
/// The verb's own; [`Failure::Interrupted`].
pub(crate) async fn run(cli: Cli, out: &mut Out) -> Result<Answer> {
    let Cli { global, verb } = cli;
    let stop = signals::stop()?;
    match verb {
        Verb::Serve(args) => args.run(&global, out, async { _ = stop.await }).await,
        Verb::Brief(verb) => tokio::select! {
            answer = brief_and_told(verb, &global, out) => answer,
            signal = stop => {
                // The verb and its connection are gone, and so the work has nobody who waits for it.
                if let Some(work) = global.work.get() {
                    work.clone().ended(ENDING).await;
                }
                Err(Failure::Interrupted(signal))
            }
        },
    }
}

/// Does what was typed; then events of what was done get a moment to leave, once the answer is out.
async fn brief_and_told(verb: Brief, global: &Global, out: &mut Out) -> Result<Answer> {
    let answer = brief(verb, global, out).await;
    if let Some(work) = global.work.get() {
        out.flush()?;
        work.told(TELLING).await;
    }
    answer
}

async fn brief(verb: Brief, global: &Global, out: &mut Out) -> Result<Answer> {
    match verb {
        Brief::Init(args) => args.run(out),
        Brief::Plan(args) => args.run(global, out).await,
        Brief::Apply(args) => args.run(global, out).await,
        Brief::Ingest(args) => args.run(global, out).await,
        Brief::Train(args) => args.run(global, out).await,
        Brief::Materialize(args) => args.run(global, out).await,
        Brief::Get(args) => args.run(global, out).await,
        Brief::Push(args) => args.run(global, out).await,
        Brief::Ls(args) => args.run(global, out).await,
        Brief::Show(args) => args.run(global, out).await,
        Brief::Log(args) => args.run(global, out).await,
        Brief::Lineage(args) => args.run(global, out).await,
        Brief::Explain(args) => args.run(global, out).await,
        Brief::Rebuild(args) => args.run(global, out).await,
        Brief::Verify(args) => args.run(global, out).await,
        Brief::Promote(args) => args.run(global, out).await,
        Brief::Rollback(args) => args.run(global, out).await,
        Brief::Diff(args) => args.run(global, out).await,
        Brief::Model(args) => args.run(global, out).await,
        Brief::Export(args) => args.run(global, out).await,
        Brief::Import(args) => args.run(global, out).await,
        Brief::Gc(args) => args.run(global, out).await,
        Brief::Approve(args) => args.run(global, out).await,
        Brief::Deprecate(args) => args.run(global, out).await,
    }
}
