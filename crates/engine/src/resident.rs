//! What offline work really takes of the machine's memory.
//!
//! The memory pool counts what operators reserve. Some functions and operators of the engine make values without reserving
//! anything: `array_agg(…) OVER`, `CUBE`, a cross join of long texts. So a thread looks at the process while offline work
//! runs, twenty times a second, and where the process has grown by far more than the limit, it tells the youngest work to
//! stop; a moment later the next one, if that was not enough. The work ends with `out_of_memory`; nothing else does.
//!
//! Far more is: by twice the limit and 512 MiB, for all that is rightly not counted (batches on their way, decoded pages,
//! caches, what the allocator keeps), but not by more than three quarters of the machine, if the limit is below that. How much
//! the process has grown is counted from when the first of the work that runs began.
//!
//! Costs two small reads of `/proc` per look, and nothing while no work runs. Where there is no `/proc`, nobody looks.
//! It cannot stop a single call that never comes to an end; those that can grow without bound are bounded where they
//! are called (`asof_query`).

use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use asof_model::memory::{Bytes, NOT_ENOUGH, exhausted};
use asof_model::{Error, Result};
use tokio::sync::oneshot;

/// How often the process is looked at.
const PACE: Duration = Duration::from_millis(50);
/// How many looks the stopped work has to give memory back, before the next one is stopped.
const PATIENCE: u32 = 10;
/// What a process takes beyond what is counted, in bytes, besides as much as the limit.
const UNCOUNTED: u64 = 512 << 20;

/// Looks at the memory of this process while there is work.
#[derive(Debug)]
pub(crate) struct Lookout(Arc<Shared>);

/// Some work that is looked after, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    number: u64,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    allowance: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The youngest last.
    works: Vec<(u64, oneshot::Sender<Error>)>,
    next: u64,
    /// What the process took when the first of these began.
    before: u64,
    closed: bool,
}

impl Lookout {
    /// For work that may take so many bytes.
    ///
    /// # Errors
    /// `internal` where no thread can be made.
    pub(crate) fn new(limit: u64) -> Result<Self> {
        let generous = limit.saturating_mul(2).saturating_add(UNCOUNTED);
        let allowance = machine().map_or(generous, |machine| generous.min((machine / 4 * 3).max(limit)));
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { limit, allowance, state, changed });
        if resident().is_some() {
            let looking = Arc::clone(&shared);
            let thread = thread::Builder::new().name("asof-lookout".to_owned());
            thread.spawn(move || looking.look()).map_err(Error::internal)?;
        }
        Ok(Lookout(shared))
    }

    /// Looks after some work from now on. Its end may come early: then the receiver says why.
    pub(crate) fn watch(&self) -> (Watched, oneshot::Receiver<Error>) {
        let (tell, told) = oneshot::channel();
        let mut state = self.0.state();
        if state.works.is_empty() {
            state.before = resident().unwrap_or_default();
        }
        let number = state.next;
        state.next += 1;
        state.works.push((number, tell));
        self.0.changed.notify_one();
        (Watched { number, shared: Arc::clone(&self.0) }, told)
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.state().works.retain(|(number, _)| *number != self.number);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let mut patience = 0;
        let mut state = self.state();
        while !state.closed {
            if state.works.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state = self.changed.wait_timeout(state, PACE).unwrap_or_else(PoisonError::into_inner).0;
            patience = u32::saturating_sub(patience, 1);
            let grown = resident().unwrap_or_default().saturating_sub(state.before);
            if grown > self.allowance && patience == 0 {
                if let Some((_, tell)) = state.works.pop() {
                    // Nobody hears it where the work has just ended.
                    let _ = tell.send(self.too_much(grown));
                }
                patience = PATIENCE;
            }
        }
    }

    fn too_much(&self, grown: u64) -> Error {
        let (limit, grown) = (Bytes(self.limit), Bytes(grown));
        exhausted(&format!(
            "{NOT_ENOUGH}offline work may take {limit} of memory, and the process has grown by {grown}, most of which no \
             operator has accounted for; the work was stopped before the machine ran out"
        ))
        .remedy(
            "look for array_agg(…) OVER, CUBE, a cross join and functions that make long texts or lists in the definitions; \
             or raise memory in [offline] of asof.toml (or ASOF_OFFLINE_MEMORY)",
        )
    }
}

/// What this process holds of memory that is not a file's, in bytes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "RssAnon:").or_else(|| kibibytes(&status, "VmRSS:"))
}

/// What the machine, or the container, has.
fn machine() -> Option<u64> {
    let all = kibibytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(container.map_or(all, |container: u64| all.min(container)))
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_system_writes_them() {
        assert_eq!(kibibytes("VmRSS:\t    2048 kB\nRssAnon:\t 1024 kB\n", "RssAnon:"), Some(1 << 20));
        assert_eq!(kibibytes("VmRSS: 1 kB", "RssAnon:"), None);
        if cfg!(target_os = "linux") {
            assert!(resident().unwrap() > 0 && machine().unwrap() > resident().unwrap());
        }
    }

    #[tokio::test]
    async fn the_youngest_is_stopped_first_and_only_what_has_grown() {
        // Nothing is allowed, so whatever is taken from here on is too much.
        let shared = Shared { limit: 0, allowance: 0, state: Mutex::default(), changed: Condvar::new() };
        let lookout = Lookout(Arc::new(shared));
        let (_old, mut old_told) = lookout.watch();
        let (young, young_told) = lookout.watch();
        let looking = Arc::clone(&lookout.0);
        let thread = thread::spawn(move || looking.look());
        let taken = vec![1_u8; 64 << 20];
        let error = young_told.await.unwrap();
        assert_eq!(error.code(), "out_of_memory");
        assert!(old_told.try_recv().is_err(), "there is still patience");
        drop(young);
        assert_eq!(old_told.await.unwrap().code(), "out_of_memory");
        drop((taken, lookout));
        thread.join().unwrap();
    }
}
