//! The maximum in each of some windows that only go forward.
//!
//! Words are not taken away again, so the words of a window are kept in two parts: of the later one the maximum, of the
//! earlier one the maximum of each end of it. When the earlier one is used up, the later becomes it. Each word is looked at
//! twice, however many windows hold it.

/// Gives for each window, a first word and the one behind its last, the maximum; no window is empty.
pub(super) fn maxima(words: &[i64], windows: impl Iterator<Item = (usize, usize)>, mut give: impl FnMut(i64)) {
    // The maxima of the words from each one to before `middle`; the last is that of the whole earlier part.
    let mut ends: Vec<i64> = Vec::new();
    let (mut middle, mut behind, mut later) = (0, 0, i64::MIN);
    for (first, end) in windows {
        if first >= middle {
            ends.clear();
            let mut best = i64::MIN;
            ends.extend(words[first..end].iter().rev().map(|word| {
                best = best.max(*word);
                best
            }));
            (middle, behind, later) = (end, end, i64::MIN);
        } else {
            later = words[behind..end].iter().fold(later, |best, word| best.max(*word));
            behind = end;
        }
        give(later.max(ends[middle - first - 1]));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_maximum_is_that_of_its_words(
            words in proptest::collection::vec(any::<i8>().prop_map(i64::from), 1..40),
            steps in proptest::collection::vec((0..4usize, 0..4usize), 0..40),
        ) {
            let (mut first, mut end, mut windows) = (0, 1, Vec::new());
            for (more_first, more_end) in steps {
                end = (end + more_end).min(words.len());
                first = (first + more_first).min(end - 1);
                windows.push((first, end));
            }
            let mut found = Vec::new();
            maxima(&words, windows.iter().copied(), |best| found.push(best));
            let expected: Vec<_> = windows.iter().map(|(first, end)| *words[*first..*end].iter().max().unwrap()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
