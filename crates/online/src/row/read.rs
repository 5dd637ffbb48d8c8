//! Bytes that are rows, or are refused.

use super::checksum::checksum;
use super::{CHECKSUM, Opened, RowCodec, STAMP, Shape, VALIDITY, VERSION};
use crate::Error;

/// Why bytes cannot be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The answer outgrew Arrow's offsets.
    TooLarge,
    /// They are of another version.
    Version(u8),
    /// They are not what was written.
    Malformed(&'static str),
}

const SHORT: Trouble = Trouble::Malformed("a row is too short");
const OUTSIDE: Trouble = Trouble::Malformed("a value lies outside its row");

/// Validity bits, slots and values of an array inside a row.
pub(super) struct Values<'a> {
    count: usize,
    shape: &'a Shape,
    validity: &'a [u8],
    slots: &'a [u8],
    values: &'a [u8],
}

impl<'a> Values<'a> {
    /// Of the bytes of an array; all allocation that follows is bounded by their length.
    pub(super) fn of_array(bytes: &'a [u8], shape: &'a Shape) -> Result<Self, Trouble> {
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or(OUTSIDE)?;
        let count = u32::from_le_bytes(*count) as usize;
        let (validity, rest) = rest.split_at_checked(count.div_ceil(8)).ok_or(OUTSIDE)?;
        let (slots, values) = rest.split_at_checked(count.saturating_mul(shape.width())).ok_or(OUTSIDE)?;
        Ok(Values { count, shape, validity, slots, values })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The bytes of the n-th value; none where it is null.
    pub(super) fn get(&self, n: usize) -> Result<Option<&'a [u8]>, Trouble> {
        if self.validity[n / 8] >> (n % 8) & 1 == 0 {
            return Ok(None);
        }
        let width = self.shape.width();
        let slot = &self.slots[n * width..(n + 1) * width];
        if !self.shape.is_variable() {
            return Ok(Some(slot));
        }
        let start = if n == 0 { 0 } else { number(self.slots, (n - 1) * width)? };
        let end = number(self.slots, n * width)?;
        Ok(Some(self.values.get(start..end).ok_or(OUTSIDE)?))
    }
}

fn number(bytes: &[u8], at: usize) -> Result<usize, Trouble> {
    let bytes = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).ok_or(SHORT)?;
    Ok(u32::from_le_bytes(*bytes) as usize)
}

impl RowCodec {
    /// Opens rows: each item is a key, the bytes under it and whether they were checked already, or none where there is
    /// none.
    pub(crate) fn open_all<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = Option<(&'a [u8], &'a [u8], bool)>>,
    ) -> Result<Opened, Error> {
        let mut opened = Opened::with_capacity(rows.len());
        for item in rows {
            let row = match item {
                Some((_, row, true)) => row.split_last_chunk::<CHECKSUM>().map(|(row, _)| row),
                Some((key, row, false)) => Some(self.open(key, row).map_err(|trouble| self.error(trouble))?),
                None => None,
            };
            opened.push(self, row);
        }
        Ok(opened)
    }

    /// Whether these are the bytes of a row of this key and layout.
    pub(crate) fn verify(&self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        self.open(key, row).map(|_| ()).map_err(|trouble| self.error(trouble))
    }

    /// The row without its checksum, once version, checksum and fingerprint are right.
    fn open<'a>(&self, key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], Trouble> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(Trouble::Version(other)),
            None => return Err(SHORT),
        }
        let (row, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(SHORT)?;
        if checksum(key, row) != u32::from_le_bytes(*sum) {
            return Err(Trouble::Malformed("the checksum of a row is wrong"));
        }
        if row.len() < self.values.max(VALIDITY) {
            return Err(SHORT);
        }
        if row[1..STAMP] != self.fingerprint.to_le_bytes() {
            return Err(Trouble::Malformed("a row was written with another layout"));
        }
        Ok(row)
    }

    /// The bytes of a column of an opened row; none where it is null.
    pub(super) fn value<'a>(&self, row: &'a [u8], column: usize) -> Result<Option<&'a [u8]>, Trouble> {
        if row[VALIDITY + column / 8] >> (column % 8) & 1 == 0 {
            return Ok(None);
        }
        let slot = &self.columns[column];
        if !slot.shape.is_variable() {
            return Ok(Some(&row[slot.offset..slot.offset + slot.shape.width()]));
        }
        let start = slot.before.map_or(Ok(0), |before| number(row, before))?;
        let end = number(row, slot.offset)?;
        Ok(Some(row[self.values..].get(start..end).ok_or(OUTSIDE)?))
    }

    pub(super) fn error(&self, trouble: Trouble) -> Error {
        let view = self.view.clone();
        match trouble {
            Trouble::TooLarge => Error::TooLarge { view, what: "an answer" },
            Trouble::Version(found) => Error::OtherFormat { view, found, known: VERSION },
            Trouble::Malformed(reason) => Error::Damaged { view, reason: reason.into() },
        }
    }
}
