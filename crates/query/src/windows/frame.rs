//! Which rows an as-of window holds at a moment, and the hops at which its trailing edge moves.
//!
//! At a moment t a window of width w holds the rows with `start < ts ≤ t`, where `start` is t − w rounded down to a
//! multiple of the hop. Seen from a row that is one moment: it leaves when `start` reaches it, which first happens at
//! its time rounded up to a hop, plus w. So a row counts for a contiguous stretch of moments, and no moment need ever
//! be compared with all rows.

use std::fmt;
use std::str::FromStr;

use asof_model::Micros;
use asof_model::time::{DAY, SECOND};

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The rows of its key that an as-of window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Frame {
    /// `RANGE INTERVAL width PRECEDING`: what happened within that time.
    Range {
        /// How far back, in microseconds.
        width: Micros,
        /// The grain at which the trailing edge moves, in microseconds.
        hop: Micros,
    },
    /// `ROWS n PRECEDING`: the last n.
    Rows(u32),
    /// `OVER ()`: everything so far.
    All,
}

impl Frame {
    /// A window of this width, with its view's `SLIDE` or else the hop of SEMANTICS.
    pub(crate) fn range(width: Micros, slide: Option<Micros>) -> Self {
        Frame::Range { width, hop: slide.unwrap_or_else(|| default_hop(width)) }
    }

    /// The time up to which rows are in the window no more at a moment; none if it reaches back for ever.
    pub(crate) fn start(self, moment: i64) -> Option<i64> {
        let Frame::Range { width, hop } = self else { return None };
        let hop = hop.0.max(1);
        moment.checked_sub(width.0)?.div_euclid(hop).checked_mul(hop)
    }

    /// The first moment at which a row of this time is in the window no more; none if that never comes.
    pub(crate) fn leaves(self, time: i64) -> Option<i64> {
        let Frame::Range { width, hop } = self else { return None };
        let hop = hop.0.max(1);
        // Division rounds towards zero: up already before the epoch.
        let hops = time / hop + i64::from(time % hop > 0);
        hops.checked_mul(hop)?.checked_add(width.0)
    }
}

/// The hop of a window of this width where the view has no `SLIDE`: some 150 to 300 hops to a window.
pub(crate) fn default_hop(width: Micros) -> Micros {
    Micros(match width.0 {
        w if w <= 12 * HOUR => 5 * MINUTE,
        w if w <= 12 * DAY => HOUR,
        _ => DAY,
    })
}

/// Whether windows may slide by this: hops must meet at midnight, so that coarser ones are made of finer ones.
pub(crate) fn may_slide(slide: Micros) -> bool {
    slide.0 > 0 && (DAY % slide.0 == 0 || slide.0 % DAY == 0)
}

/// How a frame is written into a plan, for [`FromStr`].
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Range { width, hop } => write!(f, "range {} {}", width.0, hop.0),
            Frame::Rows(n) => write!(f, "rows {n}"),
            Frame::All => f.write_str("all"),
        }
    }
}

impl FromStr for Frame {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<_> = text.split(' ').collect();
        match words.as_slice() {
            ["range", width, hop] => {
                let micros = |word: &str| word.parse().map(Micros).map_err(|_| ());
                Ok(Frame::Range { width: micros(width)?, hop: micros(hop)? })
            }
            ["rows", n] => n.parse().map(Frame::Rows).map_err(|_| ()),
            ["all"] => Ok(Frame::All),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hop_grows_with_the_window() {
        let check = |width: i64, hop: i64| assert_eq!(default_hop(Micros(width)), Micros(hop), "{width}");
        check(1, 5 * MINUTE);
        check(12 * HOUR, 5 * MINUTE);
        check(12 * HOUR + 1, HOUR);
        check(12 * DAY, HOUR);
        check(12 * DAY + 1, DAY);
    }

    #[test]
    fn hops_divide_a_day_or_are_whole_days() {
        let check = |slide: i64, expected: bool| assert_eq!(may_slide(Micros(slide)), expected, "{slide}");
        check(1, true);
        check(HOUR, true);
        check(5 * HOUR, false);
        check(DAY, true);
        check(36 * HOUR, false);
        check(7 * DAY, true);
        check(0, false);
        check(-HOUR, false);
    }

    #[test]
    fn a_row_leaves_at_its_hop_and_the_width_after() {
        let check = |width, hop, time, expected| {
            let frame = Frame::Range { width: Micros(width), hop: Micros(hop) };
            assert_eq!(frame.leaves(time), expected, "{width} {hop} {time}");
        };
        check(10, 1, 3, Some(13));
        check(10, 5, 3, Some(15));
        check(10, 5, 5, Some(15));
        check(10, 5, -3, Some(10));
        check(10, 5, -5, Some(5));
        check(10, 5, i64::MAX, None);
        check(10, 1, i64::MIN, Some(i64::MIN + 10));
        assert_eq!(Frame::All.leaves(3), None);
        assert_eq!(Frame::Rows(1).leaves(3), None);
        assert_eq!(Frame::All.start(3), None);
        let all_but_ever = Frame::Range { width: Micros(i64::MAX), hop: Micros(1) };
        assert_eq!((all_but_ever.start(-1), all_but_ever.start(-2)), (Some(i64::MIN), None));
    }

    proptest! {
        /// The stretch from a row's time to when it leaves is what the rule says of each moment.
        #[test]
        fn leaving_is_the_rule(width in 1..50i64, hop in 1..12i64, time in -60..60i64, t in -60..200i64) {
            let start = (t - width).div_euclid(hop) * hop;
            let frame = Frame::Range { width: Micros(width), hop: Micros(hop) };
            let leaves = frame.leaves(time).unwrap();
            prop_assert_eq!(start < time && time <= t, time <= t && t < leaves);
            prop_assert_eq!(frame.start(t), Some(start));
        }

        #[test]
        fn a_frame_is_read_as_it_was_written(width: i64, hop: i64, n: u32) {
            for frame in [Frame::Range { width: Micros(width), hop: Micros(hop) }, Frame::Rows(n), Frame::All] {
                prop_assert_eq!(frame.to_string().parse(), Ok(frame));
            }
        }
    }
}
