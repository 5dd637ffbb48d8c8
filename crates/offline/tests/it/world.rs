//! A store in a folder of its own, and short ways to say what goes in and what must come out.

use std::path::{Path, PathBuf};

use arrow::util::display::array_value_to_string;
use asof_model::definition::{Check, Dataset};
use asof_model::schema::parse_sql_type;
use asof_model::{Column, Columns, Micros, Name, Result, RunId, SnapshotNumber};
use asof_offline::{Ingest, Ingested, Quiet, ReadOptions, Snapshot, Store};
use datafusion::prelude::SessionContext;
use tempfile::TempDir;

/// A store, a folder for source files, and a dataset `d`.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) dataset: Dataset,
    pub(crate) options: ReadOptions,
    pub(crate) memory_limit: usize,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// `a BIGINT NOT NULL; b VARCHAR`.
pub(crate) fn columns(text: &str) -> Columns {
    let column = |part: &str| {
        let (name, sql) = part.trim().split_once(' ').unwrap();
        let (sql, nullable) = sql.strip_suffix(" NOT NULL").map_or((sql, true), |sql| (sql, false));
        Column { nullable, ..Column::new(name, parse_sql_type(sql).unwrap()) }
    };
    Columns(text.split(';').filter(|part| !part.trim().is_empty()).map(column).collect())
}

impl World {
    /// With the dataset `d`, whose timestamp is `ts`, and nothing declared.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A blank and a letter beyond ASCII must be no trouble.
        let store = Store::open(folder.path().join("the störe").to_str().unwrap()).await.unwrap();
        let dataset = Dataset {
            name: name("d"),
            columns: None,
            timestamp: "ts".into(),
            known_at: None,
            key: vec![],
            cluster_by: vec![],
            checks: vec![],
            annotations: Default::default(),
        };
        World { folder, store, dataset, options: ReadOptions::default(), memory_limit: 64 << 20 }
    }

    pub(crate) fn declare(&mut self, text: &str) {
        self.dataset.columns = Some(columns(text));
    }

    pub(crate) fn check(&mut self, name: &str, condition: &str) {
        self.dataset.checks.push(Check { name: name.parse().unwrap(), condition: condition.into() });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a source file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) async fn ingest(&self, sources: &[&str]) -> Result<Ingested> {
        self.store.ingest(self.request(sources), &Quiet).await
    }

    pub(crate) fn request(&self, sources: &[&str]) -> Ingest {
        Ingest {
            project: name("p"),
            definition: self.dataset.clone(),
            sources: sources.iter().map(|s| (*s).to_owned()).collect(),
            called: Default::default(),
            options: self.options.clone(),
            run: RunId::new(Micros(1_000_000)),
            now: Micros(1_700_000_000_123_456),
            memory_limit: self.memory_limit,
            numbers: None,
        }
    }

    /// Ingests one file of this name and content.
    pub(crate) async fn ingest_file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<Ingested> {
        self.ingest(&[&self.file(name, content)]).await
    }

    pub(crate) async fn snapshot(&self) -> Option<Snapshot> {
        self.store.snapshot(&name("p"), &name("d"), None).await.unwrap()
    }

    /// The folder of the dataset's Delta table.
    pub(crate) fn table(&self) -> PathBuf {
        Path::new(&self.store.location(&name("p"), &name("d"))).to_owned()
    }

    /// All rows of the newest snapshot in the order of their numbers: values separated by blanks, `-` for null.
    pub(crate) async fn rows(&self) -> Vec<String> {
        rows_of(&self.snapshot().await.expect("there is a snapshot")).await
    }
}

pub(crate) async fn rows_of(snapshot: &Snapshot) -> Vec<String> {
    query(snapshot, "SELECT * FROM d ORDER BY _seq").await
}

/// The rows of a query over a snapshot `d`.
pub(crate) async fn query(snapshot: &Snapshot, sql: &str) -> Vec<String> {
    let context = SessionContext::new();
    context.register_table("d", snapshot.provider().unwrap()).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let value = |array: &arrow::array::ArrayRef| match array.is_null(row) {
                true => "-".to_owned(),
                false => array_value_to_string(array, row).unwrap(),
            };
            rows.push(batch.columns().iter().map(value).collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

/// The number of what was committed.
pub(crate) fn committed(ingested: Result<Ingested>) -> SnapshotNumber {
    match ingested.unwrap() {
        Ingested::Committed { number, .. } => number,
        unchanged => panic!("{unchanged:?}"),
    }
}
