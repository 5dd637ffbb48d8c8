//! Work side by side, on as many threads as offline work may have.

use std::sync::{Mutex, PoisonError};
use std::thread;

use asof_model::Result;
use tokio::runtime::Handle;

/// A piece of work that needs no other.
pub(crate) type Task<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// Does all the tasks, begun in their order, on as many threads as the runtime has that this is called in; on one outside of any.
/// Blocks. An error, and nothing is begun any more; of several, one is returned.
pub(crate) fn together(tasks: Vec<Task<'_>>) -> Result<()> {
    let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers()).min(tasks.len());
    let waiting = Mutex::new(tasks.into_iter());
    // A task does not run under the lock, so nothing can poison it.
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(task) = next() {
            if let Err(error) = task() {
                while next().is_some() {}
                return Err(error);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            // A panic goes on where it can be heard of.
            done = done.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use asof_model::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_is_done_once_and_an_error_is_heard_of() {
        let done = AtomicUsize::new(0);
        let task = |fails: bool| -> Task<'_> {
            let done = &done;
            Box::new(move || {
                done.fetch_add(1, Ordering::Relaxed);
                if fails { Err(Error::internal("no")) } else { Ok(()) }
            })
        };
        together((0..100).map(|_| task(false)).collect()).unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 100);
        together((0..100).map(|n| task(n == 99)).collect()).unwrap_err();
        together(vec![]).unwrap();
    }

    #[test]
    fn no_more_threads_than_the_runtime_has() {
        let threads_of = |workers| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
            let work = || {
                // Nobody goes on until as many are at work as there should be threads.
                let (all, seen) = (std::sync::Barrier::new(workers), Mutex::new(std::collections::HashSet::new()));
                let task = || -> Task<'_> {
                    Box::new(|| {
                        seen.lock().unwrap().insert(thread::current().id());
                        all.wait();
                        Ok(())
                    })
                };
                together((0..6).map(|_| task()).collect()).unwrap();
                seen.into_inner().unwrap().len()
            };
            let _inside = runtime.enter();
            work()
        };
        assert_eq!([1, 2, 3].map(threads_of), [1, 2, 3]);
    }
}
