//! Who uses a version: the one place that knows.
//!
//! Used by name is what an environment points at and reads it, directly or not; what was made of it for good is a training
//! set that was built, and a model that was trained on that. Older versions that nothing points at are not listed: they go on as they are, and so does
//! everything here, since a version pins what it reads. What a user notices is that its name means another version.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use asof_model::{Label, Name, Pinned, Registered, Result, Version};

use crate::Engine;

/// The most users of one version that are told; how many more there are is counted.
const MOST: usize = 100;

/// Something that uses a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// A definition that reads it, directly or not.
    Definition {
        /// Which.
        pinned: Pinned,
        /// The version that it becomes with the change; none where it goes on reading what it reads.
        follows: Option<Version>,
        /// The environments that point at it.
        environments: Vec<Name>,
    },
    /// A training set that was built of it.
    TrainingSet {
        /// Its name.
        name: Name,
        /// The n-th built under that name.
        number: u32,
    },
    /// A model that was trained on such a training set.
    Model {
        /// Its name.
        name: Name,
        /// Its version, as its registry writes it.
        version: Label,
    },
}

/// Users, and how many there are besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Views, services and training sets in their order, then those that were built, then models.
    pub listed: Vec<User>,
    /// How many more.
    pub more: usize,
}

/// Who reads whom in a project, and what environments point at.
#[derive(Default)]
pub(crate) struct Uses<'a> {
    readers: HashMap<&'a Pinned, Vec<&'a Pinned>>,
    pointed: HashMap<(&'a Name, Version), Vec<&'a Name>>,
    built: HashMap<(Name, Version), BTreeSet<(Name, u32)>>,
    /// By the training set that they were trained on.
    models: HashMap<(Name, u32), Vec<(Name, Label)>>,
}

impl Engine {
    /// Gathers what [`Uses::of`] looks through; one statement for what was built, and one for models.
    pub(crate) async fn uses<'a>(
        &self,
        project: &Name,
        definitions: impl Iterator<Item = &'a Registered>,
        pointers: &'a [(Name, Name, Version)],
    ) -> Result<Uses<'a>> {
        let mut uses = Uses::default();
        for reader in definitions {
            for input in &reader.inputs {
                uses.readers.entry(&input.pinned).or_default().push(&reader.pinned);
            }
        }
        for (environment, name, version) in pointers {
            uses.pointed.entry((name, *version)).or_default().push(environment);
        }
        for (set, read) in self.catalog().built_of(project).await? {
            uses.built.entry(read).or_default().insert(set);
        }
        for model in self.catalog().models(project, None).await? {
            let set = (model.training_set, model.number);
            uses.models.entry(set).or_default().push((model.name, model.version));
        }
        Ok(uses)
    }
}

impl Uses<'_> {
    /// Who uses a version. `becomes` says which names get another version by the change that is looked at.
    pub(crate) fn of(&self, used: &Pinned, becomes: &BTreeMap<Name, Version>) -> Users {
        let (mut seen, mut next) = (HashSet::from([used]), vec![used]);
        let mut found = BTreeMap::new();
        while let Some(read) = next.pop() {
            for reader in self.readers.get(read).into_iter().flatten().copied().filter(|reader| seen.insert(*reader)) {
                next.push(reader);
                if let Some(environments) = self.pointed.get(&(&reader.name, reader.version)) {
                    found.insert(reader, environments);
                }
            }
        }
        let definitions = found.into_iter().map(|(pinned, environments)| User::Definition {
            pinned: pinned.clone(),
            follows: becomes.get(&pinned.name).copied().filter(|version| *version != pinned.version),
            environments: environments.iter().copied().cloned().collect(),
        });
        let built = || self.built.get(&(used.name.clone(), used.version)).into_iter().flatten();
        let sets = built().map(|(name, number)| User::TrainingSet { name: name.clone(), number: *number });
        let models = built().filter_map(|set| self.models.get(set)).flatten();
        let models = models.map(|(name, version)| User::Model { name: name.clone(), version: version.clone() });
        let mut listed: Vec<_> = definitions.chain(sets).chain(models).collect();
        let more = listed.len().saturating_sub(MOST);
        listed.truncate(MOST);
        Users { listed, more }
    }
}
