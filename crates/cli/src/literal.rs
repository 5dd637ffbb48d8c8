//! Text as a value of a declared type: how `distance=1400` becomes a DOUBLE.

use arrow::datatypes::DataType;
use asof_model::Micros;
use asof_model::schema::{parse_sql_type, sql_type};
use asof_proto::column::v1 as wire;
use asof_proto::column::v1::column::Values;
use chrono::NaiveDate;

/// A column of texts as a column of values of the type that SQL calls `declared`; no text is null.
///
/// # Errors
/// The row, from 0, and the reason, for the first text that is not of the type.
pub(crate) fn column(name: &str, declared: &str, texts: &[Option<String>]) -> Result<wire::Column, (usize, String)> {
    let values = match parse_sql_type(declared) {
        Some(DataType::Boolean) => Values::Bools(wire::Bools { values: each(texts, boolean)? }),
        Some(t @ (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)) => {
            Values::Int64s(wire::Int64s { values: each(texts, |text| integer(text, &t))? })
        }
        Some(DataType::Float32) => {
            Values::Floats(wire::Floats { values: each(texts, |t| t.trim().parse().map_err(|_| wrong(t, "REAL")))? })
        }
        Some(DataType::Float64) => Values::Doubles(wire::Doubles {
            values: each(texts, |t| t.trim().parse().map_err(|_| wrong(t, "DOUBLE")))?,
        }),
        Some(DataType::Utf8) => Values::Strings(wire::Strings { values: each(texts, |t| Ok(t.to_owned()))? }),
        Some(DataType::Binary) => Values::Binaries(wire::Binaries { values: each(texts, hexadecimal)? }),
        Some(DataType::Date32) => Values::Dates(wire::Int32s { values: each(texts, date)? }),
        Some(DataType::Timestamp(_, _)) => Values::Timestamps(wire::Int64s {
            values: each(texts, |t| t.parse::<Micros>().map(|m| m.0).map_err(|_| wrong(t, "TIMESTAMP")))?,
        }),
        Some(DataType::Decimal128(_, _)) => Values::Decimals(wire::Strings { values: each(texts, decimal)? }),
        _ => return Err((0, format!("a value of the type {declared} cannot be written on the command line"))),
    };
    Ok(wire::Column {
        name: name.to_owned(),
        r#type: declared.to_owned(),
        validity: validity(texts),
        values: Some(values),
    })
}

/// One bit per row, lowest first, set where there is a value; empty where there is one everywhere.
pub(crate) fn validity<T>(values: &[Option<T>]) -> Vec<u8> {
    if values.iter().all(Option::is_some) {
        return Vec::new();
    }
    let bytes = values
        .chunks(8)
        .map(|eight| eight.iter().enumerate().fold(0, |byte, (bit, value)| byte | (u8::from(value.is_some()) << bit)));
    bytes.collect()
}

fn each<T: Default>(
    texts: &[Option<String>],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, (usize, String)> {
    let values = texts.iter().enumerate().map(|(row, text)| match text {
        Some(text) => read(text).map_err(|reason| (row, reason)),
        None => Ok(T::default()),
    });
    values.collect()
}

fn wrong(text: &str, sql: &str) -> String {
    match text {
        "" => format!("nothing is not a {sql}"),
        text => format!("`{text}` is not a {sql}"),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "1" => Ok(true),
        "false" | "f" | "no" | "0" => Ok(false),
        _ => Err(format!("{}: write true or false", wrong(text, "BOOLEAN"))),
    }
}

fn integer(text: &str, data_type: &DataType) -> Result<i64, String> {
    let sql = sql_type(data_type);
    let number: i64 = text.trim().parse().map_err(|_| wrong(text, &sql))?;
    let fits = match data_type {
        DataType::Int8 => i8::try_from(number).is_ok(),
        DataType::Int16 => i16::try_from(number).is_ok(),
        DataType::Int32 => i32::try_from(number).is_ok(),
        _ => true,
    };
    if fits { Ok(number) } else { Err(format!("`{text}` is out of the range of {sql}")) }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("{}: write its bytes in hexadecimal, as 0a1f", wrong(text, "BINARY"));
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0).ok_or_else(bad)?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

fn date(text: &str) -> Result<i32, String> {
    let date = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d")
        .map_err(|_| format!("{}: write it as 2013-12-31", wrong(text, "DATE")))?;
    let days = (date - NaiveDate::default()).num_days();
    i32::try_from(days).map_err(|_| wrong(text, "DATE"))
}

fn decimal(text: &str) -> Result<String, String> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if numeric(whole) && numeric(fraction) && !(whole.is_empty() && fraction.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err(wrong(text, "DECIMAL"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: &str, text: &str, expected: Result<Values, &str>) {
        let read = column("c", declared, &[Some(text.to_owned())]);
        let read = read.map(|c| c.values.unwrap()).map_err(|(_, reason)| reason);
        assert_eq!(read, expected.map_err(str::to_owned), "{declared} {text}");
    }

    #[test]
    fn texts_become_values_of_the_declared_type() {
        check("BIGINT", "42", Ok(Values::Int64s(wire::Int64s { values: vec![42] })));
        check("DOUBLE", "1400", Ok(Values::Doubles(wire::Doubles { values: vec![1400.0] })));
        check("VARCHAR", "", Ok(Values::Strings(wire::Strings { values: vec![String::new()] })));
        check("BOOLEAN", "True", Ok(Values::Bools(wire::Bools { values: vec![true] })));
        check("DATE", "1970-01-02", Ok(Values::Dates(wire::Int32s { values: vec![1] })));
        check("TIMESTAMP", "1970-01-01 00:00:01", Ok(Values::Timestamps(wire::Int64s { values: vec![1_000_000] })));
        check("BINARY", "0aFF", Ok(Values::Binaries(wire::Binaries { values: vec![vec![10, 255]] })));
        check("DECIMAL(10,2)", "-1.50", Ok(Values::Decimals(wire::Strings { values: vec!["-1.50".into()] })));
    }

    #[test]
    fn texts_of_another_type_say_so() {
        check("DOUBLE", "abc", Err("`abc` is not a DOUBLE"));
        check("BIGINT", "1.5", Err("`1.5` is not a BIGINT"));
        check("INT", "4000000000", Err("`4000000000` is out of the range of INT"));
        check("BIGINT", "", Err("nothing is not a BIGINT"));
        check("BOOLEAN", "2", Err("`2` is not a BOOLEAN: write true or false"));
        check("DATE", "31.12.2013", Err("`31.12.2013` is not a DATE: write it as 2013-12-31"));
        check("BINARY", "abc", Err("`abc` is not a BINARY: write its bytes in hexadecimal, as 0a1f"));
        check("DECIMAL", ".", Err("`.` is not a DECIMAL"));
        check("DOUBLE[]", "1", Err("a value of the type DOUBLE[] cannot be written on the command line"));
    }

    #[test]
    fn nulls_are_bits_that_are_not_set() {
        let texts: Vec<_> = (0..9).map(|i| (i % 2 == 0).then(|| i.to_string())).collect();
        assert_eq!(column("c", "INT", &texts).unwrap().validity, [0b0101_0101, 1]);
        assert!(column("c", "INT", &texts[..1]).unwrap().validity.is_empty());
    }
}
