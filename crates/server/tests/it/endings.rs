//! How a server ends: calls in flight finish, new ones are refused, watchers are told.

use std::time::Duration;

use asof_proto::jobs::v1::job_service_client::JobServiceClient;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::fixture::{Fixture, WEATHER, chunk, header, ingested};
use crate::socket::{connect, serve};

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_finish_and_watchers_are_told() {
    let fixture = Fixture::filled().await;
    let (address, end, running) = serve(&fixture, &fixture.config).await;

    let mut health = HealthClient::new(connect(address).await);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let serving = HealthCheckRequest { service: "asof.serving.v1.ServingService".into() };
    assert_eq!(health.check(serving).await.unwrap().into_inner().status(), ServingStatus::Serving);

    let (send, messages) = mpsc::channel(4);
    let mut jobs = JobServiceClient::new(connect(address).await);
    send.send(header("weather", &[])).await.unwrap();
    let events = jobs.ingest(ReceiverStream::new(messages)).await.unwrap().into_inner();

    end.send(()).unwrap();
    assert_eq!(watched.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(watched.next().await.is_none(), "a watcher does not keep the server from ending");
    assert!(!running.is_finished());

    // The upload that had begun goes on to its end.
    send.send(chunk("more.csv", WEATHER.replace("2013", "2014").as_bytes())).await.unwrap();
    drop(send);
    assert_eq!(ingested(events).await.unwrap().rows, 3);
    drop((jobs, health));
    running.await.unwrap().unwrap();
    assert!(TcpListener::bind(address).await.is_ok(), "the port is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patience_of_a_shutdown_is_bounded() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config.clone();
    config.server.shutdown_timeout = Duration::from_millis(100);
    let (address, end, running) = serve(&fixture, &config).await;
    let (send, messages) = mpsc::channel(1);
    send.send(header("weather", &[])).await.unwrap();
    let _events = JobServiceClient::new(connect(address).await).ingest(ReceiverStream::new(messages)).await.unwrap();
    end.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    ended.expect("it ends though the upload does not").unwrap().unwrap();
    drop(send);
}
