//! Long work as a stream of events: how far it has come, then exactly one result or error.
//!
//! The work belongs to the stream: when the client goes away the stream is dropped, and the work with it. News
//! replace one another until somebody reads them, so that a slow reader slows nothing and a fast one is
//! told a few times per second.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use asof_engine::{Parent, Progress};
use asof_model::Result;
use asof_proto::jobs::v1 as wire;
use futures::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tonic::Status;
use tracing::Instrument;

use crate::convert::error::Refusal;

/// The least time between two pieces of news.
const PACE: Duration = Duration::from_millis(100);

/// The stages in which bytes are counted; in all others it is rows.
const BYTES: [&str; 3] = ["hashing", "checking", "uploading"];

/// The stream of events of a call.
pub(crate) type Events<E> = Pin<Box<dyn Stream<Item = Result<E, Status>> + Send>>;

/// Told by the engine, from any thread.
pub(crate) struct Reporter(watch::Sender<wire::Progress>);

impl Progress for Reporter {
    fn advance(&self, stage: &str, done: u64, total: Option<u64>) {
        let unit = if BYTES.contains(&stage) { wire::Unit::Bytes } else { wire::Unit::Rows };
        self.0.send_replace(wire::Progress { stage: stage.to_owned(), done, total, unit: unit.into() });
    }
}

/// Runs work that reports through the [`Reporter`] it is given.
pub(crate) fn events<T, E, R, W, F>(work: W, progress: fn(wire::Progress) -> E, result: fn(T) -> E) -> Events<E>
where
    T: Send + 'static,
    E: 'static,
    R: Refusal + 'static,
    W: FnOnce(Reporter) -> F,
    F: Future<Output = Result<T, R>> + Send + 'static,
{
    let (sender, news) = watch::channel(wire::Progress::default());
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What the call is part of, its work is too.
    let work = Box::pin(Parent::with(Parent::present(), work(Reporter(sender)).in_current_span()));
    Box::pin(stream::unfold(Some((work, news, pace)), move |state| async move {
        let (mut work, mut news, mut pace) = state?;
        let fresh = async {
            pace.tick().await;
            if news.changed().await.is_err() {
                // Nobody reports any more: only the end of the work is awaited.
                pending::<()>().await;
            }
        };
        let done = tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = fresh => None,
        };
        match done {
            Some(done) => Some((done.map(result).map_err(Refusal::status), None)),
            None => {
                let latest = news.borrow_and_update().clone();
                Some((Ok(progress(latest)), Some((work, news, pace))))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use asof_model::{Error, ErrorKind};
    use futures::StreamExt;

    use super::*;

    fn watched<F>(work: impl FnOnce(Reporter) -> F) -> Events<String>
    where
        F: Future<Output = Result<u64>> + Send + 'static,
    {
        events(work, |p| format!("{} {}", p.stage, p.done), |rows| format!("{rows} rows"))
    }

    #[tokio::test]
    async fn news_are_thinned_out_and_the_result_comes_last() {
        let stream = watched(|reporter| async move {
            for done in 0..10_000 {
                reporter.advance("sorting", done, None);
                if done % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Ok(7)
        });
        let told: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert_eq!(told.last().map(String::as_str), Some("7 rows"));
        assert!(told.len() < 50, "{}", told.len());
    }

    #[tokio::test]
    async fn an_error_ends_the_stream() {
        let stream = watched(|_| async { Err(Error::new(ErrorKind::NotFound, "unknown_name", "no")) });
        let told: Vec<_> = stream.collect().await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].as_ref().unwrap_err().code(), tonic::Code::NotFound);
    }

    #[tokio::test]
    async fn work_is_dropped_with_its_stream() {
        struct Held(Arc<AtomicBool>);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let held = Held(dropped.clone());
        let mut stream = watched(|reporter| async move {
            let _held = held;
            reporter.advance("reading", 1, None);
            pending().await
        });
        assert_eq!(stream.next().await.unwrap().unwrap(), "reading 1");
        assert!(!dropped.load(Ordering::SeqCst));
        drop(stream);
        assert!(dropped.load(Ordering::SeqCst));
    }
}
