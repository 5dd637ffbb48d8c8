//! Progress from threads that may not borrow the caller's [`Progress`].

use std::future::Future;
use std::pin::pin;

use tokio::sync::watch;

use crate::progress::Progress;

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    stage: &'static str,
    done: u64,
    total: Option<u64>,
}

/// Where worker threads write how far they are. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(watch::Sender<Reading>);

impl Meter {
    /// Starts a stage.
    pub(crate) fn start(&self, stage: &'static str, total: Option<u64>) {
        self.0.send_replace(Reading { stage, done: 0, total });
    }

    /// So many more units of the stage are done.
    pub(crate) fn add(&self, units: u64) {
        self.0.send_modify(|reading| reading.done += units);
    }

    /// Does the work, and tells `progress` how far it is whenever that changed.
    pub(crate) async fn report<T>(&self, progress: &dyn Progress, work: impl Future<Output = T>) -> T {
        let mut readings = self.0.subscribe();
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                Ok(()) = readings.changed() => {
                    let Reading { stage, done, total } = *readings.borrow_and_update();
                    progress.advance(stage, done, total);
                }
            }
        }
    }
}
