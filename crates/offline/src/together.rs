//! Work side by side on the processors of this machine.

use std::sync::{Mutex, PoisonError};
use std::thread;

use asof_model::Result;

/// A piece of work that needs no other.
pub(crate) type Task<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// Does all the tasks, begun in their order, on as many threads as there are processors. Blocks. An error, and nothing is begun
/// any more; of several, one is returned.
pub(crate) fn together(tasks: Vec<Task<'_>>) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
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
}
