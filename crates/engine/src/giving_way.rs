//! How threads of offline work keep out of the way of those that answer requests.
//!
//! They are as nice as can be, and where they are fewer than the processors they keep off one of these, so that a request always finds
//! one free. Niceness is not enough: a thread that is woken waits until the nice one leaves the kernel or its slice ends, and
//! building a training set is often in the kernel. While one of 10M rows was built on two processors, the p99 of 2,000 requests a
//! second was 8 times that of an idle server with niceness alone, 6 times with the policy `SCHED_IDLE`, and 1.1 times with one
//! processor left free, which costs the training set at most that processor. One thread fewer without keeping off was 5 times: what
//! writes files has threads of its own.
//!
//! **Deliberately not here.** A share of the processors that a container is given as a quota is no set of processors: there threads
//! are nice and no more, since several containers would all keep off the same one.

use std::sync::atomic::{AtomicUsize, Ordering};

use core_affinity::CoreId;
use thread_priority::{ThreadPriority, set_current_thread_priority};

/// What threads do that give way to all others of the process.
pub(crate) struct GivingWay {
    /// Where they run, each on one; empty where that is all the same.
    processors: Vec<CoreId>,
    begun: AtomicUsize,
}

impl GivingWay {
    /// For so many threads at work: if they leave one, on all processors but the first, where the machine's own interrupts mostly are.
    pub(crate) fn new(threads: usize) -> GivingWay {
        let mut processors = core_affinity::get_core_ids().unwrap_or_default();
        let share = std::thread::available_parallelism().map_or(1, usize::from);
        if threads < processors.len() && share >= processors.len() {
            processors.remove(0);
        } else {
            processors.clear();
        }
        GivingWay { processors, begun: AtomicUsize::new(0) }
    }

    /// Has this thread give way.
    pub(crate) fn begin(&self) {
        if let Err(error) = set_current_thread_priority(ThreadPriority::Min) {
            tracing::warn!(?error, "offline work does not give way to requests");
        }
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        let own = self.processors.get(begun % self.processors.len().max(1));
        if own.is_some_and(|own| !core_affinity::set_for_current(*own)) {
            tracing::warn!(?own, "offline work leaves no processor to requests");
        }
    }
}

#[cfg(test)]
mod tests {
    use asof_model::Error;

    use crate::workshop::{Limits, Workshop};

    /// How nice this thread is to others, from 0 to 19.
    fn niceness() -> Option<i64> {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
        // Behind the name, which may hold anything, the first field is the third.
        stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
    }

    /// On which processors this thread may run: `0-3,5`.
    fn processors() -> Option<String> {
        let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some(line.trim().to_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn offline_work_gives_way_where_it_is_to() {
        let here = || (niceness().unwrap_or_default(), processors().unwrap_or_default());
        let own = here();
        let count = std::thread::available_parallelism().unwrap().get();
        for (gives_way, threads) in [(true, 1), (true, count), (false, 1)] {
            let workshop = Workshop::new(Limits { threads, memory: 1 << 20, gives_way }, None).unwrap();
            let work = async move { Ok((here(), tokio::task::spawn_blocking(here).await.map_err(Error::internal)?)) };
            let (worker, blocking) = workshop.run(work).await.unwrap();
            if own.1.is_empty() {
                continue;
            }
            for of in [worker, blocking] {
                assert_eq!(of.0, if gives_way { 19 } else { own.0 });
                assert_eq!(of.1 != own.1, gives_way && threads < count, "{} of {}", of.1, own.1);
            }
        }
        // Who asks stays as it was.
        assert_eq!(here(), own);
    }
}
