//! Which columns something is made of, while a plan is walked: columns by number, so that little is copied.

use std::collections::{BTreeMap, HashMap};

use asof_model::flow::{Of, Read, Reads, Way, Ways};

/// What something is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses(BTreeMap<u32, Ways>);

impl Uses {
    /// This column as it is.
    pub(super) fn of(number: u32) -> Self {
        Uses(BTreeMap::from([(number, Way::Identity.into())]))
    }

    /// Adds all that goes into something else.
    pub(super) fn add(&mut self, other: &Uses) {
        for (number, ways) in &other.0 {
            let known = self.0.entry(*number).or_default();
            *known = known.and(*ways);
        }
    }

    /// With what goes into something else.
    #[must_use]
    pub(super) fn and(mut self, other: &Uses) -> Self {
        self.add(other);
        self
    }

    /// After one more step.
    #[must_use]
    pub(super) fn then(mut self, later: Way) -> Self {
        self.0.values_mut().for_each(|ways| *ways = ways.then(later.into()));
        self
    }

    /// What of it is this column's, taken out.
    pub(super) fn take(&mut self, number: u32) -> Option<Ways> {
        self.0.remove(&number)
    }

    /// Each column and how it goes in.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Ways)> {
        self.0.iter().map(|(number, ways)| (*number, *ways))
    }
}

impl<'a> FromIterator<&'a Uses> for Uses {
    fn from_iter<T: IntoIterator<Item = &'a Uses>>(parts: T) -> Self {
        parts.into_iter().fold(Uses::default(), Uses::and)
    }
}

/// The columns that have a number.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    numbers: HashMap<Read, u32>,
    reads: Vec<Read>,
}

impl Numbers {
    pub(super) fn of(&mut self, of: Of, column: &str) -> u32 {
        let read = Read { of, column: column.to_owned() };
        if let Some(number) = self.numbers.get(&read) {
            return *number;
        }
        let number = self.reads.len() as u32;
        self.reads.push(read.clone());
        self.numbers.insert(read, number);
        number
    }

    /// By name again.
    pub(super) fn named(&self, uses: &Uses) -> Reads {
        uses.iter().filter_map(|(number, ways)| Some((self.reads.get(number as usize)?.clone(), ways))).collect()
    }
}
