//! The last n rows of each slot, for `ROWS n PRECEDING`.
//!
//! A row is offered where its stretch begins and stays among the best n there; at the end the best are carried forward
//! along each key's slots. One that is superseded later counts for a stretch that ends, so it is offered to the nodes
//! of a tree instead. Only what the windows read of a row is kept, as bytes: at most n rows per slot, and as many per
//! node where there are revisions.

use std::collections::HashMap;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::Result;

use super::place::{Arrival, Placed, Slots, cover};
use super::state::{Batch, Rank};

/// A row: its rank, and what windows read of it. Rows of one rank are in the order of their values.
type Row = (Rank, Box<[u8]>);

/// Gathered before they are handed on, in rows.
const GATHERED: usize = 8192;

/// The last rows of each slot.
pub(super) struct LastRows {
    most: usize,
    types: Vec<DataType>,
    converter: RowConverter,
    /// Per slot the best rows that count from there on, ascending.
    lasting: Vec<Vec<Row>>,
    /// Per node the best rows that count for its slots only.
    passing: HashMap<usize, Vec<Row>>,
    bytes: usize,
}

/// What [`LastRows::each`] hands on.
pub(super) struct Gathered {
    pub(super) inputs: Vec<ArrayRef>,
    pub(super) times: Int64Array,
    pub(super) known: Int64Array,
    pub(super) seq: Int64Array,
    /// For each row where it counts, and how many rows of its slot come after it.
    pub(super) placed: Vec<(Placed, usize)>,
}

impl LastRows {
    pub(super) fn new(most: usize, types: &[DataType], slots: usize) -> Result<Self> {
        let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
        let lasting = vec![Vec::new(); slots];
        Ok(LastRows { most, types: types.to_vec(), converter, lasting, passing: HashMap::new(), bytes: 0 })
    }

    pub(super) fn absorb(&mut self, arrivals: &[Arrival], batch: &Batch<'_>) -> Result<()> {
        // Without columns to read, rows are counted all the same.
        let values = if batch.inputs.is_empty() { None } else { Some(self.converter.convert_columns(&batch.inputs)?) };
        for arrival in arrivals {
            let rank = batch.rank(arrival.row);
            let value: &[u8] = match &values {
                Some(values) => values.row(arrival.row as usize).data(),
                None => &[],
            };
            if arrival.until == arrival.slots {
                let place = &mut self.lasting[arrival.base as usize + arrival.first as usize];
                offer(place, self.most, rank, value, &mut self.bytes);
            } else {
                for node in cover(arrival.first as usize, arrival.until as usize, arrival.slots as usize) {
                    let place = self.passing.entry(2 * arrival.base as usize + node).or_default();
                    offer(place, self.most, rank, value, &mut self.bytes);
                }
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: LastRows) {
        let LastRows { lasting, passing, .. } = other;
        for (place, rows) in self.lasting.iter_mut().zip(lasting) {
            rows.iter().for_each(|(rank, value)| offer(place, self.most, *rank, value, &mut self.bytes));
        }
        for (node, rows) in passing {
            let place = self.passing.entry(node).or_default();
            rows.iter().for_each(|(rank, value)| offer(place, self.most, *rank, value, &mut self.bytes));
        }
    }

    /// Hands on the last rows of each slot, oldest first, slots whole and in order.
    pub(super) fn each(&self, slots: &dyn Slots, mut visit: impl FnMut(Gathered) -> Result<()>) -> Result<()> {
        let (mut rows, mut placed): (Vec<&Row>, Vec<_>) = (Vec::new(), Vec::new());
        for key in 0..slots.keys() {
            let of = slots.of(key);
            let mut lasting: Vec<&Row> = Vec::new();
            for slot in of.clone() {
                lasting.extend(&self.lasting[slot]);
                last(&mut lasting, self.most);
                let mut here = lasting.clone();
                if !self.passing.is_empty() {
                    let leaf = of.len() + slot - of.start;
                    let path = std::iter::successors(Some(leaf), |node| (node / 2 > 0).then_some(node / 2));
                    here.extend(path.filter_map(|node| self.passing.get(&(2 * of.start + node))).flatten());
                    last(&mut here, self.most);
                }
                let first = (slot - of.start) as u32;
                for (n, row) in here.iter().enumerate() {
                    let place = Placed {
                        row: rows.len() as u32,
                        base: of.start as u32,
                        slots: of.len() as u32,
                        first,
                        end: first + 1,
                    };
                    placed.push((place, here.len() - 1 - n));
                    rows.push(row);
                }
                if rows.len() >= GATHERED {
                    visit(self.gather(&rows, std::mem::take(&mut placed))?)?;
                    rows.clear();
                }
            }
        }
        if rows.is_empty() { Ok(()) } else { visit(self.gather(&rows, placed)?) }
    }

    fn gather(&self, rows: &[&Row], placed: Vec<(Placed, usize)>) -> Result<Gathered> {
        let parser = self.converter.parser();
        let inputs = match self.types.is_empty() {
            true => Vec::new(),
            false => self.converter.convert_rows(rows.iter().map(|(_, value)| parser.parse(value)))?,
        };
        let column = |of: fn(&Rank) -> i64| rows.iter().map(|(rank, _)| of(rank)).collect::<Vec<_>>().into();
        Ok(Gathered {
            inputs,
            times: column(|rank| rank.time),
            known: column(|rank| rank.known),
            seq: column(|rank| rank.seq),
            placed,
        })
    }

    /// Memory held, in bytes.
    pub(super) fn size(&self) -> usize {
        self.lasting.capacity() * size_of::<Vec<Row>>()
            + 2 * self.passing.capacity() * size_of::<(usize, Vec<Row>)>()
            + self.bytes
    }
}

/// Puts a row among the best, if it is.
fn offer(place: &mut Vec<Row>, most: usize, rank: Rank, value: &[u8], bytes: &mut usize) {
    let at = place.partition_point(|(known, bytes)| (*known, bytes.as_ref()) < (rank, value));
    if place.len() == most && at == 0 {
        return;
    }
    // Twice: vectors grow by doubling.
    *bytes += 2 * size_of::<Row>() + value.len();
    place.insert(at, (rank, value.into()));
    if place.len() > most {
        let (_, gone) = place.remove(0);
        *bytes -= 2 * size_of::<Row>() + gone.len();
    }
}

/// Sorts, and keeps the last.
fn last(rows: &mut Vec<&Row>, most: usize) {
    rows.sort_unstable();
    rows.drain(..rows.len().saturating_sub(most));
}
