//! The states of a tile, as bytes and in memory.

use std::collections::BTreeMap;

use asof_exact::{Integers, Registers, Sketches, Sums};

use super::packed::{Different, LastRows, Packed, better, value, write_value, write_values};
use super::{CellColumn, VERSION};
use crate::row::{CHECKSUM, checksum};

/// What bytes of a cell begin with.
const COUNT: u8 = 1;
const SUM: u8 = 2;
const INTEGERS: u8 = 3;
const GREATEST: u8 = 4;
const LEAST: u8 = 5;
/// A state of no events that has no other form, or one that this tile does not have.
const NOTHING: u8 = 6;
const SKETCH: u8 = 7;
const REGISTERS: u8 = 8;
const GREATEST_VALUE: u8 = 9;
const LEAST_VALUE: u8 = 10;
const LAST_ROWS: u8 = 11;
const DIFFERENT: u8 = 12;
const TOO_MANY_DIFFERENT: u8 = 13;
const ALL_BITS: u8 = 14;
const ANY_BITS: u8 = 15;
const ODD_BITS: u8 = 16;

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
    Sketch(Sketches),
    Registers(Registers),
    /// The same of a value in bytes.
    Value(bool, Packed),
    LastRows(LastRows),
    Different(Different),
    Bits(Bits, i64),
    Nothing,
}

/// Which bits of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bits {
    All,
    Any,
    Odd,
}

impl Bits {
    fn of(kind: u8) -> Self {
        match kind {
            ALL_BITS => Bits::All,
            ANY_BITS => Bits::Any,
            _ => Bits::Odd,
        }
    }

    fn merge(self, one: i64, other: i64) -> i64 {
        match self {
            Bits::All => one & other,
            Bits::Any => one | other,
            Bits::Odd => one ^ other,
        }
    }
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
            SKETCH => {
                let mut sketch = Sketches::new(1);
                sketch.decode(0, bytes).map_err(damaged)?;
                State::Sketch(sketch)
            }
            REGISTERS => {
                let mut registers = Registers::new(1);
                registers.decode(0, bytes).map_err(damaged)?;
                State::Registers(registers)
            }
            GREATEST_VALUE | LEAST_VALUE => State::Value(kind == GREATEST_VALUE, value(bytes)?.into()),
            LAST_ROWS => State::LastRows(LastRows::read(bytes)?),
            DIFFERENT => State::Different(Different::read(bytes)?),
            TOO_MANY_DIFFERENT => State::Different(Different::TOO_MANY),
            ALL_BITS | ANY_BITS | ODD_BITS => State::Bits(Bits::of(kind), i64::from_le_bytes(word(bytes)?)),
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
            State::Sketch(sketch) => {
                out.push(SKETCH);
                sketch.encode(0, out);
            }
            State::Registers(registers) => {
                out.push(REGISTERS);
                registers.encode(0, out);
            }
            State::Value(greatest, value) => {
                out.push(if *greatest { GREATEST_VALUE } else { LEAST_VALUE });
                write_value(value, out);
            }
            State::LastRows(rows) => {
                out.push(LAST_ROWS);
                rows.write(out);
            }
            State::Different(different) => match &different.values {
                Some(values) => {
                    out.push(DIFFERENT);
                    write_values(values, out);
                }
                None => out.push(TOO_MANY_DIFFERENT),
            },
            State::Bits(of, value) => {
                out.push(match of {
                    Bits::All => ALL_BITS,
                    Bits::Any => ANY_BITS,
                    Bits::Odd => ODD_BITS,
                });
                out.extend_from_slice(&value.to_le_bytes());
            }
            State::Nothing => out.push(NOTHING),
        }
    }

    pub(super) fn absorb(&mut self, other: State) -> Result<(), &'static str> {
        match (&mut *self, other) {
            (State::Count(count), State::Count(more)) => *count = count.wrapping_add(more),
            (State::Sum(sum), State::Sum(more)) => sum.absorb(&more),
            (State::Integers(sum), State::Integers(more)) => sum.absorb(&more),
            (State::Extreme(true, value), State::Extreme(true, more)) => *value = more.max(*value),
            (State::Extreme(false, value), State::Extreme(false, more)) => *value = more.min(*value),
            (State::Sketch(sketch), State::Sketch(more)) => sketch.absorb(&more),
            (State::Registers(registers), State::Registers(more)) => registers.absorb(&more),
            (State::Value(greatest, value), State::Value(more_greatest, more)) if *greatest == more_greatest => {
                *value = better(*greatest, std::mem::take(value), more);
            }
            (State::LastRows(rows), State::LastRows(more)) => rows.absorb(more)?,
            (State::Different(values), State::Different(more)) => values.absorb(more),
            (State::Bits(of, value), State::Bits(more_of, more)) if *of == more_of => *value = of.merge(*value, more),
            (_, State::Nothing) => {}
            (State::Nothing, more) => *self = more,
            _ => return Err("tiles of one key have states of different kinds"),
        }
        Ok(())
    }

    /// Adds what bytes hold to one group of a column of results.
    pub(super) fn skim(bytes: &mut &[u8], into: &mut CellColumn, group: usize) -> Result<(), &'static str> {
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
            (NOTHING, CellColumn::Counts(_) | CellColumn::Sums(_) | CellColumn::Integers(_)) => {
                return Err("a state has no form of its own");
            }
            (NOTHING, _) => {}
            (ALL_BITS | ANY_BITS | ODD_BITS, CellColumn::Bits(values)) => {
                let value = i64::from_le_bytes(word(bytes)?);
                values[group] = Some(values[group].map_or(value, |known| Bits::of(kind).merge(known, value)));
            }
            (SKETCH, CellColumn::Sketches(sketches)) => sketches.decode(group, bytes).map_err(damaged)?,
            (REGISTERS, CellColumn::Registers(registers)) => registers.decode(group, bytes).map_err(damaged)?,
            (GREATEST_VALUE | LEAST_VALUE, CellColumn::Values(values)) => {
                let (held, more) = (&mut values.held[group], Packed::from(value(bytes)?));
                *held = Some(match held.take() {
                    None => more,
                    Some(held) => better(kind == GREATEST_VALUE, held, more),
                });
            }
            (LAST_ROWS, CellColumn::LastRows(rows)) => rows[group].absorb(LastRows::read(bytes)?)?,
            (DIFFERENT, CellColumn::Different(values)) => values[group].unite(Different::read(bytes)?),
            (TOO_MANY_DIFFERENT, CellColumn::Different(values)) => values[group].unite(Different::TOO_MANY),
            _ => return Err("a state is of another kind than its view says"),
        }
        Ok(())
    }
}

pub(super) fn word<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (word, rest) = bytes.split_first_chunk().ok_or("a tile ends early")?;
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
