//! Windows read from tiles are those of the rule.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cover::{Asked, TileKey};
use super::packed::{Different, LastRows, Packed, stamped};
use super::state::{Bits, State, Tile};
use super::*;
use crate::Stamp;

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

/// The tile of one event: each kind of state, of this value at this time.
fn tile(time: i64, seq: i64, value: Option<u8>) -> Tile {
    let stamp = Stamp { event_time: asof_model::Micros(time), known: asof_model::Micros(time), seq };
    // Of some lengths, and some of them equal.
    let bytes = |value: u8| Packed::from(vec![value % 5; usize::from(value % 3)]);
    let (mut sketch, mut registers) = (asof_exact::Sketches::new(1), asof_exact::Registers::new(1));
    value.iter().for_each(|value| sketch.add(0, f64::from(*value)));
    value.iter().for_each(|value| registers.add(0, asof_exact::hash(&[*value])));
    let stamped = value.map(|value| stamped(stamp, &bytes(value)));
    let or_nothing = |state: Option<State>| state.unwrap_or(State::Nothing);
    let states = vec![
        State::Sketch(sketch),
        State::Registers(registers),
        or_nothing(value.map(|value| State::Value(true, bytes(value)))),
        or_nothing(value.map(|value| State::Value(false, bytes(value)))),
        or_nothing(stamped.clone().map(|value| State::Value(true, value))),
        or_nothing(stamped.clone().map(|value| State::Value(false, value))),
        State::LastRows(LastRows::new(3, stamped.into_iter().collect())),
        State::Different(Different::new(value.map(bytes))),
        or_nothing(value.map(|value| State::Bits(Bits::All, i64::from(value)))),
        or_nothing(value.map(|value| State::Bits(Bits::Any, i64::from(value)))),
        or_nothing(value.map(|value| State::Bits(Bits::Odd, i64::from(value)))),
        State::Nothing,
    ];
    Tile { latest: time, last_seq: seq, states }
}

fn written(tile: &Tile) -> Vec<u8> {
    let mut out = Vec::new();
    tile.write(b"key", &mut out);
    out
}

#[test]
fn too_many_different_values_are_told_and_stay_too_many() {
    let values = |from: u16, to: u16| {
        let mut all = Different::new(None);
        (from..to).for_each(|n| all.absorb(Different::new(Some(Packed::from(n.to_be_bytes())))));
        all
    };
    // Two bytes each, and four besides.
    let fit = (MOST_BYTES / 6) as u16;
    assert_eq!(values(0, fit).count(), Some(usize::from(fit)));
    assert_eq!(values(0, fit + 1).count(), None);
    let (mut one, other) = (values(0, fit), values(fit, fit + 1));
    one.absorb(other);
    one.absorb(values(0, 1));
    assert_eq!(one, Different::TOO_MANY);
    let tile = Tile { latest: 0, last_seq: 0, states: vec![State::Different(one)] };
    let read = Tile::read(b"key", &written(&tile)).unwrap();
    assert_eq!(written(&read), written(&tile));
    assert_eq!(Different::new(Some(vec![7; MOST_BYTES].into())).count(), None);
}

#[test]
fn what_is_not_known_or_not_as_it_was_written_is_refused() {
    let check = |state: &[u8]| {
        let (mut bytes, sum) = (written(&Tile { latest: 0, last_seq: 0, states: Vec::new() }), crate::row::CHECKSUM);
        bytes.truncate(bytes.len() - sum);
        bytes.extend_from_slice(state);
        let sum = crate::row::checksum(b"key", &bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let read = Tile::read(b"key", &bytes);
        assert!(read.is_err(), "{state:?} is {read:?}");
    };
    check(&[17]); // a kind that there is not
    check(&[9, 2, 0, 0, 0, 7]); // a value that ends early
    check(&[11, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // more rows than are kept
    check(&[11, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 7, 1, 0, 0, 0, 6]); // rows out of order
    check(&[12, 2, 0, 0, 0, 1, 0, 0, 0, 7, 1, 0, 0, 0, 7]); // the same value twice
    check(&[12, 255, 255, 255, 255]); // more values than there are bytes
    let (rows, other) = (LastRows::new(2, Vec::new()), LastRows::new(3, Vec::new()));
    assert!(rows.clone().absorb(other).is_err());
    assert!(State::LastRows(rows).absorb(State::Different(Different::new(None))).is_err());
}

/// What is stored is read by whatever comes later.
#[test]
fn states_are_written_so_for_ever() {
    let tile = Tile {
        states: vec![
            State::Value(true, [7].into()),
            State::LastRows(LastRows::new(3, vec![[8, 9].into()])),
            State::Different(Different::TOO_MANY),
            State::Different(Different::new(Some([6].into()))),
            State::Bits(Bits::All, 1),
            State::Bits(Bits::Any, 2),
            State::Bits(Bits::Odd, -1),
        ],
        ..tile(1, 2, None)
    };
    let bytes = written(&tile);
    let states = [
        &[9, 1, 0, 0, 0, 7][..],
        &[11, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 8, 9],
        &[13],
        &[12, 1, 0, 0, 0, 1, 0, 0, 0, 6],
        &[14, 1, 0, 0, 0, 0, 0, 0, 0],
        &[15, 2, 0, 0, 0, 0, 0, 0, 0],
        &[16, 255, 255, 255, 255, 255, 255, 255, 255],
    ];
    assert_eq!(bytes[17..bytes.len() - 4], states.concat());
    assert_eq!(
        stamped(Stamp { event_time: asof_model::Micros(1), known: asof_model::Micros(1), seq: -1 }, &[5])[..],
        { [&[0x80, 0, 0, 0, 0, 0, 0, 1][..], &[0x7f, 255, 255, 255, 255, 255, 255, 255], &[5]].concat() }
    );
}

/// A layout from before there were other kinds means what it meant.
#[test]
fn layouts_of_before_are_read_and_have_the_same_fingerprint() {
    let text =
        r#"{"levels":[300000000],"endless":true,"cells":[{"input":"a","kind":"count"},{"input":"b","kind":"least"}]}"#;
    let tiles: Tiles = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&tiles).unwrap(), text);
    let fingerprint = |tiles: &Tiles| {
        let mut hasher = Hasher::new("test");
        tiles.fingerprint(&mut hasher);
        hasher.finish()
    };
    let mut hasher = Hasher::new("test");
    hasher.part(&[VERSION, 1]).part(&1u64.to_le_bytes()).part(&300_000_000i64.to_le_bytes());
    hasher.part(b"a").part(&[0]).part(b"b").part(&[6]);
    assert_eq!(fingerprint(&tiles), hasher.finish());
    let other = |change: fn(&mut Cell)| {
        let mut other = tiles.clone();
        change(&mut other.cells[1]);
        assert_ne!(fingerprint(&other), fingerprint(&tiles));
        other
    };
    other(|cell| cell.within = Within::Endless);
    let rows = other(|cell| cell.kind = CellKind::LastRows(3));
    assert_ne!(fingerprint(&rows), fingerprint(&other(|cell| cell.kind = CellKind::LastRows(4))));
    let unknown = text.replace("least", "lost");
    assert!(serde_json::from_str::<Tiles>(&unknown).is_err());
}

proptest! {
    /// However events are put together, their tile is one to the byte.
    #[test]
    fn states_merge_in_any_order(
        events in proptest::collection::vec((0..6i64, proptest::option::of(any::<u8>())), 1..20),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 20),
    ) {
        let tiles: Vec<_> = events.iter().zip(1..).map(|((time, value), seq)| tile(*time, seq, *value)).collect();
        let mut whole = tiles[0].clone();
        tiles[1..].iter().for_each(|tile| whole.absorb(tile.clone()).unwrap());
        // Any two next to each other are merged until one is left, each written and read on the way.
        let mut parts: Vec<Vec<u8>> = tiles.iter().map(written).collect();
        for place in &order {
            if parts.len() < 2 {
                break;
            }
            let one = parts.swap_remove(place.index(parts.len()));
            let at = place.index(parts.len());
            parts[at] = merge(b"key", [&one[..], &parts[at]].into_iter()).unwrap();
        }
        prop_assert_eq!(parts, [written(&whole)]);
    }

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
