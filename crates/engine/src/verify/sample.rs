//! Which moments to cut at.
//!
//! A row with moment m that depends on a source row of the later moment s differs exactly where m ≤ T < s. So half of
//! the moments are those of the view's own rows (there the row is, and nothing after it), evenly spread
//! over them; the other half is just before rows of the sources, dataset by dataset in turn, the last row of each
//! first: what is made of a whole dataset differs there, and a period that the row falls into is almost over.
//!
//! Spread evenly means over the distinct moments, of which a sample is kept: those with the smallest hashes, so the
//! same ones in whatever order rows come.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use asof_model::Micros;

/// How many moments are kept to choose from.
const KEPT: usize = 4_096;

/// A sample of distinct moments, and the last of all.
#[derive(Debug, Default)]
pub(super) struct Sample {
    kept: BTreeSet<(u64, i64)>,
    last: Option<i64>,
}

impl Sample {
    pub(super) fn add(&mut self, moment: i64) {
        self.last = self.last.max(Some(moment));
        let mut hasher = DefaultHasher::new();
        moment.hash(&mut hasher);
        let hash = hasher.finish();
        if self.kept.len() == KEPT && self.kept.last().is_some_and(|(greatest, _)| *greatest <= hash) {
            return;
        }
        self.kept.insert((hash, moment));
        if self.kept.len() > KEPT {
            self.kept.pop_last();
        }
    }

    fn sorted(&self) -> Vec<i64> {
        let kept = self.kept.iter().map(|(_, moment)| *moment).chain(self.last);
        kept.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// So many moments, fewer if there are not as many: of a view's rows and just before rows of its sources, sorted.
pub(super) fn choose(view: &Sample, sources: &[Sample], count: usize) -> Vec<Micros> {
    let own = view.sorted();
    let sources: Vec<_> = sources.iter().map(Sample::sorted).filter(|moments| !moments.is_empty()).collect();
    if own.is_empty() || sources.is_empty() {
        return Vec::new();
    }
    let of_view = count.div_ceil(2);
    let mut chosen: BTreeSet<i64> = (0..of_view).map(|i| own[(2 * i + 1) * own.len() / (2 * of_view)]).collect();
    let before = count - of_view;
    for (index, moments) in sources.iter().enumerate() {
        let share = before / sources.len() + usize::from(index < before % sources.len());
        chosen.extend((1..=share).map(|i| moments[(i * moments.len()).div_ceil(share) - 1] - 1));
    }
    chosen.into_iter().map(Micros).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(moments: impl IntoIterator<Item = i64>) -> Sample {
        let mut sample = Sample::default();
        moments.into_iter().for_each(|moment| sample.add(moment));
        sample
    }

    fn check(view: Sample, sources: &[Sample], count: usize, expected: &[i64]) {
        let chosen: Vec<_> = choose(&view, sources, count).into_iter().map(|m| m.0).collect();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn half_are_of_the_view_and_half_just_before_rows_of_the_sources() {
        check(sample(0..100), &[sample((0..100).map(|i| i * 10))], 4, &[25, 75, 489, 989]);
        check(sample([5]), &[sample([7])], 1, &[5]);
        check(sample([5]), &[sample([7])], 2, &[5, 6]);
        // The last row of each source comes first.
        check(sample([0]), &[sample([10, 20]), sample([30])], 4, &[0, 19, 29]);
        check(sample([0]), &[sample([10, 20]), sample([30])], 2, &[0, 19]);
    }

    #[test]
    fn nothing_is_chosen_where_there_is_nothing() {
        check(sample([]), &[sample([1])], 8, &[]);
        check(sample([1]), &[], 8, &[]);
        check(sample([1]), &[sample([])], 8, &[]);
    }

    #[test]
    fn what_is_kept_depends_neither_on_order_nor_on_repetition() {
        let moments: Vec<i64> = (0..20_000).map(|i| i * 37 % 20_011).collect();
        let forth = sample(moments.iter().copied());
        let back = sample(moments.iter().rev().chain(&moments).copied());
        assert_eq!(forth.sorted(), back.sorted());
        assert!(forth.sorted().len() <= KEPT + 1 && forth.sorted().last() == moments.iter().max());
    }
}
