//! A dataset laid out by Asof itself: one file ingested, its rows clustered by their key.

use std::path::PathBuf;

use asof_model::clock::System;
use asof_model::definition::Dataset;
use asof_model::{Clock, Name, RunId};
use asof_offline::{Ingest, Ingested, Quiet, ReadOptions, Store};

use crate::job::Bytes;
use crate::{Result, measure};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the store.
    #[arg(long, value_name = "FOLDER")]
    store: PathBuf,
    /// The dataset, of the project `bench`.
    #[arg(long, value_name = "NAME")]
    dataset: Name,
    /// The memory for sorting.
    #[arg(long, default_value = "1GB", value_name = "SIZE")]
    memory: Bytes,
    /// A Parquet file with the columns `key` and `ts`.
    file: PathBuf,
}

/// Ingests, and prints how long that took.
pub(crate) async fn run(args: Args) -> Result<()> {
    let text = |path: &PathBuf| path.to_str().map(str::to_owned).ok_or("a path that is not UTF-8");
    let (root, file) = (text(&args.store)?, text(&args.file)?);
    let now = System.now();
    let request = Ingest {
        numbers: None,
        project: "bench".parse()?,
        definition: Dataset {
            name: args.dataset,
            columns: None,
            timestamp: "ts".to_owned(),
            known_at: None,
            key: vec![],
            cluster_by: vec!["key".to_owned()],
            checks: vec![],
            annotations: Default::default(),
        },
        sources: vec![file],
        called: Default::default(),
        options: ReadOptions::default(),
        run: RunId::new(now),
        now,
        memory_limit: args.memory.0,
    };
    let work = async { Ok(Store::open(&root).await?.ingest(request, &Quiet).await?) };
    let (ingested, cost) = measure::timed(work).await?;
    match ingested {
        Ingested::Committed { rows, .. } => measure::report(cost, usize::try_from(rows)?),
        Ingested::Unchanged { .. } => Err("this file has been ingested before".into()),
    }
}
