//! The states of some tiles: an array for each cell, so that a few thousand events and tiles are gone through in the cache.

use super::super::state::float_to_word;
use super::asked::{Cell, Form, Kind};
use super::edges::Edges;
use super::scope::Scope;
use asof_exact::{Bulk, Sums};

/// The states of the tiles of one range of keys.
#[derive(Debug)]
pub(super) struct Cells(Vec<State>);

/// One cell of every tile.
#[derive(Debug)]
pub(super) enum State {
    Counts(Vec<u64>),
    Floats(Bulk),
    Squares(Sums),
    /// No sum of fewer than 2^63 words is longer.
    Integers(Vec<i128>),
    /// Nothing is the least; what was counted says whether there is anything.
    Extremes(Vec<i64>),
}

impl Cells {
    /// Of no events, in so many tiles. There is one more behind them, for what is in none.
    pub(super) fn new(cells: &[Cell], tiles: usize) -> Self {
        let tiles = tiles + 1;
        let state = |cell: &Cell| match cell.kind {
            Kind::Count => State::Counts(vec![0; tiles]),
            Kind::Floats { squared: false, .. } => State::Floats(Bulk::new(tiles)),
            Kind::Floats { squared: true, .. } => State::Squares(Sums::new(tiles)),
            Kind::Integers { .. } => State::Integers(vec![0; tiles]),
            Kind::Extreme { .. } => State::Extremes(vec![i64::MIN; tiles]),
        };
        Cells(cells.iter().map(state).collect())
    }

    /// Takes events in: chunks of so many words each.
    pub(super) fn absorb(&mut self, cells: &[Cell], chunks: &[Vec<u64>], words: usize, edges: &Edges, scope: &Scope) {
        let count = chunks.iter().map(Vec::len).sum::<usize>() / words;
        let first = scope.words();
        // The columns of all chunks: tiles, flags, and the words of each value.
        let (mut tiles, mut flags) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut values: Vec<Vec<u64>> = (first..words).map(|_| Vec::with_capacity(count)).collect();
        for chunk in chunks {
            for event in chunk.chunks_exact(words) {
                let head = scope.unpack(event);
                tiles.push(edges.tile(head.key, head.time).unwrap_or(edges.tiles() as u32));
                flags.push(head.flags as u16);
            }
            for (value, column) in values.iter_mut().enumerate() {
                column.extend(chunk.chunks_exact(words).map(|event| event[first + value]));
            }
        }
        let all = flags.iter().fold(u16::MAX, |all, flags| all & flags);
        for (cell, state) in cells.iter().zip(&mut self.0) {
            if u64::from(all) & cell.needs == cell.needs {
                state.absorb(cell.kind, &tiles, &values);
                continue;
            }
            // What does not count is in no tile.
            let none = edges.tiles() as u32;
            let counts = |flags: u16| u64::from(flags) & cell.needs == cell.needs;
            let some = tiles.iter().zip(&flags).map(|(tile, flags)| if counts(*flags) { *tile } else { none });
            state.absorb(cell.kind, &some.collect::<Vec<_>>(), &values);
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
                State::Squares(sums) => edges.by_key().for_each(|key| sums.run(key)),
                State::Extremes(_) => {}
            }
        }
    }

    /// One cell of every tile.
    pub(super) fn state(&self, cell: usize) -> &State {
        &self.0[cell]
    }
}

impl State {
    /// Takes events in: for each its tile, and its word in each column of values.
    fn absorb(&mut self, kind: Kind, tiles: &[u32], values: &[Vec<u64>]) {
        let places = tiles.iter().map(|tile| *tile as usize);
        let words = |value: usize| values[value].iter().copied();
        match (self, kind) {
            (State::Counts(counts), Kind::Count) => places.for_each(|tile| counts[tile] += 1),
            (State::Floats(sums), Kind::Floats { value, .. }) => {
                sums.add_all(places.zip(words(value).map(f64::from_bits)));
            }
            (State::Squares(sums), Kind::Floats { value, .. }) => {
                places.zip(words(value)).for_each(|(tile, word)| sums.add_square(tile, f64::from_bits(word)));
            }
            (State::Integers(sums), Kind::Integers { value, unsigned }) => {
                places.zip(words(value)).for_each(|(tile, word)| sums[tile] += integer(word, unsigned));
            }
            (State::Extremes(best), Kind::Extreme { value, form, greatest }) => {
                for (tile, word) in places.zip(words(value)) {
                    best[tile] = best[tile].max(ordered(word, form, greatest));
                }
            }
            _ => debug_assert!(false, "a cell has one kind"),
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
