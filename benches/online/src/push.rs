//! Pushing: clients that each push one row, wait for the reply and push the next; and, if wanted, look at once whether it is
//! served.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Column, Doubles, Int64s};
use asof_proto::push::v1::PushRequest;
use asof_proto::push::v1::push_service_client::PushServiceClient;
use asof_proto::serving::v1::GetFeaturesRequest;
use asof_proto::serving::v1::serving_service_client::ServingServiceClient;
use serde_json::json;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

use crate::measure::{Latencies, report};
use crate::{Result, clock};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the server listens, as HOST:PORT.
    #[arg(long)]
    server: String,
    /// The dataset: id, at and five features.
    #[arg(long, default_value = "ticks")]
    dataset: String,
    /// The service that serves the first feature of the newest row; without it nobody looks.
    #[arg(long)]
    service: Option<String>,
    /// Entities that are pushed to.
    #[arg(long)]
    entities: i64,
    /// Clients, over eight connections.
    #[arg(long, default_value_t = 64)]
    clients: usize,
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

/// What one client saw.
struct Seen {
    pushed: Latencies,
    visible: Latencies,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let from = clock::now() + Duration::from_secs_f64(args.warm_up);
    let span = (from, from + Duration::from_secs_f64(args.seconds));
    // Every row is later than all rows before it, as long as the bench ran less often than once a microsecond.
    let next = Arc::new(AtomicI64::new(clock::since_epoch()));
    let mut channels = Vec::new();
    for _ in 0..8 {
        let endpoint = Endpoint::from_shared(format!("http://{}", args.server))?.tcp_nodelay(true);
        channels.push(endpoint.connect().await?);
    }
    let mut tasks = JoinSet::new();
    for n in 0..args.clients {
        let (channel, args, next) = (channels[n % channels.len()].clone(), args.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let (pushes, gets) = (PushServiceClient::new(channel.clone()), ServingServiceClient::new(channel));
            client(pushes, gets, &args, &next, span).await
        });
    }
    let (mut pushed, mut visible) = (Latencies::new()?, Latencies::new()?);
    while let Some(seen) = tasks.join_next().await {
        let seen = seen??;
        pushed.merge(&seen.pushed)?;
        visible.merge(&seen.visible)?;
    }
    let mut figures = pushed.summary();
    figures["requests"] = json!(pushed.count());
    figures["rate"] = json!(pushed.count() as f64 / args.seconds);
    let seen = visible.summary();
    figures["visible_p50_us"] = seen["p50_us"].clone();
    figures["visible_p99_us"] = seen["p99_us"].clone();
    report(&figures)
}

type Pushes = PushServiceClient<tonic::transport::Channel>;
type Gets = ServingServiceClient<tonic::transport::Channel>;

async fn client(
    mut pushes: Pushes,
    mut gets: Gets,
    args: &Args,
    next: &AtomicI64,
    span: (Instant, Instant),
) -> Result<Seen> {
    let mut seen = Seen { pushed: Latencies::new()?, visible: Latencies::new()? };
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        // Far from the one before, so that clients do not meet at one key.
        let id = (at.wrapping_mul(7919)).rem_euclid(args.entities);
        let sent = clock::now();
        pushes.push(row(args, id, at)).await?;
        let done = clock::now();
        if done >= span.1 {
            return Ok(seen);
        }
        let counts = done >= span.0;
        if counts {
            seen.pushed.add(done - sent);
        }
        let Some(service) = &args.service else { continue };
        while value(&mut gets, service, id).await? < at as f64 {}
        if counts {
            seen.visible.add(clock::now() - sent);
        }
    }
}

fn column(name: &str, values: Values) -> Column {
    Column { name: name.to_owned(), values: Some(values), ..Column::default() }
}

/// A row whose first feature is its time, so that whoever looks knows whether it is this one or a later one.
fn row(args: &Args, id: i64, at: i64) -> PushRequest {
    let mut columns = vec![
        column("id", Values::Int64s(Int64s { values: vec![id] })),
        column("at", Values::Timestamps(Int64s { values: vec![at] })),
    ];
    columns.extend((0..5).map(|n| column(&format!("f{n}"), Values::Doubles(Doubles { values: vec![at as f64] }))));
    PushRequest { dataset: args.dataset.clone(), columns, ..PushRequest::default() }
}

async fn value(gets: &mut Gets, service: &str, id: i64) -> Result<f64> {
    let columns = vec![column("id", Values::Int64s(Int64s { values: vec![id] }))];
    let request = GetFeaturesRequest { service: service.to_owned(), columns, ..GetFeaturesRequest::default() };
    let reply = gets.get_features(request).await?.into_inner();
    let first = reply.features.into_iter().next().and_then(|feature| feature.values?.values);
    match first {
        Some(Values::Doubles(Doubles { values })) if values.len() == 1 => Ok(values[0]),
        other => Err(format!("{service} does not serve one DOUBLE: {other:?}").into()),
    }
}
