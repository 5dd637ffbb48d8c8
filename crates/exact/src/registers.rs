//! About how many different values: HyperLogLog (Flajolet et al. 2007) with the estimator of Ertl 2017, which needs no
//! correction for small counts.
//!
//! 4,096 registers: a standard error of 1.6 %. A register holds a maximum, so neither order nor merging matters. The
//! hash is fixed here: a version's values must not change with an upgrade of anything, nor what stored states merge with.

use super::bytes::{self, Error};

/// How many bits of a hash choose the register.
const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// The greatest value of a register: one more than the bits left can have leading zeros.
const GREATEST: usize = (64 - BITS + 1) as usize;

/// The registers of one group each: those that are touched, by ascending number.
///
/// A group takes 24 bytes, and 4 for each register that its values touch: at most 16 KiB.
#[derive(Clone, Debug)]
pub struct Registers(Vec<Vec<(u16, u8)>>);

impl Registers {
    /// Of no values.
    pub fn new(groups: usize) -> Self {
        Registers(vec![Vec::new(); groups])
    }

    /// Adds a value by its [`hash`].
    pub fn add(&mut self, group: usize, hash: u64) {
        let (number, value) = register(hash);
        self.offer(group, number, value);
    }

    fn offer(&mut self, group: usize, number: u16, value: u8) {
        let held = &mut self.0[group];
        match held.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => held[at].1 = value.max(held[at].1),
            Err(at) => held.insert(at, (number, value)),
        }
    }

    /// Adds the values of others, group by group. There are as many.
    pub fn absorb(&mut self, other: &Self) {
        for (group, more) in other.0.iter().enumerate() {
            self.absorb_one(group, more.clone());
        }
    }

    fn absorb_one(&mut self, group: usize, more: Vec<(u16, u8)>) {
        if self.0[group].is_empty() {
            self.0[group] = more;
        } else {
            more.into_iter().for_each(|(number, value)| self.offer(group, number, value));
        }
    }

    /// About how many different values a group has.
    pub fn count(&self, group: usize) -> u64 {
        let mut estimate = Estimate::new();
        self.0[group].iter().for_each(|(number, value)| estimate.set(*number, *value));
        estimate.count()
    }

    /// Appends the state of a group, which says where it ends. Equal values have equal bytes.
    pub fn encode(&self, group: usize, out: &mut Vec<u8>) {
        bytes::write_registers(&self.0[group], out);
    }

    /// Reads a state from the start of `bytes`, which move on behind it, and adds it to a group.
    ///
    /// # Errors
    /// [`Error`], and the group is as it was.
    pub fn decode(&mut self, group: usize, bytes: &mut &[u8]) -> Result<(), Error> {
        let fits = |number: u64, value: u8| number < REGISTERS as u64 && (1..=GREATEST).contains(&usize::from(value));
        let more = bytes::read_registers(bytes, fits)?;
        self.absorb_one(group, more);
        Ok(())
    }
}

/// Which register a hash belongs to, and its value: the leading zeros of the rest, and one.
pub fn register(hash: u64) -> (u16, u8) {
    let register = hash >> (64 - BITS);
    let rest = hash << BITS | 1 << (BITS - 1);
    (register as u16, (rest.leading_zeros() + 1) as u8)
}

/// FNV-1a over the bytes, then a finalizer that lets each bit bear on each other one (MurmurHash3's).
pub fn hash(bytes: &[u8]) -> u64 {
    let fold = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let mix = |h: u64, by: u64| (h ^ (h >> 33)).wrapping_mul(by);
    let mixed = mix(mix(fold, 0xff51_afd7_ed55_8ccd), 0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// All registers of one group, with a count of each value.
#[derive(Clone, Debug)]
pub struct Estimate {
    registers: Vec<u8>,
    counts: [u32; GREATEST + 1],
}

impl Estimate {
    /// Of no values.
    #[expect(clippy::new_without_default, reason = "all here begin with `new`")]
    pub fn new() -> Self {
        let mut counts = [0; GREATEST + 1];
        counts[0] = REGISTERS as u32;
        Estimate { registers: vec![0; REGISTERS], counts }
    }

    /// What a register holds, 0 if it is untouched.
    pub fn get(&self, register: u16) -> u8 {
        self.registers[register as usize]
    }

    /// Sets a register, to a greater value or back to a lesser one.
    pub fn set(&mut self, register: u16, value: u8) {
        let old = std::mem::replace(&mut self.registers[register as usize], value);
        self.counts[old as usize] -= 1;
        self.counts[value as usize] += 1;
    }

    /// Only sums, products and roots of a few counts in a fixed order: the same bits everywhere.
    pub fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let share = |value: usize| f64::from(self.counts[value]) / m;
        if self.counts[0] == REGISTERS as u32 {
            return 0;
        }
        let mut z = m * tau(1.0 - share(GREATEST));
        for value in (1..GREATEST).rev() {
            z = 0.5 * (z + f64::from(self.counts[value]));
        }
        z += m * sigma(share(0));
        let alpha = 0.5 / std::f64::consts::LN_2;
        (alpha * m * m / z).round() as u64
    }
}

/// The share of registers that are untouched, summed over all finer counts.
fn sigma(share: f64) -> f64 {
    let (mut x, mut y, mut z) = (share, 1.0, share);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// The same for registers at their greatest value.
fn tau(share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (share, 1.0, 1.0 - share);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
