//! What is to be joined, and how; the rivals take the same options.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use asof_model::Micros;
use asof_model::time::SECOND;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

use crate::Result;

/// One question, and where its answer goes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Job {
    /// The spine: a Parquet file with the columns `id`, `key` and `ts`.
    #[arg(long, value_name = "FILE")]
    pub(crate) spine: PathBuf,
    /// A view with the columns `key`, `ts` and features: a Parquet file, or the folder of a dataset in a store; with
    /// a time to live as PATH@30d or PATH@12h.
    #[arg(long = "view", value_name = "PATH[@TTL]", required = true)]
    pub(crate) views: Vec<View>,
    /// The memory of operators, as 256MB; by default 1GB, which is what offline work has, and no limit for plain SQL.
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Bytes>,
    /// Threads, and partitions of the plan.
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) partitions: usize,
    /// Do it as often in this process; a fair comparison starts one for each run.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) repeat: usize,
    /// Write the result to Parquet in this folder; by default it stays in memory.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Once the clock has stopped, write the result to Parquet in this folder, to be compared.
    #[arg(long, value_name = "FOLDER", conflicts_with = "out")]
    pub(crate) keep: Option<PathBuf>,
    /// Print the physical plan with its metrics to stderr.
    #[arg(long)]
    pub(crate) metrics: bool,
}

impl Job {
    /// The environment of one run: its memory, nothing cached from another.
    pub(crate) fn environment(&self, by_default: Option<Bytes>) -> Result<Arc<RuntimeEnv>> {
        let builder = RuntimeEnvBuilder::new();
        Ok(match self.memory.or(by_default) {
            Some(Bytes(limit)) => builder.with_memory_pool(Arc::new(FairSpillPool::new(limit))),
            None => builder,
        }
        .build_arc()?)
    }
}

/// A view's rows and how long they count.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) path: PathBuf,
    pub(crate) ttl: Option<Micros>,
}

impl FromStr for View {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let Some((path, ttl)) = text.rsplit_once('@') else { return Ok(View { path: text.into(), ttl: None }) };
        let hours = |number: &str, each: i64| number.parse::<i64>().ok().map(|n| n * each);
        let hours = match (ttl.strip_suffix('d'), ttl.strip_suffix('h')) {
            (Some(days), _) => hours(days, 24),
            (_, Some(number)) => hours(number, 1),
            _ => None,
        };
        let hours = hours.ok_or_else(|| format!("`{ttl}` is no time to live: 30d, 12h"))?;
        Ok(View { path: path.into(), ttl: Some(Micros(hours * 3600 * SECOND)) })
    }
}

/// A size in bytes, as `256MB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) usize);

/// What offline work has unless a store's settings say otherwise.
pub(crate) const OFFLINE: Bytes = Bytes(1 << 30);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let units = [("GB", 1 << 30), ("MB", 1 << 20)];
        let parsed =
            units.iter().find_map(|(unit, bytes)| Some(text.strip_suffix(unit)?.parse::<usize>().ok()? * bytes));
        parsed.map(Bytes).ok_or_else(|| format!("`{text}` is no size: 256MB, 1GB"))
    }
}
