//! A stack that is deep enough.
//!
//! Reading, binding and planning recurse as deep as a text nests. The text is bounded, but a level can cost tens of
//! kilobytes, and whose thread calls is not ours to say: so that work is done on a thread with a stack for
//! the deepest text that is let in. It costs one short-lived thread per call, some fifty microseconds.

use asof_model::{Error, Result};

/// In bytes; only what is touched takes memory.
const STACK: usize = 64 << 20;

/// Does some work on a deep stack, and waits for it.
///
/// # Errors
/// `internal` when the machine gives no thread.
pub(crate) fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("asof-query".to_owned()).stack_size(STACK);
        let worker = builder.spawn_scoped(scope, work).map_err(Error::internal)?;
        worker.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}
