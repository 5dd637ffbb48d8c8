//! Rows out of Arrow columns.

use super::checksum::checksum;
use super::{CHECKSUM, RowCodec, Source, Stamp, VALIDITY, VERSION};
use crate::Error;

/// Offsets in a row, and those of the Arrow arrays it is read into, reach this far.
const LONGEST: usize = i32::MAX as usize;

impl RowCodec {
    /// Encodes one row of the columns into `out`, whose former content is dropped.
    pub(crate) fn encode(
        &self,
        key: &[u8],
        stamp: Stamp,
        columns: &[Source],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.clear();
        out.push(VERSION);
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
        out.extend_from_slice(stamp.to_bytes().as_flattened());
        out.resize(self.values, 0);
        for (n, (slot, column)) in self.columns.iter().zip(columns).enumerate() {
            if column.write(row, slot.offset, self.values, out) {
                out[VALIDITY + n / 8] |= 1 << (n % 8);
            }
        }
        if out.len() + CHECKSUM > LONGEST {
            return Err(Error::TooLarge { view: self.view.clone(), what: "a row" });
        }
        let checksum = checksum(key, out);
        out.extend_from_slice(&checksum.to_le_bytes());
        Ok(())
    }

    /// The shapes that [`encode`](Self::encode) wants its columns in.
    pub(crate) fn source(&self, column: usize, array: &arrow::array::ArrayRef) -> Source {
        Source::new(array, &self.columns[column].shape)
    }
}
