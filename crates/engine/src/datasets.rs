//! Which snapshot of each dataset a verb reads, pinned once for the whole verb.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use asof_model::run::Item;
use asof_model::{Definition, Error, ErrorKind, Name, Pinned, Registered, Result, SnapshotNumber};
use asof_offline::Snapshot;
use asof_query::Tables;
use datafusion::catalog::TableProvider;

use crate::Engine;

/// Pinned snapshots of the datasets that some definitions read.
pub(crate) struct Pins {
    snapshots: BTreeMap<Name, Snapshot>,
    tables: HashMap<Name, Arc<dyn TableProvider>>,
}

impl Pins {
    /// Dataset and snapshot number, by name.
    pub(crate) fn numbers(&self) -> BTreeMap<Name, SnapshotNumber> {
        self.snapshots.iter().map(|(name, s)| (name.clone(), s.number)).collect()
    }

    /// The snapshots as inputs of a run.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item> {
        self.snapshots.iter().map(|(name, s)| Item::Snapshot { dataset: name.clone(), number: s.number })
    }

    pub(crate) fn snapshots(&self) -> impl Iterator<Item = (&Name, &Snapshot)> {
        self.snapshots.iter()
    }
}

impl Tables for Pins {
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>> {
        self.tables.get(&dataset.name).cloned()
    }
}

impl Engine {
    /// Pins every dataset among `closure`: at the numbers given, else at its newest snapshot.
    ///
    /// # Errors
    /// `nothing_ingested` for a dataset without a snapshot; `unknown_snapshot` for a number that is not there.
    pub(crate) async fn pin(
        &self,
        closure: &[Registered],
        numbers: Option<&BTreeMap<Name, SnapshotNumber>>,
    ) -> Result<Pins> {
        let mut pins = Pins { snapshots: BTreeMap::new(), tables: HashMap::new() };
        for registered in closure {
            let (Definition::Dataset(_), name) = (&registered.definition, &registered.pinned.name) else { continue };
            if pins.snapshots.contains_key(name) {
                continue;
            }
            let number = numbers.and_then(|n| n.get(name)).copied();
            if number.is_none() {
                // What was pushed and acknowledged is there for whoever looks.
                self.land(&registered.pinned.project, name).await?;
            }
            let snapshot =
                self.offline().snapshot(&registered.pinned.project, name, number).await?.ok_or_else(|| {
                    Error::new(ErrorKind::Precondition, "nothing_ingested", format!("dataset `{name}` has no data yet"))
                        .remedy(format!("ingest something first: asof ingest {name} FILE…"))
                })?;
            pins.tables.insert(name.clone(), snapshot.provider()?);
            pins.snapshots.insert(name.clone(), snapshot);
        }
        Ok(pins)
    }
}
