//! A project in memory: what was applied and, as tables, what was ingested.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::{Columns, Error, Kind, Micros, Name, Pinned, Registered, Selector, Version};
use asof_query::{Change, Definitions, Effect, Registry, Source, Tables, bind, parse};
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};

/// Versions and pointers as the catalog keeps them, and the tables of datasets.
pub(crate) struct Project {
    name: Name,
    versions: Vec<Arc<Registered>>,
    current: BTreeMap<Name, Version>,
    tables: BTreeMap<Name, RecordBatch>,
}

impl Project {
    pub(crate) fn new() -> Self {
        Project {
            name: "test".parse().expect("a name"),
            versions: Vec::new(),
            current: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }

    /// A project to which this text was applied.
    pub(crate) fn with(sql: &str) -> Self {
        let mut project = Project::new();
        project.apply(sql);
        project
    }

    pub(crate) fn plan(&self, sql: &str) -> Result<Vec<Change>, Vec<Error>> {
        let sources = [Source { file: "a.sql".into(), text: sql.into() }];
        bind(parse(&sources)?, self, Micros(0))
    }

    /// Applies a text that has no mistakes; what it changed.
    pub(crate) fn apply(&mut self, sql: &str) -> Vec<Change> {
        let changes = self.plan(sql).map_err(|errors| shown(&errors)).expect("no mistake");
        for change in &changes {
            let registered = Arc::new(change.registered.clone());
            self.current.insert(registered.pinned.name.clone(), registered.pinned.version);
            self.versions.retain(|v| v.pinned != registered.pinned);
            self.versions.push(registered);
        }
        changes
    }

    /// Puts rows into a dataset: its visible columns and `_seq`.
    pub(crate) fn ingest(&mut self, dataset: &str, rows: RecordBatch) {
        self.tables.insert(dataset.parse().expect("a name"), rows);
    }

    pub(crate) fn get(&self, name: &str) -> Arc<Registered> {
        self.current(&name.parse().expect("a name")).expect(name)
    }

    pub(crate) fn definitions(&self) -> Definitions {
        Definitions::new(self.versions.iter().cloned())
    }
}

impl Registry for Project {
    fn project(&self) -> &Name {
        &self.name
    }

    fn current(&self, name: &Name) -> Option<Arc<Registered>> {
        self.select(name, &Selector::Number(u64::from(self.current.get(name)?.0)))
    }

    fn select(&self, name: &Name, selector: &Selector) -> Option<Arc<Registered>> {
        let fits = |pinned: &Pinned| match selector {
            Selector::Number(number) => u64::from(pinned.version.0) == *number,
            Selector::Digest(prefix) => pinned.digest.hex().starts_with(prefix),
            Selector::Latest | Selector::Environment(_) => false,
        };
        self.versions.iter().find(|v| v.pinned.name == *name && fits(&v.pinned)).cloned()
    }

    fn names(&self) -> Vec<(Name, Kind)> {
        self.versions.iter().map(|v| (v.pinned.name.clone(), v.pinned.kind)).collect()
    }

    fn next_version(&self, name: &Name) -> Version {
        let newest = self.versions.iter().filter(|v| v.pinned.name == *name).map(|v| v.pinned.version.0).max();
        Version(newest.unwrap_or(0) + 1)
    }

    fn dataset_columns(&self, name: &Name) -> Option<Columns> {
        let mut columns = Columns::from_arrow(&self.tables.get(name)?.schema()).expect("normal types");
        columns.0.retain(|c| c.name != "_seq");
        Some(columns)
    }
}

impl Tables for Project {
    fn table(&self, dataset: &Pinned) -> Option<Arc<dyn TableProvider>> {
        let rows = self.tables.get(&dataset.name)?.clone();
        Some(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).expect("one batch")))
    }
}

/// Errors as a user reads them.
pub(crate) fn shown(errors: &[Error]) -> String {
    let shown = errors.iter().map(|e| format!("[{:?} {}]\n{e}", e.kind(), e.code()));
    shown.collect::<Vec<_>>().join("\n\n")
}

/// One line per change: name, version, effect.
pub(crate) fn effects(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let effect = match &change.effect {
            Effect::Created => "created".to_owned(),
            Effect::Unchanged => "unchanged".to_owned(),
            Effect::Annotated { clauses } => format!("annotated {}", named(clauses)),
            Effect::Versioned { from, clauses, upstream } => {
                format!("from {from} {}", [named(clauses), upstream.join(", ")].concat())
            }
        };
        format!("{} {}", change.registered.pinned.reference(), effect).trim().to_owned()
    };
    changes.iter().map(line).collect()
}

fn named(clauses: &[asof_query::ClauseChange]) -> String {
    clauses.iter().map(|c| c.name).collect::<Vec<_>>().join(", ")
}
