//! What becomes of several values of one key: the one rule for every backend.
//!
//! Of rows the newest stays ([`Stamp`](crate::Stamp)); tiles are added up. Neither depends on an order, so blind writes from
//! anybody leave one and the same store.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::{stamp, tiles};

/// All values of a key (without a slot) as one. None where there is none, or where they cannot be told apart from damage.
pub fn merged<'a>(key: &[u8], mut values: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
    let values = [first, second].into_iter().chain(values);
    if first.first() == Some(&tiles::VERSION) {
        return tiles::merge(key, values).ok().map(Cow::Owned);
    }
    // Rows of one stamp are one row; if they are not, the last one stays.
    let order = |a: &&[u8], b: &&[u8]| -> Ordering { stamp(a).cmp(&stamp(b)) };
    values.max_by(order).map(Cow::Borrowed)
}
