//! Integers as 64-bit words in two's complement, the lowest first. The empty slice is zero.

/// What continues an integer above its highest word: all bits of it are its sign.
#[inline]
pub(super) fn sign(words: &[u64]) -> u64 {
    words.last().map_or(0, |top| sign_of(*top))
}

/// What continues an integer whose highest word is this.
#[inline]
pub(super) fn sign_of(top: u64) -> u64 {
    (top as i64 >> 63) as u64
}

/// Adds an integer, moved up by `at` words, to one that has at least as many words. Says what is lost by
/// that above the highest word: nothing, or one up or down.
#[inline]
pub(super) fn add(sum: &mut [u64], at: usize, addend: &[u64]) -> i64 {
    let (before, sign_of_addend) = (sign(sum), sign(addend));
    let mut carry = false;
    let (below, above) = sum[at..].split_at_mut(addend.len());
    for (word, more) in below.iter_mut().zip(addend) {
        (*word, carry) = word.carrying_add(*more, carry);
    }
    for word in above {
        (*word, carry) = word.carrying_add(sign_of_addend, carry);
    }
    lost(before, sign_of_addend, sign(sum))
}

/// What a sum has lost above its highest word, by the signs of both addends and its own: where the addends
/// have one sign and the sum has the other, the sign that it should have is one word too high to be seen.
#[inline]
pub(super) fn lost(left: u64, right: u64, sum: u64) -> i64 {
    // Signs come as they please, so that a branch on one would be taken wrongly every second time.
    if !(left ^ right) & (left ^ sum) == 0 { 0 } else { 1 | left as i64 }
}

/// The negative of an integer. There must be room for it: the lowest number of a width has none.
pub(super) fn negate(words: &mut [u64]) {
    let mut carry = true;
    for word in words {
        (*word, carry) = (!*word).carrying_add(0, carry);
    }
}

/// How many words an integer needs, without those at its top that only repeat its sign.
pub(super) fn needed(words: &[u64]) -> usize {
    let sign_of_all = sign(words);
    let mut needed = words.len();
    while needed > 0 && words[needed - 1] == sign_of_all && sign(&words[..needed - 1]) == sign_of_all {
        needed -= 1;
    }
    needed
}

/// A number moved up by less than a word.
pub(super) fn moved(value: i128, up: i32) -> [u64; 3] {
    let (low, above) = (value << up, if up == 0 { value >> 127 } else { value >> (128 - up) });
    [low as u64, (low >> 64) as u64, above as u64]
}
