//! The one home of "now": everything else is handed a [`Clock`].

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Micros;

/// Tells the moment.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now, in UTC microseconds.
    fn now(&self) -> Micros;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the one home of the ambient clock")]
    fn now(&self) -> Micros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Micros(match since {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        })
    }
}

/// A clock that stands still: for tests.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub Micros);

impl Clock for Fixed {
    fn now(&self) -> Micros {
        self.0
    }
}
