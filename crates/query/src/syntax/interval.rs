//! Lengths of time as users write them: `INTERVAL '1 day 12 hours'`. Only fixed lengths, since a TTL must mean
//! the same at every moment.

use asof_model::Micros;
use asof_model::time::{DAY, SECOND};
use datafusion::sql::sqlparser::ast::{Expr, Interval, Value};

use super::cursor::{Cursor, Result};
use super::problem::Problem;
use crate::fault::At;

/// Units from the longest, each with its usual spellings and its length in microseconds.
const UNITS: [(&str, &[&str], i64); 7] = [
    ("week", &["weeks", "w"], 7 * DAY),
    ("day", &["days", "d"], DAY),
    ("hour", &["hours", "h"], 3_600 * SECOND),
    ("minute", &["minutes", "min", "mins", "m"], 60 * SECOND),
    ("second", &["seconds", "sec", "secs", "s"], SECOND),
    ("millisecond", &["milliseconds", "ms"], 1_000),
    ("microsecond", &["microseconds", "us"], 1),
];

/// `INTERVAL '…' [UNIT]`, longer than zero.
pub(crate) fn interval(cursor: &mut Cursor) -> Result<Micros> {
    cursor.expect("INTERVAL")?;
    let start = cursor.here();
    let mut text = cursor.string("a length such as '3 hours'")?;
    if let Some(unit) = cursor.word().filter(|w| length(w).is_some()).map(str::to_owned) {
        cursor.take(&unit);
        text = format!("{text} {unit}");
    }
    parse(&text).map_err(|reason| Problem::InvalidInterval(reason).at(start.union(&cursor.behind())))
}

/// The length of an interval within an expression.
pub(crate) fn of(written: &Interval) -> std::result::Result<Micros, String> {
    let unreadable = || Err(format!("{written} is not a length of time"));
    let Interval { value, leading_field, leading_precision: None, last_field: None, .. } = written else {
        return unreadable();
    };
    match value.as_ref() {
        Expr::Value(value) => match (&value.value, leading_field) {
            (Value::SingleQuotedString(text), None) => parse(text),
            (Value::SingleQuotedString(count) | Value::Number(count, _), Some(unit)) => {
                parse(&format!("{count} {unit}"))
            }
            _ => unreadable(),
        },
        _ => unreadable(),
    }
}

fn parse(text: &str) -> std::result::Result<Micros, String> {
    // `3hours` is `3 hours`.
    let mut spaced = String::with_capacity(text.len() + 4);
    let mut digit = false;
    for letter in text.to_ascii_lowercase().chars() {
        if digit && letter.is_ascii_alphabetic() {
            spaced.push(' ');
        }
        digit = letter.is_ascii_digit();
        spaced.push(letter);
    }
    let words: Vec<_> = spaced.split_whitespace().collect();
    if words.is_empty() || words.len() % 2 != 0 {
        return Err(format!("'{text}' is not a length of time"));
    }
    let mut total = 0i64;
    for pair in words.chunks(2) {
        let count: i64 = pair[0].parse().map_err(|_| format!("'{}' is not a whole number", pair[0]))?;
        if pair[1].starts_with("month") || pair[1].starts_with("year") || pair[1].starts_with("quarter") {
            return Err(format!("a {} has no fixed length", pair[1].trim_end_matches('s')));
        }
        let length = length(pair[1]).ok_or_else(|| format!("'{}' is not a unit of time", pair[1]))?;
        let part = count.checked_mul(length).ok_or_else(|| format!("'{text}' is too long"))?;
        total = total.checked_add(part).ok_or_else(|| format!("'{text}' is too long"))?;
    }
    if total <= 0 { Err(format!("'{text}' is not longer than zero")) } else { Ok(Micros(total)) }
}

fn length(unit: &str) -> Option<i64> {
    UNITS.iter().find(|(name, others, _)| *name == unit || others.contains(&unit)).map(|(_, _, length)| *length)
}

/// A length as people write it, in the longest unit that divides it: `36 hours`.
pub(crate) fn show(length: Micros) -> String {
    let (name, _, unit) = (UNITS.iter().skip(1).find(|(_, _, unit)| length.0 % unit == 0)).unwrap_or(&UNITS[6]);
    let count = length.0 / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let check = |text: &str, expected: i64| assert_eq!(parse(text), Ok(Micros(expected)), "{text}");
        check("3 hours", 3 * 3_600 * SECOND);
        check("1 day 12 hours", 36 * 3_600 * SECOND);
        check("2 WEEKS", 14 * DAY);
        check("90min", 90 * 60 * SECOND);
        check("1 microsecond", 1);
    }

    #[test]
    fn what_has_no_fixed_positive_length_is_refused() {
        let check = |text: &str, reason: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        };
        check("1 month", "a month has no fixed length");
        check("2 years", "a year has no fixed length");
        check("0 hours", "not longer than zero");
        check("-1 hours", "not longer than zero");
        check("1.5 hours", "not a whole number");
        check("3 parsecs", "not a unit of time");
        check("3", "not a length of time");
        check("", "not a length of time");
        check("99999999999999 weeks", "too long");
    }

    #[test]
    fn lengths_are_shown_in_the_longest_unit() {
        let check = |micros: i64, expected: &str| assert_eq!(show(Micros(micros)), expected);
        check(36 * 3_600 * SECOND, "36 hours");
        check(DAY, "1 day");
        check(14 * DAY, "14 days");
        check(1, "1 microsecond");
    }
}
