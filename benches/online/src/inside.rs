//! The engine in this process, asked without a wire: up to features that were found, checked and judged, and that whoever
//! writes a reply reads in place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use asof_engine::{Engine, GetRequest, Scope};
use asof_server::{Config, Overrides};
use serde_json::json;
use tokio::runtime::Handle;

use crate::keys::Shape;
use crate::measure::{Latencies, report};
use crate::{Result, clock};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The project's `asof.toml`.
    #[arg(long)]
    config: PathBuf,
    #[arg(long, default_value = "plain")]
    service: String,
    /// Request parameters, all of them DOUBLE.
    #[arg(long)]
    parameter: Vec<String>,
    #[command(flatten)]
    shape: Shape,
    /// Threads that ask at the same time.
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// Seconds that are not counted.
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// Seconds that are.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Ask just so often and measure nothing: for callgrind, which counts instructions.
    #[arg(long)]
    count: Option<usize>,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let config = Config::load(Some(&args.config), Overrides::default())?;
    let opened = asof_server::open(&config, "bench", Duration::from_secs(10)).await?;
    let environment = config.project.environments.first().ok_or("no environment")?.clone();
    let scope = Scope { project: config.project.name.clone(), environment };
    let requests = args.shape.requests().into_iter().map(|keys| request(&args, keys));
    if let Some(count) = args.count {
        // The first asks compile the plan, and read what is read once.
        for request in requests.cycle().take(count) {
            opened.engine.serve(&scope, request?).await?;
        }
        return Ok(());
    }
    let requests: Arc<[GetRequest]> = requests.collect::<Result<_>>()?;
    let from = clock::now() + Duration::from_secs_f64(args.warm_up);
    let span = (from, from + Duration::from_secs_f64(args.seconds));
    // Threads of their own: a task that never waits keeps its worker, and what is queued behind it, for itself.
    let mut threads = Vec::new();
    for n in 0..args.threads.max(1) {
        let (engine, scope, requests) = (opened.engine.clone(), scope.clone(), Arc::clone(&requests));
        let first = n * requests.len() / args.threads.max(1);
        let runtime = Handle::current();
        threads.push(std::thread::spawn(move || runtime.block_on(look_up(&engine, &scope, &requests, first, span))));
    }
    let mut all = Latencies::new()?;
    for thread in threads {
        all.merge(&thread.join().map_err(|_| "a thread failed")??)?;
    }
    let mut figures = all.summary();
    figures["requests"] = json!(all.count());
    figures["rate"] = json!(all.count() as f64 / args.seconds);
    figures["lookups"] = json!((all.count() as f64 * args.shape.rows as f64) / args.seconds);
    report(&figures)
}

async fn look_up(
    engine: &Engine,
    scope: &Scope,
    requests: &[GetRequest],
    first: usize,
    span: (Instant, Instant),
) -> Result<Latencies> {
    let mut latencies = Latencies::new()?;
    for request in requests.iter().cycle().skip(first) {
        let begun = clock::now();
        let found = engine.serve(scope, request.clone()).await?;
        if (0..found.features().0.len()).any(|feature| !found.is_whole(feature)) {
            return Err("a feature is not there".into());
        }
        let done = clock::now();
        if done >= span.1 {
            break;
        }
        if done >= span.0 {
            latencies.add(done - begun);
        }
    }
    Ok(latencies)
}

fn request(args: &Args, keys: Vec<i64>) -> Result<GetRequest> {
    let half: ArrayRef = Arc::new(Float64Array::from(vec![0.5; keys.len()]));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(Int64Array::from(keys)))];
    columns.extend(args.parameter.iter().map(|name| (name.as_str(), Arc::clone(&half))));
    Ok(GetRequest { service: args.service.parse()?, rows: RecordBatch::try_from_iter(columns)?, at: None })
}
