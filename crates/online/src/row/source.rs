//! An Arrow array as rows are written from it.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};

use super::Shape;

/// A column to be encoded, its type resolved once per batch.
pub(crate) enum Source {
    Boolean(BooleanArray),
    Fixed { width: usize, values: Buffer, nulls: Option<NullBuffer> },
    Bytes { offsets: OffsetBuffer<i32>, values: Buffer, nulls: Option<NullBuffer> },
    List { offsets: OffsetBuffer<i32>, items: Box<Source>, nulls: Option<NullBuffer> },
}

impl Source {
    /// Of an array whose type has this shape.
    pub(crate) fn new(array: &ArrayRef, shape: &Shape) -> Source {
        let nulls = array.nulls().cloned();
        match shape {
            Shape::Boolean => Source::Boolean(array.as_boolean().clone()),
            Shape::Fixed(width) => {
                let data = array.to_data();
                let values = data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width);
                Source::Fixed { width: *width, values, nulls }
            }
            Shape::Bytes { text: true } => {
                let array = array.as_string::<i32>();
                Source::Bytes { offsets: array.offsets().clone(), values: array.values().clone(), nulls }
            }
            Shape::Bytes { text: false } => {
                let array = array.as_binary::<i32>();
                Source::Bytes { offsets: array.offsets().clone(), values: array.values().clone(), nulls }
            }
            Shape::List(item) => {
                let array = array.as_list::<i32>();
                let items = Box::new(Source::new(array.values(), item));
                Source::List { offsets: array.offsets().clone(), items, nulls }
            }
        }
    }

    fn is_valid(&self, row: usize) -> bool {
        match self {
            Source::Boolean(array) => array.is_valid(row),
            Source::Fixed { nulls, .. } | Source::Bytes { nulls, .. } | Source::List { nulls, .. } => {
                nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
            }
        }
    }

    /// Writes the slot of one value into `slots` (zeros so far) and, where the value is of variable length,
    /// the value at the end of `out`, whose values begin at `base`. Returns whether it is not null.
    ///
    /// `slot` is where the slot lies in `out`.
    pub(super) fn write(&self, row: usize, slot: usize, base: usize, out: &mut Vec<u8>) -> bool {
        let valid = self.is_valid(row);
        match self {
            Source::Boolean(array) if valid => out[slot] = u8::from(array.value(row)),
            Source::Fixed { width, values, .. } if valid => {
                out[slot..slot + width].copy_from_slice(&values[row * width..(row + 1) * width]);
            }
            Source::Boolean(_) | Source::Fixed { .. } => {}
            Source::Bytes { offsets, values, .. } => {
                if valid {
                    out.extend_from_slice(&values[offsets[row] as usize..offsets[row + 1] as usize]);
                }
                end(slot, base, out);
            }
            Source::List { offsets, items, .. } => {
                if valid {
                    items.write_all(offsets[row] as usize..offsets[row + 1] as usize, out);
                }
                end(slot, base, out);
            }
        }
        valid
    }

    /// Writes a range of values as an array.
    fn write_all(&self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        let width = match self {
            Source::Boolean(_) => 1,
            Source::Fixed { width, .. } => *width,
            Source::Bytes { .. } | Source::List { .. } => 4,
        };
        let count = range.len();
        out.extend_from_slice(&(count as u32).to_le_bytes());
        let validity = out.len();
        let slots = validity + count.div_ceil(8);
        let base = slots + count * width;
        out.resize(base, 0);
        for (n, row) in range.enumerate() {
            if self.write(row, slots + n * width, base, out) {
                out[validity + n / 8] |= 1 << (n % 8);
            }
        }
    }
}

/// Notes in a slot where the value that was just written ends.
///
/// Ends beyond 32 bits wrap; the caller refuses such a row by its length before anybody sees it.
fn end(slot: usize, base: usize, out: &mut [u8]) {
    let end = (out.len() - base) as u32;
    out[slot..slot + 4].copy_from_slice(&end.to_le_bytes());
}
