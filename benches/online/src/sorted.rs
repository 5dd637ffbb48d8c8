//! What a full materialization cannot do without: reading the columns, and writing the same sorted rows as table files that
//! RocksDB takes in. The rows come ready and sorted from a store where they were materialized; getting them is not timed.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rocksdb::{BlockBasedOptions, DB, DBCompressionType, IngestExternalFileOptions, Options, SstFileWriter};
use serde_json::json;

use crate::measure::report;
use crate::{Result, clock, raw};

/// Bytes in a table file, as the product has them.
const TABLE: usize = 256 << 20;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The store's folder.
    #[arg(long)]
    store: PathBuf,
    /// The view whose rows are written.
    #[arg(long)]
    view: String,
    /// The columns that it reads.
    #[arg(long = "column", required = true)]
    columns: Vec<String>,
    /// The Parquet files that have them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let rows = raw::all(&raw::open(&args.store)?, &args.view)?;
    let begun = clock::now();
    let mut events = 0;
    for file in &args.files {
        events += read(file, &args.columns)?;
    }
    let read = clock::now();
    let folder = args.store.join("sorted");
    std::fs::create_dir_all(&folder)?;
    write(&folder, &rows)?;
    let done = clock::now();
    std::fs::remove_dir_all(&folder)?;
    report(&json!({
        "seconds": (done - begun).as_secs_f64(), "reading": (read - begun).as_secs_f64(),
        "writing": (done - read).as_secs_f64(), "events": events, "rows": rows.len(),
    }))
}

/// Decodes columns of a file, and says how many rows there were.
fn read(path: &Path, columns: &[String]) -> Result<usize> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str));
    let mut rows = 0;
    for batch in builder.with_projection(mask).with_batch_size(8192).build()? {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

/// Writes table files, and has a database take them in.
fn write(folder: &Path, rows: &[crate::raw::Pair]) -> Result<()> {
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.create_if_missing(true);
    let (mut files, mut rest) = (Vec::new(), rows);
    while !rest.is_empty() {
        let path = folder.join(format!("{}.sst", files.len()));
        let mut writer = SstFileWriter::create(&options);
        writer.open(&path)?;
        let mut bytes = 0;
        while let [(key, row), more @ ..] = rest
            && bytes < TABLE
        {
            writer.put(key, row)?;
            bytes += key.len() + row.len();
            rest = more;
        }
        writer.finish()?;
        files.push(path);
    }
    let db = DB::open(&options, folder.join("db"))?;
    let mut ingest = IngestExternalFileOptions::default();
    ingest.set_move_files(true);
    Ok(db.ingest_external_file_opts(&ingest, files)?)
}
