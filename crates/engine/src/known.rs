//! A project as its catalog knows it, for binding: all of it, in a few statements.

use std::collections::HashMap;
use std::sync::Arc;

use asof_catalog::Whole;
use asof_model::{Columns, Kind, Name, Registered, Result, Selector, Version};
use asof_offline::Snapshot;
use asof_query::Registry;

use crate::{Engine, Read, Scope};

/// A project as its catalog knows it, for binding.
pub(crate) struct Known {
    project: Name,
    names: HashMap<Name, KnownName>,
    /// Environment, name and version.
    pub(crate) pointers: Vec<(Name, Name, Version)>,
    /// The newest of each dataset.
    snapshots: HashMap<Name, Snapshot>,
}

struct KnownName {
    kind: Kind,
    versions: Vec<Arc<Registered>>,
    current: Option<Version>,
}

impl Engine {
    /// Everything the project has declared, and what its datasets hold.
    pub(crate) async fn known(&self, scope: &Scope) -> Result<Known> {
        let Whole { definitions, pointers } = self.catalog().whole(&scope.project).await?;
        let mut names: HashMap<Name, KnownName> = HashMap::new();
        for registered in definitions {
            let name = registered.pinned.name.clone();
            let new = || KnownName { kind: registered.pinned.kind, versions: Vec::new(), current: None };
            names.entry(name).or_insert_with(new).versions.push(Arc::new(registered));
        }
        for (_, name, version) in pointers.iter().filter(|(environment, ..)| *environment == scope.environment) {
            if let Some(known) = names.get_mut(name) {
                known.current = Some(*version);
            }
        }
        let mut snapshots = HashMap::new();
        for name in names.iter().filter(|(_, known)| known.kind == Kind::Dataset).map(|(name, _)| name) {
            if let Some(snapshot) = self.offline().snapshot(&scope.project, name, None).await? {
                snapshots.insert(name.clone(), snapshot);
            }
        }
        Ok(Known { project: scope.project.clone(), names, pointers, snapshots })
    }
}

impl Known {
    pub(crate) fn versions(&self, name: &Name) -> &[Arc<Registered>] {
        self.names.get(name).map_or(&[], |n| &n.versions)
    }

    pub(crate) fn pointer(&self, name: &Name) -> Option<Version> {
        self.names.get(name)?.current
    }

    /// Every version of everything.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.names.values().flat_map(|known| &known.versions)
    }

    /// One version of a name.
    pub(crate) fn version(&self, name: &Name, version: Version) -> Option<&Registered> {
        self.versions(name).iter().find(|r| r.pinned.version == version).map(Arc::as_ref)
    }

    /// What reading a dataset reads.
    pub(crate) fn read(&self, name: &Name) -> Option<Read> {
        let snapshot = self.snapshots.get(name)?;
        Some(Read {
            dataset: name.clone(),
            snapshot: snapshot.number,
            rows: snapshot.rows,
            files: snapshot.files.len() as u64,
            bytes: snapshot.files.iter().map(|file| file.bytes).sum(),
        })
    }
}

impl Registry for Known {
    fn project(&self) -> &Name {
        &self.project
    }

    fn current(&self, name: &Name) -> Option<Arc<Registered>> {
        let version = self.pointer(name)?;
        self.versions(name).iter().find(|r| r.pinned.version == version).cloned()
    }

    fn select(&self, name: &Name, selector: &Selector) -> Option<Arc<Registered>> {
        let versions = self.versions(name);
        match selector {
            Selector::Number(number) => versions.iter().find(|r| u64::from(r.pinned.version.0) == *number).cloned(),
            Selector::Latest => versions.iter().max_by_key(|r| r.pinned.version).cloned(),
            Selector::Digest(prefix) => {
                let mut fitting = versions.iter().filter(|r| r.pinned.digest.hex().starts_with(prefix.as_str()));
                fitting.next().filter(|_| fitting.next().is_none()).cloned()
            }
            // A definition that followed an environment would not be immutable.
            Selector::Environment(_) => None,
        }
    }

    fn names(&self) -> Vec<(Name, Kind)> {
        self.names.iter().map(|(name, n)| (name.clone(), n.kind)).collect()
    }

    fn kind(&self, name: &Name) -> Option<Kind> {
        self.names.get(name).map(|known| known.kind)
    }

    fn next_version(&self, name: &Name) -> Version {
        let newest = self.versions(name).iter().map(|r| r.pinned.version.0).max();
        Version(newest.unwrap_or(0) + 1)
    }

    fn dataset_columns(&self, name: &Name) -> Option<Columns> {
        self.snapshots.get(name).map(|snapshot| snapshot.columns.clone())
    }
}
