//! Windows read from tiles are those of the rule.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cover::{Asked, TileKey};
use super::*;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn levels(hops: &[i64]) -> Vec<i64> {
    Tiles::new(hops.iter().copied(), false, Vec::new()).unwrap().levels
}

#[test]
fn levels_divide_one_another_and_hold_every_hop() {
    assert_eq!(levels(&[5 * MINUTE]), [5 * MINUTE, HOUR, DAY, 32 * DAY, 1024 * DAY]);
    assert_eq!(levels(&[DAY, 5 * MINUTE, HOUR]), [5 * MINUTE, HOUR, DAY, 32 * DAY, 1024 * DAY]);
    assert_eq!(levels(&[7 * DAY]), [7 * DAY]);
    assert_eq!(levels(&[90 * MINUTE]), [90 * MINUTE, DAY, 32 * DAY, 1024 * DAY]);
    assert_eq!(levels(&[]), [0; 0]);
    assert!(Tiles::new([6 * HOUR, 8 * HOUR], false, Vec::new()).is_none());
}

#[test]
fn a_long_window_is_read_from_few_tiles() {
    let tiles = Tiles::new([5 * MINUTE], false, Vec::new()).unwrap();
    let at = 1_700_000_000_000_000;
    let most = (0..2000).map(|n| {
        let at = at + n * 7 * MINUTE;
        let start = (at - 30 * DAY).div_euclid(5 * MINUTE) * 5 * MINUTE;
        Asked::new(&tiles, &[Span { hop: 5 * MINUTE, start: Some(start) }], at).keys.len()
    });
    assert!(most.max().unwrap() <= 100);
}

proptest! {
    #[test]
    fn every_event_of_a_window_is_in_one_tile_and_no_other_is(
        times in proptest::collection::vec(-40 * DAY..40 * DAY, 0..40),
        at in -40 * DAY..41 * DAY,
        widths in proptest::collection::vec((1..40 * 24 * 12i64, 0..3usize), 1..4),
        endless: bool,
    ) {
        let hops = [5 * MINUTE, HOUR, DAY];
        let used: Vec<_> = widths.iter().map(|(_, hop)| hops[*hop]).collect();
        let tiles = Tiles::new(used.iter().copied(), endless, Vec::new()).unwrap();
        let mut spans: Vec<_> = widths.iter().map(|(width, hop)| {
            let hop = hops[*hop];
            Span { hop, start: Some((at - width * 5 * MINUTE).div_euclid(hop) * hop) }
        }).collect();
        if endless {
            spans.push(Span { hop: 0, start: None });
        }
        // Nothing has happened behind the moment.
        let times: Vec<_> = times.into_iter().filter(|time| *time <= at).collect();
        let mut held: BTreeMap<TileKey, Vec<i64>> = BTreeMap::new();
        for time in &times {
            TileKey::all(&tiles, *time).for_each(|key| held.entry(key).or_default().push(*time));
        }
        let asked = Asked::new(&tiles, &spans, at);
        for (number, span) in spans.iter().enumerate() {
            let read = asked.keys.iter().zip(&asked.spans).filter(|(_, spans)| spans.contains(&number));
            let mut read: Vec<i64> = read.flat_map(|(key, _)| held.get(key).into_iter().flatten().copied()).collect();
            read.sort_unstable();
            let mut expected: Vec<i64> = times.iter().copied().filter(|t| span.start.is_none_or(|start| *t > start)).collect();
            expected.sort_unstable();
            prop_assert_eq!(read, expected, "{:?} at {}", span, at);
        }
    }
}
