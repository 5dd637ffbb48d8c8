//! The states of a tile, as bytes and in memory.

use std::collections::BTreeMap;

use asof_exact::{Integers, Sums};

use super::VERSION;
use crate::row::{CHECKSUM, checksum};

/// What bytes of a cell begin with.
const COUNT: u8 = 1;
const SUM: u8 = 2;
const INTEGERS: u8 = 3;
const GREATEST: u8 = 4;
const LEAST: u8 = 5;
/// An extreme of nothing.
const NOTHING: u8 = 6;

/// Where the states begin.
const HEAD: usize = 17;

/// One state, of some events.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Count(u64),
    Sum(Sums),
    Integers(Integers),
    /// Whether the greatest, and it.
    Extreme(bool, i64),
    Nothing,
}

/// A tile: the states of some events.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) latest: i64,
    pub(crate) last_seq: i64,
    pub(crate) states: Vec<State>,
}

impl Tile {
    /// The latest order of acceptance in encoded bytes, without looking at anything else; none where they are no tile.
    pub(crate) fn last_seq(bytes: &[u8]) -> Option<i64> {
        let (head, words) = bytes.get(..HEAD)?.split_first()?;
        let [_, last_seq] = *words.as_chunks::<8>().0 else { return None };
        (*head == VERSION).then_some(i64::from_le_bytes(last_seq))
    }

    /// Of bytes that were written under this key (without a slot).
    pub(crate) fn read(key: &[u8], bytes: &[u8]) -> Result<Self, &'static str> {
        let (latest, last_seq, mut rest) = open(key, bytes)?;
        let mut states = Vec::new();
        while !rest.is_empty() {
            states.push(State::read(&mut rest)?);
        }
        Ok(Tile { latest, last_seq, states })
    }

    /// Writes it behind what `out` holds.
    pub(crate) fn write(&self, key: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.push(VERSION);
        out.extend_from_slice(&self.latest.to_le_bytes());
        out.extend_from_slice(&self.last_seq.to_le_bytes());
        self.states.iter().for_each(|state| state.write(out));
        let sum = checksum(key, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }

    /// Takes in a tile of the same key.
    pub(crate) fn absorb(&mut self, other: Tile) -> Result<(), &'static str> {
        self.latest = self.latest.max(other.latest);
        self.last_seq = self.last_seq.max(other.last_seq);
        if self.states.len() != other.states.len() {
            return Err("tiles of one key have different states");
        }
        self.states.iter_mut().zip(other.states).try_for_each(|(state, more)| state.absorb(more))
    }
}

/// The latest event time, the last order of acceptance and the states of bytes that were written under this key.
pub(super) fn open<'a>(key: &[u8], bytes: &'a [u8]) -> Result<(i64, i64, &'a [u8]), &'static str> {
    let (tile, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or("a tile is too short")?;
    if checksum(key, tile) != u32::from_le_bytes(*sum) {
        return Err("the checksum of a tile is wrong");
    }
    open_checked(bytes)
}

/// The same of bytes whose checksum is known to be right.
pub(super) fn open_checked(bytes: &[u8]) -> Result<(i64, i64, &[u8]), &'static str> {
    let (tile, _) = bytes.split_last_chunk::<CHECKSUM>().ok_or("a tile is too short")?;
    let (head, states) = tile.split_at_checked(HEAD).ok_or("a tile is too short")?;
    let (words, _) = head[1..].as_chunks::<8>();
    match (head[0], words) {
        (VERSION, [latest, last_seq]) => Ok((i64::from_le_bytes(*latest), i64::from_le_bytes(*last_seq), states)),
        _ => Err("a tile is of another version"),
    }
}

impl State {
    fn read(bytes: &mut &[u8]) -> Result<Self, &'static str> {
        let damaged = |_| "a state is not what was written";
        let kind = *bytes.split_off_first().ok_or("a tile ends early")?;
        Ok(match kind {
            COUNT => State::Count(u64::from_le_bytes(word(bytes)?)),
            SUM => {
                let mut sum = Sums::new(1);
                sum.decode(0, bytes).map_err(damaged)?;
                State::Sum(sum)
            }
            INTEGERS => {
                let mut sum = Integers::new(1);
                sum.decode(0, bytes).map_err(damaged)?;
                State::Integers(sum)
            }
            GREATEST | LEAST => State::Extreme(kind == GREATEST, i64::from_le_bytes(word(bytes)?)),
            NOTHING => State::Nothing,
            _ => return Err("a state is of an unknown kind"),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            State::Count(count) => {
                out.push(COUNT);
                out.extend_from_slice(&count.to_le_bytes());
            }
            State::Sum(sum) => {
                out.push(SUM);
                sum.encode(0, out);
            }
            State::Integers(sum) => {
                out.push(INTEGERS);
                sum.encode(0, out);
            }
            State::Extreme(greatest, value) => {
                out.push(if *greatest { GREATEST } else { LEAST });
                out.extend_from_slice(&value.to_le_bytes());
            }
            State::Nothing => out.push(NOTHING),
        }
    }

    fn absorb(&mut self, other: State) -> Result<(), &'static str> {
        match (&mut *self, other) {
            (State::Count(count), State::Count(more)) => *count = count.wrapping_add(more),
            (State::Sum(sum), State::Sum(more)) => sum.absorb(&more),
            (State::Integers(sum), State::Integers(more)) => sum.absorb(&more),
            (State::Extreme(true, value), State::Extreme(true, more)) => *value = more.max(*value),
            (State::Extreme(false, value), State::Extreme(false, more)) => *value = more.min(*value),
            (State::Extreme(..) | State::Nothing, State::Nothing) => {}
            (State::Nothing, more @ State::Extreme(..)) => *self = more,
            _ => return Err("tiles of one key have states of different kinds"),
        }
        Ok(())
    }

    /// Adds what bytes hold to one group of a column of results.
    pub(super) fn skim(bytes: &mut &[u8], into: &mut super::CellColumn, group: usize) -> Result<(), &'static str> {
        use super::CellColumn;
        let damaged = |_| "a state is not what was written";
        let kind = *bytes.split_off_first().ok_or("a tile ends early")?;
        match (kind, into) {
            (COUNT, CellColumn::Counts(counts)) => {
                counts[group] = counts[group].wrapping_add(u64::from_le_bytes(word(bytes)?));
            }
            (SUM, CellColumn::Sums(sums)) => sums.decode(group, bytes).map_err(damaged)?,
            (INTEGERS, CellColumn::Integers(sums)) => sums.decode(group, bytes).map_err(damaged)?,
            (GREATEST, CellColumn::Extremes(values)) => {
                let value = i64::from_le_bytes(word(bytes)?);
                values[group] = Some(values[group].map_or(value, |known| known.max(value)));
            }
            (LEAST, CellColumn::Extremes(values)) => {
                let value = i64::from_le_bytes(word(bytes)?);
                values[group] = Some(values[group].map_or(value, |known| known.min(value)));
            }
            (NOTHING, CellColumn::Extremes(_)) => {}
            _ => return Err("a state is of another kind than its view says"),
        }
        Ok(())
    }
}

fn word(bytes: &mut &[u8]) -> Result<[u8; 8], &'static str> {
    let (word, rest) = bytes.split_first_chunk::<8>().ok_or("a tile ends early")?;
    *bytes = rest;
    Ok(*word)
}

/// All tiles of one key as one.
///
/// # Errors
/// What is wrong with one of them.
pub(crate) fn merge<'a>(key: &[u8], tiles: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, &'static str> {
    let mut all: Option<Tile> = None;
    for bytes in tiles {
        let tile = Tile::read(key, bytes)?;
        match &mut all {
            Some(all) => all.absorb(tile)?,
            None => all = Some(tile),
        }
    }
    let mut out = Vec::new();
    all.ok_or("no tile was merged")?.write(key, &mut out);
    Ok(out)
}

/// Tiles on their way in: many events, few of them of one key.
pub(crate) type Gathered = BTreeMap<Vec<u8>, Tile>;
