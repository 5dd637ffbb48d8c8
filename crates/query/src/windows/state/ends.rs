//! The value of the first or last event, by (event time, known, seq); among equals the value decides.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::tree::{each_slot, places};
use super::values::{Bytes, Encoding};
use super::{Batch, Rank, is_valid};

type End = (Rank, Bytes);

/// The ends of one input.
pub(in super::super) struct Ends {
    input: usize,
    last: bool,
    ignore_nulls: bool,
    encoding: Encoding,
    places: Vec<Option<Box<End>>>,
    bytes: usize,
}

impl Ends {
    pub(super) fn new(
        input: usize,
        last: bool,
        ignore_nulls: bool,
        slots: usize,
        data_type: &DataType,
    ) -> Result<Self> {
        let places = std::iter::repeat_with(|| None).take(2 * slots).collect();
        Ok(Ends { input, last, ignore_nulls, encoding: Encoding::new(data_type)?, places, bytes: 0 })
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let values = &batch.inputs[self.input];
        let rows = self.encoding.encode(values)?;
        for placed in placed {
            if self.ignore_nulls && !is_valid(values.as_ref(), placed.row) {
                continue;
            }
            let rank = batch.rank(placed.row);
            places(placed).for_each(|place| self.offer(place, rank, rows.row(placed.row as usize).data()));
        }
        Ok(())
    }

    fn offer(&mut self, place: usize, rank: Rank, value: &[u8]) {
        let better = self.places[place].as_deref().is_none_or(|(known, bytes)| {
            let order = (rank, value).cmp(&(*known, bytes));
            if self.last { order.is_gt() } else { order.is_lt() }
        });
        if better {
            self.bytes += size_of::<End>() + value.len();
            let old = self.places[place].replace(Box::new((rank, value.into())));
            self.bytes -= old.map_or(0, |old| size_of::<End>() + old.1.len());
        }
    }

    pub(super) fn merge(&mut self, other: Ends) {
        for (place, end) in other.places.into_iter().enumerate() {
            if let Some(end) = end {
                self.offer(place, end.0, &end.1);
            }
        }
    }

    /// Per slot, in the type of the input.
    pub(in super::super) fn finish(&self, slots: &dyn Slots, data_type: &DataType) -> Result<ArrayRef> {
        let mut found: Vec<Option<&[u8]>> = vec![None; slots.moments().len()];
        each_slot(slots, |slot, path| {
            let ends = path.filter_map(|place| self.places[place].as_deref());
            let end = if self.last { ends.max() } else { ends.min() };
            found[slot] = end.map(|(_, value)| value.as_ref());
        });
        self.encoding.decode(found.into_iter(), data_type)
    }

    pub(super) fn size(&self) -> usize {
        self.places.capacity() * size_of::<Option<Box<End>>>() + self.bytes
    }
}
