//! The assembled server: services, limits, health, reflection, and how it ends.
//!
//! Nothing is left at a default that means "no limit": calls and resets per connection, sizes of messages and
//! headers, the time to a first answer, and silent connections are all bounded. Over HTTP/1.1 a connection has one call at a time,
//! and the head of each call, with the wait for it, the 30 seconds and 400 kB that the transport gives it. At the end it stops
//! accepting, tells health watchers, lets calls in flight finish, and after a bounded patience leaves.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use asof_engine::Engine;
use asof_model::{Error, ErrorKind, Result};
use asof_proto::bundle::v1::bundle_service_server::{BundleServiceServer, SERVICE_NAME as BUNDLES};
use asof_proto::jobs::v1::job_service_server::{JobServiceServer, SERVICE_NAME as JOBS};
use asof_proto::lineage::v1::lineage_service_server::{LineageServiceServer, SERVICE_NAME as LINEAGE};
use asof_proto::model::v1::model_service_server::{ModelServiceServer, SERVICE_NAME as MODELS};
use asof_proto::push::v1::push_service_server::SERVICE_NAME as PUSH;
use asof_proto::registry::v1::registry_service_server::{RegistryServiceServer, SERVICE_NAME as REGISTRY};
use asof_proto::serving::v1::serving_service_server::SERVICE_NAME as SERVING;
use asof_proto::storage::v1::storage_service_server::{SERVICE_NAME as STORAGE, StorageServiceServer};
use futures::TryStreamExt;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::layer::util::{Identity, Stack};

use crate::config::{self, Config};
use crate::deadline::Deadlines;
use crate::greeting::Greeted;
use crate::http;
use crate::open::store_folder;
use crate::parented::Parented;
use crate::service::{Bundles, Desk, Front, Jobs, Lineage, Models, Push, Registry, Serving, Shortcut, Storage};
use crate::spool::Spool;

/// The services whose health is told, and all of them together under the empty name.
const SERVICES: [&str; 9] = ["", REGISTRY, JOBS, SERVING, LINEAGE, PUSH, MODELS, BUNDLES, STORAGE];
/// How often a silent connection is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Bytes of the headers of a call.
const MAX_HEADERS: u32 = 16 << 10;
/// Calls that a client may open and take back before it is sent away.
const MAX_RESETS: usize = 64;
/// Bytes on their way to the server per call and per connection: enough for uploads over distances.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);

/// A gRPC server over an engine.
pub struct Server {
    routes: Routes,
    shortcut: Shortcut,
    health: HealthReporter,
    settings: config::Server,
    ends: watch::Sender<bool>,
}

impl Server {
    /// A server of these settings.
    ///
    /// # Errors
    /// `not_yet` for a store that is not a local folder.
    pub fn new(engine: Engine, config: &Config) -> Result<Self> {
        let settings = config.server.clone();
        let (ends, ended) = watch::channel(false);
        let desk = Arc::new(Desk {
            engine,
            project: config.project.clone(),
            rules: config.rules(),
            spool: Spool::of(&store_folder(config)?),
            silence: settings.request_timeout,
            ends: ended,
        });
        let size = settings.max_message;
        let registry = RegistryServiceServer::new(Registry(desk.clone()));
        let jobs = JobServiceServer::new(Jobs(desk.clone()));
        let serving = Front::new(Serving(desk.clone()), size);
        let push = Front::new(Push(desk.clone()), size);
        let shortcut = Shortcut { serving: serving.clone(), push: push.clone() };
        let lineage = LineageServiceServer::new(Lineage(desk.clone()));
        let models = ModelServiceServer::new(Models(desk.clone()));
        let bundles = BundleServiceServer::new(Bundles(desk.clone()));
        let storage = StorageServiceServer::new(Storage(desk.clone()));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(asof_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(Error::internal)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let registry = registry.max_decoding_message_size(size).max_encoding_message_size(size);
        let jobs = jobs.max_decoding_message_size(size).max_encoding_message_size(size);
        let routes = Routes::new(Parented(registry))
            .add_service(Parented(jobs))
            .add_service(serving)
            .add_service(push)
            .add_service(lineage.max_decoding_message_size(size).max_encoding_message_size(size))
            .add_service(Parented(models.max_decoding_message_size(size).max_encoding_message_size(size)))
            .add_service(Parented(bundles.max_decoding_message_size(size).max_encoding_message_size(size)))
            .add_service(Parented(storage.max_decoding_message_size(size).max_encoding_message_size(size)))
            .add_service(health_service)
            .add_service(reflection);
        let routes = http::routes(routes.into_axum_router(), &desk, size).into();
        Ok(Server { routes, shortcut, health, settings, ends })
    }

    /// Answers on a listener until `shutdown` is done, then lets calls in flight finish, for as long as the
    /// settings say.
    ///
    /// # Errors
    /// `internal` when the transport fails.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Server { routes, shortcut, health, settings, ends } = self;
        for service in SERVICES {
            health.set_service_status(service, ServingStatus::Serving).await;
        }
        let (ending, ended) = oneshot::channel();
        let shutdown = async {
            shutdown.await;
            farewell(health).await;
            // Nobody hears it where no stream is open, or the server has failed already.
            let _ = ends.send(true);
            let _ = ending.send(());
        };
        let patience = async {
            if ended.await.is_err() {
                pending::<()>().await;
            }
            let _ = tokio::time::timeout(settings.shutdown_timeout, pending::<()>()).await;
        };
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE));
        let incoming = incoming.map_ok(move |stream| Greeted::within(settings.request_timeout, stream));
        let serving = transport(&settings, Some(settings.request_timeout))
            .layer(shortcut)
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, shutdown);
        tokio::select! {
            served = serving => served.map_err(Error::internal),
            () = patience => {
                tracing::warn!("calls in flight did not finish in time and are broken off");
                Ok(())
            }
        }
    }

    /// Binds the configured address.
    ///
    /// # Errors
    /// `cannot_listen`, for example because the port is taken.
    pub async fn bind(config: &Config) -> Result<TcpListener> {
        let listen = &config.server.listen;
        TcpListener::bind(listen).await.map_err(|e| {
            Error::new(ErrorKind::Unavailable, "cannot_listen", format!("cannot listen on {listen}: {e}"))
                .remedy("choose another address with --listen HOST:PORT or [server] listen")
        })
    }

    /// All services and their limits, for a transport of the caller's.
    pub(crate) fn into_parts(self) -> (Routes, config::Server) {
        (self.routes, self.settings)
    }
}

/// The limits of a connection, and of a call until its first answer.
pub(crate) fn transport(
    settings: &config::Server,
    most: Option<Duration>,
) -> tonic::transport::Server<Stack<Deadlines, Identity>> {
    tonic::transport::Server::builder()
        // HTTP/1.1 as well as 2, for JSON.
        .accept_http1(true)
        .concurrency_limit_per_connection(settings.max_streams as usize)
        .load_shed(true)
        .max_concurrent_streams(settings.max_streams)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .trace_fn(|request| tracing::info_span!("request", path = request.uri().path()))
        .layer(Deadlines(most))
}

/// Tells watchers, and ends their streams: a watcher that waits for ever would keep the server from ending.
async fn farewell(mut health: HealthReporter) {
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::NotServing).await;
        health.clear_service_status(service).await;
    }
}
