//! Rows, in the format that was asked for.

mod cell;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use asof_model::Error;
use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Column, Int64s, Strings};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;

pub(crate) use self::cell::{text, value};
use crate::failure::{Failure, Result};
use crate::literal::validity;
use crate::out::Out;
use crate::table::Table;

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned text, for people; its form may change.
    #[default]
    Table,
    /// One JSON document; stable.
    Json,
    /// With a header; null is nothing between the commas, the empty text is "".
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// One Parquet file.
    Parquet,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// Text, for people; its form may change.
    #[default]
    Table,
    /// One JSON document; stable.
    Json,
}

/// Prints rows: as a table and as JSON in the forms that the verb gives them, else as they are, page by page.
/// Every page has the same columns.
///
/// # Errors
/// Wrong usage for a binary format on a terminal.
pub(crate) fn print(
    out: &mut Out,
    format: Format,
    pages: &[Vec<Column>],
    table: impl FnOnce() -> Table,
    document: impl FnOnce() -> serde_json::Value,
) -> Result<()> {
    match format {
        Format::Table => table().print(out),
        Format::Json => out.json(&document()),
        Format::Csv => out.write(csv(pages).as_bytes()),
        Format::Arrow | Format::Parquet if out.is_terminal() => Err(Failure::usage(
            "this format is not text, and stdout is a terminal",
            "send it to a file: … > rows.parquet",
        )),
        Format::Arrow => {
            let batches = batches(pages)?;
            let mut writer = StreamWriter::try_new(Vec::new(), &schema(&batches)).map_err(Error::internal)?;
            batches.iter().try_for_each(|batch| writer.write(batch)).map_err(Error::internal)?;
            out.write(&writer.into_inner().map_err(Error::internal)?)
        }
        Format::Parquet => {
            let batches = batches(pages)?;
            let mut writer = ArrowWriter::try_new(Vec::new(), schema(&batches), None).map_err(Error::internal)?;
            batches.iter().try_for_each(|batch| writer.write(batch)).map_err(Error::internal)?;
            out.write(&writer.into_inner().map_err(Error::internal)?)
        }
    }
}

fn batches(pages: &[Vec<Column>]) -> Result<Vec<RecordBatch>, Error> {
    pages.iter().map(|page| asof_server::to_batch(page.clone(), usize::MAX)).collect()
}

fn schema(batches: &[RecordBatch]) -> SchemaRef {
    batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema)
}

/// How many rows columns have: as many as their longest.
pub(crate) fn count(columns: &[Column]) -> usize {
    columns.iter().map(cell::len).max().unwrap_or(0)
}

fn csv(pages: &[Vec<Column>]) -> String {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push('\n');
    };
    if let Some(page) = pages.first() {
        line(page.iter().map(|c| quoted(&c.name)).collect());
    }
    for page in pages {
        for row in 0..count(page) {
            line(page.iter().map(|c| cell::text(c, row).map(|t| quoted(&t)).unwrap_or_default()).collect());
        }
    }
    text
}

/// RFC 4180; the empty text is quoted to tell it from null.
fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A column of texts.
pub(crate) fn texts(name: &str, values: Vec<Option<String>>) -> Column {
    let validity = validity(&values);
    let values = Values::Strings(Strings { values: values.into_iter().map(Option::unwrap_or_default).collect() });
    Column { name: name.to_owned(), r#type: "VARCHAR".to_owned(), validity, values: Some(values) }
}

/// A column of numbers.
pub(crate) fn numbers(name: &str, values: Vec<Option<u64>>) -> Column {
    let number = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok());
    let values: Vec<_> = values.into_iter().map(number).collect();
    let validity = validity(&values);
    let values = Values::Int64s(Int64s { values: values.into_iter().map(Option::unwrap_or_default).collect() });
    Column { name: name.to_owned(), r#type: "BIGINT".to_owned(), validity, values: Some(values) }
}

/// A column of moments.
pub(crate) fn moments(name: &str, values: Vec<Option<i64>>) -> Column {
    let validity = validity(&values);
    let values = Values::Timestamps(Int64s { values: values.into_iter().map(Option::unwrap_or_default).collect() });
    Column { name: name.to_owned(), r#type: "TIMESTAMP".to_owned(), validity, values: Some(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_tells_null_from_the_empty_text() {
        let columns = vec![
            texts("a", vec![Some("x,\"y\"".into()), Some(String::new()), None]),
            numbers("n", vec![Some(1), None, Some(3)]),
            moments("t", vec![Some(0), None, None]),
        ];
        assert_eq!(csv(&[columns]), "a,n,t\n\"x,\"\"y\"\"\",1,1970-01-01T00:00:00Z\n\"\",,\n,3,\n");
    }
}
