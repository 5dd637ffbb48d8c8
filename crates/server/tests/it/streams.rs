//! A stream of requests that is kept open.

use std::time::Duration;

use asof_proto::serving::v1::get_features_stream_response::Outcome;
use asof_proto::serving::v1::serving_service_client::ServingServiceClient;
use asof_proto::serving::v1::{GetFeaturesRequest, GetFeaturesStreamResponse};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use crate::fixture::codes;
use crate::json::served;
use crate::rows::{parts, shares};
use crate::socket::{connect, serve};

async fn next(answers: &mut Streaming<GetFeaturesStreamResponse>) -> Result<Outcome, tonic::Status> {
    let answer = tokio::time::timeout(Duration::from_secs(10), answers.next()).await.expect("an answer");
    answer.expect("not the end").map(|response| response.outcome.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_order_and_an_error_answers_its_request_alone() {
    let (fixture, _) = served().await;
    let requests: Vec<_> = (0..200).map(|i| if i % 7 == 3 { 0 } else { i + 1 }).collect();
    let sent = requests.clone().into_iter().map(|value| shares(parts(&[value])));
    let mut answers = fixture.serving().get_features_stream(stream::iter(sent)).await.unwrap().into_inner();
    for value in requests {
        match next(&mut answers).await.unwrap() {
            Outcome::Refused(error) => {
                assert_eq!((value, error.code.as_str()), (0, "cannot_compute"));
                assert!(error.message.starts_with("row 0: "), "{error:?}");
            }
            Outcome::Answered(reply) => {
                // The same as when it is asked alone.
                let alone = fixture.serving().get_features(shares(parts(&[value]))).await.unwrap().into_inner();
                assert_eq!(reply, alone);
            }
        }
    }
    assert!(answers.next().await.is_none(), "it ends when the requests end");
    let mut unknown = vec![GetFeaturesRequest { service: "none".into(), ..GetFeaturesRequest::default() }];
    unknown.push(shares(parts(&[1])));
    let mut answers = fixture.serving().get_features_stream(stream::iter(unknown)).await.unwrap().into_inner();
    let Outcome::Refused(error) = next(&mut answers).await.unwrap() else { panic!("a refusal") };
    assert_eq!(error.code, "unknown_name");
    assert!(matches!(next(&mut answers).await.unwrap(), Outcome::Answered(_)));
}

/// How many requests were taken from somebody who sends without end and reads no answer.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_cannot_send_for_ever() {
    let (_fixture, address) = served().await;
    let (send, sent) = mpsc::channel(1);
    let request = shares(parts(&vec![1; 5_000]));
    let mut client = ServingServiceClient::new(connect(address).await);
    let answers = client.get_features_stream(ReceiverStream::new(sent)).await.unwrap().into_inner();
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(500), send.send(request.clone())).await.is_ok() {
        taken += 1;
        assert!(taken < 1_000, "nothing holds it back");
    }
    // It goes on when the answers are read.
    drop(send);
    assert_eq!(answers.count().await, taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_ends_with_its_server() {
    let (fixture, _) = served().await;
    let (address, end, running) = serve(&fixture, &fixture.config).await;
    let (send, sent) = mpsc::channel(1);
    let mut client = ServingServiceClient::new(connect(address).await);
    let mut answers = client.get_features_stream(ReceiverStream::new(sent)).await.unwrap().into_inner();
    send.send(shares(parts(&[4]))).await.unwrap();
    assert!(matches!(next(&mut answers).await.unwrap(), Outcome::Answered(_)));
    end.send(()).unwrap();
    let status = next(&mut answers).await.unwrap_err();
    assert_eq!(codes(&status), (Code::Unavailable, "server_ends".into()));
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    ended.expect("the stream does not keep the server").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_outlives_the_clients_of_its_streams() {
    let (fixture, _) = served().await;
    let (address, end, running) = serve(&fixture, &fixture.config).await;
    for _ in 0..3 {
        let (send, sent) = mpsc::channel(1);
        let mut client = ServingServiceClient::new(connect(address).await);
        let mut answers = client.get_features_stream(ReceiverStream::new(sent)).await.unwrap().into_inner();
        send.send(shares(parts(&[4]))).await.unwrap();
        assert!(next(&mut answers).await.is_ok());
        // Gone with everything in flight.
        drop((client, answers, send));
    }
    end.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    ended.expect("nothing of them is left").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_time_that_its_client_allowed() {
    let (_fixture, address) = served().await;
    let (send, sent) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(sent));
    request.set_timeout(Duration::from_millis(300));
    let mut answers =
        ServingServiceClient::new(connect(address).await).get_features_stream(request).await.unwrap().into_inner();
    send.send(shares(parts(&[4]))).await.unwrap();
    assert!(matches!(next(&mut answers).await.unwrap(), Outcome::Answered(_)));
    let status = next(&mut answers).await.unwrap_err();
    assert_eq!(codes(&status), (Code::DeadlineExceeded, "deadline_exceeded".into()));
}
