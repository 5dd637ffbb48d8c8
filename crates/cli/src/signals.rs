//! SIGINT and SIGTERM: a verb that is told to stop ends at once, and leaves nothing behind.

use asof_model::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Result;

/// What told the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A service manager, or `kill`.
    Terminate,
}

impl Signal {
    /// The exit code that shells give a process that a signal ended: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }
}

/// Resolves when the process is told to stop.
///
/// From the first call on, the signals no longer end the process by themselves.
pub(crate) fn stop() -> Result<impl Future<Output = Signal>> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    })
}
