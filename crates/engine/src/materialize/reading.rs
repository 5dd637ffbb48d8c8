//! The newest row of each key out of plans, on all of the workshop's threads.
//!
//! Each partition of a plan keeps its own ([`Newest`]); in the end they are put together and written in the order of keys. A
//! partition that finds no memory for what it keeps writes it, and begins again: the publication takes the newest of what it is given.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asof_model::{Columns, Error, Micros, Result};
use asof_offline::{Guard, Ongoing, Progress};
use asof_online::Publication;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::newest::Newest;
use super::writing::Counting;
use crate::told::{Making, tally};
use crate::{Engine, told};

/// A publication that several threads write to.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Box<dyn Publication>>>);

impl Shared {
    pub(super) fn new(publication: Box<dyn Publication>) -> Self {
        Shared(Arc::new(Mutex::new(publication)))
    }

    fn publication(&self) -> MutexGuard<'_, Box<dyn Publication>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The publication, when nobody else has it any more.
    pub(super) fn alone(self) -> Result<Box<dyn Publication>> {
        let alone = Arc::try_unwrap(self.0).map_err(|_| Error::internal("a publication is still written to"))?;
        Ok(alone.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the rows of plans are made of.
pub(super) struct Reduction {
    pub(super) key: Columns,
    pub(super) at: Micros,
    pub(super) ongoing: Ongoing,
    pub(super) reading: String,
    pub(super) publishing: String,
}

/// One partition of a plan.
struct Part {
    rows: SendableRecordBatchStream,
    newest: Newest,
    counting: Counting,
    memory: MemoryReservation,
    shared: Shared,
    _ongoing: Guard,
}

impl Reduction {
    /// Writes the newest rows of plans. Gives when the first row counts that does not yet.
    pub(super) async fn write(
        &self,
        engine: &Engine,
        plans: Vec<LogicalPlan>,
        shared: &Shared,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Micros>> {
        let (mut all, mut counting, mut written) = (Newest::new(&self.key)?, Counting::new(self.at), 0);
        let mut last = None;
        for plan in plans {
            let making = self.read(engine, plan, shared, progress, &mut all, &mut counting).await?;
            making.all_read();
            last = Some(making);
        }
        let mut publication = shared.publication();
        all.drain(|rows| {
            written += rows.num_rows() as u64;
            publication.write_in_order(&rows)?;
            if let Some(making) = &last {
                making.advance(&self.publishing, written, None);
            }
            Ok(())
        })?;
        Ok(counting.due)
    }

    async fn read(
        &self,
        engine: &Engine,
        plan: LogicalPlan,
        shared: &Shared,
        progress: &Arc<dyn Progress>,
        all: &mut Newest,
        counting: &mut Counting,
    ) -> Result<Making> {
        let tally = tally(progress, self.reading.clone());
        let session = tally.counting(engine.workshop().session());
        let (plan, task) = engine.planned(session, plan).await?;
        let mut parts = JoinSet::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let rows = plan.execute(partition, Arc::clone(&task)).map_err(asof_query::execution_error)?;
            let part = Part {
                rows,
                newest: Newest::new(&self.key)?,
                counting: Counting::new(self.at),
                memory: consumer(task.memory_pool()),
                shared: shared.clone(),
                _ongoing: self.ongoing.begin(),
            };
            parts.spawn(part.read());
        }
        while let Some(part) = parts.join_next().await {
            let (newest, due) = part.map_err(Error::internal)??;
            counting.absorb(due);
            match all.len() < newest.len() {
                true => {
                    let fewer = std::mem::replace(all, newest);
                    all.absorb(fewer)?;
                }
                false => all.absorb(newest)?,
            }
        }
        Ok(told::Making::new(progress, tally, plan))
    }
}

impl Part {
    async fn read(mut self) -> Result<(Newest, Option<Micros>)> {
        while let Some(batch) = self.rows.next().await {
            let batch = self.counting.counting(batch.map_err(asof_query::execution_error)?)?;
            self.newest.add(&batch)?;
            if self.memory.try_resize(self.newest.size()).is_err() {
                let mut publication = self.shared.publication();
                self.newest.drain(|rows| publication.write(&rows))?;
                self.memory.free();
            }
        }
        Ok((self.newest, self.counting.due))
    }
}

fn consumer(pool: &Arc<dyn MemoryPool>) -> MemoryReservation {
    MemoryConsumer::new("the newest row of each key").with_can_spill(true).register(pool)
}
