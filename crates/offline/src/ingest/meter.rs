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

    /// Starts a stage over all that the one before it did.
    pub(crate) fn start_over_all(&self, stage: &'static str) {
        self.0.send_modify(|reading| *reading = Reading { stage, done: 0, total: Some(reading.done) });
    }

    /// So many more units of the stage are done.
    pub(crate) fn add(&self, units: u64) {
        self.0.send_modify(|reading| reading.done += units);
    }

    /// Whether somebody still waits for the work.
    pub(crate) fn is_watched(&self) -> bool {
        !self.0.is_closed()
    }

    /// Does the work, and tells `progress` how far it is whenever that changed.
    pub(crate) async fn report<T>(&self, progress: &dyn Progress, work: impl Future<Output = T>) -> T {
        let mut readings = self.0.subscribe();
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => {
                    if readings.has_changed().unwrap_or_default() {
                        tell(&mut readings, progress);
                    }
                    return result;
                }
                Ok(()) = readings.changed() => tell(&mut readings, progress),
            }
        }
    }
}

fn tell(readings: &mut watch::Receiver<Reading>, progress: &dyn Progress) {
    let Reading { stage, done, total } = *readings.borrow_and_update();
    progress.advance(stage, done, total);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(String, u64, Option<u64>)>>);

    impl Progress for Heard {
        fn advance(&self, stage: &str, done: u64, total: Option<u64>) {
            self.0.lock().unwrap().push((stage.to_owned(), done, total));
        }
    }

    #[tokio::test]
    async fn the_last_word_is_always_heard() {
        let (meter, heard) = (Meter::default(), Heard::default());
        let work = async {
            meter.start("reading", None);
            meter.add(3);
            tokio::task::yield_now().await;
            meter.start_over_all("writing");
            meter.add(2);
        };
        meter.report(&heard, work).await;
        assert_eq!(heard.0.lock().unwrap().last(), Some(&("writing".to_owned(), 2, Some(3))));
    }
}
