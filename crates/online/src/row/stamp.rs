//! Which of two rows of one key is the newer.

use asof_model::Micros;

use super::{STAMP, VALIDITY, VERSION};

/// What rows of one key are ordered by: rule 5 of what a value is.
///
/// No two rows that a dataset accepted have the same one, so among them there is always exactly one newest, whoever
/// asks in whatever order. Rows of views that do not keep the order of acceptance have 0 there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When it happened.
    pub event_time: Micros,
    /// When it was learned; the event time where nothing says so.
    pub known: Micros,
    /// The order in which the dataset accepted it, from 1; 0 where that is not kept.
    pub seq: i64,
}

impl Stamp {
    /// In bytes.
    pub(super) const WIDTH: usize = 24;

    /// From when on the row counts.
    pub fn counts_from(&self) -> Micros {
        self.event_time.max(self.known)
    }

    pub(super) fn to_bytes(self) -> [[u8; 8]; 3] {
        [self.event_time.0, self.known.0, self.seq].map(i64::to_le_bytes)
    }
}

/// The stamp of an encoded row, without looking at anything else; none where it is too short, or no row.
pub fn stamp(row: &[u8]) -> Option<Stamp> {
    if row.first() != Some(&VERSION) {
        return None;
    }
    let (words, _) = row.get(STAMP..VALIDITY)?.as_chunks::<8>();
    let [event_time, known, seq] = *words.first_chunk::<3>()?;
    let [event_time, known, seq] = [event_time, known, seq].map(i64::from_le_bytes);
    Some(Stamp { event_time: Micros(event_time), known: Micros(known), seq })
}
