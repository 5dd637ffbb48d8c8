//! Definitions and runs to fill a catalog with.

use asof_catalog::{Catalog, Move};
use asof_model::definition::{Annotations, Dataset, Input, KnownAt, View};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Columns, Definition, Error, Micros, Name, Pinned, Registered, Result, Run, RunId, Version};

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn project() -> Name {
    name("tour")
}

pub(crate) fn dev() -> Name {
    name("dev")
}

pub(crate) fn registered(definition: Definition, version: u32, inputs: &[&Registered]) -> Registered {
    let input = |r: &&Registered| Input { written: r.pinned.name.to_string(), pinned: r.pinned.clone() };
    let inputs: Vec<_> = inputs.iter().map(input).collect();
    let pinned = Pinned {
        kind: definition.kind(),
        project: project(),
        name: definition.name().clone(),
        version: Version(version),
        digest: definition.digest(&inputs),
    };
    Registered { pinned, definition, inputs, columns: Columns::default(), created: Micros(7) }
}

/// A dataset whose content is told apart by its timestamp column.
pub(crate) fn dataset(of: &str, version: u32, timestamp: &str) -> Registered {
    owned(of, version, timestamp, "ops")
}

pub(crate) fn owned(of: &str, version: u32, timestamp: &str, owner: &str) -> Registered {
    let definition = Definition::Dataset(Dataset {
        name: name(of),
        columns: None,
        timestamp: timestamp.into(),
        known_at: None,
        key: vec![],
        cluster_by: vec![],
        checks: vec![],
        annotations: [("owner".to_owned(), owner.to_owned())].into(),
    });
    registered(definition, version, &[])
}

pub(crate) fn view(of: &str, version: u32, query: &str, inputs: &[&Registered]) -> Registered {
    let definition = Definition::FeatureView(View {
        name: name(of),
        entity: "carrier".into(),
        timestamp: "ts".into(),
        known_at: KnownAt::Silent,
        ttl: None,
        slide: None,
        query: query.into(),
        annotations: Annotations::new(),
    });
    registered(definition, version, inputs)
}

/// A run that is done, started at that second.
pub(crate) fn run(verb: Verb, second: i64, inputs: Vec<Item>, outputs: Vec<Item>) -> Run {
    let started = Micros(second * 1_000_000);
    Run {
        id: RunId::new(started),
        project: project(),
        verb,
        started,
        finished: Some(Micros(started.0 + 5)),
        outcome: Outcome::Done,
        inputs,
        outputs,
        notes: [].into(),
        engine: "0".into(),
    }
}

pub(crate) fn to(of: &str, from: Option<u32>, to: u32) -> Move {
    Move { name: name(of), from: from.map(Version), to: Version(to) }
}

/// Names a PostgreSQL server on which the suite makes a schema for each catalog; without it catalogs are SQLite's.
const SERVER: &str = "ASOF_TEST_POSTGRES";

/// Where one catalog lies, until it is dropped.
pub(crate) struct Place {
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match std::env::var(SERVER) {
            Ok(server) => {
                let schema = RunId::new(Micros(0)).to_string().replace('-', "");
                format!("{server}{}options[search_path]=t{schema}", if server.contains('?') { '&' } else { '?' })
            }
            Err(_) => format!("sqlite:{}/catalog.db", folder.path().display()),
        };
        Place { url, _folder: folder }
    }

    pub(crate) async fn open(&self) -> Catalog {
        Catalog::open(&self.url).await.unwrap()
    }
}

/// A catalog that nobody opens again.
pub(crate) async fn memory() -> Catalog {
    match std::env::var(SERVER) {
        Ok(_) => Place::new().open().await,
        Err(_) => Catalog::open("sqlite::memory:").await.unwrap(),
    }
}

/// Applies to dev.
pub(crate) async fn apply(catalog: &Catalog, new: Vec<Registered>, moves: Vec<Move>) -> Result<bool> {
    catalog.apply(&project(), &dev(), new, vec![], moves, &run(Verb::Apply, 1, vec![], vec![])).await
}

/// Each of these in dev, as its first version there.
pub(crate) async fn with(new: Vec<Registered>) -> Catalog {
    let catalog = memory().await;
    let moves = new.iter().map(|r| to(r.pinned.name.as_str(), None, r.pinned.version.0)).collect();
    apply(&catalog, new, moves).await.unwrap();
    catalog
}

/// Code, and the text the user reads.
pub(crate) fn shown<T: std::fmt::Debug>(result: Result<T>) -> (&'static str, String) {
    let error: Error = result.unwrap_err();
    (error.code(), error.to_string())
}
