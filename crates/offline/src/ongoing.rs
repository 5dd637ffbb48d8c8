//! Work that has begun and has not ended, wherever it runs.
//!
//! Whoever gives up on some work drops its future; but threads that may block, and tasks that do not come to an await, go on
//! for a moment. Each holds a [`Guard`], so that one can wait until nothing is left.

use std::future::Future;

use asof_model::Result;
use tokio::sync::watch;

use crate::failure::Failure;

/// Counts work. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Ongoing {
    count: watch::Sender<usize>,
    /// What this is a part of.
    whole: Option<Box<Ongoing>>,
}

/// Some work that has begun. It has ended when this is dropped.
#[derive(Debug)]
pub struct Guard {
    count: watch::Sender<usize>,
    _whole: Option<Box<Guard>>,
}

impl Ongoing {
    /// A part of this work: what begins in it has begun here too.
    pub fn part(&self) -> Ongoing {
        Ongoing { count: watch::Sender::default(), whole: Some(Box::new(self.clone())) }
    }

    /// Some work begins.
    pub fn begin(&self) -> Guard {
        self.count.send_modify(|count| *count += 1);
        let whole = self.whole.as_ref().map(|whole| Box::new(whole.begin()));
        Guard { count: self.count.clone(), _whole: whole }
    }

    /// Waits until no work is left.
    pub async fn ended(&self) {
        let mut counts = self.count.subscribe();
        // The sender is there as long as this is.
        let _ = counts.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Does some work that goes on to its end, whoever waits: so its end can be waited for, and then it is known whether it
/// happened. What makes things visible is such work.
///
/// # Errors
/// The work's own.
pub(crate) async fn to_its_end<T: Send + 'static>(
    ongoing: &Ongoing,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let guard = ongoing.begin();
    let ended = tokio::spawn(async move {
        let done = work.await;
        drop(guard);
        done
    });
    ended.await.map_err(Failure::from)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_waits_for_the_last_of_all_parts() {
        let ongoing = Ongoing::default();
        let part = ongoing.part();
        ongoing.ended().await;
        let (first, second) = (ongoing.begin(), part.clone().begin());
        drop(first);
        for waiting in [&ongoing, &part] {
            let early = tokio::time::timeout(Duration::from_millis(20), waiting.ended()).await;
            assert!(early.is_err(), "one is left");
        }
        let third = ongoing.begin();
        drop(second);
        part.ended().await;
        drop(third);
        ongoing.ended().await;
    }
}
