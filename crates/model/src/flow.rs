//! How columns of definitions go into one another, in the words of OpenLineage.
//!
//! [`Flows`] says of one definition which columns of what it reads each of its columns is made of, and in which [`Way`]s. A
//! way is **direct** where the value itself goes in, and **indirect** where it decides: which rows there are, which belong
//! together, which comes first, which branch is taken.
//!
//! Sets of ways are a word, so that a graph of many columns stays small. What a definition reads is named by its place among
//! [`Flows::inputs`], for the same reason. It says nothing of tables, runs or time.

use std::collections::BTreeMap;
use std::fmt;

use crate::reference::Pinned;

/// A way in which one column goes into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// As it is.
    Identity,
    /// Computed from it, row by row.
    Transformation,
    /// Computed from it, over several rows.
    Aggregation,
    /// Rows are joined by it.
    Join,
    /// Rows are grouped by it.
    GroupBy,
    /// Rows are kept or dropped by it.
    Filter,
    /// Rows are put in order by it, or chosen by their order.
    Sort,
    /// It says which rows a window holds.
    Window,
    /// It says which of several values is taken.
    Conditional,
    /// Nobody knows: the plan has a part that cannot be looked through.
    Unknown,
}

impl Way {
    /// All of them, direct ones first.
    pub const ALL: [Way; 10] = [
        Way::Identity,
        Way::Transformation,
        Way::Aggregation,
        Way::Join,
        Way::GroupBy,
        Way::Filter,
        Way::Sort,
        Way::Window,
        Way::Conditional,
        Way::Unknown,
    ];

    /// Whether the value itself goes in.
    pub fn is_direct(self) -> bool {
        self <= Way::Aggregation
    }

    /// The subtype that OpenLineage has for it; it has none for what is not known.
    pub fn subtype(self) -> Option<&'static str> {
        match self {
            Way::Identity => Some("IDENTITY"),
            Way::Transformation => Some("TRANSFORMATION"),
            Way::Aggregation => Some("AGGREGATION"),
            Way::Join => Some("JOIN"),
            Way::GroupBy => Some("GROUP_BY"),
            Way::Filter => Some("FILTER"),
            Way::Sort => Some("SORT"),
            Way::Window => Some("WINDOW"),
            Way::Conditional => Some("CONDITIONAL"),
            Way::Unknown => None,
        }
    }

    /// The way of a subtype as OpenLineage writes it.
    pub fn of_subtype(subtype: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.subtype() == Some(subtype))
    }

    /// One step after another: what decides in either step only decides, and the later step says how; what was computed over
    /// several rows stays so.
    #[must_use]
    pub fn then(self, later: Way) -> Way {
        match (self.is_direct(), later.is_direct()) {
            (_, false) => later,
            (false, true) => self,
            (true, true) => self.max(later),
        }
    }
}

/// A set of [`Way`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ways(u16);

impl Ways {
    /// None of them.
    pub const NONE: Ways = Ways(0);

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of them is direct.
    pub fn has_direct(self) -> bool {
        self.iter().any(Way::is_direct)
    }

    /// Whether this is one of them.
    pub fn contains(self, way: Way) -> bool {
        self.0 & (1 << way as u16) != 0
    }

    /// These and those.
    #[must_use]
    pub fn and(self, other: Ways) -> Ways {
        Ways(self.0 | other.0)
    }

    /// Each of these followed by each of those.
    #[must_use]
    pub fn then(self, later: Ways) -> Ways {
        self.iter().flat_map(|way| later.iter().map(move |later| way.then(later))).collect()
    }

    /// Each, direct ones first.
    pub fn iter(self) -> impl Iterator<Item = Way> {
        Way::ALL.into_iter().filter(move |way| self.contains(*way))
    }
}

impl From<Way> for Ways {
    fn from(way: Way) -> Self {
        Ways(1 << way as u16)
    }
}

impl FromIterator<Way> for Ways {
    fn from_iter<T: IntoIterator<Item = Way>>(ways: T) -> Self {
        ways.into_iter().fold(Ways::NONE, |all, way| all.and(way.into()))
    }
}

impl fmt::Debug for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// `direct: identity; indirect: group by, filter`
impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |way: Way| way.subtype().unwrap_or("UNKNOWN").to_ascii_lowercase().replace('_', " ");
        let of = |direct| self.iter().filter(move |way| way.is_direct() == direct).map(word).collect::<Vec<_>>();
        let (direct, indirect) = (of(true), of(false));
        if !direct.is_empty() {
            write!(f, "direct: {}", direct.join(", "))?;
        }
        if !direct.is_empty() && !indirect.is_empty() {
            f.write_str("; ")?;
        }
        if !indirect.is_empty() {
            write!(f, "indirect: {}", indirect.join(", "))?;
        }
        Ok(())
    }
}

/// A column that a definition reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    /// Whose it is.
    pub of: Of,
    /// Its name.
    pub column: String,
}

/// Whose column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    /// That of [`Flows::inputs`] at this place.
    Input(u32),
    /// The caller's: a parameter of the request, or a key that is asked for.
    Request,
}

/// Which columns something is made of, and how.
pub type Reads = BTreeMap<Read, Ways>;

/// A column, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// What goes into it and not into all others alike.
    pub of: Reads,
}

/// Of one definition: what its columns are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// What it reads.
    pub inputs: Vec<Pinned>,
    /// Its columns, in order.
    pub columns: Vec<Made>,
    /// What decides which rows there are, and so concerns every column.
    pub rows: Reads,
    /// The part of its plan that cannot be looked through, if there is one. Then every column of what it reads concerns
    /// every column, in a way that is not known.
    pub unseen: Option<String>,
}

impl Flows {
    /// One of its columns.
    pub fn column(&self, name: &str) -> Option<&Made> {
        self.columns.iter().find(|made| made.name == name)
    }

    /// Whose column is read; none for the caller's.
    pub fn whose(&self, read: &Read) -> Option<&Pinned> {
        match read.of {
            Of::Input(place) => self.inputs.get(place as usize),
            Of::Request => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_one_another() {
        for (first, later, both) in [
            (Way::Identity, Way::Identity, Way::Identity),
            (Way::Identity, Way::Transformation, Way::Transformation),
            (Way::Aggregation, Way::Transformation, Way::Aggregation),
            (Way::Transformation, Way::Aggregation, Way::Aggregation),
            (Way::Filter, Way::Aggregation, Way::Filter),
            (Way::Aggregation, Way::Sort, Way::Sort),
            (Way::Filter, Way::Join, Way::Join),
        ] {
            assert_eq!(first.then(later), both, "{first:?} then {later:?}");
        }
        let ways: Ways = [Way::Identity, Way::Filter].into_iter().collect();
        let after: Ways = [Way::Aggregation, Way::Filter].into_iter().collect();
        assert_eq!(ways.then(Way::Aggregation.into()), after);
        assert!(ways.then(Ways::NONE).is_empty());
    }

    #[test]
    fn each_way_is_told_and_found_by_the_words_of_the_standard() {
        for way in Way::ALL {
            assert!(Ways::from(way).contains(way) && Ways::from(way).iter().eq([way]));
            assert_eq!(way.subtype().and_then(Way::of_subtype), Some(way).filter(|way| *way != Way::Unknown));
        }
        assert!(Ways::from_iter(Way::ALL).has_direct());
        let shown = |ways: &[Way]| Ways::from_iter(ways.iter().copied()).to_string();
        assert_eq!(shown(&[Way::GroupBy, Way::Identity, Way::Filter]), "direct: identity; indirect: group by, filter");
        assert_eq!(shown(&[Way::Aggregation]), "direct: aggregation");
        assert_eq!(shown(&[Way::Unknown]), "indirect: unknown");
    }
}
