//! All windows of a view, computed in the pass in which the as-of join reads it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::WindowCall;
use super::layout::Layout;
use super::place::{Arrival, Slots};
use super::stretches::Stretches;
use super::tiles::{Asked, Ledger, Results, Writer};

/// Rows of a view, and what of them is decoded: times in microseconds, and the order of acceptance.
pub(crate) struct Events<'a> {
    /// The number of each row's key; not below [`Slots::keys`] where the spine does not have it, or the row never counts.
    pub(crate) keys: &'a [u32],
    pub(crate) times: &'a Int64Array,
    pub(crate) known: Option<&'a Int64Array>,
    pub(crate) seq: Option<&'a Int64Array>,
    pub(crate) rows: &'a RecordBatch,
}

/// The windows of a view. Each partition takes events in by a [`Part`]; together they are settled into results.
pub(crate) struct Windows {
    view: String,
    calls: usize,
    slots: Arc<dyn Slots>,
    /// What is made of tiles, for all partitions.
    ledger: Option<Arc<Ledger>>,
    /// What is not.
    layout: Option<Arc<Layout>>,
    reservation: MemoryReservation,
}

/// The windows of a view over the events of one partition.
pub(crate) struct Part {
    writer: Option<Writer>,
    stretches: Option<Stretches>,
}

impl Windows {
    /// Of no events yet. `rows` is the schema of the view's rows, in which the calls name their columns. `lasting` says that
    /// every row that has a key counts from its event time on, for good.
    pub(crate) fn new(
        view: &str,
        calls: &[WindowCall<usize>],
        rows: &Schema,
        lasting: bool,
        slots: Arc<dyn Slots>,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let mut asked = Asked::default();
        let others = calls.iter().enumerate().filter(|(place, call)| !(lasting && asked.take(*place, call, rows)));
        let others: Vec<_> = others.collect();
        let layout = match others.is_empty() {
            true => None,
            false => Some(Arc::new(Layout::new(&others, rows)?)),
        };
        let ledger = match others.len() == calls.len() {
            true => None,
            false => Some(Arc::new(Ledger::new(view, asked, Arc::clone(&slots), reservation.new_empty())?)),
        };
        Ok(Windows { view: view.to_owned(), calls: calls.len(), slots, ledger, layout, reservation })
    }

    /// About what the windows take per slot before events come, in words: the one way or the other.
    pub(crate) fn words(calls: &[WindowCall<usize>], rows: &Schema) -> Result<usize> {
        let calls: Vec<_> = calls.iter().enumerate().collect();
        let layout = Layout::new(&calls, rows)?;
        let mut asked = Asked::default();
        calls.iter().for_each(|(place, call)| {
            asked.take(*place, call, rows);
        });
        // A row that is kept: its rank, where it is, and a few values. Tiles may take as much again for events.
        let tiles = 2 * asked.words() * (1 + asked.frames());
        Ok(tiles.max(layout.words()) + 8 * layout.last_rows())
    }

    /// Whether events are to be told of by [`Part::arrive`].
    pub(crate) fn wants_arrivals(&self) -> bool {
        self.layout.is_some()
    }

    /// For one partition.
    pub(crate) fn part(&self) -> Result<Part> {
        let stretches = |layout: &Arc<Layout>| {
            Stretches::new(&self.view, Arc::clone(layout), self.slots.as_ref(), self.reservation.new_empty())
        };
        Ok(Part {
            writer: self.ledger.as_ref().map(Ledger::writer).transpose()?,
            stretches: self.layout.as_ref().map(stretches).transpose()?,
        })
    }

    /// The results, from all partitions merged. Tiles are read by so many tasks.
    pub(crate) async fn settle(self, part: Part, tasks: usize) -> Result<Settled> {
        let Part { writer, stretches } = part;
        writer.map(Writer::finish).transpose()?;
        let columns = stretches.map(|stretches| stretches.settle(self.slots.as_ref())).transpose()?;
        let tiled = match self.ledger {
            None => None,
            Some(ledger) => Some(ledger.read(tasks).await?),
        };
        let (columns, reservation) = columns.unwrap_or_else(|| (Vec::new(), self.reservation));
        Ok(Settled { calls: self.calls, columns, tiled, _reservation: reservation })
    }
}

impl Part {
    /// Whether events are to be told of by [`Part::arrive`].
    pub(crate) fn wants_arrivals(&self) -> bool {
        self.stretches.is_some()
    }

    /// Is told where an event of the next batch counts. The moments are those of all slots, the event's just looked at.
    pub(crate) fn arrive(&mut self, arrival: Arrival, moments: &[i64]) {
        if let Some(stretches) = &mut self.stretches {
            stretches.arrive(arrival, moments);
        }
    }

    /// Takes in a batch of events; of them those that have been told of, where that is wanted.
    pub(crate) fn absorb(&mut self, events: &Events<'_>) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.absorb(events.keys, events.times, events.rows)?;
        }
        match &mut self.stretches {
            Some(stretches) => stretches.absorb(events),
            None => Ok(()),
        }
    }

    /// Takes in what another partition of the same view found.
    pub(crate) fn merge(&mut self, other: Part) -> Result<()> {
        // What is written down is in the ledger already, but for what is open.
        other.writer.map(Writer::finish).transpose()?;
        match (&mut self.stretches, other.stretches) {
            (Some(all), Some(more)) => all.merge(more),
            _ => Ok(()),
        }
    }
}

/// The results of a view's windows, per slot.
#[derive(Debug)]
pub(crate) struct Settled {
    calls: usize,
    /// Results as columns, with the places of their calls.
    columns: Vec<(usize, ArrayRef)>,
    tiled: Option<Results>,
    _reservation: MemoryReservation,
}

impl Settled {
    /// The results for these slots, a column for each call; null where the number is that of no slot.
    pub(crate) fn take(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut taken: Vec<Option<ArrayRef>> = vec![None; self.calls];
        if !self.columns.is_empty() {
            let slots: UInt32Array = slots.iter().map(|slot| Some(*slot).filter(|slot| *slot != u32::MAX)).collect();
            for (place, column) in &self.columns {
                taken[*place] = Some(take(column, &slots, None)?);
            }
        }
        if let Some(tiled) = &self.tiled {
            for (place, column) in tiled.take(slots)? {
                taken[place] = Some(column);
            }
        }
        match taken.into_iter().collect::<Option<Vec<_>>>() {
            Some(taken) => Ok(taken),
            None => internal_err!("a window has no result"),
        }
    }
}
