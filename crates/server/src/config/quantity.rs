//! Sizes and times as people write them.

use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{self, Visitor};

const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000)];

/// Bytes: a whole number, or a text such as `512MiB`.
pub(super) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let what = "a size such as 16777216 or \"16MiB\"";
    let bytes = from.deserialize_any(Quantity { units: &SIZES, base: 1, least: 1, what })?;
    usize::try_from(bytes).map_err(de::Error::custom)
}

/// The same, or 0 for none.
pub(super) fn size_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let what = "a size such as 16777216 or \"16MiB\", or 0 for none";
    let bytes = from.deserialize_any(Quantity { units: &SIZES, base: 1, least: 0, what })?;
    usize::try_from(bytes).map_err(de::Error::custom)
}

/// Time: whole seconds, or a text such as `30s`.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let what = "a time such as 30 or \"30s\"";
    from.deserialize_any(Quantity { units: &TIMES, base: 1_000, least: 1, what }).map(Duration::from_millis)
}

struct Quantity {
    units: &'static [(&'static str, u64)],
    /// What a number without a unit counts.
    base: u64,
    /// The least that is accepted.
    least: u64,
    what: &'static str,
}

impl Visitor<'_> for Quantity {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        let counted = number.checked_mul(self.base).filter(|n| *n >= self.least);
        counted.ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" => Some(self.base),
            unit => self.units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor),
        };
        let counted = number
            .parse()
            .ok()
            .zip(factor)
            .and_then(|(n, f): (u64, u64)| n.checked_mul(f))
            .filter(|n| *n >= self.least);
        counted.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        let text = |text| -> StrDeserializer<'_, Error> { IntoDeserializer::into_deserializer(text) };
        for (written, bytes) in [("16MiB", 16 << 20), ("2 gib", 2 << 30), ("1000", 1000), ("3KB", 3000)] {
            assert_eq!(size(text(written)), Ok(bytes), "{written}");
        }
        for (written, millis) in [("30s", 30_000), ("250ms", 250), ("2 min", 120_000), ("5", 5_000)] {
            assert_eq!(duration(text(written)), Ok(Duration::from_millis(millis)), "{written}");
        }
        for bad in ["", "MiB", "16 Mib/s", "-1", "1.5GiB", "0", "99999999999GiB"] {
            assert!(size(text(bad)).is_err(), "{bad}");
            assert_eq!(size_or_none(text(bad)).ok(), (bad == "0").then_some(0), "{bad}");
        }
    }
}
