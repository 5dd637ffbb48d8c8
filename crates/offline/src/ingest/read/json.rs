//! JSON lines: one object per line; its members are columns. A number, a truth value or a text is a value, an array a
//! list of such. Values are handed on as texts (an array as its JSON).
//!
//! A number with a fraction, or beyond 64 bits, is a DOUBLE, as JSON has it: a DECIMAL of more than 15 digits that must
//! be exact should be written as a text.

use std::fmt;
use std::io::{BufRead, BufReader, Read as _};

use asof_model::Result;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::{MAX_RECORD, Raw, Reader, Texts, file, row};
use crate::failure::of_file;
use crate::ingest::infer::Seen;
use crate::ingest::refusal::{Refusal, Row};
use crate::ingest::source::Piece;
use crate::ingest::survey::{Candidate, FileColumns};

/// The most bytes of text in a batch.
const BATCH_BYTES: usize = 4 << 20;

pub(super) fn survey(piece: &Piece) -> Result<FileColumns> {
    let mut lines = Lines::new(piece)?;
    let mut columns: Vec<(String, Seen)> = Vec::new();
    while let Some(Members(members)) = lines.next()? {
        for (at, (name, value)) in members.into_iter().enumerate() {
            // Members usually come in the same order.
            let found = match columns.get(at) {
                Some((there, _)) if *there == name => Some(at),
                _ => columns.iter().position(|(there, _)| *there == name),
            };
            let index = found.unwrap_or_else(|| {
                columns.push((name, Seen::default()));
                columns.len() - 1
            });
            columns[index].1.json(&value);
        }
    }
    let columns = columns.into_iter().map(|(name, seen)| (name, Candidate::Texts(seen))).collect();
    Ok(FileColumns { file: piece.shown.clone(), columns, rows: Some(lines.row) })
}

pub(super) fn open(piece: &Piece, columns: &FileColumns, batch: usize) -> Result<JsonReader> {
    let names: Vec<_> = columns.columns.iter().map(|(name, _)| name.clone()).collect();
    Ok(JsonReader { lines: Lines::new(piece)?, texts: Texts::new(names.len()), names, batch })
}

pub(super) struct JsonReader {
    lines: Lines,
    names: Vec<String>,
    texts: Texts,
    batch: usize,
}

impl Reader for JsonReader {
    fn next(&mut self) -> Result<Option<Raw>> {
        while self.texts.rows() < self.batch && self.texts.bytes() < BATCH_BYTES {
            let Some(Members(mut members)) = self.lines.next()? else { break };
            for (at, (name, column)) in self.names.iter().zip(&mut self.texts.columns).enumerate() {
                let found = match members.get(at) {
                    Some((there, _)) if there == name => Some(at),
                    _ => members.iter().position(|(there, _)| there == name),
                };
                let value = found.map_or(Value::Null, |index| members[index].1.take());
                match value {
                    Value::Null => column.append_null(),
                    Value::String(text) => column.append_value(text),
                    Value::Object(_) => {
                        let why = format!("column `{name}` is an object, and Asof keeps no nested objects");
                        return Err(Refusal::Malformed { at: self.lines.at(), why }.into());
                    }
                    other => column.append_value(other.to_string()),
                }
            }
            self.texts.lines.push(self.lines.line);
        }
        Ok(if self.texts.rows() == 0 { None } else { Some(self.texts.take()) })
    }
}

/// The lines of a file that are not blank.
struct Lines {
    input: BufReader<std::fs::File>,
    piece: Piece,
    bytes: Vec<u8>,
    row: u64,
    line: u64,
}

impl Lines {
    fn new(piece: &Piece) -> Result<Self> {
        let input = BufReader::with_capacity(1 << 16, file(piece)?);
        Ok(Lines { input, piece: piece.clone(), bytes: Vec::new(), row: 0, line: 0 })
    }

    fn at(&self) -> Row {
        row(&self.piece.shown, self.row, self.line)
    }

    fn next(&mut self) -> Result<Option<Members>> {
        loop {
            self.bytes.clear();
            let mut line = (&mut self.input).take(MAX_RECORD as u64 + 1);
            if line.read_until(b'\n', &mut self.bytes).map_err(of_file(&self.piece.path))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.line == 1 && self.bytes.starts_with(b"\xef\xbb\xbf") {
                self.bytes.drain(..3);
            }
            if self.bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.row += 1;
            if self.bytes.len() > MAX_RECORD {
                let why = "the line is longer than 16 MiB".to_owned();
                return Err(Refusal::Malformed { at: self.at(), why }.into());
            }
            let text =
                std::str::from_utf8(&self.bytes).map_err(|_| Refusal::NotUtf8 { at: self.at(), column: None })?;
            if self.row == 1 && text.trim_start().starts_with('[') {
                let why = "is a JSON array, not JSON lines; turn it into lines: jq -c '.[]'".to_owned();
                return Err(Refusal::Unreadable { file: self.piece.shown.clone(), why }.into());
            }
            return match serde_json::from_str(text) {
                Ok(members) => Ok(Some(members)),
                Err(error) => {
                    let why = format!("not a JSON object: {error}");
                    Err(Refusal::Malformed { at: self.at(), why: why.replace(" at line 1", " at") }.into())
                }
            };
        }
    }
}

/// The members of an object, in their order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.iter().any(|(there, _)| *there == name) {
                        return Err(A::Error::custom(format!("member `{name}` comes twice")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_read_to_the_last_bit() {
        let check = |literal: &str| {
            let Members(members) =
                serde_json::from_str(&format!(r#"{{"a": [7, {literal}], "b": {literal}}}"#)).unwrap();
            let exact: f64 = literal.parse().unwrap();
            assert_eq!(members[0].1[1].as_f64().unwrap().to_bits(), exact.to_bits(), "{literal}");
            assert_eq!(members[1].1.as_f64().unwrap().to_bits(), exact.to_bits(), "{literal}");
        };
        ["2.4000000000000004", "1.4000000000000001", "-0.0", "1e-310", "123456789012345678901", "0.1e+1"]
            .iter()
            .for_each(|literal| check(literal));
    }
}
