//! Amounts of memory, and the error of work that wants more than it may take.

use std::fmt;

use crate::error::{Error, Kind};

/// How the reason of an [`exhausted`] error begins where it is told by a limit of ours. Engines put words of their own
/// before it.
pub const NOT_ENOUGH: &str = "not enough memory: ";

/// An amount in bytes, as people read it: `512 B`, `1.5 MiB`, `64 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut unit = 0;
        let mut amount = self.0 as f64;
        while amount >= 1024.0 && unit + 1 < units.len() {
            amount /= 1024.0;
            unit += 1;
        }
        let digits = if amount.fract() == 0.0 || amount >= 100.0 { 0 } else { 1 };
        write!(f, "{amount:.digits$} {}", units[unit])
    }
}

/// The error of work that wants more memory than it may take. What others say before our own reason is left out.
pub fn exhausted(reason: &str) -> Error {
    let message = match reason.find(NOT_ENOUGH) {
        Some(ours) => reason[ours..].to_owned(),
        None => format!("{NOT_ENOUGH}{reason}"),
    };
    Error::new(Kind::Precondition, "out_of_memory", message).remedy(
        "raise memory in [offline] of asof.toml (or ASOF_OFFLINE_MEMORY), or ask for less at once: fewer rows, columns or \
         groups",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let check = |bytes: u64, expected: &str| assert_eq!(Bytes(bytes).to_string(), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1 << 20, "1 MiB");
        check(3 << 19, "1.5 MiB");
        check(1_000_000_000, "954 MiB");
        check(5 << 40, "5 TiB");
        check(1 << 60, "1048576 TiB");
    }

    #[test]
    fn what_others_say_before_our_reason_is_left_out() {
        let check = |reason: &str, expected: &str| {
            let error = exhausted(reason);
            assert_eq!((error.code(), error.message()), ("out_of_memory", expected));
        };
        check("not enough memory: so much", "not enough memory: so much");
        check("cannot sort: not enough memory: so much", "not enough memory: so much");
        check("a row is too wide", "not enough memory: a row is too wide");
    }
}
