//! The same rows by `batched_multi_get_cf`, with nothing around it.
//!
//! The database is opened for reading, with the memory for blocks that the product takes by default. A row found is looked at
//! so far as to count its bytes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, Options};
use serde_json::{Value, json};

use crate::keys::Shape;
use crate::measure::{Latencies, report};
use crate::{Result, clock};

/// The memory for blocks that `asof serve` takes.
const CACHE: usize = 256 << 20;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The store's folder.
    #[arg(long)]
    store: PathBuf,
    /// The views whose rows are looked up, all in one multi-get.
    #[arg(long = "view", required = true)]
    views: Vec<String>,
    #[command(flatten)]
    shape: Shape,
    /// Threads that look up at the same time.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seconds that are not counted.
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// Seconds that are.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let db = open(&args.store)?;
    let slots = args.views.iter().map(|view| slot(&db, view)).collect::<Result<Vec<_>>>()?;
    let requests: Vec<Vec<Vec<u8>>> = (args.shape.requests().iter())
        .map(|keys| slots.iter().flat_map(|slot| keys.iter().map(|key| encoded(*slot, *key))).collect())
        .collect();
    let from = clock::now() + Duration::from_secs_f64(args.warm_up);
    let to = from + Duration::from_secs_f64(args.seconds);
    let found = std::thread::scope(|scope| {
        let start = |n: usize| {
            let (db, requests) = (&db, &requests);
            // Each thread begins elsewhere, so that none finds what another has just read.
            scope.spawn(move || look_up(db, requests, n * requests.len() / args.threads, (from, to)))
        };
        let threads: Vec<_> = (0..args.threads).map(start).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread failed")?).collect::<Result<Vec<_>>>()
    })?;
    let (mut all, mut bytes) = (Latencies::new()?, 0);
    for (latencies, seen) in &found {
        all.merge(latencies)?;
        bytes += seen;
    }
    let mut figures = all.summary();
    let rows = all.count() as f64 * (args.shape.rows * slots.len()) as f64;
    figures["requests"] = json!(all.count());
    figures["rate"] = json!(all.count() as f64 / args.seconds);
    figures["lookups"] = json!(rows / args.seconds);
    figures["row_bytes"] = json!(bytes as f64 / rows);
    report(&figures)
}

fn look_up(db: &DB, requests: &[Vec<Vec<u8>>], first: usize, span: (Instant, Instant)) -> Result<(Latencies, u64)> {
    let rows = rows(db)?;
    let (mut latencies, mut bytes) = (Latencies::new()?, 0);
    for request in requests.iter().cycle().skip(first) {
        let begun = clock::now();
        let mut seen = 0;
        for row in db.batched_multi_get_cf(rows, request, false) {
            seen += row?.ok_or("a row is missing")?.len() as u64;
        }
        let done = clock::now();
        if done >= span.1 {
            break;
        }
        if done >= span.0 {
            latencies.add(done - begun);
            bytes += seen;
        }
    }
    Ok((latencies, bytes))
}

/// The database of a store, for reading.
pub(crate) fn open(store: &Path) -> Result<DB> {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE));
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    let families = [("rows", options), ("published", Options::default()), ("default", Options::default())];
    let families = families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options));
    Ok(DB::open_cf_descriptors_read_only(&Options::default(), store.join("online/db"), families, false)?)
}

fn rows(db: &DB) -> Result<&rocksdb::ColumnFamily> {
    Ok(db.cf_handle("rows").ok_or("the store has no rows")?)
}

/// A key and its row.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);

/// All rows of a view, in the order of their keys.
pub(crate) fn all(db: &DB, view: &str) -> Result<Vec<Pair>> {
    let prefix = slot(db, view)?.to_be_bytes();
    let from = rocksdb::IteratorMode::From(&prefix, rocksdb::Direction::Forward);
    let rows = db.iterator_cf(rows(db)?, from);
    let rows = rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)));
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// What the keys of a view begin with, from the record of its publication.
fn slot(db: &DB, view: &str) -> Result<u64> {
    let records = db.cf_handle("published").ok_or("the store has no records")?;
    for record in db.iterator_cf(records, rocksdb::IteratorMode::Start) {
        let record: Value = serde_json::from_slice(&record?.1)?;
        if record["view"]["name"] == view
            && let Some(slot) = record["visible"]["slot"].as_u64()
        {
            return Ok(slot);
        }
    }
    Err(format!("{view} is not online").into())
}

/// The key of a `BIGINT` in the store, as `asof_online` documents it.
fn encoded(slot: u64, key: i64) -> Vec<u8> {
    let mut bytes = slot.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1, 2]);
    bytes.extend_from_slice(&((key as u64) ^ (1 << 63)).to_be_bytes());
    bytes
}
