//! A small project over temporary stores, and a moment that tests set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use asof_catalog::Catalog;
use asof_engine::{
    Author, Engine, GetReply, GetRequest, Guard, IngestReport, IngestRequest, KnownMoment, Limits, MaterializeRequest,
    Parts, PushLimits, ReadOptions, Scope, Source, TrainRequest, Trained, Workshop,
};
use asof_model::{Clock, Error, Micros, Result};
use asof_offline::Quiet;
use asof_online::{MemoryStore, OnlineStore};
use tempfile::TempDir;

/// A clock that tests move.
#[derive(Debug)]
pub struct Moment(AtomicI64);

impl Moment {
    /// From now on it is then.
    pub fn set(&self, moment: Micros) {
        self.0.store(moment.0, Ordering::SeqCst);
    }
}

impl Clock for Moment {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

/// One project, its stores, and a folder for its files.
pub struct World {
    pub engine: Engine,
    pub scope: Scope,
    pub folder: TempDir,
    pub clock: Arc<Moment>,
    pub online: Arc<dyn OnlineStore>,
    pub catalog: Catalog,
}

pub const PROJECT: &str = "
    CREATE DATASET trips (trip BIGINT, driver VARCHAR, city BIGINT, ended TIMESTAMP, fare DOUBLE)
        TIMESTAMP ended CHECK fare_sane (fare >= 0);
    CREATE ENTITY driver KEY (driver VARCHAR);
    CREATE ENTITY place KEY (driver VARCHAR, city INT);
    CREATE FEATURE VIEW last_trip ENTITY driver TIMESTAMP ended TTL INTERVAL '100 seconds'
        AS SELECT driver, ended, fare, trip FROM trips;
    CREATE FEATURE VIEW last_there ENTITY place TIMESTAMP ended
        AS SELECT driver, CAST(city AS INT) AS city, ended, fare AS fare_there FROM trips;
    CREATE FEATURE SERVICE pricing REQUEST (distance DOUBLE)
        AS SELECT fare, last_trip.trip AS last_trip, fare_there, fare * 2 + distance AS estimate FROM last_trip, last_there;
    CREATE TRAINING SET prices FEATURES pricing TIMESTAMP asked
        AS SELECT driver, city, ended AS asked, fare AS label, fare / 3 AS distance FROM trips;
";

impl World {
    pub async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Moment(AtomicI64::new(1_000_000_000_000)));
        let online: Arc<dyn OnlineStore> = Arc::new(MemoryStore::default());
        let (engine, catalog) = open(&folder, &clock, &online).await.unwrap();
        let scope = Scope { project: "test".parse().unwrap(), environment: "dev".parse().unwrap() };
        World { engine, scope, folder, clock, online, catalog }
    }

    /// Another engine over the same stores, as after a restart.
    pub async fn reopen(&mut self) {
        (self.engine, self.catalog) = open(&self.folder, &self.clock, &self.online).await.unwrap();
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub async fn apply(&self, sql: &str) -> Result<asof_engine::Applied, Vec<Error>> {
        let sources = vec![Source { file: "test.sql".into(), text: sql.into() }];
        self.engine.apply(&self.scope, sources, &Author::default(), &Guard::default()).await
    }

    pub async fn ingest(&self, dataset: &str, path: &str) -> Result<IngestReport> {
        let request = IngestRequest {
            dataset: dataset.parse().unwrap(),
            sources: vec![path.to_owned()],
            called: BTreeMap::new(),
            options: ReadOptions::default(),
        };
        self.engine.ingest(&self.scope, request, Arc::new(Quiet)).await
    }

    pub async fn train(&self, name: &str) -> Result<Trained> {
        let request = TrainRequest { name: name.parse()?, known_at: KnownMoment::EventTime, statuses: true };
        self.engine.train(&self.scope, request, Arc::new(Quiet)).await
    }

    pub async fn materialize(&self, views: &[&str], at: Option<Micros>) -> Result<asof_engine::MaterializeReport> {
        let views = views.iter().map(|v| v.parse().unwrap()).collect();
        let request = MaterializeRequest { views, at, ..MaterializeRequest::default() };
        self.engine.materialize(&self.scope, request, Arc::new(Quiet)).await
    }

    /// Everything from the beginning.
    pub async fn materialize_whole(&self, views: &[&str]) -> Result<asof_engine::MaterializeReport> {
        let views = views.iter().map(|v| v.parse().unwrap()).collect();
        let request = MaterializeRequest { views, full: true, ..MaterializeRequest::default() };
        self.engine.materialize(&self.scope, request, Arc::new(Quiet)).await
    }

    pub async fn get(&self, rows: RecordBatch, at: Option<Micros>) -> Result<GetReply> {
        self.get_from("pricing", rows, at).await
    }

    pub async fn get_from(&self, service: &str, rows: RecordBatch, at: Option<Micros>) -> Result<GetReply> {
        self.engine.get(&self.scope, GetRequest { service: service.parse()?, rows, at }).await
    }
}

async fn open(folder: &TempDir, clock: &Arc<Moment>, online: &Arc<dyn OnlineStore>) -> Result<(Engine, Catalog)> {
    let catalog = Catalog::open(&format!("sqlite:{}", folder.path().join("catalog.db").display())).await?;
    let engine = Engine::open(Parts {
        catalog: catalog.clone(),
        offline: asof_offline::Store::open(&folder.path().join("store").display().to_string()).await?,
        online: online.clone(),
        clock: clock.clone(),
        workshop: Workshop::new(Limits { threads: 2, memory: 256 << 20, gives_way: false }, None)?,
        push: PushLimits::default(),
    })
    .await?;
    Ok((engine, catalog))
}

/// Request rows: driver, city, distance.
pub fn request(rows: &[(Option<&str>, Option<i64>, f64)]) -> RecordBatch {
    let drivers: StringArray = rows.iter().map(|r| r.0).collect();
    let cities: Int64Array = rows.iter().map(|r| r.1).collect();
    let distances: Float64Array = rows.iter().map(|r| Some(r.2)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("driver", Arc::new(drivers) as ArrayRef, true),
        ("city", Arc::new(cities) as ArrayRef, true),
        ("distance", Arc::new(distances) as ArrayRef, true),
    ])
    .unwrap()
}

/// `trip,driver,city,ended,fare` lines, times in seconds after the epoch.
pub fn trips(rows: &[(i64, &str, i64, i64, Option<f64>)]) -> String {
    let mut text = "trip,driver,city,ended,fare\n".to_owned();
    for (trip, driver, city, seconds, fare) in rows {
        let fare = fare.map(|f| f.to_string()).unwrap_or_default();
        let ended = Micros(seconds * asof_model::time::SECOND);
        text += &format!("{trip},{driver},{city},{ended},{fare}\n");
    }
    text
}
