//! Asking many times.
//!
//! - **Closed loop**: every connection has a fixed number of calls in flight; a call that ends begins the next. It tells how
//!   much a server can do. A latency is counted from when the call was sent.
//! - **Open loop** (`--rate`): calls are due at a fixed rate, whatever becomes of those before. A latency is counted from when
//!   the call was due, not from when somebody got round to sending it, so a server that stalls is charged for
//!   every call that waited meanwhile (no coordinated omission: Tene 2013).
//!
//! What is asked first warms up and is not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::measure::{Latencies, report};
use crate::target::{Caller, Target};
use crate::{Result, clock};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Calls in flight, over all connections.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Calls a second; without it, as many as there can be.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds that are not counted.
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// Seconds that are.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Threads of this client.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
}

/// What one caller saw.
struct Seen {
    latencies: Latencies,
    bytes: u64,
}

/// The span that counts.
#[derive(Clone, Copy)]
struct Span {
    from: Instant,
    to: Instant,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let requests: Arc<[Bytes]> = args.target.requests().into();
    let callers = callers(&args).await?;
    let from = clock::now() + Duration::from_secs_f64(args.warm_up);
    let span = Span { from, to: from + Duration::from_secs_f64(args.seconds) };
    let seen = match args.rate {
        None => closed(callers, requests, span).await?,
        Some(rate) => open(callers, requests, span, rate).await?,
    };
    let mut figures = seen.latencies.summary();
    let calls = seen.latencies.count();
    figures["requests"] = json!(calls);
    figures["rate"] = json!(calls as f64 / args.seconds);
    figures["reply_bytes"] = json!(seen.bytes as f64 / calls.max(1) as f64);
    report(&figures)
}

/// As many as there are to be calls in flight, spread over the connections.
async fn callers(args: &Args) -> Result<Vec<Caller>> {
    let mut connections = Vec::new();
    for _ in 0..args.connections.max(1) {
        connections.push(args.target.connect().await?);
    }
    if !args.target.multiplexes() {
        return Ok(connections);
    }
    let shared = (0..args.in_flight.max(1)).map(|n| connections[n % connections.len()].share());
    Ok(shared.flatten().collect())
}

async fn closed(callers: Vec<Caller>, requests: Arc<[Bytes]>, span: Span) -> Result<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tasks.spawn(async move {
            let mut seen = Seen { latencies: Latencies::new()?, bytes: 0 };
            loop {
                let request = requests[next.fetch_add(1, Ordering::Relaxed) % requests.len()].clone();
                let sent = clock::now();
                let reply = caller.call(request).await?;
                let done = clock::now();
                if done >= span.to {
                    return Ok(seen);
                }
                if done >= span.from {
                    seen.latencies.add(done - sent);
                    seen.bytes += reply.len() as u64;
                }
            }
        });
    }
    together(tasks).await
}

async fn open(callers: Vec<Caller>, requests: Arc<[Bytes]>, span: Span, rate: f64) -> Result<Seen> {
    let (due, calls) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    let calls = Arc::new(Mutex::new(calls));
    let start = clock::now();
    // A thread of its own: a pace of microseconds is beyond the runtime's timers.
    let pacer = std::thread::Builder::new().name("pacer".to_owned()).spawn(move || {
        for (n, request) in requests.iter().cycle().enumerate() {
            let moment = start + Duration::from_secs_f64(n as f64 / rate);
            clock::wait_until(moment);
            if moment >= span.to || due.send((moment, request.clone())).is_err() {
                return;
            }
        }
    })?;
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let calls = Arc::clone(&calls);
        tasks.spawn(async move {
            let mut seen = Seen { latencies: Latencies::new()?, bytes: 0 };
            loop {
                // Dropped before the call: the next one waits for a caller, not for this one.
                let next = calls.lock().await.recv().await;
                let Some((moment, request)) = next else { return Ok(seen) };
                let reply = caller.call(request).await?;
                if moment >= span.from {
                    seen.latencies.add(clock::now() - moment);
                    seen.bytes += reply.len() as u64;
                }
            }
        });
    }
    let seen = together(tasks).await;
    pacer.join().map_err(|_| "the pacer failed")?;
    seen
}

async fn together(mut tasks: JoinSet<Result<Seen>>) -> Result<Seen> {
    let mut all = Seen { latencies: Latencies::new()?, bytes: 0 };
    while let Some(seen) = tasks.join_next().await {
        let seen = seen??;
        all.latencies.merge(&seen.latencies)?;
        all.bytes += seen.bytes;
    }
    Ok(all)
}
