//! SIGINT and SIGTERM.

use asof_model::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Result;

/// Resolves when the process is told to stop.
///
/// From the first call on, the signals no longer end the process by themselves.
pub(crate) fn stop() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
