//! The results of tiles, side by side for each slot, and from there to columns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, UInt64Array};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::super::state::from_words;
use super::asked::{Call, Read};

/// The results of the slots of one range: for each slot bits that say which calls have one, then a word for each call.
#[derive(Debug)]
pub(super) struct Block {
    width: usize,
    bits: usize,
    words: Vec<u64>,
}

impl Block {
    /// Of no results.
    pub(super) fn new(calls: usize, slots: usize) -> Self {
        let bits = calls.div_ceil(64);
        let width = bits + calls;
        Block { width, bits, words: vec![0; slots * width] }
    }

    /// Sets the result of a call.
    #[inline]
    pub(super) fn set(&mut self, slot: usize, call: usize, word: Option<u64>) {
        if let Some(word) = word {
            let row = &mut self.words[slot * self.width..][..self.width];
            row[call / 64] |= 1 << (call % 64);
            row[self.bits + call] = word;
        }
    }

    fn row(&self, slot: usize) -> &[u64] {
        &self.words[slot * self.width..][..self.width]
    }

    /// Memory held, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(self.words.as_slice())
    }
}

/// The results of a view's calls.
#[derive(Debug)]
pub(in super::super) struct Results {
    columns: Vec<Column>,
    blocks: Vec<Block>,
    /// The first slot of each block, and at the end how many slots there are.
    firsts: Vec<usize>,
    /// For each so many slots the block in which the first of them is.
    hints: Vec<u32>,
    _reservation: MemoryReservation,
}

const HINT: usize = 256;

/// One call's results.
#[derive(Debug)]
struct Column {
    place: usize,
    form: Form,
    data_type: DataType,
}

/// What its words are.
#[derive(Debug)]
enum Form {
    Float,
    Signed,
    Unsigned,
    /// Integers in the order of values of this type.
    Ordered(DataType),
}

impl Column {
    fn new(call: &Call) -> Self {
        let form = match &call.read {
            Read::Count => Form::Signed,
            Read::Sum(_) | Read::Mean(_) | Read::Spread { .. } => Form::Float,
            Read::IntegerSum { unsigned: false, .. } => Form::Signed,
            Read::IntegerSum { unsigned: true, .. } => Form::Unsigned,
            Read::Extreme { of, .. } => Form::Ordered(of.clone()),
        };
        Column { place: call.place, form, data_type: call.data_type.clone() }
    }

    fn array(&self, words: Vec<u64>, nulls: NullBuffer) -> Result<ArrayRef> {
        let length = words.len();
        let buffer = Buffer::from_vec(words);
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        let array: ArrayRef = match &self.form {
            Form::Float => Arc::new(Float64Array::try_new(ScalarBuffer::new(buffer, 0, length), nulls)?),
            Form::Signed => Arc::new(Int64Array::try_new(ScalarBuffer::new(buffer, 0, length), nulls)?),
            Form::Unsigned => Arc::new(UInt64Array::try_new(ScalarBuffer::new(buffer, 0, length), nulls)?),
            Form::Ordered(of) => from_words(&Int64Array::try_new(ScalarBuffer::new(buffer, 0, length), nulls)?, of)?,
        };
        match *array.data_type() == self.data_type {
            true => Ok(array),
            false => Ok(cast(&array, &self.data_type)?),
        }
    }
}

impl Results {
    /// Blocks are in the order of their slots. The reservation is made for them.
    pub(super) fn new(calls: &[Call], blocks: Vec<Block>, firsts: Vec<usize>, reservation: MemoryReservation) -> Self {
        let slots = firsts.last().copied().unwrap_or_default();
        let hint = |first: usize| firsts.partition_point(|known| *known <= first).saturating_sub(1) as u32;
        let hints = (0..slots.div_ceil(HINT)).map(|n| hint(n * HINT)).collect();
        let columns = calls.iter().map(Column::new).collect();
        Results { columns, blocks, firsts, hints, _reservation: reservation }
    }

    /// The results of each call for these slots, with the call's place among all; null for one beyond all slots.
    pub(in super::super) fn take(&self, slots: &[u32]) -> Result<Vec<(usize, ArrayRef)>> {
        let none = Block::new(self.columns.len(), 1);
        let mut words: Vec<Vec<u64>> = self.columns.iter().map(|_| Vec::with_capacity(slots.len())).collect();
        let mut valid: Vec<Vec<u64>> =
            self.columns.iter().map(|_| Vec::with_capacity(slots.len().div_ceil(64))).collect();
        let mut rows = Vec::with_capacity(64);
        // A word of valid bits at a time: so many rows stay in the cache while one column after the other is taken from them.
        for slots in slots.chunks(64) {
            rows.clear();
            rows.extend(slots.iter().map(|slot| self.row(*slot as usize).unwrap_or_else(|| none.row(0))));
            for (call, (words, valid)) in words.iter_mut().zip(&mut valid).enumerate() {
                words.extend(rows.iter().map(|row| row[none.bits + call]));
                let bits = rows.iter().map(|row| row[call / 64] >> (call % 64) & 1);
                valid.push(bits.enumerate().fold(0, |bits, (row, bit)| bits | bit << row));
            }
        }
        let columns = self.columns.iter().zip(words.into_iter().zip(valid));
        let columns = columns.map(|(column, (words, valid))| {
            let valid = BooleanBuffer::new(Buffer::from_vec(valid), 0, slots.len());
            Ok((column.place, column.array(words, NullBuffer::new(valid))?))
        });
        columns.collect()
    }

    fn row(&self, slot: usize) -> Option<&[u64]> {
        let mut block = *self.hints.get(slot / HINT)? as usize;
        while slot >= *self.firsts.get(block + 1)? {
            block += 1;
        }
        Some(self.blocks[block].row(slot - self.firsts[block]))
    }
}
