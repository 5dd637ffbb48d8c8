//! How far a long piece of work has come.

/// Told about progress; called at most a few times per thousand rows, from any thread.
pub trait Progress: Send + Sync {
    /// `done` of `total` (if known) units of a stage: `hashing` and `checking` count bytes, all others rows. Within a
    /// stage `done` never shrinks, nor does it pass `total`.
    fn advance(&self, stage: &str, done: u64, total: Option<u64>);
}

/// Nobody is watching.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn advance(&self, _: &str, _: u64, _: Option<u64>) {}
}
