//! How many different values: the set of (node, value), walked from each tree's root to its leaves with a count of
//! how many nodes on the way hold a value. Memory is in proportion to the different values of each node.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;

use super::super::place::{Placed, Slots};
use super::tree::{Step, places, walk};
use super::values::{Bytes, Encoding, canonical};
use super::{Batch, is_valid};

/// The different values of one input.
pub(in super::super) struct Distinct {
    input: usize,
    encoding: Encoding,
    /// Each value's number.
    numbers: HashMap<Bytes, u32>,
    bytes: usize,
    held: HashSet<(usize, u32)>,
}

impl Distinct {
    pub(super) fn new(input: usize, data_type: &DataType) -> Result<Self> {
        let encoding = Encoding::new(data_type)?;
        Ok(Distinct { input, encoding, numbers: HashMap::new(), bytes: 0, held: HashSet::new() })
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let values = canonical(&batch.inputs[self.input]);
        let rows = self.encoding.encode(&values)?;
        for placed in placed.iter().filter(|p| is_valid(values.as_ref(), p.row)) {
            let number = self.number(rows.row(placed.row as usize).data())?;
            self.held.extend(places(placed).map(|place| (place, number)));
        }
        Ok(())
    }

    fn number(&mut self, value: &[u8]) -> Result<u32> {
        if let Some(number) = self.numbers.get(value) {
            return Ok(*number);
        }
        let Ok(number) = u32::try_from(self.numbers.len()) else {
            return exec_err!("more than four billion different values");
        };
        self.bytes += value.len();
        self.numbers.insert(value.into(), number);
        Ok(number)
    }

    pub(super) fn merge(&mut self, other: Distinct) {
        // Numbers were given as values came; they fit, since each partition's did, or the memory would not have.
        let renumbered =
            other.numbers.into_iter().filter_map(|(value, number)| Some((number, self.number(&value).ok()?)));
        let renumbered: HashMap<u32, u32> = renumbered.collect();
        self.held.extend(other.held.into_iter().filter_map(|(place, n)| Some((place, *renumbered.get(&n)?))));
    }

    /// Per slot.
    pub(in super::super) fn finish(&self, slots: &dyn Slots) -> ArrayRef {
        let mut held: Vec<(usize, u32)> = self.held.iter().copied().collect();
        held.sort_unstable();
        let at = |place: usize| {
            let from = held.partition_point(|(p, _)| *p < place);
            held[from..].iter().take_while(move |(p, _)| *p == place).map(|(_, number)| *number)
        };
        let mut seen: HashMap<u32, u32> = HashMap::new();
        let mut found = vec![0i64; slots.moments().len()];
        walk(slots, |step| match step {
            Step::Enter(place) => at(place).for_each(|number| *seen.entry(number).or_default() += 1),
            Step::Slot(slot) => found[slot] = seen.len() as i64,
            Step::Leave(place) => at(place).for_each(|number| {
                if let std::collections::hash_map::Entry::Occupied(mut entry) = seen.entry(number) {
                    *entry.get_mut() -= 1;
                    if *entry.get() == 0 {
                        entry.remove();
                    }
                }
            }),
        });
        Arc::new(Int64Array::from(found))
    }

    pub(super) fn size(&self) -> usize {
        // Hash tables are at most seven eighths full, and double.
        2 * (self.numbers.capacity() * size_of::<(Bytes, u32)>() + self.held.capacity() * size_of::<(usize, u32)>())
            + self.bytes
    }
}
