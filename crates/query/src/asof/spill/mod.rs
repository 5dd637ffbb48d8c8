//! The join of a spine that memory cannot hold: by parts, on disk.
//!
//! # How
//! The spine goes to a file, in its order. For every distinct set of key columns its keys and moments are then dealt
//! out to parts by a hash of the key (`deal`), and so are the rows of the views with that key, each view read once; rows of
//! no key of the spine, and after the last moment of their part, are left out. Part by part the join runs as it does
//! in memory, over as many of the part's spine rows at a time as fit, and what was found is written in their order
//! (`parts`). The output is the spine read again, each row beside the next one of its part (`zip`).
//!
//! # What it promises
//! The same rows, to the bit: what a spine row gets depends on its key, its moment and the view's rows of that key
//! alone, so spine rows may be divided in any way as long as each meets all of those. That is also why one hot key
//! does no harm: its spine rows are taken in several goes over the same rows of the view.
//!
//! # What it costs
//! The spine is written once, its keys and moments once for each set of key columns; a view's rows that may matter, and the
//! results, are written and read once. A part that has to be taken in several goes reads its rows of the views as often.
//! How many parts there are follows from what a spine row takes ([`Sizes`]), the memory that is free, and how many
//! files may be open. Memory is reserved as ever; the buffers of open files are reserved by estimate.
//!
//! # What it does not do
//! It does not leave features in a view's files until rows are chosen, as the join in memory does: rows that may matter are
//! copied whole. Nor does it begin where the join in memory stopped: views that were read by then are read again.

mod deal;
mod parts;
mod sizes;
mod spool;
mod zip;

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::metrics::{BaselineMetrics, SpillMetrics};
use futures::Stream;

use super::error::Error;
use super::spine::{Spine, SpineRows};
use super::stream::Run;
use parts::Set;
use sizes::Sizes;
pub(super) use sizes::room_for_two;
use spool::{Spool, Spooled};

impl Run {
    /// Whether an error of ours or of a view's plan is one that a join on disk may not meet.
    pub(super) fn may_spill(&self, error: &Error) -> bool {
        error.is_refusal() && self.context.runtime_env().disk_manager.tmp_files_enabled()
    }

    /// Joins on disk a spine of which some was read and the rest is still to come.
    pub(super) async fn spill(
        self: Arc<Self>,
        read: Spine,
        rest: SpineRows,
        baseline: BaselineMetrics,
    ) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + use<>, Error> {
        let metrics = SpillMetrics::new(&self.metrics, 0);
        let (spine, rows) = self.spool_spine(read, rest, &metrics).await?;
        self.count("spine_rows").add(rows as usize);
        let groups = self.by_key_columns();
        let mut sets = Vec::with_capacity(groups.len());
        for (keys, views) in &groups {
            let sizes = Sizes::new(&self, keys, views, rows, groups.len())?;
            let set = Set::new(Arc::clone(&self), keys.clone(), views.clone(), sizes, &metrics);
            sets.push(set.join(&spine).await?);
        }
        zip::zip(self, &spine, sets, baseline)
    }

    /// The spine in a file, in batches of the session's size, and how many rows it has.
    async fn spool_spine(
        &self,
        read: Spine,
        mut rest: SpineRows,
        metrics: &SpillMetrics,
    ) -> Result<(Spooled, u64), Error> {
        let mut file = Spool::new(&self.spine.schema(), &self.context, metrics).create()?;
        let mut rows = 0;
        for batch in &read.batches {
            rows += batch.num_rows() as u64;
            file.append(batch)?;
        }
        drop(read);
        while let Some((batch, _)) = rest.next().await? {
            rows += batch.num_rows() as u64;
            file.append(&batch)?;
        }
        Ok((file.finish()?, rows))
    }
}
