//! The clock of this program, which exists to read it.

use std::time::{Duration, Instant, SystemTime};

/// Now.
#[expect(clippy::disallowed_methods, reason = "the home of the clock in this program")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the home of the clock in this program")]
pub(crate) fn since_epoch() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Waits on this thread until a moment, within some tens of microseconds, which is what a timer of the system can do; tokio's
/// counts milliseconds.
#[expect(clippy::disallowed_methods, reason = "a load at a fixed rate is paced by time and nothing else")]
pub(crate) fn wait_until(moment: Instant) {
    let left = moment.saturating_duration_since(now());
    if left > Duration::ZERO {
        std::thread::sleep(left);
    }
}
