//! The clock, the peak of memory, and what is printed about them.

use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Result;

/// Does the work and says how long it took.
pub(crate) async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    #[expect(clippy::disallowed_methods, reason = "the home of the clock in this program, which exists to read it")]
    let start = Instant::now();
    let done = work.await?;
    Ok((done, start.elapsed()))
}

/// Prints one measurement as a line of JSON.
pub(crate) fn report(took: Duration, rows: usize) -> Result<()> {
    let line = json!({ "seconds": took.as_secs_f64(), "peak_bytes": peak(), "rows": rows });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Prints a line to stderr.
pub(crate) fn complain(line: &str) {
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The most memory this process ever had resident, in bytes; none where the system does not tell. `getrusage` would
/// also count what the parent had before the exec.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix("kB")?;
    Some(kilobytes.trim().parse::<u64>().ok()? * 1024)
}
