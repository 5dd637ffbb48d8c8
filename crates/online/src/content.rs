//! The witness of what was published.

use asof_model::Digest;
use asof_model::digest::Hasher;

use crate::stamp;
use crate::tiles::Tile;

/// A digest over keys and rows that depends on no order: the SHA-256 of each row, added up modulo 2²⁵⁶, and
/// their count.
///
/// Rows may so be counted in the order they arrive, by several threads, or again from the offline tables
/// by somebody who does not sort them. It guards against damage and defects. It is no proof against an
/// adversary who chooses rows, for whom sums can be made to collide.
///
/// Costs one short SHA-256 per row (0.1–0.2 µs with hardware support) and no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    rows: u64,
    sum: [u64; 4],
    last_seq: i64,
}

impl Content {
    /// Counts one row in: its encoded key (without a store's own prefix) and its encoded row.
    pub fn add(&mut self, key: &[u8], row: &[u8]) {
        let mut hasher = Hasher::new("asof.online.row.v1");
        hasher.part(key).part(row);
        let digest = hasher.finish();
        let (words, _) = digest.as_bytes().as_chunks::<8>();
        self.add_up(words.iter().map(|word| u64::from_le_bytes(*word)));
        match Tile::last_seq(row) {
            // A tile is no row of its own, but it counts for what was written.
            Some(last_seq) => self.last_seq = self.last_seq.max(last_seq),
            None => {
                self.rows += 1;
                self.last_seq = self.last_seq.max(stamp(row).map_or(0, |stamp| stamp.seq));
            }
        }
    }

    /// Counts in what another one counted.
    pub fn absorb(&mut self, other: &Content) {
        self.add_up(other.sum.iter().copied());
        self.rows += other.rows;
        self.last_seq = self.last_seq.max(other.last_seq);
    }

    fn add_up(&mut self, addend: impl Iterator<Item = u64>) {
        let mut carry = false;
        for (limb, addend) in self.sum.iter_mut().zip(addend) {
            let (sum, first) = limb.overflowing_add(addend);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    /// How many rows were counted in.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The last order of acceptance among them.
    pub fn last_seq(&self) -> i64 {
        self.last_seq
    }

    /// The digest of all rows so far.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("asof.online.content.v1");
        hasher.part(&self.rows.to_le_bytes());
        self.sum.iter().for_each(|limb| {
            hasher.part(&limb.to_le_bytes());
        });
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[(&str, &str)]) -> Digest {
        let mut content = Content::default();
        rows.iter().for_each(|(key, row)| content.add(key.as_bytes(), row.as_bytes()));
        content.digest()
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let rows = [("a", "1"), ("b", "2"), ("c", "3")];
        let mut turned = rows;
        turned.rotate_left(1);
        assert_eq!(of(&rows), of(&turned));
        let mut halves = [Content::default(), Content::default()];
        rows.iter().enumerate().for_each(|(n, (key, row))| halves[n % 2].add(key.as_bytes(), row.as_bytes()));
        let [mut all, half] = halves;
        all.absorb(&half);
        assert_eq!(all.digest(), of(&rows));
        for other in [&rows[..2], &[("a", "1"), ("b", "3"), ("c", "2")], &[("a", "1"), ("b", "2"), ("c3", "")]] {
            assert_ne!(of(&rows), of(other));
        }
        assert_ne!(of(&[]), of(&[("", "")]));
    }

    #[test]
    fn carries_run_through_all_limbs() {
        let mut content = Content { sum: [u64::MAX; 4], ..Content::default() };
        content.add(b"k", b"r");
        let mut plain = Content::default();
        plain.add(b"k", b"r");
        // 2²⁵⁶ − 1 is −1: the sum is one less than the row's own digest.
        let mut borrow = true;
        for limb in &mut plain.sum {
            (*limb, borrow) = if borrow { limb.overflowing_sub(1) } else { (*limb, false) };
        }
        assert_eq!(content.sum, plain.sum);
    }
}
