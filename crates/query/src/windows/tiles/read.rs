//! From tiles to results.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::internal_err;
use datafusion::common::runtime::JoinSet;
use datafusion::error::{DataFusionError, Result};

use super::super::problem::overflow;
use super::asked::{Call, Read};
use super::cells::{Cells, State};
use super::edges::{Edges, Window};
use super::ledger::Ledger;
use super::results::{Block, Results};
use super::slide::maxima;
use asof_exact::{Bulk, Of, spread};

impl Ledger {
    /// The results of all calls for all slots. So many ranges are read at a time.
    pub(in super::super) async fn read(self: Arc<Self>, at_a_time: usize) -> Result<Results> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut readers = JoinSet::new();
        for _ in 0..at_a_time.clamp(1, self.ranges().max(1)) {
            let (ledger, next) = (Arc::clone(&self), Arc::clone(&next));
            readers.spawn(async move {
                let mut blocks = Vec::new();
                loop {
                    let range = next.fetch_add(1, Ordering::Relaxed);
                    if range >= ledger.ranges() {
                        return Ok::<_, DataFusionError>(blocks);
                    }
                    blocks.push((range, ledger.read_range(range)?));
                }
            });
        }
        let mut blocks: Vec<Option<Block>> = (0..self.ranges()).map(|_| None).collect();
        while let Some(read) = readers.join_next().await {
            for (range, block) in read.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?? {
                blocks[range] = Some(block);
            }
        }
        let firsts = (0..self.ranges()).map(|range| self.slots(range).start).chain([self.slots.moments().len()]);
        let blocks: Vec<Block> = blocks.into_iter().flatten().collect();
        let reservation = self.reservation.split(blocks.iter().map(Block::size).sum());
        Ok(Results::new(&self.asked.calls, blocks, firsts.collect(), reservation))
    }

    fn read_range(&self, range: usize) -> Result<Block> {
        let mut page = std::mem::take(&mut *self.page(range));
        let edges = Edges::new(&self.asked.frames, self.slots.as_ref(), self.keys(range), &self.scope);
        let mut block = Block::new(self.asked.calls.len(), self.slots(range).len());
        self.reservation.try_grow(block.size())?;
        // For a moment there are the events of one range, its states and its results: what one more chunk is.
        self.absorb(&mut page, &edges);
        let Some(mut cells) = page.cells.take() else { return internal_err!("events were absorbed into nothing") };
        cells.run(&edges);
        for (number, call) in self.asked.calls.iter().enumerate() {
            self.read_call(number, call, &cells, &edges, &mut block)?;
        }
        self.reservation.shrink(page.reserved);
        Ok(block)
    }

    fn read_call(&self, number: usize, call: &Call, cells: &Cells, edges: &Edges, block: &mut Block) -> Result<()> {
        let State::Counts(counts) = cells.state(call.count) else { return defect(call) };
        let windows = || edges.windows(call.frame).map(|window| (window, count(counts, window)));
        let mut slot = 0;
        // Where nothing is counted there is no result, unless that is what was asked.
        let mut give = |word: Option<u64>| {
            block.set(slot, number, word);
            slot += 1;
        };
        match (&call.read, cells) {
            (Read::Count, _) => windows().for_each(|(_, count)| give(Some(count))),
            (Read::Sum(sum), cells) => {
                let sums = floats(cells, *sum, call)?;
                windows().for_each(|(w, count)| give((count > 0).then(|| between(sums, w).round().to_bits())));
            }
            (Read::Mean(sum), cells) => {
                let sums = floats(cells, *sum, call)?;
                windows().for_each(|(w, count)| {
                    let mean = if count > 0 { between(sums, w).mean(count) } else { None };
                    give(mean.map(f64::to_bits));
                });
            }
            (Read::Spread { sum, squares, sample, root }, cells) => {
                let (sums, State::Squares(squares)) = (floats(cells, *sum, call)?, cells.state(*squares)) else {
                    return defect(call);
                };
                let of = || if *sample { Of::Sample } else { Of::Population };
                windows().for_each(|(w, count)| {
                    let spread = spread(&between(sums, w), &squares.between(before(w), w.end - 1), count, of());
                    give(spread.map(|spread| if *root { spread.sqrt() } else { spread }.to_bits()));
                });
            }
            (Read::IntegerSum { cell, unsigned }, cells) => {
                let State::Integers(sums) = cells.state(*cell) else { return defect(call) };
                for (window, count) in windows() {
                    let sum = sums[window.end - 1] - before(window).map_or(0, |tile| sums[tile]);
                    let word = match unsigned {
                        true => u64::try_from(sum).ok(),
                        false => i64::try_from(sum).ok().map(i64::cast_unsigned),
                    };
                    if count > 0 && word.is_none() {
                        let of = if *unsigned { DataType::UInt64 } else { DataType::Int64 };
                        return Err(overflow(&self.view, &call.written, &asof_model::schema::sql_type(&of)));
                    }
                    give(word.filter(|_| count > 0));
                }
            }
            (Read::Extreme { cell, greatest, .. }, cells) => {
                let State::Extremes(best) = cells.state(*cell) else { return defect(call) };
                let counted = windows();
                let mut counts = counted.map(|(_, count)| count);
                maxima(best, edges.windows(call.frame).map(|w| (w.first, w.end)), |word| {
                    let word = if *greatest { word } else { !word };
                    give((counts.next() > Some(0)).then_some(word.cast_unsigned()));
                });
            }
        }
        Ok(())
    }
}

/// The tile before a window, if its key has one.
#[inline]
fn before(window: Window) -> Option<usize> {
    (window.first > window.origin).then(|| window.first - 1)
}

/// How many events a window holds, from running totals.
#[inline]
fn count(counts: &[u64], window: Window) -> u64 {
    counts[window.end - 1] - before(window).map_or(0, |tile| counts[tile])
}

/// The exact sum of a window, from running totals.
#[inline]
fn between(sums: &Bulk, window: Window) -> asof_exact::Total {
    sums.between(before(window), window.end - 1)
}

fn floats<'a>(cells: &'a Cells, cell: usize, call: &Call) -> Result<&'a Bulk> {
    match cells.state(cell) {
        State::Floats(sums) => Ok(sums),
        _ => defect(call),
    }
}

fn defect<T>(call: &Call) -> Result<T> {
    internal_err!("{} has cells of another kind", call.written)
}
