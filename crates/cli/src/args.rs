//! What can be typed: the verbs and the options that all of them take.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use asof_server::Ending;
use clap::{ArgAction, Parser, Subcommand};

use crate::verb::{
    apply, approve, deprecate, diff, explain, export, gc, get, import, ingest, init, lineage, log, ls, materialize,
    model, plan, promote, push, rebuild, rollback, serve, show, train, verify,
};

/// Features and their lineage: what was known when.
#[derive(Debug, Parser)]
#[command(name = "asof", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The configuration; by default asof.toml here or in the nearest folder above.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A running server, as http://HOST:PORT; by default the store is opened in this process.
    #[arg(long, global = true, value_name = "URL", env = "ASOF_SERVER")]
    server: Option<String>,
    /// The environment whose versions a name without a selector means; by default the first configured.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) env: Option<asof_model::Name>,
    /// The project; by default the configured one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) project: Option<asof_model::Name>,
    /// The run that this is part of, as NAMESPACE/JOB/RUN: an orchestrator's task, for lineage.
    #[arg(long, global = true, value_name = "RUN", env = "OPENLINEAGE_PARENT_ID")]
    parent_run: Option<String>,
    /// Tell on stderr what is done; twice, how.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The work in this process, once the store was opened here.
    #[arg(skip)]
    pub(crate) work: Arc<OnceLock<Ending>>,
}

impl Global {
    /// The server that was named; an empty `ASOF_SERVER` names none.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref().filter(|url| !url.is_empty())
    }

    /// The run that this is part of; an empty `OPENLINEAGE_PARENT_ID` is none.
    pub(crate) fn parent_run(&self) -> Option<&str> {
        self.parent_run.as_deref().filter(|run| !run.is_empty())
    }
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Brief(Brief),
    Serve(serve::Args),
}

/// Verbs that end by themselves.
#[derive(Debug, Subcommand)]
pub(crate) enum Brief {
    Init(init::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Ingest(ingest::Args),
    Train(train::Args),
    Materialize(materialize::Args),
    Get(get::Args),
    Push(push::Args),
    Ls(ls::Args),
    Show(show::Args),
    Log(log::Args),
    Lineage(lineage::Args),
    Explain(explain::Args),
    Rebuild(rebuild::Args),
    Verify(verify::Args),
    Promote(promote::Args),
    Rollback(rollback::Args),
    Diff(diff::Args),
    Model(model::Args),
    Export(export::Args),
    Import(import::Args),
    Gc(gc::Args),
    Approve(approve::Args),
    Deprecate(deprecate::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
