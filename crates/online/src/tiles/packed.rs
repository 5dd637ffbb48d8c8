//! States that keep values: the greatest or least, the last rows, the different ones.
//!
//! Values come as bytes that compare as they do, and the store knows no more of them. What is first or last is the least or
//! greatest behind its stamp, event time and order of acceptance, in bytes of the same order; of one stamp the value decides. So
//! the states merge in any order, and equal ones have equal bytes.
//!
//! What a state takes is bounded by what its view asks for: one value, so many rows, and of different values [`MOST_BYTES`].
//! One with more has only that kept of it, for good.

use super::state::word;
use crate::row::Stamp;

/// A value, with its stamp before it where that decides.
pub(super) type Packed = Box<[u8]>;

/// How many bytes a set of different values takes at most in one tile, with [`OVERHEAD`] for each value.
pub const MOST_BYTES: usize = 64 * 1024;

/// What each value of a set counts for besides its own bytes.
const OVERHEAD: usize = 4;

/// How long a stamp is.
const STAMP: usize = 16;

/// A value behind its stamp.
pub(super) fn stamped(stamp: Stamp, value: &[u8]) -> Packed {
    // Turned round at the sign, so that bytes compare as numbers.
    let word = |word: i64| (word ^ i64::MIN).to_be_bytes();
    [&word(stamp.event_time.0)[..], &word(stamp.seq), value].concat().into_boxed_slice()
}

/// Event time, order of acceptance, and the value behind them.
pub(super) fn unstamped(bytes: &[u8]) -> Option<(i64, i64, &[u8])> {
    let (stamp, value) = bytes.split_first_chunk::<STAMP>()?;
    let [time, seq] = *stamp.as_chunks::<8>().0 else { return None };
    let word = |bytes: [u8; 8]| i64::from_be_bytes(bytes) ^ i64::MIN;
    Some((word(time), word(seq), value))
}

/// Whichever is the greater or the lesser.
pub(super) fn better(greatest: bool, one: Packed, other: Packed) -> Packed {
    if (one < other) == greatest { other } else { one }
}

/// The last rows, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRows {
    most: u32,
    rows: Vec<Packed>,
}

impl LastRows {
    pub(super) fn new(most: u32, rows: Vec<Packed>) -> Self {
        let mut rows = LastRows { most, rows };
        rows.cut();
        rows
    }

    fn cut(&mut self) {
        self.rows.drain(..self.rows.len().saturating_sub(self.most as usize));
    }

    pub(super) fn absorb(&mut self, other: LastRows) -> Result<(), &'static str> {
        if self.most != other.most {
            return Err("tiles of one key keep different numbers of rows");
        }
        match <[Packed; 1]>::try_from(other.rows) {
            // Nearly always it is one event.
            Ok([row]) => self.rows.insert(self.rows.partition_point(|known| *known <= row), row),
            Err(more) if more.is_empty() => {}
            Err(more) => {
                self.rows.extend(more);
                self.rows.sort_unstable();
            }
        }
        self.cut();
        Ok(())
    }

    /// Behind its kind.
    pub(super) fn read(bytes: &mut &[u8]) -> Result<Self, &'static str> {
        let most = count(bytes)?;
        let rows = values(bytes)?;
        if rows.len() > most as usize || !rows.is_sorted() {
            return Err("a state has other rows than the last");
        }
        Ok(LastRows { most, rows })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.most.to_le_bytes());
        write_values(&self.rows, out);
    }

    /// Event time, order of acceptance and value of each.
    pub fn rows(&self) -> impl Iterator<Item = (i64, i64, &[u8])> {
        self.rows.iter().filter_map(|row| unstamped(row))
    }
}

/// Different values, by their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Different {
    /// None where they are too many.
    pub(super) values: Option<Vec<Packed>>,
    /// What they take.
    bytes: usize,
}

impl Different {
    /// More than is kept.
    pub(super) const TOO_MANY: Self = Different { values: None, bytes: 0 };

    pub(super) fn new(value: Option<Packed>) -> Self {
        Different::of(value.into_iter().collect()).bounded()
    }

    /// Of values in order, each once.
    fn of(values: Vec<Packed>) -> Self {
        let bytes = values.iter().map(|value| OVERHEAD + value.len()).sum();
        Different { values: Some(values), bytes }
    }

    /// However it was come by, the whole is too much or it is not: what is a part of it has no more.
    pub(super) fn absorb(&mut self, other: Different) {
        self.unite(other);
        let all = std::mem::replace(self, Different::TOO_MANY);
        *self = all.bounded();
    }

    /// The same without a bound: of several tiles.
    pub(super) fn unite(&mut self, other: Different) {
        let (Some(values), Some(more)) = (&mut self.values, other.values) else {
            *self = Different::TOO_MANY;
            return;
        };
        match <[Packed; 1]>::try_from(more) {
            // Nearly always it is one event.
            Ok([value]) => {
                if let Err(at) = values.binary_search(&value) {
                    self.bytes += OVERHEAD + value.len();
                    values.insert(at, value);
                }
            }
            Err(more) if more.is_empty() => {}
            Err(more) => {
                let mut all = std::mem::take(values);
                all.extend(more);
                all.sort_unstable();
                all.dedup();
                *self = Different::of(all);
            }
        }
    }

    /// How many there are; none where they are too many to be kept.
    pub fn count(&self) -> Option<usize> {
        self.values.as_ref().map(Vec::len)
    }

    fn bounded(self) -> Self {
        if self.bytes > MOST_BYTES { Different::TOO_MANY } else { self }
    }

    /// Behind the kind of those that are not too many.
    pub(super) fn read(bytes: &mut &[u8]) -> Result<Self, &'static str> {
        let values = values(bytes)?;
        match values.is_sorted_by(|one, next| one < next) {
            true => Ok(Different::of(values)),
            false => Err("a state has different values that are not different"),
        }
    }
}

pub(super) fn write_values(values: &[Packed], out: &mut Vec<u8>) {
    out.extend_from_slice(&(values.len() as u32).to_le_bytes());
    values.iter().for_each(|value| write_value(value, out));
}

pub(super) fn write_value(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

fn values(bytes: &mut &[u8]) -> Result<Vec<Packed>, &'static str> {
    // The list grows with the bytes that are there, not with those that are claimed.
    (0..count(bytes)?).map(|_| value(bytes).map(Into::into)).collect()
}

/// A value, which says how long it is.
pub(super) fn value<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let len = count(bytes)? as usize;
    bytes.split_off(..len).ok_or("a tile ends early")
}

fn count(bytes: &mut &[u8]) -> Result<u32, &'static str> {
    word(bytes).map(u32::from_le_bytes)
}
