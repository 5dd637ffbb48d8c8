//! Why a file is not let in. Each refusal names the file, the place in it and the value, so that it can be mended.

use std::fmt;

use arrow::datatypes::DataType;
use asof_model::schema::sql_type;
use asof_model::{Error, ErrorKind};

/// A row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The file; a member of an archive as `archive.zip/member.csv`.
    pub(crate) file: String,
    /// The data row, from 1.
    pub(crate) row: u64,
    /// Its line in a text file, from 1.
    pub(crate) line: Option<u64>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: row {}", self.file, self.row)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// Why a file is not let in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{at}, column `{column}`: {value} is not a {}", sql_type(to))]
    NotA { at: Row, column: String, value: String, to: DataType },
    #[error("{at}: no timestamp (column `{column}` is null)")]
    NoTimestamp { at: Row, column: String },
    #[error("{at}, column `{column}`: null, and the column is NOT NULL")]
    Null { at: Row, column: String },
    #[error("{at}: check `{check}` failed: {condition} ({values})")]
    Check { at: Row, check: String, condition: String, values: String },
    #[error("{at}: {found} fields, and the header has {expected}")]
    Fields { at: Row, found: usize, expected: usize },
    #[error("{at}{}: not valid UTF-8", column.as_ref().map(|c| format!(", column `{c}`")).unwrap_or_default())]
    NotUtf8 { at: Row, column: Option<String> },
    #[error("{at}: {why}")]
    Malformed { at: Row, why: String },
    #[error("{file}: {why}")]
    Unreadable { file: String, why: String },
    #[error("{file}: column `{column}` is {found}, and the dataset keeps {}", sql_type(kept))]
    WrongType { file: String, column: String, found: String, kept: DataType },
    #[error("{file}: column `{column}` has the type {found}, which Asof does not keep")]
    UnsupportedType { file: String, column: String, found: String },
    #[error("{file}: no column `{column}`, {why}")]
    MissingColumn { file: String, column: String, why: &'static str },
    #[error("{file}: column `{column}` is not declared")]
    Undeclared { file: String, column: String, nearest: Option<String> },
    #[error("{file}: column `{column}` {why}")]
    ColumnName { file: String, column: String, why: &'static str },
    #[error("{0}")]
    Schema(String),
    #[error("{0}")]
    Set(String),
    #[error("check `{check}`: {why}")]
    BadCheck { check: String, why: String },
    #[error("{file}: the format is not recognised")]
    UnknownFormat { file: String },
    #[error("{file}: changed while it was read")]
    Changed { file: String },
    #[error("{files}: no rows, so the types of the columns cannot be told")]
    NothingToInfer { files: String },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let message = refusal.to_string();
        let invalid = |code| Error::new(ErrorKind::Invalid, code, message.clone());
        match &refusal {
            Refusal::NotA { .. } => {
                invalid("bad_value").remedy("correct it in the file, or say which texts mean null: --null TEXT")
            }
            Refusal::NoTimestamp { .. } => invalid("null_timestamp").remedy("every row needs the time when it happened"),
            Refusal::Null { .. } => invalid("null_value"),
            Refusal::Check { .. } => invalid("check_failed"),
            Refusal::Fields { .. } => invalid("bad_row").remedy("is a quote missing around a field with a comma?"),
            Refusal::NotUtf8 { .. } => invalid("not_utf8").remedy("convert the file: iconv -f latin1 -t utf-8"),
            Refusal::Malformed { .. } => invalid("bad_row"),
            Refusal::Unreadable { .. } => invalid("unreadable_file"),
            Refusal::WrongType { .. } => {
                invalid("wrong_type").remedy("only conversions that lose nothing are made; cast it in the file")
            }
            Refusal::UnsupportedType { .. } => invalid("unsupported_type").remedy(
                "cast it to BOOLEAN, an integer, REAL, DOUBLE, DECIMAL, VARCHAR, BINARY, DATE, TIMESTAMP or an array of one of these",
            ),
            Refusal::MissingColumn { column, .. } => {
                invalid("missing_column").remedy(format!("add it to the file, or give one value for all rows: --set {column}=VALUE"))
            }
            Refusal::Undeclared { column, nearest, .. } => invalid("undeclared_column").remedy(match nearest {
                Some(near) => format!("did you mean `{near}`? Otherwise declare `{column}` in the dataset, or leave it out of the file"),
                None => format!("declare `{column}` in the dataset, or leave it out of the file"),
            }),
            Refusal::ColumnName { .. } => invalid("bad_column_name"),
            Refusal::Schema(_) => invalid("schema_mismatch"),
            Refusal::Set(_) => invalid("bad_set"),
            Refusal::BadCheck { .. } => invalid("bad_check"),
            Refusal::UnknownFormat { .. } => invalid("unknown_format")
                .remedy("name the file .parquet, .csv, .jsonl or .arrow (each may end in .gz or lie in a .zip), or say --format"),
            Refusal::Changed { .. } => Error::new(ErrorKind::Unavailable, "file_changed", message.clone())
                .remedy("wait until nobody writes to the file, then ingest it again"),
            Refusal::NothingToInfer { .. } => invalid("nothing_to_infer").remedy("declare the columns of the dataset"),
        }
    }
}

/// A value as messages show it: quoted, and cut after 60 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(60).collect();
    if chars.next().is_some() { format!("{:?}", start + "…") } else { format!("{start:?}") }
}
