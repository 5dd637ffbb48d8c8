//! Moments and durations: UTC microseconds since the Unix epoch.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(moment) => f.write_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Micros {
    type Err = Error;

    /// RFC 3339, `2013-12-31 18:00[:00[.5]]` (taken as UTC) or a bare date (its midnight). Finer than
    /// a microsecond is floored.
    ///
    /// # Errors
    /// `invalid_time` for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Micros(moment.timestamp_micros()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
            if let Ok(moment) = NaiveDateTime::parse_from_str(text, format) {
                return Ok(Micros(moment.and_utc().timestamp_micros()));
            }
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Micros(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()));
        }
        Err(Error::new(Kind::Invalid, "invalid_time", format!("`{text}` is not a time"))
            .remedy("write it as 2013-12-31T18:00:00Z, 2013-12-31 18:00 (taken as UTC) or 2013-12-31"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let check = |text: &str, micros: i64| assert_eq!(text.parse::<Micros>(), Ok(Micros(micros)), "{text}");
        check("1970-01-01T00:00:01Z", SECOND);
        check("1970-01-01T01:00:00+01:00", 0);
        check("1970-01-01 00:01", 60 * SECOND);
        check("1970-01-02", DAY);
        check("1969-12-31T23:59:59.9999999Z", -1);
        assert!("yesterday".parse::<Micros>().is_err());
        assert_eq!(Micros(1_500_000).to_string(), "1970-01-01T00:00:01.500Z");
    }
}
