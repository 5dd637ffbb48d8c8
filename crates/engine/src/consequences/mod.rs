//! What a change does, and to whom: beside each change of a plan stand whether it is breaking, who uses what changes,
//! and where; beside all of them what would have to be computed.
//!
//! Nothing that exists breaks by a change, since versions pin what they read. What may break is whoever asks by name, once
//! the name points at the new version: in the environment of the apply at once, in the others when it is promoted.
//!
//! # What it costs
//! A few statements, however many definitions there are; users are looked through in memory. No data is read: rows and
//! files are those that the newest snapshots say they have. Values are compared only where somebody asks ([`sample`]).

mod sample;
mod shape;
mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Registered, Result, SnapshotNumber, Version};
use asof_query::{Change, Definitions, Effect};

use crate::known::Known;
use crate::{Engine, Scope};

pub use sample::{Sample, Sampled, SampledDifference};
pub use shape::Break;
pub(crate) use shape::breaks;
pub use users::{User, Users};

/// What a change does to whoever asks by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the meaning is the same, or nothing of that name was there.
    None,
    /// What was there can be asked for as before; values may be others.
    Compatible,
    /// Something that was there is not, or something is asked for that nobody sends.
    Breaking,
}

/// Where an environment points at what changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The environment.
    pub environment: Name,
    /// The version there.
    pub version: Version,
    /// What would break there, were it to point at the new version.
    pub breaks: Vec<Break>,
    /// Whether breaking changes to it have to be allowed.
    pub protected: bool,
}

/// What one change does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// Against the version that is current in the environment of the apply.
    pub verdict: Verdict,
    /// Why it is breaking.
    pub breaks: Vec<Break>,
    /// Who uses that version; of what changes only with what it reads, see there.
    pub users: Users,
    /// Which environments point at a version of the name that is not the new one.
    pub standings: Vec<Standing>,
}

impl Consequence {
    fn none() -> Self {
        Consequence { verdict: Verdict::None, breaks: Vec::new(), users: Users::default(), standings: Vec::new() }
    }
}

/// A dataset that would be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its name.
    pub dataset: Name,
    /// Its newest snapshot.
    pub snapshot: SnapshotNumber,
    /// Rows in it.
    pub rows: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes in these.
    pub bytes: u64,
}

/// What would have to be computed for all changes to be as current as what they replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recompute {
    /// Views to materialize: those that are new or changed, and not online at that version.
    pub views: Vec<Pinned>,
    /// What they read.
    pub reads: Vec<Read>,
}

/// Who must allow what breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Environments whose users are protected from breaking changes.
    pub protected: Vec<Name>,
    /// Whether such changes are allowed this time.
    pub allow_breaking: bool,
}

impl Guard {
    /// The first break that nobody allowed, of changes and what they do.
    ///
    /// Only a change that is breaking itself has to be allowed: those that come after it do not break anything again.
    pub(crate) fn check(&self, changes: &[Change], consequences: &[Consequence]) -> Result<()> {
        if self.allow_breaking {
            return Ok(());
        }
        let mut broken = BTreeMap::<&Name, Vec<String>>::new();
        for (change, consequence) in changes.iter().zip(consequences) {
            let new = change.effect == Effect::Created;
            if consequence.verdict != Verdict::Breaking && !new {
                continue;
            }
            for standing in consequence.standings.iter().filter(|s| s.protected && !s.breaks.is_empty()) {
                let name = &change.registered.pinned.name;
                let from = format!("{name} {} → {}", standing.version, change.registered.pinned.version);
                broken.entry(&standing.environment).or_default().push(format!("{from}: {}", listed(&standing.breaks)));
            }
        }
        let Some((environment, what)) = broken.into_iter().next() else { return Ok(()) };
        Err(breaking(environment, &what))
    }
}

/// The error for changes that break something in an environment.
pub(crate) fn breaking(environment: &Name, what: &[String]) -> Error {
    let message = format!("this breaks what `{environment}` points at: {}", what.join("; "));
    Error::new(ErrorKind::Precondition, "breaking_change", message)
        .remedy("`asof plan` tells who uses it; keep what is removed, or say --allow-breaking")
}

/// Breaks as a list for people.
pub(crate) fn listed(breaks: &[Break]) -> String {
    breaks.iter().map(Break::to_string).collect::<Vec<_>>().join(", ")
}

impl Engine {
    /// What changes do, one entry for each.
    pub(crate) async fn consequences(
        &self,
        scope: &Scope,
        changes: &[Change],
        known: &Known,
        protected: &[Name],
    ) -> Result<Vec<Consequence>> {
        let meaning = |change: &&Change| matches!(change.effect, Effect::Created | Effect::Versioned { .. });
        if !changes.iter().any(|change| meaning(&change)) {
            return Ok(changes.iter().map(|_| Consequence::none()).collect());
        }
        let all = known.all().cloned().chain(changes.iter().map(|change| Arc::new(change.registered.clone())));
        let definitions = Definitions::new(all);
        let becomes: BTreeMap<Name, Version> =
            changes.iter().map(|c| (c.registered.pinned.name.clone(), c.registered.pinned.version)).collect();
        let stored: Vec<_> = known.all().map(Arc::as_ref).collect();
        let uses = self.uses(&scope.project, stored.into_iter(), &known.pointers).await?;
        let mut standing: HashMap<&Name, Vec<(&Name, Version)>> = HashMap::new();
        for (environment, name, version) in &known.pointers {
            standing.entry(name).or_default().push((environment, *version));
        }
        let one = |change: &Change| {
            if !meaning(&change) {
                return Ok(Consequence::none());
            }
            let pinned = &change.registered.pinned;
            let mut consequence = Consequence::none();
            for (environment, version) in standing.get(&pinned.name).into_iter().flatten().copied() {
                let before = known.version(&pinned.name, version).filter(|_| version != pinned.version);
                let Some(before) = before else { continue };
                let breaks = breaks(before, &change.registered, &definitions)?;
                let protected = protected.contains(environment);
                let environment = environment.clone();
                consequence.standings.push(Standing { environment, version, breaks, protected });
            }
            if let Effect::Versioned { from, clauses, .. } = &change.effect
                && let Some(before) = known.version(&pinned.name, *from)
            {
                consequence.breaks = breaks(before, &change.registered, &definitions)?;
                consequence.verdict =
                    if consequence.breaks.is_empty() { Verdict::Compatible } else { Verdict::Breaking };
                // What only follows what it reads is listed there.
                if !clauses.is_empty() {
                    consequence.users = uses.of(&before.pinned, &becomes);
                }
            }
            Ok(consequence)
        };
        changes.iter().map(one).collect()
    }

    /// What would have to be computed for changes.
    pub(crate) fn to_recompute(&self, changes: &[Change], known: &Known) -> Result<Recompute> {
        let online: BTreeSet<Pinned> = self.online().list()?.into_iter().map(|published| published.view).collect();
        let new = |change: &&Change| {
            let pinned = &change.registered.pinned;
            let meaning = matches!(change.effect, Effect::Created | Effect::Versioned { .. });
            meaning && pinned.kind == Kind::FeatureView && !online.contains(pinned)
        };
        let views: Vec<Pinned> = changes.iter().filter(new).map(|c| c.registered.pinned.clone()).collect();
        let given: HashMap<&Pinned, &Registered> =
            changes.iter().map(|change| (&change.registered.pinned, &change.registered)).collect();
        let (mut next, mut seen) = (views.iter().collect::<Vec<_>>(), BTreeSet::new());
        let mut datasets = BTreeSet::new();
        while let Some(pinned) = next.pop() {
            if !seen.insert(pinned) {
                continue;
            }
            if pinned.kind == Kind::Dataset {
                datasets.insert(&pinned.name);
            }
            let registered = given.get(pinned).copied().or_else(|| known.version(&pinned.name, pinned.version));
            next.extend(registered.into_iter().flat_map(|r| &r.inputs).map(|input| &input.pinned));
        }
        let reads = datasets.into_iter().filter_map(|name| known.read(name)).collect();
        Ok(Recompute { views, reads })
    }
}
