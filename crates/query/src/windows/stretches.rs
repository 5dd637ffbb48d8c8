//! Windows made of stretches of slots: what tiles do not do.
//!
//! A row is added to the states of a slot, or to the nodes of a tree over them, from the first slot at which it counts
//! to the last. That is so for any aggregate, for the last n rows, and for rows that are known late or superseded.
//! Each partition has states of its own.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::Frame;
use super::evaluate::Events;
use super::layout::{Holding, Layout};
use super::place::{Arrival, Placed, Slots};
use super::rows::{Gathered, LastRows};
use super::state::{Batch, State};

/// Some windows of a view over the events of one partition. Partitions are merged, then settled into results.
pub(super) struct Stretches {
    view: String,
    layout: Arc<Layout>,
    states: Vec<Vec<State>>,
    last_rows: Option<LastRows>,
    reservation: MemoryReservation,
    /// The events of the next batch as they have been told of, where the last rows are wanted.
    arrivals: Vec<Arrival>,
    /// Where each frame holds them.
    placed: Vec<(Frame, Vec<Placed>)>,
}

impl Stretches {
    /// Of no events yet.
    pub(super) fn new(
        view: &str,
        layout: Arc<Layout>,
        slots: &dyn Slots,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let count = slots.moments().len();
        // Before it is taken, so that too much is refused and not tried. A moment is a word.
        reservation.try_grow(size_of_val(slots.moments()) * layout.words())?;
        let states = layout.states(count)?;
        let last_rows = match layout.last_rows() {
            0 => None,
            most => Some(LastRows::new(most, &layout.types, count)?),
        };
        let placed = layout.frames().into_iter().map(|frame| (frame, Vec::new())).collect();
        let stretches =
            Stretches { view: view.to_owned(), layout, states, last_rows, reservation, arrivals: Vec::new(), placed };
        stretches.reserve()?;
        Ok(stretches)
    }

    /// Is told where an event of the next batch counts. The moments are those of all slots, the event's just looked at.
    pub(super) fn arrive(&mut self, arrival: Arrival, moments: &[i64]) {
        for (frame, placed) in &mut self.placed {
            placed.extend(arrival.placed(*frame, moments));
        }
        if self.last_rows.is_some() {
            self.arrivals.push(arrival);
        }
    }

    /// Takes in a batch of events, those of them that have been told of.
    pub(super) fn absorb(&mut self, events: &Events<'_>) -> Result<()> {
        let inputs = self.layout.inputs.iter().map(|column| events.rows.column(*column).clone()).collect();
        let batch = Batch { inputs, times: events.times, known: events.known, seq: events.seq };
        if let Some(last_rows) = &mut self.last_rows {
            last_rows.absorb(&self.arrivals, &batch)?;
            self.arrivals.clear();
        }
        for (frame, placed) in &mut self.placed {
            let states = self.layout.holdings.iter().zip(&mut self.states);
            for (holding, states) in states.filter(|(holding, _)| holding.frame == *frame) {
                give(holding, states, placed, &batch)?;
            }
            placed.clear();
        }
        self.reserve()
    }

    /// Takes in what another partition of the same view found.
    pub(super) fn merge(&mut self, other: Stretches) -> Result<()> {
        for (all, more) in self.states.iter_mut().flatten().zip(other.states.into_iter().flatten()) {
            all.merge(more)?;
        }
        if let (Some(all), Some(more)) = (&mut self.last_rows, other.last_rows) {
            all.merge(more);
        }
        self.reserve()
    }

    /// The result of each call, per slot, with its place among all, and the memory reserved for them.
    pub(super) fn settle(mut self, slots: &dyn Slots) -> Result<(Vec<(usize, ArrayRef)>, MemoryReservation)> {
        if let Some(last_rows) = self.last_rows.take() {
            let (layout, states) = (Arc::clone(&self.layout), &mut self.states);
            last_rows.each(slots, |gathered| give_rows(&layout, states, gathered))?;
        }
        self.states.iter_mut().flatten().for_each(|state| state.settle(slots));
        self.reserve()?;
        let results = self.layout.results(&self.view, &mut self.states, slots)?;
        drop(std::mem::take(&mut self.states));
        self.reservation.try_resize(results.iter().map(|(_, array)| array.get_array_memory_size()).sum())?;
        Ok((results, self.reservation))
    }

    fn reserve(&self) -> Result<()> {
        let states: usize = self.states.iter().flatten().map(State::size).sum();
        let rows = self.last_rows.as_ref().map_or(0, LastRows::size);
        let placed: usize = self.placed.iter().map(|(_, placed)| placed.capacity()).sum();
        let scratch = self.arrivals.capacity() * size_of::<Arrival>() + placed * size_of::<Placed>();
        self.reservation.try_resize(states + rows + scratch)
    }
}

/// Gives events to the states of one frame and filter.
fn give(holding: &Holding, states: &mut [State], placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
    let met: Vec<Placed>;
    let placed = match holding.filter {
        None => placed,
        Some(filter) => {
            let condition: &BooleanArray = batch.inputs[filter].as_boolean();
            let is_met = |p: &&Placed| condition.is_valid(p.row as usize) && condition.value(p.row as usize);
            met = placed.iter().filter(is_met).copied().collect();
            &met
        }
    };
    if placed.is_empty() { Ok(()) } else { states.iter_mut().try_for_each(|state| state.absorb(placed, batch)) }
}

/// Gives the last rows of some slots to the states that are of rows.
pub(super) fn give_rows(layout: &Layout, states: &mut [Vec<State>], gathered: Gathered) -> Result<()> {
    let Gathered { inputs, times, known, seq, placed } = gathered;
    let batch = Batch { inputs, times: &times, known: Some(&known), seq: Some(&seq) };
    for (holding, states) in layout.holdings.iter().zip(states) {
        if let Frame::Rows(n) = holding.frame {
            let last = placed.iter().filter(|(_, after)| *after < n as usize);
            give(holding, states, &last.map(|(placed, _)| *placed).collect::<Vec<_>>(), &batch)?;
        }
    }
    Ok(())
}
