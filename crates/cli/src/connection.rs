//! How a verb reaches a server: over the network, or the one it starts in its own process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use asof_proto::bundle::v1::bundle_service_client::BundleServiceClient;
use asof_proto::jobs::v1::job_service_client::JobServiceClient;
use asof_proto::lineage::v1::lineage_service_client::LineageServiceClient;
use asof_proto::model::v1::model_service_client::ModelServiceClient;
use asof_proto::object::v1::Scope;
use asof_proto::push::v1::push_service_client::PushServiceClient;
use asof_proto::registry::v1::registry_service_client::RegistryServiceClient;
use asof_proto::serving::v1::serving_service_client::ServingServiceClient;
use asof_proto::storage::v1::storage_service_client::StorageServiceClient;
use asof_server::{Config, Overrides, PARENT_RUN, StoreLock};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use crate::args::Global;
use crate::failure::{Failure, Result};

/// How long to wait for another process that holds the store for a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(5);

/// The largest reply that is read: a server within its own limits stays below.
const LARGEST_REPLY: usize = 256 << 20;

/// A channel whose calls say what they are part of.
pub(crate) type Calls = InterceptedService<Channel, PartOf>;

/// The run of somebody else's that calls are part of, if they are.
#[derive(Clone)]
pub(crate) struct PartOf(Option<AsciiMetadataValue>);

impl PartOf {
    fn of(global: &Global) -> Result<Self> {
        let value = global.parent_run().map(AsciiMetadataValue::try_from).transpose();
        value.map(PartOf).map_err(|_| {
            let message = "--parent-run (or OPENLINEAGE_PARENT_ID) is no plain text";
            Failure::usage(message, "write it as NAMESPACE/JOB/RUN, in ASCII")
        })
    }
}

impl Interceptor for PartOf {
    fn call(&mut self, mut request: tonic::Request<()>) -> std::result::Result<tonic::Request<()>, tonic::Status> {
        if let Some(run) = &self.0 {
            request.metadata_mut().insert(PARENT_RUN, run.clone());
        }
        Ok(request)
    }
}

/// A server, and in whose name it is asked.
pub(crate) struct Connection {
    channel: Calls,
    scope: Scope,
    /// The folder of the project's `asof.toml`, if there is one.
    folder: Option<PathBuf>,
    /// The files that its settings name as gates.
    gates: Vec<PathBuf>,
}

impl Connection {
    /// Connects to `--server`, or opens the store here in the name of `verb`.
    ///
    /// # Errors
    /// `unreachable_server`, those of the configuration, and `store_held` when another process holds the store
    /// for longer than [`PATIENCE`].
    pub(crate) async fn open(global: &Global, verb: &str) -> Result<Self> {
        let scope = Scope {
            project: global.project.as_ref().map(ToString::to_string).unwrap_or_default(),
            environment: global.env.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let part_of = PartOf::of(global)?;
        if let Some(url) = global.server() {
            // The configuration only tells where the project's files are; it may be absent.
            let config = configuration(global, None).ok();
            let gates = config.as_ref().map(Config::gate_files).unwrap_or_default();
            let folder = config.and_then(|config| folder(&config));
            let channel = InterceptedService::new(dial(url).await?, part_of);
            return Ok(Connection { channel, scope, folder, gates });
        }
        let config = project(global, None)?;
        let opened = asof_server::open(&config, verb, PATIENCE).await?;
        // A verb opens one store.
        let _ = global.work.set(opened.ending());
        hold(opened.lock);
        let channel = InterceptedService::new(asof_server::embedded(opened.engine, &config)?, part_of);
        Ok(Connection { channel, scope, folder: folder(&config), gates: config.gate_files() })
    }

    /// Whose definitions calls are about.
    pub(crate) fn scope(&self) -> Option<Scope> {
        Some(self.scope.clone())
    }

    /// The folder of the project's `asof.toml`, if there is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The files that the project's settings name as gates: they define nothing.
    pub(crate) fn gates(&self) -> &[PathBuf] {
        &self.gates
    }

    /// Definitions.
    pub(crate) fn registry(&self) -> RegistryServiceClient<Calls> {
        RegistryServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }

    /// Offline work.
    pub(crate) fn jobs(&self) -> JobServiceClient<Calls> {
        JobServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }

    /// Models.
    pub(crate) fn models(&self) -> ModelServiceClient<Calls> {
        ModelServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }

    /// Bundles.
    pub(crate) fn bundles(&self) -> BundleServiceClient<Calls> {
        let client = BundleServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_REPLY).max_encoding_message_size(LARGEST_REPLY)
    }

    /// What is stored.
    pub(crate) fn storage(&self) -> StorageServiceClient<Calls> {
        StorageServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }

    /// Features.
    pub(crate) fn serving(&self) -> ServingServiceClient<Calls> {
        ServingServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }

    /// Rows for datasets.
    pub(crate) fn push(&self) -> PushServiceClient<Calls> {
        PushServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }

    /// Origins and runs.
    pub(crate) fn lineage(&self) -> LineageServiceClient<Calls> {
        LineageServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_REPLY)
    }
}

/// The configuration of the project that is worked on here.
///
/// # Errors
/// `no_project` where nothing says which store: no verb but `init` makes one in a folder that happens to be
/// the current one. Those of [`Config::load`].
pub(crate) fn project(global: &Global, listen: Option<String>) -> Result<Config> {
    let config = configuration(global, listen)?;
    if config.file.is_none() && std::env::var_os("ASOF_STORE_URL").is_none() {
        return Err(Failure::refused(
            "no_project",
            "there is no asof.toml in this folder or in one above it",
            "make a project with `asof init`, name one with --config FILE, or a running server with --server URL",
        ));
    }
    Ok(config)
}

fn configuration(global: &Global, listen: Option<String>) -> Result<Config> {
    let project = global.project.as_ref().map(ToString::to_string);
    Ok(Config::load(global.config.as_deref(), Overrides { project, listen, ..Overrides::default() })?)
}

fn folder(config: &Config) -> Option<PathBuf> {
    config.file.as_deref().and_then(Path::parent).map(Path::to_owned)
}

/// Holds the store until the process has ended, when the operating system lets go of it: let go sooner, the
/// next process could find the stores inside still open in this one.
pub(crate) fn hold(lock: StoreLock) {
    std::mem::forget(lock);
}

async fn dial(url: &str) -> Result<Channel> {
    let wrong = |why: &str| {
        Failure::usage(
            format!("--server {url}: {why}"),
            "write it as http://HOST:PORT, for example http://127.0.0.1:7461",
        )
    };
    if url.starts_with("https://") {
        return Err(wrong("connections with TLS are not there yet"));
    }
    if !url.starts_with("http://") {
        return Err(wrong("this is not the URL of a server"));
    }
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong("this is not the URL of a server"))?;
    let endpoint = endpoint.connect_timeout(CONNECTING).tcp_nodelay(true).http2_keep_alive_interval(PATIENCE);
    endpoint.connect().await.map_err(|error| {
        Failure::refused(
            "unreachable_server",
            format!("no server answers at {url}: {}", innermost(&error)),
            "start one with `asof serve`, or leave --server (and ASOF_SERVER) out to work on the store here",
        )
    })
}

/// What lies at the bottom of an error: `Connection refused`, not `transport error`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
