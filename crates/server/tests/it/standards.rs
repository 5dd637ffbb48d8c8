//! What generic gRPC tools rely on: reflection and health, and the limits that keep strangers cheap.

use asof_proto::registry::v1::{ApplyRequest, SourceFile};
use futures::{StreamExt, stream};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::fixture::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_and_describes_the_services() {
    let fixture = Fixture::new().await;
    let ask = |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let requests = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("asof.serving.v1.ServingService".into())),
    ];
    let mut client = ServerReflectionClient::new(fixture.channel.clone());
    let mut answers = client.server_reflection_info(stream::iter(requests)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.next().await.unwrap().unwrap().message_response
    else {
        panic!("a list of services");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    names.sort();
    let ours = [
        "asof.bundle.v1.BundleService",
        "asof.jobs.v1.JobService",
        "asof.lineage.v1.LineageService",
        "asof.model.v1.ModelService",
        "asof.push.v1.PushService",
        "asof.registry.v1.RegistryService",
        "asof.serving.v1.ServingService",
        "asof.storage.v1.StorageService",
    ];
    assert_eq!(names[..8], ours);
    assert_eq!(names[8..], ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]);
    let answer = answers.next().await.unwrap().unwrap().message_response;
    assert!(matches!(answer, Some(MessageResponse::FileDescriptorResponse(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_answers() {
    let fixture = Fixture::new().await;
    let mut health = HealthClient::new(fixture.channel.clone());
    let reply = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(reply.status(), ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_refused() {
    let fixture = Fixture::new().await;
    let text = " ".repeat(fixture.config.server.max_message + 1);
    let request = ApplyRequest { sources: vec![SourceFile { path: "a.sql".into(), text }], ..ApplyRequest::default() };
    assert_eq!(fixture.registry().apply(request).await.unwrap_err().code(), Code::OutOfRange);
}
