//! Moments and durations as people and programs read them.

use std::time::Duration;

use asof_model::Micros;

/// RFC 3339, UTC.
pub(crate) fn moment(micros: i64) -> String {
    Micros(micros).to_string()
}

/// How long something took, to three digits: `12 ms`, `1.25 s`, `3 min 20 s`.
pub(crate) fn took(from: i64, to: i64) -> String {
    let micros = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
    let took = Duration::from_micros(micros);
    match took.as_secs() {
        0 => format!("{} ms", took.as_millis()),
        s @ 1..60 => format!("{s}.{:02} s", took.subsec_millis() / 10),
        s => format!("{} min {} s", s / 60, s % 60),
    }
}

/// A length of time in whole units, the largest first: `1 day 12 hours`.
pub(crate) fn span(micros: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (86_400_000_000, "day"),
        (3_600_000_000, "hour"),
        (60_000_000, "minute"),
        (1_000_000, "second"),
        (1_000, "millisecond"),
        (1, "microsecond"),
    ];
    let mut rest = micros;
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_whole_units() {
        let check = |micros: u64, expected: &str| assert_eq!(span(micros), expected);
        check(10_800_000_000, "3 hours");
        check(129_600_000_000, "1 day 12 hours");
        check(1_000_001, "1 second 1 microsecond");
        check(0, "0 seconds");
    }

    #[test]
    fn what_took_long_is_told_shortly() {
        let check = |micros: i64, expected: &str| assert_eq!(took(0, micros), expected);
        check(12_345, "12 ms");
        check(1_256_000, "1.25 s");
        check(200_000_000, "3 min 20 s");
        check(-5, "0 ms");
    }
}
