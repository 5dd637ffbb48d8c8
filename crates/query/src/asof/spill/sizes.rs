//! How many parts, and how much at a time.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryLimit;

use super::spool::READING;
use crate::asof::error::Error;
use crate::asof::exec::ViewInput;
use crate::asof::stream::{KeyColumns, Run};
use crate::windows::Windows;

/// Where the pool does not say how much there is.
const UNKNOWN: usize = 64 << 20;
/// Files that may be open at a time, well below what systems allow a process.
const FILES: usize = 400;
/// More parts than this make pieces too small to be worth their files.
const PARTS: usize = 128;
/// So many files may be open whatever they take.
const FEW: usize = 8;
/// What a spine row takes in the index of its key.
const INDEXED: usize = 56;
/// A value of no fixed width, by guess; a wrong one costs another go.
const VALUE: usize = 32;

/// Memory that nobody has reserved, or a little where others have it all for now.
pub(super) fn available(context: &TaskContext) -> usize {
    let pool = context.memory_pool();
    match pool.memory_limit() {
        MemoryLimit::Finite(limit) => limit.saturating_sub(pool.reserved()).max(limit / 8),
        MemoryLimit::Infinite | MemoryLimit::Unknown => UNKNOWN,
    }
}

/// How one set of key columns is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Into how many parts.
    pub(super) parts: usize,
    /// How many parts are joined at a time.
    pub(super) workers: usize,
    /// How many spine rows of a part are joined at a time, to begin with.
    pub(super) rows: usize,
    /// How many bytes are gathered before they are dealt out.
    pub(super) gathered: usize,
    /// How many bytes say which keys the spine has.
    pub(super) seen: usize,
    /// How many rows a batch of results has.
    pub(super) batch: usize,
}

impl Sizes {
    /// For so many spine rows, and the memory that is free. In the end the results of so many sets are read at a time.
    pub(super) fn new(run: &Run, keys: &KeyColumns, views: &[usize], rows: u64, sets: usize) -> Result<Self, Error> {
        let free = available(&run.context);
        let workers = run.context.session_config().target_partitions().max(1);
        let views: Vec<&ViewInput> = views.iter().map(|view| &run.views[*view]).collect();
        let each = per_row(keys, &views)?;
        // A quarter is left for what the estimate does not know.
        let at_a_time = (free / 4 * 3 / workers / each).max(1);
        // While a set is dealt out: its spine, one file for each view, and the results of the sets before.
        let open = FILES / (sets + 1 + views.len());
        let most = open.min(PARTS).min((free / (3 * READING * sets)).max(FEW)).max(2);
        let parts = usize::try_from(rows.div_ceil(at_a_time as u64)).unwrap_or(usize::MAX).clamp(2, most);
        let result: usize = views.iter().map(|view| found(view)).sum();
        let batch_size = run.context.session_config().batch_size();
        Ok(Sizes {
            parts,
            workers: workers.min(parts),
            rows: at_a_time,
            gathered: (free / 8).min(16 << 20),
            seen: (free / 32).min(8 << 20),
            batch: (free / 8 / (parts * sets) / result.max(1)).clamp(128.min(batch_size), batch_size),
        })
    }
}

/// What a spine row takes while its part is joined, in bytes: its key and moment, its place in the index, what is found for it in
/// each view, and the most that looking for it takes.
fn per_row(keys: &KeyColumns, views: &[&ViewInput]) -> Result<usize, Error> {
    let key: usize = keys.iter().map(|(_, data_type)| 2 * width(data_type)).sum();
    let (mut kept, mut most) = (0, 0);
    for view in views {
        kept += found(view);
        most = most.max(searched(view)? + found(view));
    }
    Ok(key + INDEXED + kept + most)
}

/// Whether two views can be read at a time: the memory is free that both take at most, beside all that is found, by estimate.
pub(in crate::asof) fn room_for_two(run: &Run, rows: usize) -> Result<bool, Error> {
    let pool = run.context.memory_pool();
    let free = match pool.memory_limit() {
        MemoryLimit::Finite(limit) => limit.saturating_sub(pool.reserved()),
        MemoryLimit::Infinite => return Ok(true),
        MemoryLimit::Unknown => return Ok(false),
    };
    let (mut kept, mut most) = (0, 0);
    for view in &run.views {
        let partitions = run.partitions_of(&view.input).len();
        kept += found(view);
        // What is found is there twice while it is put into one piece.
        most = most.max(partitions * searched(view)? + 2 * found(view));
    }
    Ok(rows.saturating_mul(INDEXED + kept + 2 * most) <= free)
}

/// What a spine row takes in each partition of a view while it is looked for.
fn searched(view: &ViewInput) -> Result<usize, Error> {
    let ranks = 1 + view.known.iter().len() + view.seq.iter().len();
    let candidate = size_of::<u64>() * (ranks + 1) * if view.superseded.is_some() { 3 } else { 1 };
    let windows = Windows::words(&view.windows, &view.input.schema())? * size_of::<u64>();
    Ok(candidate + 16 + windows)
}

/// What is found for a spine row in a view: features, results of windows, event time and place.
fn found(view: &ViewInput) -> usize {
    let schema = view.input.schema();
    let features: usize = view.features.iter().map(|i| width_in(&schema, *i)).sum();
    let windows: usize = view.windows.iter().map(|call| width(&call.data_type)).sum();
    features + windows + 16
}

fn width_in(schema: &Schema, column: usize) -> usize {
    width(schema.field(column).data_type())
}

fn width(data_type: &DataType) -> usize {
    data_type.primitive_width().unwrap_or(VALUE)
}
