//! Rows of entities in a file: JSON lines or CSV with a header, as texts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Map, Value};

use crate::failure::{Failure, Result};

/// Columns of texts by name; no text is null.
pub(crate) type Texts = BTreeMap<String, Vec<Option<String>>>;

/// Reads the rows of a file. Empty fields of a CSV are null; a row of JSON must have every key that the first
/// row has, and null where it has no value. All of it is held in memory.
///
/// # Errors
/// `local_file`, and `unreadable_rows` with the line.
pub(crate) fn read(path: &Path) -> Result<(Texts, usize)> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let open = || File::open(path).map_err(|e| Failure::file("read", path.display(), &e));
    match extension.as_deref() {
        Some("jsonl" | "ndjson" | "json") => json_lines(path, BufReader::new(open()?)),
        Some("csv") => csv(path, open()?),
        _ => Err(Failure::usage(
            format!("--file {}: the ending names no format", path.display()),
            "end it with .jsonl or .csv",
        )),
    }
}

fn unreadable(path: &Path, line: Option<usize>, reason: impl std::fmt::Display) -> Failure {
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    Failure::refused("unreadable_rows", format!("{}{place}: {reason}", path.display()), "")
}

fn json_lines(path: &Path, lines: impl BufRead) -> Result<(Texts, usize)> {
    let mut texts = Texts::new();
    let mut count = 0;
    for (index, line) in lines.lines().enumerate() {
        let bad = |reason: String| unreadable(path, Some(index + 1), reason);
        let line = line.map_err(|e| Failure::file("read", path.display(), &e))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: Map<String, Value> =
            serde_json::from_str(&line).map_err(|e| bad(format!("this is not a JSON object: {e}")))?;
        if count == 0 {
            texts = row.keys().map(|key| (key.clone(), Vec::new())).collect();
        }
        if let Some(key) = texts.keys().find(|key| !row.contains_key(*key)) {
            return Err(bad(format!("`{key}` is missing, which the first row has; write null for no value")));
        }
        for (key, value) in row {
            let column = texts.get_mut(&key).ok_or_else(|| bad(format!("`{key}` is not in the first row")))?;
            column.push(match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                Value::Array(_) | Value::Object(_) => {
                    return Err(bad(format!("`{key}` is neither a text nor a number")));
                }
            });
        }
        count += 1;
    }
    Ok((texts, count))
}

fn csv(path: &Path, mut file: File) -> Result<(Texts, usize)> {
    let bad = |error: arrow::error::ArrowError| unreadable(path, None, error);
    // Only the names are taken from this; every field stays a text until its type is known.
    let (header, _) = Format::default().with_header(true).infer_schema(file.by_ref(), Some(0)).map_err(bad)?;
    file.rewind().map_err(|e| Failure::file("read", path.display(), &e))?;
    let fields: Vec<_> = header.fields().iter().map(|f| Field::new(f.name(), DataType::Utf8, true)).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(fields))).with_header(true).build(file).map_err(bad)?;
    let mut columns: Vec<(String, Vec<Option<String>>)> =
        header.fields().iter().map(|f| (f.name().clone(), Vec::new())).collect();
    let mut count = 0;
    for batch in reader {
        let batch = batch.map_err(bad)?;
        count += batch.num_rows();
        for ((_, texts), array) in columns.iter_mut().zip(batch.columns()) {
            let strings = array.as_string::<i32>();
            // An empty field is null, as it is when it is ingested.
            let fields =
                (0..strings.len()).map(|i| (!strings.is_null(i)).then(|| strings.value(i)).filter(|s| !s.is_empty()));
            texts.extend(fields.map(|field| field.map(str::to_owned)));
        }
    }
    let width = columns.len();
    let texts: Texts = columns.into_iter().collect();
    if texts.len() < width {
        return Err(unreadable(path, Some(1), "two columns have the same name"));
    }
    Ok((texts, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = &'a [(&'a str, &'a [Option<&'a str>])];

    fn check(name: &str, text: &str, expected: Result<Expected<'_>, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        match (read(&path), expected) {
            (Ok((texts, _)), Ok(expected)) => {
                let expected: Texts = (expected.iter())
                    .map(|(key, texts)| ((*key).to_owned(), texts.iter().map(|t| t.map(str::to_owned)).collect()))
                    .collect();
                assert_eq!(texts, expected);
            }
            (Err(Failure::Refused(errors)), Err(expected)) => {
                assert!(errors[0].message.ends_with(expected), "{}", errors[0].message);
            }
            (read, expected) => panic!("{read:?} is not {expected:?}"),
        }
    }

    #[test]
    fn rows_come_from_json_lines_and_csv() {
        let expected: Expected<'_> = &[("a", &[Some("x"), None]), ("n", &[Some("1.5"), Some("2")])];
        check("r.jsonl", "{\"a\":\"x\",\"n\":1.5}\n\n{\"n\":2,\"a\":null}\n", Ok(expected));
        check("r.csv", "a,n\nx,1.5\n,2\n", Ok(expected));
    }

    #[test]
    fn what_is_not_rows_says_where() {
        check("r.jsonl", "{\"a\":1}\n[]\n", Err("invalid type: sequence, expected a map at line 1 column 0"));
        check(
            "r.jsonl",
            "{\"a\":1}\n{}\n",
            Err(":2: `a` is missing, which the first row has; write null for no value"),
        );
        check("r.jsonl", "{\"a\":1}\n{\"a\":1,\"b\":1}\n", Err(":2: `b` is not in the first row"));
        check("r.jsonl", "{\"a\":[1]}\n", Err(":1: `a` is neither a text nor a number"));
    }
}
