//! Rows as bytes, version 2.
//!
//! ```text
//! row    = 02                        the version of this format
//!          fingerprint  u32          the first bytes of the layout's fingerprint
//!          stamp        3 × i64      event time and known-at time in microseconds, UTC; order of acceptance
//!          validity     ⌈n/8⌉ bytes  bit i % 8 of byte i / 8: column i is not null
//!          slots                     one per column, in the layout's order
//!          values                    of the columns of variable length, one after the other
//!          checksum     u32          over the key and all bytes before
//! slot   = the value itself          BOOLEAN (one byte, 00 or 01), numbers, DATE, TIMESTAMP, DECIMAL
//!        | end          u32          VARCHAR, BINARY, arrays: where the value ends in `values`; it starts
//!                                    where the one before it ends
//! array  = count        u32, validity ⌈count/8⌉ bytes, slots, values (as in a row)
//! ```
//! Numbers are little-endian, as in Arrow's own buffers, and nothing is aligned. The slot of a null holds
//! zeros (or an empty range), so equal rows have equal bytes.
//!
//! - **Reading** touches only the header, the checksum and the columns asked for: every slot is at an offset known
//!   from the layout, and values go straight to where they are wanted, with no allocation per value.
//! - **Never misread.** Another version is refused as such; everything else that was not written under this key
//!   and layout fails the checksum, or differs in the fingerprint. The checksum costs one multiplication per
//!   eight bytes and finds every change within one such word but for one chance in 2³². Behind it all
//!   offsets are still bounds-checked: whatever the bytes, reading returns an error and does not panic.
//!
//! The format is durable. A golden vector in `tests.rs` holds it; a change is a new version byte.

mod checksum;
mod opened;
mod read;
mod shape;
mod sink;
mod source;
mod stamp;
#[cfg(test)]
mod tests;
mod write;

use arrow::datatypes::DataType;

use crate::{Error, Layout};

pub(crate) use checksum::checksum;
pub(crate) use opened::Opened;
pub(crate) use shape::Shape;
pub(crate) use source::Source;
pub use stamp::{Stamp, stamp};

#[cfg(target_endian = "big")]
compile_error!("rows are little-endian and are copied to and from Arrow buffers as they are");

/// The version byte that every row begins with.
pub(crate) const VERSION: u8 = 2;

const STAMP: usize = 5;
const VALIDITY: usize = STAMP + Stamp::WIDTH;
pub(crate) const CHECKSUM: usize = 4;

/// Encodes and decodes the rows of one layout.
#[derive(Debug)]
pub(crate) struct RowCodec {
    view: String,
    fingerprint: u32,
    columns: Vec<Slot>,
    /// Where the slots end and the values begin.
    values: usize,
}

/// Where one column is in every row.
#[derive(Debug)]
struct Slot {
    name: String,
    data_type: DataType,
    shape: Shape,
    /// From the start of the row.
    offset: usize,
    /// The slot that says where this column's value starts, if there is one before it.
    before: Option<usize>,
}

impl RowCodec {
    pub(crate) fn new(view: &str, layout: &Layout) -> Result<Self, Error> {
        let print = layout.fingerprint();
        let [a, b, c, d, ..] = *print.as_bytes();
        let mut offset = VALIDITY + layout.values.0.len().div_ceil(8);
        let mut before = None;
        let mut columns = Vec::with_capacity(layout.values.0.len());
        for column in &layout.values.0 {
            let shape = Shape::of(&column.data_type)
                .ok_or_else(|| Error::UnsupportedType { view: view.into(), column: column.to_string() })?;
            let (width, variable) = (shape.width(), shape.is_variable());
            let data_type = column.data_type.clone();
            columns.push(Slot { name: column.name.clone(), data_type, shape, offset, before });
            if variable {
                before = Some(offset);
            }
            offset += width;
        }
        Ok(RowCodec { view: view.into(), fingerprint: u32::from_le_bytes([a, b, c, d]), columns, values: offset })
    }

    /// Where a column is among all of them.
    pub(crate) fn position(&self, name: &str) -> Result<usize, Error> {
        self.columns.iter().position(|c| c.name == name).ok_or_else(|| Error::UnknownColumn {
            view: self.view.clone(),
            column: name.to_owned(),
            known: self.columns.iter().map(|c| c.name.clone()).collect(),
        })
    }
}
