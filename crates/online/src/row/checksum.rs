//! The checksum at the end of every row.

const SEED: u64 = 0x6173_6f66_2e72_6f77;
const ODD: u64 = 0x9e6c_63d0_876a_3f35;

/// Over the key and the row's bytes, so that a row is also refused under another key.
///
/// Each step is a bijection of the state for a given word and of the word for a given state: inputs that
/// differ in one word always differ in the 64 bits, and in the 32 that are kept but for one chance in 2³².
pub(crate) fn checksum(key: &[u8], row: &[u8]) -> u32 {
    let mut state = SEED ^ (key.len() as u64).rotate_left(32) ^ row.len() as u64;
    for part in [key, row] {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            state = step(state, u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = step(state, u64::from_le_bytes(last));
    }
    state = step(state ^ (state >> 32), 0);
    (state ^ (state >> 32)) as u32
}

fn step(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(ODD).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_values() {
        let check = |key: &[u8], row: &[u8], expected: u32| assert_eq!(checksum(key, row), expected, "{key:?} {row:?}");
        check(b"", b"", 1_316_108_678);
        check(b"k", b"", 1_732_047_772);
        check(b"", b"k", 422_870_841);
        check(b"a key of some length", b"and a row of some other length", 1_674_653_709);
    }

    #[test]
    fn every_flipped_bit_and_every_lost_byte_shows() {
        let (key, row) = (b"JFK".to_vec(), (0..100u8).collect::<Vec<_>>());
        let whole = checksum(&key, &row);
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&key, &flipped), whole, "bit {bit}");
        }
        for length in 0..row.len() {
            assert_ne!(checksum(&key, &row[..length]), whole, "length {length}");
        }
        assert_ne!(checksum(b"JFL", &row), whole);
        assert_ne!(checksum(&[], &[&key, row.as_slice()].concat()), whole);
    }
}
