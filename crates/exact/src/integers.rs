//! Sums of integers and of decimals.

use std::ops::Range;

use super::bytes::{self, Error};
use super::columns::Columns;

/// One word above the point holds most sums of 64-bit integers.
const ORDINARY: Range<i32> = 0..1;

/// One exact sum of integers per group; decimals are given as integers too, without their point. However
/// large a sum is on the way, only what it is in the end counts.
#[derive(Clone, Debug)]
pub struct Integers(Columns);

impl Integers {
    /// Sums of nothing.
    pub fn new(groups: usize) -> Self {
        Integers(Columns::new(groups, ORDINARY))
    }

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, group: usize, value: i128) {
        self.0.add(group, 0, value);
    }

    /// Takes a value away, as if it had never been added, or will never be.
    #[inline]
    pub fn subtract(&mut self, group: usize, value: i128) {
        match value.checked_neg() {
            Some(negative) => self.0.add(group, 0, negative),
            // 2^127 is one more than there is room for.
            None => (0..2).for_each(|_| self.0.add(group, 0, 1 << 126)),
        }
    }

    /// Makes each of these groups the total of itself and those of them before it.
    pub fn run(&mut self, groups: Range<usize>) {
        self.0.run(groups);
    }

    /// Adds the sum of one group to that of another.
    pub fn merge_group(&mut self, into: usize, from: usize) {
        self.0.merge_group(into, from);
    }

    /// Adds all sums of others, group by group. There are as many.
    pub fn absorb(&mut self, other: &Self) {
        self.0.absorb(&other.0);
    }

    /// The sum of a group. None if 128 bits cannot say it.
    pub fn total(&self, group: usize) -> Option<i128> {
        let total = self.0.total(group).into_owned();
        // Whole numbers have no word below the point.
        let below = usize::try_from(total.low()).ok()?;
        let sign = if total.is_negative() { u64::MAX } else { 0 };
        let mut words = std::iter::repeat_n(0, below).chain(total.words().iter().copied());
        let [low, high] = [(); 2].map(|()| words.next().unwrap_or(sign));
        // A number that is trim has a third word only where two cannot say it.
        words.next().is_none().then_some((u128::from(high) << 64 | u128::from(low)) as i128)
    }

    /// Appends the state of a group, which says where it ends. Equal sums have equal bytes.
    pub fn encode(&self, group: usize, out: &mut Vec<u8>) {
        bytes::write_integer(&self.0.total(group).into_owned(), out);
    }

    /// Reads a state from the start of `bytes`, which move on behind it, and adds it to a group.
    ///
    /// # Errors
    /// [`Error`], and the group is as it was.
    pub fn decode(&mut self, group: usize, bytes: &mut &[u8]) -> Result<(), Error> {
        self.0.add_number(group, &bytes::read_integer(bytes)?);
        Ok(())
    }

    /// Memory held, in bytes.
    pub fn size(&self) -> usize {
        self.0.size()
    }
}
