//! The clock, the peak of memory, and what is printed about them.

use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Result;

/// What some work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    took: Duration,
    processor: Option<Duration>,
}

/// Does the work and says what it took.
pub(crate) async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Cost)> {
    let before = processor();
    #[expect(clippy::disallowed_methods, reason = "the home of the clock in this program, which exists to read it")]
    let start = Instant::now();
    let done = work.await?;
    let took = start.elapsed();
    Ok((done, Cost { took, processor: processor().zip(before).map(|(after, before)| after - before) }))
}

/// Prints one measurement as a line of JSON.
pub(crate) fn report(cost: Cost, rows: usize) -> Result<()> {
    let processor = cost.processor.map(|time| time.as_secs_f64());
    let seconds = cost.took.as_secs_f64();
    let line = json!({ "seconds": seconds, "cpu_seconds": processor, "peak_bytes": peak(), "rows": rows });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// The processor time of all threads so far, as `/proc/self/stat` has it, in hundredths of a second; none where the
/// system does not tell.
fn processor() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets; user and system time are the 14th and 15th.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(Duration::from_millis(10 * (user + system)))
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
