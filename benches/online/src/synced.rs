//! RocksDB alone: threads that each write a small batch with a sync, and the next once it is written. RocksDB commits those that
//! wait as a group.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use serde_json::json;

use crate::measure::{Latencies, report};
use crate::{Result, clock};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the database is made, on the disk of the stores.
    #[arg(long)]
    folder: PathBuf,
    /// Threads that write.
    #[arg(long, default_value_t = 64)]
    threads: usize,
    /// The bytes of the two values in each batch: a row, and what keeps it for its table.
    #[arg(long, num_args = 2, default_values_t = [100, 300])]
    values: Vec<usize>,
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut options = Options::default();
    options.create_if_missing(true);
    let db = DB::open(&options, &args.folder)?;
    let from = clock::now() + Duration::from_secs_f64(args.warm_up);
    let span = (from, from + Duration::from_secs_f64(args.seconds));
    let db = &db;
    let seen = std::thread::scope(|scope| {
        let threads = (0..args.threads as u64).map(|n| scope.spawn(move || write(db, n, &args.values, span)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread failed")?).collect::<Result<Vec<_>>>()
    })?;
    let mut all = Latencies::new()?;
    seen.iter().try_for_each(|latencies| all.merge(latencies))?;
    let mut figures = all.summary();
    figures["requests"] = json!(all.count());
    figures["rate"] = json!(all.count() as f64 / args.seconds);
    report(&figures)
}

fn write(db: &DB, thread: u64, values: &[usize], span: (Instant, Instant)) -> Result<Latencies> {
    let mut latencies = Latencies::new()?;
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    for n in 0_u64.. {
        let mut batch = WriteBatch::default();
        for (place, bytes) in values.iter().enumerate() {
            let key = [place as u64, thread, n].map(u64::to_be_bytes).concat();
            batch.put(key, vec![n as u8; *bytes]);
        }
        let sent = clock::now();
        db.write_opt(batch, &synced)?;
        let done = clock::now();
        if done >= span.1 {
            break;
        }
        if done >= span.0 {
            latencies.add(done - sent);
        }
    }
    Ok(latencies)
}
