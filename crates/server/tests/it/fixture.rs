//! A store with a small project of the tour's shape, and clients of a server over it.

use std::path::Path;
use std::time::Duration;

use asof_proto::error::v1::Errors;
use asof_proto::jobs::v1::job_service_client::JobServiceClient;
use asof_proto::jobs::v1::{
    FileChunk, IngestEvent, IngestHeader, IngestRequest, IngestResult, TrainRequest, ingest_event, ingest_request,
};
use asof_proto::lineage::v1::lineage_service_client::LineageServiceClient;
use asof_proto::model::v1::RegisterRequest;
use asof_proto::model::v1::model_service_client::ModelServiceClient;
use asof_proto::registry::v1::registry_service_client::RegistryServiceClient;
use asof_proto::registry::v1::{ApplyRequest, ApplyResponse, SourceFile};
use asof_proto::serving::v1::serving_service_client::ServingServiceClient;
use asof_server::{Config, Opened, Overrides, embedded, open};
use futures::{StreamExt, stream};
use prost::Message;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

/// Definitions in which a flight's features are the weather at its origin and its own distance.
pub(crate) const DEFINITIONS: &str = "
    CREATE DATASET weather (origin VARCHAR, time_hour TIMESTAMP, temp DOUBLE) TIMESTAMP time_hour;
    CREATE DATASET flights (origin VARCHAR, sched_dep TIMESTAMP, distance DOUBLE, late BOOLEAN) TIMESTAMP sched_dep;
    CREATE ENTITY airport KEY (origin VARCHAR);
    CREATE FEATURE VIEW airport_weather ENTITY airport TIMESTAMP time_hour TTL INTERVAL '3 hours'
    AS SELECT origin, time_hour, temp FROM weather;
    CREATE FEATURE SERVICE departure_delay REQUEST (distance DOUBLE)
    AS SELECT temp, temp < 0 AND distance > 1000 AS risky FROM airport_weather;
    CREATE TRAINING SET delays FEATURES departure_delay TIMESTAMP sched_dep
    AS SELECT origin, sched_dep, distance, late FROM flights;
";
pub(crate) const WEATHER: &str = "origin,time_hour,temp\n\
    JFK,2013-01-01T10:00:00Z,-1.5\nJFK,2013-01-01T11:00:00Z,2.5\nEWR,2013-01-01T11:00:00Z,\n";
pub(crate) const FLIGHTS: &str = "origin,sched_dep,distance,late\n\
    JFK,2013-01-01T10:30:00Z,1400,true\nEWR,2013-01-01T12:00:00Z,500,false\nJFK,2013-01-02T12:00:00Z,1400,false\n";

/// A store that is open, and a channel to a server in this process.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
    pub(crate) opened: Opened,
    pub(crate) channel: Channel,
}

impl Fixture {
    /// Whether nothing of an upload is left; the server has a folder of its own there as long as it lives.
    pub(crate) fn holds_no_uploads(&self) -> bool {
        let mut left = std::fs::read_dir(self.folder.path().join(".asof/tmp")).expect("a folder").flatten();
        left.all(|entry| !entry.file_name().to_string_lossy().starts_with("upload-"))
    }

    /// An empty store.
    pub(crate) async fn new() -> Self {
        Fixture::with(|_| {}).await
    }

    /// An empty store with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Fixture::opened_by("test", change).await
    }

    /// The same, opened in the name of a verb.
    pub(crate) async fn opened_by(verb: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let opened = open(&config, verb, Duration::ZERO).await.unwrap();
        let channel = embedded(opened.engine.clone(), &config).unwrap();
        Fixture { folder, config, opened, channel }
    }

    /// A store with definitions and data.
    pub(crate) async fn filled() -> Self {
        let fixture = Fixture::new().await;
        fixture.fill().await;
        fixture
    }

    /// Definitions and data.
    pub(crate) async fn fill(&self) {
        self.apply(DEFINITIONS).await.unwrap();
        self.upload("weather", "weather.csv", WEATHER).await.unwrap();
        self.upload("flights", "flights.csv", FLIGHTS).await.unwrap();
    }

    pub(crate) fn registry(&self) -> RegistryServiceClient<Channel> {
        RegistryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel.clone())
    }

    pub(crate) fn serving(&self) -> ServingServiceClient<Channel> {
        ServingServiceClient::new(self.channel.clone())
    }

    pub(crate) fn lineage(&self) -> LineageServiceClient<Channel> {
        LineageServiceClient::new(self.channel.clone())
    }

    /// A model, `delay@7`, that was trained on a training set.
    pub(crate) async fn model(&self) {
        let train = TrainRequest { name: "delays".into(), ..TrainRequest::default() };
        let mut events = self.jobs().train(train).await.unwrap().into_inner();
        while let Some(event) = events.next().await {
            event.unwrap();
        }
        let (name, version, trained_on) = ("delay".into(), "7".into(), "delays@1".into());
        let request = RegisterRequest { name, version, trained_on, ..RegisterRequest::default() };
        self.models().register(request).await.unwrap();
    }

    pub(crate) fn models(&self) -> ModelServiceClient<Channel> {
        ModelServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn apply(&self, text: &str) -> Result<ApplyResponse, Status> {
        let source = SourceFile { path: "definitions.sql".into(), text: text.into() };
        let request = ApplyRequest { sources: vec![source], ..ApplyRequest::default() };
        self.registry().apply(request).await.map(tonic::Response::into_inner)
    }

    /// Ingests one uploaded file.
    pub(crate) async fn upload(&self, dataset: &str, name: &str, content: &str) -> Result<IngestResult, Status> {
        let halves = content.as_bytes().chunks(content.len().div_ceil(2));
        let messages: Vec<_> =
            std::iter::once(header(dataset, &[])).chain(halves.map(|bytes| chunk(name, bytes))).collect();
        ingested(self.jobs().ingest(stream::iter(messages)).await?.into_inner()).await
    }
}

/// The settings of a store in a folder.
pub(crate) fn config(folder: &Path) -> Config {
    let file = folder.join("asof.toml");
    std::fs::write(&file, "[project]\nname = 'flights'\n[offline]\nthreads = 2\nmemory = '64MiB'").unwrap();
    Config::load(Some(&file), Overrides::default()).unwrap()
}

pub(crate) fn header(dataset: &str, sources: &[&str]) -> IngestRequest {
    let sources = sources.iter().map(|s| (*s).to_owned()).collect();
    let header = IngestHeader { dataset: dataset.into(), sources, ..IngestHeader::default() };
    IngestRequest { message: Some(ingest_request::Message::Header(header)) }
}

pub(crate) fn chunk(name: &str, bytes: &[u8]) -> IngestRequest {
    let chunk = FileChunk { name: name.into(), bytes: bytes.into() };
    IngestRequest { message: Some(ingest_request::Message::Chunk(chunk)) }
}

/// The result of an ingest, after its progress.
pub(crate) async fn ingested(mut events: Streaming<IngestEvent>) -> Result<IngestResult, Status> {
    while let Some(event) = events.next().await {
        if let Some(ingest_event::Event::Result(result)) = event?.event {
            assert!(events.next().await.is_none(), "the result comes last");
            return Ok(result);
        }
    }
    panic!("an ingest without a result");
}

/// The codes of a failed call: gRPC's, and that of the first error in the details.
pub(crate) fn codes(status: &Status) -> (Code, String) {
    let errors = Errors::decode(status.details()).unwrap().errors;
    (status.code(), errors.first().map(|e| e.code.clone()).unwrap_or_default())
}
