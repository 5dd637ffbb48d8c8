//! States as bytes: what tiles keep.
//!
//! # What it promises
//! Equal states have equal bytes, whatever their history, and only the bytes that are written so are read: each
//! state has one form. A state begins with its kind and version and says where it ends, so that states can
//! stand behind one another. Nothing that is read can ask for more memory than its own bytes take, but for
//! the span of a sum, which is bounded.
//!
//! # The form
//! Counts are base-128 varints, lowest group first; signed ones are zigzag. A **number** is how many bytes it has, the
//! power of 256 that the first of them counts, and the bytes: two's complement, lowest first, none at either end
//! that could be left out. Zero has no bytes and no power.
//!
//! - **Integer**: `0x11` and a number.
//! - **Sum**: `0x21` and a number with twice its count of bytes. If that is odd, not all values were finite, and
//!   signed counts of NaN, ∞ and -∞ follow.
//! - **Sketch**: `0x31` and the count of bins. Unless that is none, the least and the greatest value follow, as
//!   little-endian bits; then for each bin how far its key is above the last (for the first the key, signed), and
//!   its count.
//! - **Registers**: `0x41` and the count of those that are touched; for each how far its number is above the last (for the
//!   first the number), and a byte with its value.

use super::bins::{Bin, Key, ordered};
use super::number::Number;
use super::sums::Infinite;

const INTEGER: u8 = 0x11;
const SUM: u8 = 0x21;
const SKETCH: u8 = 0x31;
const REGISTERS: u8 = 0x41;

/// Powers of 256 in which a number may have bytes, on either side of the point. Squares of floats need some 270; the
/// rest is room for sums.
const SPAN: i64 = 512;

/// Why bytes are not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Of another kind, or from another time.
    #[error("the state of an aggregate is of kind and version {0:#04x}, which is not what is read here")]
    OtherVersion(u8),
    /// Not what was written.
    #[error("the state of an aggregate is not what was written: {0}")]
    Damaged(&'static str),
}

impl From<Error> for asof_model::Error {
    fn from(error: Error) -> Self {
        asof_model::Error::new(asof_model::ErrorKind::Corrupt, "corrupt_state", error.to_string())
            .remedy("materialize the view again")
    }
}

pub(super) fn write_integer(number: &Number, out: &mut Vec<u8>) {
    out.push(INTEGER);
    write_number(number, None, out);
}

pub(super) fn read_integer(bytes: &mut &[u8]) -> Result<Number<'static>, Error> {
    let mut rest = *bytes;
    read_kind(INTEGER, &mut rest)?;
    let len = read_count(&mut rest)?;
    let number = read_number(len, &mut rest)?;
    if number.low() < 0 {
        return Err(Error::Damaged("a whole number has a fraction"));
    }
    *bytes = rest;
    Ok(number)
}

pub(super) fn write_sum(finite: &Number, infinite: Infinite, out: &mut Vec<u8>) {
    out.push(SUM);
    let counts = [infinite.nan, infinite.positive, infinite.negative];
    let any = infinite != Infinite::default();
    write_number(finite, Some(any), out);
    if any {
        counts.into_iter().for_each(|count| write_count(zigzag(count), out));
    }
}

pub(super) fn read_sum(bytes: &mut &[u8]) -> Result<(Number<'static>, Infinite), Error> {
    let mut rest = *bytes;
    read_kind(SUM, &mut rest)?;
    let head = read_count(&mut rest)?;
    let finite = read_number(head >> 1, &mut rest)?;
    let mut infinite = Infinite::default();
    if head & 1 == 1 {
        for count in [&mut infinite.nan, &mut infinite.positive, &mut infinite.negative] {
            *count = unzigzag(read_count(&mut rest)?);
        }
        if infinite == Infinite::default() {
            return Err(Error::Damaged("it counts nothing"));
        }
    }
    *bytes = rest;
    Ok((finite, infinite))
}

/// Bins by ascending key.
pub(super) fn write_sketch(bins: &[Bin], least: f64, most: f64, out: &mut Vec<u8>) {
    out.push(SKETCH);
    write_count(bins.len() as u64, out);
    if bins.is_empty() {
        return;
    }
    out.extend_from_slice(&least.to_le_bytes());
    out.extend_from_slice(&most.to_le_bytes());
    let mut last = None;
    for bin in bins {
        let key = bin.key().number();
        write_count(last.map_or_else(|| zigzag(key), |last: i64| (key - last) as u64), out);
        write_count(bin.count(), out);
        last = Some(key);
    }
}

/// The bins by ascending key, with the least and the greatest value; none if there are none.
pub(super) fn read_sketch(bytes: &mut &[u8]) -> Result<Option<(Vec<Bin>, f64, f64)>, Error> {
    let mut rest = *bytes;
    read_kind(SKETCH, &mut rest)?;
    let len = read_count(&mut rest)?;
    let sketch = if len == 0 { None } else { Some(read_bins(len, &mut rest)?) };
    *bytes = rest;
    Ok(sketch)
}

fn read_bins(len: u64, bytes: &mut &[u8]) -> Result<(Vec<Bin>, f64, f64), Error> {
    let (least, most) = (f64::from_le_bytes(read_array(bytes)?), f64::from_le_bytes(read_array(bytes)?));
    let mut bins: Vec<Bin> = Vec::new(); // it grows with the bytes that are there, not with those that are claimed
    for _ in 0..len {
        let step = read_count(bytes)?;
        let number = match bins.last() {
            None => Some(unzigzag(step)),
            Some(last) if step > 0 => i64::try_from(step).ok().and_then(|step| last.key().number().checked_add(step)),
            Some(_) => None,
        };
        let key = number.and_then(Key::from_number).ok_or(Error::Damaged("there is no such bin"))?;
        let count = read_count(bytes)?;
        if count == 0 || count > Bin::MOST {
            return Err(Error::Damaged("a bin counts nothing, or too much"));
        }
        bins.push(Bin::new(key, count));
    }
    let fits = |value: f64, bin: Option<&Bin>| {
        value.to_bits() == ordered(value).to_bits() && bin.is_some_and(|bin| bin.key() == Key::of(value))
    };
    // One value is both the least and the greatest.
    let single = matches!(bins.as_slice(), [bin] if bin.count() == 1);
    let order = least.total_cmp(&most);
    if !fits(least, bins.first()) || !fits(most, bins.last()) || order.is_gt() || single && order.is_ne() {
        return Err(Error::Damaged("its least and greatest value are not in its bins"));
    }
    Ok((bins, least, most))
}

/// Registers by ascending number.
pub(super) fn write_registers(registers: &[(u16, u8)], out: &mut Vec<u8>) {
    out.push(REGISTERS);
    write_count(registers.len() as u64, out);
    let mut last = 0;
    for (number, value) in registers {
        write_count(u64::from(number - last), out);
        out.push(*value);
        last = *number;
    }
}

/// Registers by ascending number, all of which fit.
pub(super) fn read_registers(bytes: &mut &[u8], fits: impl Fn(u64, u8) -> bool) -> Result<Vec<(u16, u8)>, Error> {
    let mut rest = *bytes;
    read_kind(REGISTERS, &mut rest)?;
    let len = read_count(&mut rest)?;
    let mut registers: Vec<(u16, u8)> = Vec::new();
    for _ in 0..len {
        let step = read_count(&mut rest)?;
        let number = match registers.last() {
            None => Some(step),
            Some((last, _)) if step > 0 => step.checked_add(u64::from(*last)),
            Some(_) => None,
        };
        let value = *rest.split_off_first().ok_or(ENDS)?;
        let number = number.filter(|number| fits(*number, value)).and_then(|number| u16::try_from(number).ok());
        registers.push((number.ok_or(Error::Damaged("there is no such register"))?, value));
    }
    *bytes = rest;
    Ok(registers)
}

/// A number that is trim. With a flag, the count of its bytes carries that.
fn write_number(number: &Number, flag: Option<bool>, out: &mut Vec<u8>) {
    let bytes: Vec<u8> = number.words().iter().flat_map(|word| word.to_le_bytes()).collect();
    let sign = if number.is_negative() { u8::MAX } else { 0 };
    let below = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut bytes = &bytes[below..];
    while let [kept @ .., top] = bytes
        && *top == sign
        && kept.last().map_or(sign == 0, |next| (next >> 7 == 1) == (sign != 0))
    {
        bytes = kept;
    }
    let len = bytes.len() as u64;
    write_count(flag.map_or(len, |flag| len << 1 | u64::from(flag)), out);
    if !bytes.is_empty() {
        write_count(zigzag(8 * i64::from(number.low()) + below as i64), out);
        out.extend_from_slice(bytes);
    }
}

fn read_number(len: u64, bytes: &mut &[u8]) -> Result<Number<'static>, Error> {
    if len == 0 {
        return Ok(Number::default());
    }
    let low = unzigzag(read_count(bytes)?);
    let high = i64::try_from(len).ok().and_then(|len| low.checked_add(len));
    if low < -SPAN || high.is_none_or(|high| high > SPAN) {
        return Err(Error::Damaged("a number is too large or too fine"));
    }
    let digits = bytes.split_off(..len as usize).ok_or(ENDS)?;
    let (first, top) = (digits[0], digits[digits.len() - 1]);
    let sign = if top >> 7 == 1 { u8::MAX } else { 0 };
    let spare = top == sign && digits.iter().rev().nth(1).is_some_and(|next| next >> 7 == sign >> 7);
    if first == 0 || spare {
        return Err(Error::Damaged("a number has a byte too many"));
    }
    let place = low.div_euclid(8);
    let mut padded = vec![0; low.rem_euclid(8) as usize];
    padded.extend_from_slice(digits);
    padded.resize(padded.len().next_multiple_of(8), sign);
    let words = padded.chunks_exact(8).map(|word| word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    Ok(Number::new(place as i32, words.collect()))
}

const ENDS: Error = Error::Damaged("it ends too early");

pub(super) fn read_kind(kind: u8, bytes: &mut &[u8]) -> Result<(), Error> {
    match bytes.split_off_first() {
        Some(first) if *first == kind => Ok(()),
        Some(first) => Err(Error::OtherVersion(*first)),
        None => Err(ENDS),
    }
}

pub(super) fn read_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Error> {
    let (array, rest) = bytes.split_first_chunk().ok_or(ENDS)?;
    *bytes = rest;
    Ok(*array)
}

pub(super) fn write_count(mut count: u64, out: &mut Vec<u8>) {
    while count >> 7 != 0 {
        out.push(count as u8 | 0x80);
        count >>= 7;
    }
    out.push(count as u8);
}

pub(super) fn read_count(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut count = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first().ok_or(ENDS)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits || byte == 0 && shift > 0 {
            break;
        }
        count |= bits << shift;
        if byte >> 7 == 0 {
            return Ok(count);
        }
    }
    Err(Error::Damaged("a count is not written as counts are"))
}

pub(super) fn zigzag(count: i64) -> u64 {
    (count << 1 ^ count >> 63) as u64
}

pub(super) fn unzigzag(count: u64) -> i64 {
    (count >> 1) as i64 ^ -((count & 1) as i64)
}
