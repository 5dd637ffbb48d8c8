//! The states of some tiles: an array for each cell, so that a few thousand events and tiles are gone through in the cache.

use super::super::state::float_to_word;
use super::asked::{Cell, Form, Kind};
use super::edges::Edges;
use super::scope::Scope;
use crate::exact::Sums;

/// The states of the tiles of one range of keys.
#[derive(Debug)]
pub(super) struct Cells(Vec<State>);

/// One cell of every tile.
#[derive(Debug)]
pub(super) enum State {
    Counts(Vec<u64>),
    Floats(Sums),
    /// No sum of fewer than 2^63 words is longer.
    Integers(Vec<i128>),
    /// Nothing is the least; what was counted says whether there is anything.
    Extremes(Vec<i64>),
}

/// Stands for no tile.
const NOWHERE: u32 = u32::MAX;

impl Cells {
    /// Of no events, in so many tiles.
    pub(super) fn new(cells: &[Cell], tiles: usize) -> Self {
        let state = |cell: &Cell| match cell.kind {
            Kind::Count => State::Counts(vec![0; tiles]),
            Kind::Floats { .. } => State::Floats(Sums::new(tiles)),
            Kind::Integers { .. } => State::Integers(vec![0; tiles]),
            Kind::Extreme { .. } => State::Extremes(vec![i64::MIN; tiles]),
        };
        Cells(cells.iter().map(state).collect())
    }

    /// Takes events in: chunks of so many words each.
    pub(super) fn absorb(&mut self, cells: &[Cell], chunks: &[Vec<u64>], words: usize, edges: &Edges, scope: &Scope) {
        let events = || chunks.iter().flat_map(|chunk| chunk.chunks_exact(words));
        // For each event its tile and flags.
        let place = |event: &[u64]| {
            let head = scope.unpack(event);
            (edges.tile(head.key, head.time).unwrap_or(NOWHERE), head.flags as u32)
        };
        let places: Vec<(u32, u32)> = events().map(place).collect();
        let first = scope.words();
        for (cell, state) in cells.iter().zip(&mut self.0) {
            let counts = |tile: u32, flags: u32| tile != NOWHERE && u64::from(flags) & cell.needs == cell.needs;
            let tiles = places.iter().map(|(tile, flags)| counts(*tile, *flags).then_some(*tile as usize));
            let words = |value: usize| events().map(move |event| event[first + value]);
            match (state, cell.kind) {
                (State::Counts(counts), Kind::Count) => tiles.flatten().for_each(|tile| counts[tile] += 1),
                (State::Floats(sums), Kind::Floats { value, squared: false }) => {
                    each(tiles, words(value), |tile, word| sums.add(tile, f64::from_bits(word)));
                }
                (State::Floats(sums), Kind::Floats { value, squared: true }) => {
                    each(tiles, words(value), |tile, word| sums.add_square(tile, f64::from_bits(word)));
                }
                (State::Integers(sums), Kind::Integers { value, unsigned }) => {
                    each(tiles, words(value), |tile, word| sums[tile] += integer(word, unsigned));
                }
                (State::Extremes(best), Kind::Extreme { value, form, greatest }) => {
                    each(tiles, words(value), |tile, word| best[tile] = best[tile].max(ordered(word, form, greatest)));
                }
                _ => debug_assert!(false, "a cell has one kind"),
            }
        }
    }

    /// Turns counts and sums into running totals along each key's tiles.
    pub(super) fn run(&mut self, edges: &Edges) {
        for state in &mut self.0 {
            match state {
                State::Counts(counts) => {
                    for key in edges.by_key() {
                        let counts = &mut counts[key];
                        (1..counts.len()).for_each(|tile| counts[tile] += counts[tile - 1]);
                    }
                }
                State::Integers(sums) => {
                    for key in edges.by_key() {
                        let sums = &mut sums[key];
                        (1..sums.len()).for_each(|tile| sums[tile] += sums[tile - 1]);
                    }
                }
                State::Floats(sums) => edges.by_key().for_each(|key| sums.run(key)),
                State::Extremes(_) => {}
            }
        }
    }

    /// One cell of every tile.
    pub(super) fn state(&self, cell: usize) -> &State {
        &self.0[cell]
    }

    /// Memory held, in bytes.
    pub(super) fn size(&self) -> usize {
        let size = |state: &State| match state {
            State::Counts(counts) => size_of_val(counts.as_slice()),
            State::Floats(sums) => sums.size(),
            State::Integers(sums) => size_of_val(sums.as_slice()),
            State::Extremes(best) => size_of_val(best.as_slice()),
        };
        self.0.iter().map(size).sum()
    }
}

fn each(
    tiles: impl Iterator<Item = Option<usize>>,
    words: impl Iterator<Item = u64>,
    mut give: impl FnMut(usize, u64),
) {
    for (tile, word) in tiles.zip(words) {
        if let Some(tile) = tile {
            give(tile, word);
        }
    }
}

/// The integer that an ordered word stands for.
fn integer(word: u64, unsigned: bool) -> i128 {
    if unsigned { i128::from(word ^ 1 << 63) } else { i128::from(word as i64) }
}

/// A word in the order of which the greatest is wanted.
fn ordered(word: u64, form: Form, greatest: bool) -> i64 {
    let word = match form {
        Form::Float => float_to_word(f64::from_bits(word)),
        Form::Integer => word as i64,
    };
    // The complement turns the order round.
    if greatest { word } else { !word }
}
